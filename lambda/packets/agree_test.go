package packets

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

var (
	cases = flag.Int("cases", 5000, "random cases in which fabric and oracle must agree")
	seed  = flag.Uint64("seed", 0, "the one case to run")
)

// pick takes one of some.
func pick[T any](r *rand.Rand, some ...T) T { return some[r.IntN(len(some))] }

// randomRules are rules of a group, open ones often among them.
func randomRules(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(4) {
		fmt.Fprintf(&b, "  %s %s\n", pick(r, "in", "out"), pick(r,
			"tcp 443 0.0.0.0/0", "tcp 1-1023 198.51.100.0/24", "tcp 0.0.0.0/0", "udp 0.0.0.0/0", "udp 53 198.51.100.7/32",
			"icmp 0.0.0.0/0", "icmp 8 198.51.100.0/24", "all 0.0.0.0/0", "all ::/0", "tcp ::/0", "all sg-a", "tcp 443 sg-b", "all 10.0.0.0/8", "47 0.0.0.0/0",
			"all 203.0.113.0/24", "icmpv6 ::/0"))
	}
	b.WriteString(pick(r, "", "", "  in all 0.0.0.0/0\n  out all 0.0.0.0/0\n", "  out all 0.0.0.0/0\n  out all ::/0\n", "  in all ::/0\n  out all ::/0\n"))
	lines := strings.SplitAfter(b.String(), "\n")
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "") // a group has no rule twice
}

func randomEntries(r *rand.Rand) string {
	var b strings.Builder
	for _, way := range []string{"in", "out"} {
		for n := range r.IntN(3) {
			fmt.Fprintf(&b, "  %d %s %s\n", 10*n+r.IntN(10)+1, way, pick(r,
				"deny all 198.51.100.7/32", "deny all 198.51.100.0/24", "deny tcp 443 0.0.0.0/0", "allow tcp 0-1023 0.0.0.0/0", "deny udp 0.0.0.0/0",
				"deny icmp 0/0 0.0.0.0/0", "deny icmp 0.0.0.0/0", "deny all 2001:db8:ffff::/48", "allow all 198.51.100.7/32", "deny all 10.0.1.0/24", "deny all 203.0.113.10/32"))
		}
		fmt.Fprintf(&b, "%s", pick(r, "", fmt.Sprintf("  100 %s allow all 0.0.0.0/0\n  101 %s allow all ::/0\n", way, way),
			fmt.Sprintf("  100 %s allow all 0.0.0.0/0\n  101 %s allow all ::/0\n", way, way)))
	}
	return b.String()
}

// randomWorld has three interfaces in two subnets, one of them behind a NAT gateway.
func randomWorld(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("vpc vpc-1 10.0.0.0/16 2001:db8:1::/56\nsubnet subnet-1 vpc-1 10.0.1.0/24 2001:db8:1:1::/64\nsubnet subnet-2 vpc-1 10.0.2.0/24 2001:db8:1:2::/64\n")
	for _, g := range []string{"sg-a", "sg-b", "sg-c"} {
		fmt.Fprintf(&b, "group %s vpc-1\n%s", g, randomRules(r))
	}
	b.WriteString("group sg-empty vpc-1\n")
	if r.IntN(2) == 0 {
		fmt.Fprintf(&b, "acl acl-1 vpc-1 subnets subnet-1 subnet-2\n%s", randomEntries(r))
	} else {
		fmt.Fprintf(&b, "acl acl-1 vpc-1 subnets subnet-1\n%sacl acl-2 vpc-1 subnets subnet-2\n%s", randomEntries(r), randomEntries(r))
	}
	groups := func() string { return pick(r, "sg-a", "sg-b", "sg-c", "sg-a sg-b", "sg-b sg-c") }
	fmt.Fprintf(&b, "instance i-1 type %s\ninstance i-2\ninstance i-3\n", pick(r, "m5.large", "m8i.large"))
	fmt.Fprintf(&b, "interface eni-1 i-1 subnet-1 10.0.1.10 2001:db8:1:1::10 public 203.0.113.10 groups %s%s\n", groups(), pick(r, "", "", " associated subnet-2"))
	fmt.Fprintf(&b, "interface eni-2 i-2 subnet-1 10.0.1.20 public 203.0.113.20 groups %s%s\n", groups(), pick(r, "", " timeout 60s"))
	fmt.Fprintf(&b, "interface eni-3 i-3 subnet-2 10.0.2.30 2001:db8:1:2::30 groups %s\n", groups())
	b.WriteString("flow tcp 10.0.2.30:1 -> 192.0.2.1:1 via nat\n") // so that subnet-2 is behind one
	return b.String()
}

