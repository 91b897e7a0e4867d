//go:build linux

package host_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/host"
)

// The number of connections changes neither the time nor the completeness of the last
// line.
func TestManyConnections(t *testing.T) {
	w := newWorld(t)
	w.begins(flows{
		"agent": {in: w.host, program: agentFile, target: "tcp " + peer4 + ":443"},
		"shell": {in: w.host, user: nobody, target: "tcp " + peer4 + ":4444"},
	})
	took := map[int]time.Duration{}
	for _, n := range []int{10, 100, 1100} {
		w.start(w.host, nobody, "", "crowd", peer4+":4444", strconv.Itoa(n))
		r := w.run(patient(t))
		took[n] = r.took
		if r.status != 0 || r.Rules != "nft" || r.Closed < n || r.Left != 0 || r.Error != "" {
			t.Errorf("%d connections: %+v, status %d", n, r.Result, r.status)
		}
		if r.took > onABusyMachine {
			t.Errorf("%d connections: took %v", n, r.took)
		}
		if len(r.output) > host.MaxOutput-1000 || r.Truncated != (n > 300) || len(r.Connections) < min(n, 100) {
			t.Errorf("%d connections: %d of them in %d characters, truncated is %v", n, len(r.Connections), len(r.output), r.Truncated)
		}
		if r := w.run(read(t, "restore.sh")); r.status != 0 {
			t.Fatalf("restoring: %+v", r)
		}
	}
	t.Log(took)
}

// Without a tool that sets rules the script says so, by its status too. It closes the
// sockets all the same: the security group lets nothing new through.
func TestNoRuleCanBeSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sh(w.host, withoutNFT+"rm -f /usr/sbin/*tables*")
	shell := flows{"shell": {in: w.host, target: "tcp " + peer4 + ":4444", once: true}}
	agent := flows{"agent": {in: w.host, program: agentFile, target: "tcp " + peer4 + ":443"}}
	w.begins(shell)
	w.begins(agent)
	w.pass("before", shell, agent)
	connected := w.connections(agent)
	r := w.run(patient(t))
	if r.status != 1 || r.Rules != "none" || r.Error == "" || r.Closed == 0 {
		t.Errorf("%+v, status %d", r.Result, r.status)
	}
	time.Sleep(200 * time.Millisecond) // what was under way
	before := w.seen("shell")
	w.pass("after the script", agent)
	if w.seen("shell") != before {
		t.Error("the shell goes on")
	}
	if d := cmp.Diff(connected, w.connections(agent)); d != "" {
		t.Errorf("the agent's connections (-before +after):\n%s", d)
	}
}

// Whoever was root before can't have the script set other rules, or none, by what it
// reads: tables and chains of our names, and files of the system.
func TestPreparedHost(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]struct{ prepare, rules string }{
		"our table, with sets of other types": {rules: "nft", prepare: `nft -f - <<END
table inet tourniquet {
	set agent4 { type ipv4_addr; elements = { ` + peer4 + ` }; }
	map opened6 { type ipv4_addr : verdict; }
	chain input { type filter hook input priority -300; policy accept; accept; }
	chain output { ip daddr ` + peer4 + ` accept; }
	chain more { type filter hook output priority 300; policy accept; jump output; }
}
END
`},
		"our chains, with rules": {rules: "iptables", prepare: withoutNFT + `for t in iptables ip6tables; do
for c in IN OUT FWD; do $t -t mangle -N TOURNIQUET-$c; $t -t mangle -A TOURNIQUET-$c -j ACCEPT; done
$t -t mangle -A INPUT -j TOURNIQUET-IN; $t -t mangle -I OUTPUT -j ACCEPT; $t -t mangle -A OUTPUT -j TOURNIQUET-OUT; $t -t mangle -A OUTPUT -j TOURNIQUET-OUT
done
`},
		"resolvers that are none": {rules: "nft", prepare: `{
	printf 'nameserver 999.1.1.1\nnameserver ::::\nnameserver $(reboot)\nnameserver *\nnameserver\nnameserver 1.1.1.1 } accept; {\n'
	head -c 1000000 /dev/zero
} >/mnt/hostile
mount --bind /mnt/hostile /etc/resolv.conf
printf 'systemd-resolve:x:0 accept:\n' >/mnt/passwd
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.sh(w.host, m.prepare)
			ends := flows{
				"shell":      {in: w.host, target: "tcp " + peer4 + ":4444"},
				"shell IPv6": {in: w.host, target: "tcp [" + peer6 + "]:4444"},
				"inbound":    {in: w.peer, target: "tcp " + host4 + ":2222"},
				"container":  {in: w.container, target: "tcp " + peer4 + ":4444"},
			}
			goesOn := flows{
				"agent":    {in: w.host, program: agentFile, target: "tcp " + peer4 + ":443"},
				"loopback": {in: w.host, target: "tcp 127.0.0.1:8080"},
			}
			w.begins(ends)
			w.begins(goesOn)
			w.pass("before", ends, goesOn)
			r := w.run(patient(t))
			if r.status != 0 || r.Rules != m.rules || r.Error != "" {
				t.Errorf("%+v, status %d", r.Result, r.status)
			}
			time.Sleep(200 * time.Millisecond) // what was under way
			w.leaked()
			w.isolated("after the script", ends, goesOn)
			if r := w.run(read(t, "restore.sh")); r.status != 0 || r.Rules != "none" {
				t.Errorf("restoring: %+v, status %d", r.Result, r.status)
			}
			w.pass("after the restore", ends, goesOn)
		})
	}
}
