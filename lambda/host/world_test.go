//go:build linux

package host_test

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tourniquet/lambda/host"
)

// The addresses of the worlds. They exist in network namespaces only.
const (
	peer4      = "198.51.100.7"
	peer6      = "2001:db8:1::7"
	host4      = "198.51.100.10"
	host6      = "2001:db8:1::10"
	container4 = "192.0.2.2"
	nobody     = "65534"
	agentFile  = "/usr/bin/ssm-agent-worker"
)

// A world is a host with a container, and a peer of both, each in a network
// namespace of its own. The host has a mount namespace too, so that the machine's
// tools can be taken away from it, and a process namespace, which ends everything
// that runs in it together with its first process.
type world struct {
	t         *testing.T
	dir       string
	host      int
	container int
	peer      int
}

// needsKernel skips a test that can't be run here, and fails it in CI.
func needsKernel(t *testing.T) {
	t.Helper()
	missing := ""
	if os.Geteuid() != 0 {
		missing = "root"
	}
	for _, tool := range []string{"unshare", "nsenter", "ip", "nft", "iptables", "ip6tables", "ss"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = tool
		}
	}
	if missing == "" {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("no %s: CI runs this test as root, with nftables, iptables, iproute2 and util-linux", missing)
	}
	t.Skipf("no %s: this test makes network namespaces", missing)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	needsKernel(t)
	dir, err := os.MkdirTemp("", "tourniquet")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir}
	w.host = w.hold("unshare", "-m", "-n", "-p", "-f", "--mount-proc", "--kill-child", "cat")
	w.peer = w.hold("unshare", "-n", "cat")
	w.container = w.hold("nsenter", "-t", strconv.Itoa(w.host), "-p", "unshare", "-n", "cat")
	w.wire()
	w.tools()
	w.serve()
	return w
}

// hold starts a process that does nothing but keep its namespaces, for as long as
// the test lives: it ends with its standard input.
func (w *world) hold(name string, args ...string) int {
	w.t.Helper()
	cmd := exec.Command(name, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		stdin.Close()
		cmd.Wait() //nolint:errcheck // it is gone, which is all that matters
	})
	pid := cmd.Process.Pid
	eventually(w.t, "the start of "+name, func() bool {
		for {
			children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
			child, err := strconv.Atoi(strings.TrimSpace(string(children)))
			if err != nil {
				break
			}
			pid = child
		}
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		return string(comm) == "cat\n"
	})
	return pid
}

// enter is a command in the namespaces of a process.
func (w *world) enter(pid int, args ...string) *exec.Cmd {
	in := []string{"-t", strconv.Itoa(pid), "-n"}
	switch pid {
	case w.host:
		in = append(in, "-m", "-p")
	case w.container:
		in = append(in, "-p")
	}
	return exec.Command("nsenter", append(append(in, "--"), args...)...)
}

// sh runs a shell script in the namespaces of a process.
func (w *world) sh(pid int, script string) string {
	w.t.Helper()
	out, err := w.enter(pid, "sh", "-ec", script).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%v in %q:\n%s", err, script, out)
	}
	return string(out)
}

// wire makes the links. The peer counts what arrives, by flow.
func (w *world) wire() {
	w.t.Helper()
	link := func(a, b int, name string) {
		w.t.Helper()
		out, err := exec.Command("ip", "link", "add", name, "netns", strconv.Itoa(a), "type", "veth",
			"peer", "name", "eth0", "netns", strconv.Itoa(b)).CombinedOutput()
		if err != nil {
			w.t.Fatalf("%v: %s", err, out)
		}
	}
	link(w.host, w.peer, "eth0")
	link(w.host, w.container, "docker0")
	w.sh(w.host, `
ip link set lo up; ip link set eth0 up; ip link set docker0 up
ip addr add `+host4+`/24 dev eth0; ip addr add `+host6+`/64 dev eth0 nodad; ip addr add 192.0.2.1/24 dev docker0
echo 1 >/proc/sys/net/ipv4/ip_forward`)
	w.sh(w.container, `
ip link set lo up; ip link set eth0 up; ip addr add `+container4+`/24 dev eth0; ip route add default via 192.0.2.1`)
	w.sh(w.peer, `
ip link set lo up; ip link set eth0 up
ip addr add `+peer4+`/24 dev eth0; ip addr add `+peer6+`/64 dev eth0 nodad; ip route add 192.0.2.0/24 via `+host4+`
nft -f - <<END
table inet count {
	counter agent { }
	counter others { }
	chain arriving {
		type filter hook prerouting priority -300
		iif lo accept
		icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept
		tcp dport 443 counter name agent accept
		counter name others
	}
}
END`)
}