// randomFlow is a flow between two interfaces, or one of them and a peer.
func randomFlow(r *rand.Rand, n int) world.Flow {
	protocol := pick(r, world.TCP, world.TCP, world.TCP, world.UDP, world.UDP, world.ICMP, 47)
	ends := [][]string{
		{"10.0.1.10", "198.51.100.7"},
		{"198.51.100.7", "10.0.1.10"},
		{"10.0.1.20", "198.51.100.8"},
		{"198.51.100.8", "10.0.1.20"},
		{"10.0.2.30", "198.51.100.7"},
		{"10.0.1.10", "10.0.1.20"},
		{"10.0.1.20", "10.0.2.30"},
		{"10.0.2.30", "10.0.1.10"},
		{"10.0.1.10", "203.0.113.20"},
		{"10.0.1.20", "203.0.113.10"},
		{"198.51.100.7", "10.0.2.30"},
		{"2001:db8:1:1::10", "2001:db8:ffff::7"},
		{"2001:db8:ffff::7", "2001:db8:1:2::30"},
		{"2001:db8:1:1::10", "2001:db8:1:2::30"},
	}
	pair := pick(r, ends...)
	from, to := netip.MustParseAddr(pair[0]), netip.MustParseAddr(pair[1])
	if protocol == world.ICMP && from.Is6() {
		protocol = world.ICMPv6
	}
	f := world.Flow{Protocol: protocol, From: netip.AddrPortFrom(from, 0), To: netip.AddrPortFrom(to, 0)}
	if protocol == world.TCP || protocol == world.UDP {
		f.From = netip.AddrPortFrom(from, uint16(40000+n))
		f.To = netip.AddrPortFrom(to, pick[uint16](r, 22, 53, 443, 4444))
	}
	if pair[0] == "10.0.2.30" && pair[1] == "198.51.100.7" {
		f.Via = viaNAT
		if protocol == 47 { // NAT gateways carry TCP, UDP and ICMP
			f.Protocol = world.ICMP
		}
	}
	return f
}

// change is somebody's change of the world.
func change(r *rand.Rand, w *world.World) string {
	n := w.Interfaces[r.IntN(len(w.Interfaces))]
	a := w.ACLs[r.IntN(len(w.ACLs))]
	switch r.IntN(6) {
	case 5:
		i := w.Instances[r.IntN(len(w.Instances))]
		i.Isolated = !i.Isolated
		return fmt.Sprintf("%s isolated: %t", i.ID, i.Isolated)
	case 0, 1:
		n.Groups = []string{pick(r, "sg-empty", "sg-empty", "sg-a", "sg-b", "sg-c")}
		return fmt.Sprintf("groups of %s: %s", n.ID, n.Groups)
	case 2:
		e := world.Entry{
			Number: 1 + r.IntN(9), Egress: r.IntN(2) == 0, Protocol: world.All, Allow: r.IntN(4) == 0,
			CIDR: netip.MustParsePrefix(pick(r, "198.51.100.7/32", "198.51.100.8/32", "0.0.0.0/0", "2001:db8:ffff::7/128", "10.0.1.0/24")),
		}
		if a.Entry(e.Number, e.Egress) != nil {
			return "nothing"
		}
		a.Entries = append(a.Entries, e)
		return fmt.Sprintf("%s gets %+v", a.ID, e)
	case 3:
		if len(a.Entries) == 0 {
			return "nothing"
		}
		e := a.Entries[r.IntN(len(a.Entries))]
		a.Entries = slices.DeleteFunc(a.Entries, func(other world.Entry) bool { return other == e })
		return fmt.Sprintf("%s loses %+v", a.ID, e)
	default:
		g := w.Group(pick(r, "sg-a", "sg-b", "sg-c"))
		g.In, g.Out = nil, nil
		if r.IntN(2) == 0 {
			g.In = []world.Rule{{Protocol: world.All, CIDR: netip.MustParsePrefix("0.0.0.0/0")}}
		}
		if r.IntN(2) == 0 {
			g.Out = []world.Rule{{Protocol: world.All, CIDR: netip.MustParsePrefix("0.0.0.0/0")}}
		}
		return fmt.Sprintf("%s: in %v, out %v", g.ID, g.In, g.Out)
	}
}

