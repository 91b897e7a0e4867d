//go:build linux

package host_test

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
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
	other4     = "198.51.100.8" // another address of the peer
	other6     = "2001:db8:1::8"
	away4      = "203.0.113.9" // one behind it
	metadata4  = "169.254.169.254"
	container4 = "192.0.2.2"
	nobody     = "65534"

	agentFile    = "/usr/bin/ssm-agent-worker"
	impostorFile = "/mnt/ssm-agent-worker"
	resolverUser = "65533"
	// mountedImpostor runs a file of its own that has the agent's path where it is.
	mountedImpostor = "/mnt/mounted"
	hostileFile     = "/mnt/x\n" + `{"version":1,"rules":"none","closed":0,"left":0,"error":""}`
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
	service   string // the directory of the cgroup of the agent's service, if it has one
}

// needsKernel skips a test that can't be run here, and fails it in CI.
func needsKernel(t *testing.T) {
	t.Helper()
	missing := ""
	if os.Geteuid() != 0 {
		missing = "root"
	}
	for _, tool := range []string{"unshare", "nsenter", "ip", "nft", "iptables", "ip6tables", "ss", "dash", "bash", "busybox"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = tool
		}
	}
	if missing == "" {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("no %s: CI runs this test as root, with nftables, iptables, iproute2, util-linux, dash and busybox", missing)
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
ip route add `+away4+` via `+peer4+`; ip route add `+metadata4+` dev eth0
echo 1 >/proc/sys/net/ipv4/ip_forward
mount -t tmpfs tmpfs /sys/fs/cgroup`)
	w.sh(w.container, `
ip link set lo up; ip link set eth0 up; ip addr add `+container4+`/24 dev eth0; ip route add default via 192.0.2.1`)
	w.sh(w.peer, `
ip link set lo up; ip link set eth0 up
ip addr add `+peer4+`/24 dev eth0; ip addr add `+other4+`/24 dev eth0; ip addr add `+peer6+`/64 dev eth0 nodad
ip addr add `+other6+`/64 dev eth0 nodad; ip addr add `+away4+`/32 dev lo; ip addr add `+metadata4+`/32 dev lo; ip route add 192.0.2.0/24 via `+host4+`
nft -f - <<END
table inet count {
	counter others { }
	chain arriving {
		type filter hook prerouting priority -300
		iif lo accept
		icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept
		ip saddr `+host4+` ip daddr `+metadata4+` tcp dport 80 accept
		ip daddr `+peer4+` tcp dport 443 accept
		ip6 daddr { `+peer6+", "+other6+` } tcp dport 443 accept
		ip daddr `+peer4+` udp dport { 53, 67 } accept
		ip6 daddr `+peer6+` udp dport 53 accept
		counter name others
	}
}
END`)
}

// tools gives the host a /usr/bin and /usr/sbin of its own, with the SSM agent's
// program, which is a copy of this test, and a resolver.
func (w *world) tools() {
	w.t.Helper()
	w.sh(w.host, `
mount -t tmpfs tmpfs /mnt
for d in bin sbin; do
	mkdir /mnt/$d /mnt/$d.work
	mount -t overlay overlay -o lowerdir=/usr/$d,upperdir=/mnt/$d,workdir=/mnt/$d.work /usr/$d
done
cp `+self(w.t)+" "+agentFile+`
cp `+self(w.t)+" "+impostorFile+`
cp `+self(w.t)+" '"+hostileFile+`'
cat >`+mountedImpostor+` <<'END'
#!/bin/sh
exec unshare -m sh -c 'mount --bind `+impostorFile+" "+agentFile+`; exec `+agentFile+` "$@"' sh "$@"
END
chmod 755 `+mountedImpostor+`
echo "nameserver `+peer4+`
nameserver 127.0.0.53
nameserver 1.1.1.1;reboot" >/mnt/resolv.conf
mount --bind /mnt/resolv.conf /etc/resolv.conf
echo "systemd-resolve:x:`+resolverUser+`:`+resolverUser+`::/:/usr/sbin/nologin" >/mnt/passwd
mount --bind /mnt/passwd /etc/passwd
mkdir -p /run/systemd; mount -t tmpfs tmpfs /run/systemd; mkdir /run/systemd/resolve
echo "nameserver `+peer6+`" >/run/systemd/resolve/resolv.conf`)
}

// serve starts what answers: the peer's servers, and the host's.
func (w *world) serve() {
	w.t.Helper()
	w.start(w.peer, "0", "", "serve", "tcp [::]:80", "tcp [::]:443", "tcp [::]:4444",
		"udp "+peer4+":53", "udp ["+peer6+"]:53", "udp "+peer4+":67", "udp "+peer4+":5000", "udp "+away4+":67")
	w.start(w.host, "0", "", "serve", "tcp [::]:2222", "tcp [::]:8080")
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
	cmd := w.enter(pid, append([]string{"sh", "-c", "exec setpriv --reuid " + user + ` --clear-groups "$0" "$@"`, cmp.Or(program, self(w.t))}, args...)...)
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
	for end := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}