// tools gives the host a /usr/bin and /usr/sbin of its own, with the SSM agent's
// program: a copy of this test.
func (w *world) tools() {
	w.t.Helper()
	w.sh(w.host, `
mount -t tmpfs tmpfs /mnt
for d in bin sbin; do
	mkdir /mnt/$d /mnt/$d.work
	mount -t overlay overlay -o lowerdir=/usr/$d,upperdir=/mnt/$d,workdir=/mnt/$d.work /usr/$d
done
cp `+self(w.t)+" "+agentFile)
}

// serve starts what answers: the peer's servers, and the host's.
func (w *world) serve() {
	w.t.Helper()
	w.start(w.peer, "0", selfFile, "serve", "tcp [::]:443", "tcp [::]:4444", "tcp [::]:4445", "udp [::]:5000")
	w.start(w.host, "0", selfFile, "serve", "tcp [::]:2222", "tcp 127.0.0.1:8080", "udp 127.0.0.1:8080")
}

// start runs a program until the world ends, and waits for its word that it is ready.
func (w *world) start(pid int, user, program string, args ...string) {
	w.t.Helper()
	out := w.begin(pid, user, program, args...)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		w.t.Fatalf("%s %q said %q (%v)", program, args, line, err)
	}
}

// begin runs a program until the world ends.
func (w *world) begin(pid int, user, program string, args ...string) io.Reader {
	w.t.Helper()
	if program == selfFile {
		program = self(w.t)
	}
	cmd := w.enter(pid, append([]string{"setpriv", "--reuid", user, "--clear-groups", program}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended with its namespace
		cmd.Wait()         //nolint:errcheck // likewise
	})
	return out
}

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
}

// talk starts a flow and waits until it has got something back.
func (w *world) talk(name string, f flow) {
	w.t.Helper()
	again := "again"
	if f.once {
		again = "once"
	}
	w.begin(f.in, cmp.Or(f.user, "0"), cmp.Or(f.program, selfFile), "talk", f.target, w.file(name), cmp.Or(f.every, "20ms"), again, f.name)
	eventually(w.t, "the first answer to "+name, func() bool { return w.seen(name).bytes > 0 })
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

// passing is which of the flows get answers, over a time.
func (w *world) passing(over time.Duration, names ...string) map[string]bool {
	before := map[string]counter{}
	for _, n := range names {
		before[n] = w.seen(n)
	}
	time.Sleep(over)
	passing := map[string]bool{}
	for _, n := range names {
		passing[n] = w.seen(n).bytes > before[n].bytes
	}
	return passing
}

// arrived is how many packets of the host and its container have come to the peer
// since the last call: those to port 443, and all others.
func (w *world) arrived() (agent, others int) {
	w.t.Helper()
	text := w.sh(w.peer, "nft list counters; nft reset counters >/dev/null")
	for _, m := range regexp.MustCompile(`counter (\w+) {\s+packets (\d+)`).FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[2])
		switch m[1] {
		case "agent":
			agent = n
		case "others":
			others = n
		}
	}
	return agent, others
}

// A run is one run of a script on the host.
type run struct {
	host.Result
	output string
	status int
	took   time.Duration
}

// run runs a script as the SSM agent would.
func (w *world) run(script string) run {
	w.t.Helper()
	file := w.file("script.sh")
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
		w.t.Fatal(err)
	}
	cmd := w.enter(w.host, "sh", file)
	began := time.Now()
	out, err := cmd.Output()
	r := run{output: string(out), took: time.Since(began), status: cmd.ProcessState.ExitCode()}
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		w.t.Fatal(err)
	}
	r.Result = host.ParseResult(string(out))
	w.t.Logf("took %v, status %d, %d characters: %s", r.took.Round(time.Millisecond), r.status, len(out), lastLine(string(out)))
	return r
}

func lastLine(s string) string {
	s = strings.TrimSuffix(s, "\n")
	return s[strings.LastIndexByte(s, '\n')+1:]
}

const selfFile = "" // this test

func self(t *testing.T) string {
	t.Helper()
	file, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 5 s", what)
		}
	}
}