// Oracle and fabric were written apart, one about flows and one about packets. On
// random worlds they decide the same about random flows, while groups and ACLs
// change and time passes.
func TestFabricAndOracleAgree(t *testing.T) {
	t.Parallel()
	if *seed != 0 {
		if d, _ := disagreement(t, *seed); d != "" {
			t.Fatal(d)
		}
		return
	}
	if testing.Short() {
		*cases /= 10
	}
	decisions := 0
	for s := uint64(1); s <= uint64(*cases); s++ {
		d, n := disagreement(t, s)
		if decisions += n; d != "" {
			t.Fatalf("go test ./lambda/packets -run Agree -seed %d\n%s", s, d)
		}
	}
	t.Logf("%d worlds, %d decisions", *cases, decisions)
	if decisions < 10**cases {
		t.Errorf("only %d decisions", decisions)
	}
}

// disagreement runs one case and says where the two differ first.
func disagreement(t *testing.T, seed uint64) (what string, decisions int) {
	r := rand.New(rand.NewPCG(seed, 12))
	w, err := simvpc.ParseWorld(randomWorld(r))
	if err != nil {
		t.Fatal(err)
	}
	a, b := newOracle(w), newFabric(t, w)
	w.Flows, a.world.Flows = nil, nil
	flows, story, tried := map[string]world.Flow{}, []string{w.String()}, map[string]bool{}
	for n := range 8 {
		f, name := randomFlow(r, n), fmt.Sprint("f", n)
		if tried[ends(w, f)] {
			continue // without ports they would be one
		}
		tried[ends(w, f)] = true
		x, y := a.open(name, f, true), b.open(name, f, true)
		decisions++
		if x != y {
			return fmt.Sprintf("%s\nopen %s: oracle %t, fabric %t (%s)", story[0], f, x, y, b.last.Reason), decisions
		}
		if x {
			flows[name] = f
			story = append(story, "open "+name+" "+f.String())
		}
	}
	idle := map[string]time.Duration{}
	for range 6 {
		passed := time.Duration(0)
		if r.IntN(3) == 0 {
			passed = pick(r, 20*time.Second, 10*time.Minute, 6*24*time.Hour)
			a.wait(passed)
			b.wait(passed)
			story = append(story, "wait "+passed.String())
		} else {
			story = append(story, change(r, w))
			w.Normalize()
			a.changed(w)
			b.changed(w)
		}
		d, n := compareFlows(a, b, flows, idle, passed)
		if decisions += n; d != "" {
			return strings.Join(append(story, d), "\n"), decisions
		}
	}
	return "", decisions
}

// isolated reports whether a host at an end of a flow has rules of its own.
func isolated(w *world.World, f world.Flow) bool {
	for _, a := range []netip.Addr{f.From.Addr(), f.To.Addr()} {
		if n := w.Holder(a); n != nil && w.Instance(n.Instance).Isolated {
			return true
		}
	}
	return false
}

// ends names the ends of a flow, whichever begins it.
func ends(w *world.World, f world.Flow) string {
	both := []string{
		netip.AddrPortFrom(w.PrivateOf(f.From.Addr()), f.From.Port()).String(), netip.AddrPortFrom(w.PrivateOf(f.To.Addr()), f.To.Port()).String(),
	}
	slices.Sort(both)
	return fmt.Sprint(f.Protocol, both)
}

// compareFlows has both judge every open flow.
func compareFlows(a *anOracle, b *aFabric, flows map[string]world.Flow, idle map[string]time.Duration, passed time.Duration) (what string, decisions int) {
	for n := range 8 {
		name := fmt.Sprint("f", n)
		f, ok := flows[name]
		if !ok {
			continue
		}
		if f.Via == viaNAT && passed >= 350*time.Second {
			delete(flows, name) // the gateway has forgotten it; the oracle knows of none
			continue
		}
		forward, backward := a.exchange(name, true)
		gotForward, gotBackward := b.exchange(name, true)
		if idle[name] += passed; forward {
			idle[name] = 0
		}
		if idle[name] >= 30*time.Second && !forward && !gotForward {
			// Some interface may have forgotten it. From then on the first packet that the
			// rules let pass begins a flow, whichever end sends it; the oracle knows the
			// initiator for ever.
			delete(flows, name)
			continue
		}
		decisions += 2
		if isolated(a.world, f) {
			// What passes is compared once. What an interface learns of packets that its own
			// host then drops, or never lets out, the oracle doesn't follow.
			delete(flows, name)
		}
		if forward != gotForward || backward != gotBackward {
			return fmt.Sprintf("%s %s: oracle %t and back %t, fabric %t and back %t (%s)", name, f, forward, backward, gotForward, gotBackward, b.last.Reason), decisions
		}
	}
	return "", decisions
}
