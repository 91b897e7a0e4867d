//go:build linux

package host_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tourniquet/lambda/host"
)

// cut are the flows that must end. Those of root that were there before don't come
// again: where the kernel can't match a cgroup, root's new connections to port 443
// pass.
func cut(w *world, again bool) flows {
	return flows{
		"shell":            {in: w.host, user: nobody, target: "tcp " + peer4 + ":4444"},
		"shell of root":    {in: w.host, target: "tcp " + peer4 + ":4444"},
		"shell IPv6":       {in: w.host, user: nobody, target: "tcp [" + peer6 + "]:4444"},
		"UDP":              {in: w.host, user: nobody, target: "udp " + peer4 + ":5000", every: "2ms"},
		"UDP to port 53":   {in: w.host, user: nobody, target: "udp " + peer4 + ":53"},
		"container":        {in: w.container, target: "tcp " + peer4 + ":4444"},
		"container's IMDS": {in: w.container, target: "tcp " + metadata4 + ":80"},
		"container's 443":  {in: w.container, target: "tcp " + other4 + ":443"},
		"inbound":          {in: w.peer, target: "tcp " + host4 + ":2222"},
		"inbound IPv6":     {in: w.peer, target: "tcp [" + host6 + "]:2222"},
		"DHCP off link":    {in: w.host, target: "udp:68 " + away4 + ":67"},
		"agent's name":     {in: w.host, user: nobody, program: impostorFile, name: "ssm-agent-worke", target: "tcp " + other4 + ":443"},
		"agent's file":     {in: w.host, user: nobody, program: agentFile, target: "tcp " + other4 + ":443"},
		"root as agent":    {in: w.host, program: impostorFile, name: "ssm-agent-worke", target: "tcp " + other4 + ":443", once: !again},
		"mount as agent":   {in: w.host, program: mountedImpostor, target: "tcp " + other4 + ":443", once: !again},
		"name of JSON":     {in: w.host, user: nobody, name: `"}` + "\n" + `{"version":1`, target: "tcp " + peer4 + ":4444"},
		"name of escapes":  {in: w.host, user: nobody, name: "\x1b[2J\r\x07tcp", target: "tcp " + peer4 + ":4444"},
		"file of JSON":     {in: w.host, program: hostileFile, target: "tcp " + peer4 + ":4444"},
	}
}

// kept are the flows that must go on.
func kept(w *world) flows {
	return flows{
		"agent":       {in: w.host, service: true, program: agentFile, target: "tcp " + peer4 + ":443"},
		"agent IPv6":  {in: w.host, service: true, program: agentFile, target: "tcp [" + peer6 + "]:443"},
		"DNS":         {in: w.host, service: true, program: agentFile, target: "udp " + peer4 + ":53"},
		"loopback":    {in: w.host, user: nobody, target: "tcp 127.0.0.1:8080"},
		"own address": {in: w.host, user: nobody, target: "tcp " + host4 + ":8080"},
		"own IPv6":    {in: w.host, user: nobody, target: "tcp [" + host6 + "]:8080"},
		"metadata":    {in: w.host, user: nobody, target: "tcp " + metadata4 + ":80"},
		"DHCP":        {in: w.host, target: "udp:68 " + peer4 + ":67"},
		"resolver":    {in: w.host, user: resolverUser, target: "udp [" + peer6 + "]:53"},
	}
}

// How a host may differ.
type machine struct {
	name    string
	prepare string // as root on the host, before anything runs
	cgroup  bool   // the agent is a service with a cgroup
	rules   string
	closes  bool // the kernel, and the tools, can close sockets
	slow    bool // to find which process has a socket takes longer than there is time
	foreign string
	show    string // how to print the rules of others
}

const (
	withoutNFT = "rm /usr/sbin/nft\n"
	legacy     = withoutNFT + "ln -sf xtables-legacy-multi /usr/sbin/iptables; ln -sf xtables-legacy-multi /usr/sbin/ip6tables\n" +
		"ln -sf xtables-legacy-multi /usr/sbin/iptables-restore; ln -sf xtables-legacy-multi /usr/sbin/ip6tables-restore\n" +
		"ln -sf xtables-legacy-multi /usr/sbin/iptables-save; ln -sf xtables-legacy-multi /usr/sbin/ip6tables-save\n"

	foreignNFT = `nft -f - <<END
table inet filter {
	set tourniquet { type ipv4_addr; elements = { 192.0.2.77 } }
	chain input { type filter hook input priority filter; policy accept; tcp dport 9 drop; ip saddr @tourniquet drop; }
	chain output { type filter hook output priority filter; policy accept; ct state established accept; }
}
table ip tourniquet { chain forward { type filter hook forward priority -500; policy accept; accept; }; }
table ip nat { chain post { type nat hook postrouting priority srcnat; ip saddr 172.31.0.0/16 masquerade; }; }
END
`
	foreignIPTables = `for t in iptables ip6tables; do
$t -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
$t -A FORWARD -j ACCEPT
$t -t mangle -A OUTPUT -p tcp --dport 9 -j DROP
$t -t mangle -N TOURNIQUET-OTHER
$t -t mangle -A INPUT -p tcp --dport 9 -j TOURNIQUET-OTHER
done
`
	showNFT      = "nft -s list ruleset"
	showIPTables = "iptables-save | grep -v '^[#:]'; ip6tables-save | grep -v '^[#:]'"
)

