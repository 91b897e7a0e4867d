//go:build linux

package host_test

import (
	"cmp"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// A flow is one process that sends a byte every few milliseconds and counts what
// comes back.
type flow struct {
	in      int    // the process whose namespaces it runs in
	user    string // who it is: root, if empty
	program string // what it runs: this test, if empty
	name    string // what it calls itself
	target  string // "network address"
	every   string // the interval: 20 ms, if empty
	once    bool   // not to connect again
	service bool   // in the cgroup of the agent's service, where the world has one
}

// Flows by their names.
type flows map[string]flow

// begins starts flows.
func (w *world) begins(all flows) {
	w.t.Helper()
	for name, f := range all {
		again := "again"
		if f.once {
			again = "once"
		}
		args := []string{"talk", f.target, w.file(name), cmp.Or(f.every, "20ms"), again, f.name}
		if f.service && w.service != "" {
			args = append([]string{"-c", "echo $$ >" + w.service + `/cgroup.procs; exec "$0" "$@"`, cmp.Or(f.program, self(w.t))}, args...)
			f.program = "/bin/sh"
		}
		w.begin(f.in, cmp.Or(f.user, "0"), f.program, args...)
	}
}

// patience is far above what the start of a process takes, or the next packet of a flow
// that was cut for as long as a script runs: only what hangs takes longer.
const patience = 30 * time.Second

// pass waits until all flows get answers.
func (w *world) pass(when string, all ...flows) {
	w.t.Helper()
	before := map[string]counter{}
	for _, some := range all {
		for name := range some {
			before[name] = w.seen(name)
		}
	}
	for end := time.Now().Add(patience); len(before) > 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		maps.DeleteFunc(before, func(name string, c counter) bool { return w.seen(name).bytes > c.bytes })
	}
	for name := range before {
		w.t.Errorf("%s: %s gets no answer", when, name)
	}
}

// isolated checks for a while that what must end gets no answer and that no packet of
// it comes to the peer, since the last look, and that the rest goes on.
func (w *world) isolated(when string, ends, goesOn flows) {
	w.t.Helper()
	before := map[string]counter{}
	for name := range ends {
		before[name] = w.seen(name)
	}
	w.pass(when, goesOn)
	time.Sleep(300 * time.Millisecond)
	for name := range ends {
		if now := w.seen(name); now.bytes != before[name].bytes {
			w.t.Errorf("%s: %s goes on: %d answers", when, name, now.bytes-before[name].bytes)
		}
	}
	if n := w.leaked(); n != 0 {
		w.t.Errorf("%s: %d packets came to the peer", when, n)
	}
}

// connections is how often each flow connected.
func (w *world) connections(all flows) map[string]uint64 {
	n := map[string]uint64{}
	for name := range all {
		n[name] = w.seen(name).connections
	}
	return n
}

// listeners are the ports that something on the host listens at.
func (w *world) listeners() string {
	return w.sh(w.host, "cat /proc/net/tcp /proc/net/tcp6 | grep -E ' 0{8,32}:0000 0A ' | cut -d ' ' -f 5,6 | sort")
}

func (w *world) file(name string) string { return filepath.Join(w.dir, name) }

// seen is how far a flow has come.
func (w *world) seen(name string) counter {
	b, err := os.ReadFile(w.file(name))
	if err != nil || len(b) != 16 {
		return counter{}
	}
	return counter{bytes: binary.LittleEndian.Uint64(b), connections: binary.LittleEndian.Uint64(b[8:])}
}

// leaked is how many packets that nothing allows have come to the peer since the
// last call.
func (w *world) leaked() int {
	w.t.Helper()
	text := w.sh(w.peer, "nft reset counter inet count others")
	m := regexp.MustCompile(`packets (\d+)`).FindStringSubmatch(text)
	if m == nil {
		w.t.Fatalf("no counter in %q", text)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}