func TestIsolateOnARealKernel(t *testing.T) {
	for _, m := range []machine{
		{name: "nft", rules: "nft", closes: true, foreign: foreignNFT, show: showNFT},
		{name: "nft, agent's cgroup", cgroup: true, rules: "nft", closes: true, foreign: foreignNFT, show: showNFT},
		{name: "iptables over nft", prepare: withoutNFT, rules: "iptables", closes: true, foreign: foreignIPTables, show: showIPTables},
		{name: "iptables, agent's cgroup", prepare: withoutNFT, cgroup: true, rules: "iptables", closes: true, foreign: foreignIPTables, show: showIPTables},
		{name: "iptables legacy, no ss", prepare: legacy + "rm /usr/bin/ss\n", rules: "iptables", foreign: foreignIPTables, show: showIPTables},
		{name: "kernel that closes no socket, bash", prepare: silentKill + bash, rules: "nft", foreign: foreignNFT, show: showNFT},
		{name: "busy", prepare: slowList, slow: true, rules: "nft", closes: true, foreign: foreignNFT, show: showNFT},
		{name: "no ss, BusyBox", prepare: "rm /usr/bin/ss\n" + busyBox, rules: "nft", foreign: foreignNFT, show: showNFT},
	} {
		t.Run(m.name, func(t *testing.T) {
			if !m.cgroup { // there is one of its service
				t.Parallel()
			}
			testMachine(t, m)
		})
	}
}

// The limits that the script has by the clock.
const (
	scanTime     = "{ sleep 1 && echo late"
	listTime     = "$(timeout 1 ls "
	programTime  = "\nprogram_time=80 "
	evidenceTime = "\nevidence_time=200 "
)

// patient is the script that isolates, with more time for some of its looks, or for all if
// none are named: this machine may do other things beside.
func patient(t *testing.T, limits ...string) string {
	t.Helper()
	longer := map[string]string{
		scanTime: "{ sleep 5 && echo late", listTime: "$(timeout 5 ls ",
		programTime: "\nprogram_time=400 ", evidenceTime: "\nevidence_time=1000 ",
	}
	if len(limits) == 0 {
		limits = slices.Sorted(maps.Keys(longer))
	}
	script := read(t, "isolate.sh")
	for _, limit := range limits {
		if strings.Count(script, limit) != 1 {
			t.Fatalf("the script has %q %d times, want once", limit, strings.Count(script, limit))
		}
		script = strings.Replace(script, limit, longer[limit], 1)
	}
	return script
}

// silentKill makes ss what it is on a kernel without INET_DIAG_DESTROY: it closes
// nothing and says nothing. https://man7.org/linux/man-pages/man8/ss.8.html
const silentKill = `mv /usr/bin/ss /usr/bin/ss.real
printf '#!/bin/sh\ncase $1 in *K*) exit 0 ;; esac\nexec /usr/bin/ss.real "$@"\n' >/usr/bin/ss
chmod 755 /usr/bin/ss
`

// slowList is a host that a miner keeps busy: to list the files of its processes takes
// longer than the script waits.
const slowList = `rm /usr/bin/ls
printf '#!/bin/sh\nexec sleep 60\n' >/usr/bin/ls
chmod 755 /usr/bin/ls
`

// The shells that /bin/sh is elsewhere; BusyBox brings the base utilities too.
const (
	bash    = "ln -sf bash /usr/bin/sh\n"
	busyBox = "for tool in sh cat grep head ls printf readlink sed sleep timeout tr; do ln -sf $(command -v busybox) /usr/bin/$tool; done\n"
)

// testMachine isolates a host and takes it back.
func testMachine(t *testing.T, m machine) {
	isolate := patient(t)
	if m.slow {
		isolate = patient(t, scanTime, evidenceTime)
	}
	service := ""
	if m.cgroup {
		service = serviceCgroup(t)
	}
	w := newWorld(t)
	w.sh(w.host, m.prepare+m.foreign)
	ends, goesOn := cut(w, m.cgroup), kept(w)
	if m.cgroup {
		w.service = service
		w.canMatchCgroups(m.rules)
		ends["command of SSM"] = flow{in: w.host, service: true, target: "tcp " + peer4 + ":4444"}
	}
	foreign, listeners := w.sh(w.host, m.show), w.listeners()
	w.begins(ends)
	w.begins(goesOn)
	w.pass("before", ends, goesOn)

	first := w.run(isolate)
	time.Sleep(200 * time.Millisecond) // what was under way
	w.leaked()
	checkFirst(t, m, first)
	w.isolated("after the script", ends, goesOn)
	w.sh(w.host, "ip neigh flush all; ip -6 neigh flush all")
	w.sh(w.peer, "ip neigh flush all; ip -6 neigh flush all")
	again := flows{
		"agent again":      {in: w.host, program: agentFile, service: true, target: "tcp " + peer4 + ":443"},
		"agent again IPv6": {in: w.host, program: agentFile, service: true, target: "tcp [" + other6 + "]:443"}, // a new neighbour
	}
	w.begins(again)
	w.pass("without neighbours", again, goesOn)
	maps.Copy(goesOn, again)
	if now := w.listeners(); now != listeners {
		t.Errorf("listeners before %q, after %q", listeners, now)
	}

	connected := w.connections(goesOn)
	second := w.run(isolate)
	if second.Rules != m.rules || second.status != 0 {
		t.Errorf("the second run: %+v, status %d", second.Result, second.status)
	}
	w.isolated("after the second run", ends, goesOn)
	delete(connected, "resolver") // it sends each question from a new socket
	if d := cmp.Diff(connected, w.connections(goesOn), cmpopts.IgnoreMapEntries(func(k string, _ uint64) bool { return k == "resolver" })); d != "" {
		t.Errorf("connections that the second run cut (-before +after):\n%s", d)
	}
	if m.rules == "iptables" {
		const jumps = "for t in iptables ip6tables; do $t-save -t mangle | grep -cE -e '-j TOURNIQUET-(IN|OUT|FWD)$'; done"
		if got := w.sh(w.host, jumps); got != "3\n3\n" {
			t.Errorf("jumps to our chains: %q", got)
		}
	}

	last := w.run(read(t, "restore.sh"))
	if last.Rules != "none" || last.status != 0 || last.Error != "" {
		t.Errorf("restoring: %+v, status %d", last.Result, last.status)
	}
	if d := cmp.Diff(foreign, w.sh(w.host, m.show)); d != "" {
		t.Errorf("the rules of others (-before +after):\n%s", d)
	}
	maps.DeleteFunc(ends, func(_ string, f flow) bool { return f.once })
	w.pass("after the restore", ends, goesOn)
}

// onABusyMachine is far above what a run of the script takes, which is a second and less,
// and some ten at most by the limits it has here: only one that hangs takes longer.
const onABusyMachine = 20 * time.Second

// checkFirst checks what the first run says. Everything that it prints but the last
// line is evidence.
func checkFirst(t *testing.T, m machine, r run) {
	t.Helper()
	if r.status != 0 || r.Rules != m.rules || r.Error != "" || r.Truncated != m.slow {
		t.Errorf("%+v, status %d", r.Result, r.status)
	}
	t.Logf("took %v", r.took)
	if r.took > onABusyMachine {
		t.Errorf("took %v", r.took)
	}
	if lines := strings.Count(r.output, "\n"); lines != len(r.Connections)+1 {
		t.Errorf("%d lines, %d connections in\n%s", lines, len(r.Connections), r.output)
	}
	if closes := r.Closed >= 10; closes != m.closes || !closes && r.Closed != 0 {
		t.Errorf("closed %d sockets", r.Closed)
	}
	if m.closes != (r.Left <= 3) { // a UDP socket connects again at once, with nobody on the other side
		t.Errorf("%d sockets left", r.Left)
	}
	checkEvidence(t, r, map[string]func(c host.Connection) bool{
		"the shell":                  func(c host.Connection) bool { return c.Remote.String() == peer4+":4444" && c.User == nobody },
		"the shell over IPv6":        func(c host.Connection) bool { return c.Remote.String() == "["+peer6+"]:4444" && c.User == nobody },
		"the UDP socket":             func(c host.Connection) bool { return c.Protocol == "udp" && c.Remote.String() == peer4+":5000" },
		"the container's connection": func(c host.Connection) bool { return c.Local.Addr().String() == container4 && c.Namespace != 0 },
		"the inbound connection":     func(c host.Connection) bool { return c.Local.String() == host4+":2222" },
	})
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if !m.slow {
		checkEvidence(t, r, map[string]func(c host.Connection) bool{
			"the shell's program": func(c host.Connection) bool {
				return c.Remote.String() == peer4+":4444" && c.File == program[:min(80, len(program))]
			},
			"the impostor": func(c host.Connection) bool { return c.File == impostorFile && c.Name == "ssm-agent-worke" },
			"the hostile name": func(c host.Connection) bool {
				return strings.HasPrefix(c.Name, `"}`) || strings.HasPrefix(c.Name, "?[2J")
			},
			"the hostile file": func(c host.Connection) bool { return strings.HasPrefix(c.File, `/mnt/x?{"version":1`) },
		})
	}
	for _, c := range r.Connections {
		if c.Remote.Addr().IsLoopback() || c.Remote.Addr() == c.Local.Addr() || c.File == agentFile && c.User == "0" && c.Remote.Addr().String() == peer4 {
			t.Errorf("loopback, or the agent, in the evidence: %+v", c)
		}
	}
}

// checkEvidence checks that each is among the connections that the host has printed.
func checkEvidence(t *testing.T, r run, want map[string]func(c host.Connection) bool) {
	t.Helper()
	for what, is := range want {
		if !slices.ContainsFunc(r.Connections, is) {
			t.Errorf("the evidence does not have %s:\n%s", what, r.output)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
