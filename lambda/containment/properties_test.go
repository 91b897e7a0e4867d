package containment_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
	"tourniquet/lambda/vpc"
)

// scope ends what one random case has started.
type scope []func()

func (s *scope) Cleanup(f func()) { *s = append(*s, f) }

func (s *scope) end() {
	for _, f := range *s {
		f()
	}
}

var (
	outside = []string{"198.51.100.7", "198.51.100.8", "203.0.113.9", "2001:db8:ffff::7", "2001:db8:ffff::8"}
	entries = []string{
		"allow all 0.0.0.0/0", "allow all ::/0", "allow tcp 443 0.0.0.0/0", "deny all 198.51.100.0/24", "deny tcp 22 198.51.100.7/32",
		"allow all 198.51.100.0/28", "deny all 2001:db8:ffff::/64", "allow all 10.0.0.0/8", "deny all 203.0.113.9/32",
	}
	rules = []string{"in tcp 443 0.0.0.0/0", "in all 198.51.100.0/24", "out all 0.0.0.0/0", "out all ::/0", "in all ::/0", "in tcp 1-65535 0.0.0.0/0"}
)

// drawWorld is a small random world: up to three interfaces in up to three subnets
// behind up to two ACLs, foreign entries of both kinds and families, sometimes
// full, with or without a quarantine group, and established flows.
func drawWorld(t *rapid.T) *world.World {
	var b strings.Builder
	b.WriteString("account 111122223333\nregion eu-central-1\nvpc vpc-1 10.0.0.0/16 2001:db8:1::/56\n")
	subnets := rapid.IntRange(1, 3).Draw(t, "subnets")
	for s := range subnets {
		fmt.Fprintf(&b, "subnet subnet-%d vpc-1 10.0.%d.0/24 2001:db8:1:%d::/64\n", s, s, s)
	}
	for _, g := range []string{"sg-a", "sg-b"} {
		fmt.Fprintf(&b, "group %s vpc-1\n", g)
		for _, r := range rapid.SliceOfNDistinct(rapid.SampledFrom(rules), 0, 4, rapid.ID[string]).Draw(t, "rules") {
			fmt.Fprintf(&b, "  %s\n", r)
		}
	}
	b.WriteString(rapid.SampledFrom([]string{
		"", "group sg-q vpc-1 name tourniquet-quarantine tags tourniquet:role=quarantine\n",
		"group sg-q vpc-1 name tourniquet-quarantine tags tourniquet:role=quarantine\n  in tcp 22 0.0.0.0/0\n",
	}).Draw(t, "quarantine group"))
	drawACLs(t, &b, subnets)
	fmt.Fprintf(&b, "instance %s\ninstance i-0bbbbbbbbbbbbbbb2\n", victim)
	for n := range rapid.IntRange(1, 3).Draw(t, "interfaces") {
		s := rapid.IntRange(0, subnets-1).Draw(t, "subnet")
		groups := rapid.SampledFrom([]string{"sg-a", "sg-b", "sg-a sg-b"}).Draw(t, "groups")
		fmt.Fprintf(&b, "interface eni-%d %s subnet-%d 10.0.%d.%d 2001:db8:1:%d::%d groups %s\n", n, victim, s, s, 10+n, s, 10+n, groups)
	}
	b.WriteString("interface eni-next i-0bbbbbbbbbbbbbbb2 subnet-0 10.0.0.90 2001:db8:1:0::90 groups sg-a\n")
	w, err := simvpc.ParseWorld(b.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	for _, f := range flows(w) {
		if rapid.Bool().Draw(t, "established") {
			oracle.Establish(w, f)
		}
	}
	return w
}

func drawACLs(t *rapid.T, b *strings.Builder, subnets int) {
	acls := rapid.IntRange(1, min(2, subnets)).Draw(t, "ACLs")
	for a := range acls {
		var served []string
		for s := range subnets {
			if s%acls == a {
				served = append(served, fmt.Sprintf("subnet-%d", s))
			}
		}
		fmt.Fprintf(b, "acl acl-%d vpc-1 subnets %s\n", a, strings.Join(served, " "))
		for _, dir := range []string{"in", "out"} {
			for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(1, 6), 0, 4, rapid.ID[int]).Draw(t, "numbers") {
				fmt.Fprintf(b, "  %d %s %s\n", n, dir, rapid.SampledFrom(entries).Draw(t, "entry"))
			}
			fmt.Fprintf(b, "  100 %s allow all 0.0.0.0/0\n  101 %s allow all ::/0\n", dir, dir)
			for n := range rapid.SampledFrom([]int{0, 0, 10, 14}).Draw(t, "filling") {
				fmt.Fprintf(b, "  %d %s allow tcp 443 192.0.2.%d/32\n", 200+n, dir, n)
			}
		}
	}
}

// flows are connections between every inside and every outside address, both ways.
func flows(w *world.World) []world.Flow {
	var all []world.Flow
	for _, i := range w.Interfaces {
		for _, here := range slices.Concat(i.Private, i.IPv6) {
			for _, s := range outside {
				if there := netip.MustParseAddr(s); there.Is6() == here.Is6() {
					all = append(all,
						world.Flow{Protocol: world.TCP, From: netip.AddrPortFrom(here, 40000), To: netip.AddrPortFrom(there, 443)},
						world.Flow{Protocol: world.TCP, From: netip.AddrPortFrom(there, 50000), To: netip.AddrPortFrom(here, 443)})
				}
			}
		}
	}
	return all
}

func drawIncident(t *rapid.T, w *world.World) plan.Incident {
	in := incidentOf(w, 0)
	for _, s := range rapid.SliceOfNDistinct(rapid.SampledFrom(append(outside, "10.0.0.77")), 0, 4, rapid.ID[string]).Draw(t, "peers") {
		in.Peers = append(in.Peers, guardduty.Peer{Addr: netip.MustParseAddr(s)})
	}
	return in
}

func drawRules(t *rapid.T) plan.Rules {
	return plan.Rules{
		ACLQuota:  rapid.SampledFrom([]int{4, 8, network.DefaultACLQuota}).Draw(t, "quota"),
		CoverIPv4: rapid.SampledFrom([]int{0, 28}).Draw(t, "cover"),
	}
}

// What must hold of every containment, on random worlds.
func TestContainProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before := drawWorld(t)
		in := drawIncident(t, before)
		var started scope
		defer started.end()
		server := simvpc.Start(&started, before, simvpc.Options{})
		before = server.World()
		book := &ledger.Memory{}
		r := responder(server, book)
		r.Rules = drawRules(t)
		out, err := r.Contain(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		after := server.World()
		checkCut(t, out, after)
		checkPrecise(t, in, r.Rules, before, after)
		checkNothingWidened(t, before, after)
		checkOriginals(t, out, before, after)

		text := book.String()
		server.ClearLog()
		if _, err := r.Contain(context.Background(), in); err != nil {
			t.Fatal(err)
		}
		if d := world.Diff(after, server.World()); d != "" || book.String() != text || len(server.Mutations()) != 0 {
			t.Fatalf("a second containment made %d changes: %s\nledger before:\n%s\nafter:\n%s", len(server.Mutations()), d, text, book.String())
		}
	})
}

// Contained and, when no flow is tracked any more, released: every random world is
// as it was, but for the quarantine group and its tags, and the ledger holds nothing.
func TestReleaseProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before := drawWorld(t)
		in := drawIncident(t, before)
		var started scope
		defer started.end()
		server := simvpc.Start(&started, before, simvpc.Options{})
		before = server.World()
		book := &ledger.Memory{}
		now := time.Now()
		r := responder(server, book)
		r.Rules, r.Now = drawRules(t), func() time.Time { return now }
		if _, err := r.Contain(context.Background(), in); err != nil {
			t.Fatal(err)
		}
		now = now.Add(network.DefaultTracking + time.Minute)
		releaser := &containment.Releaser{
			EC2: &vpc.Reverter{Client: r.EC2.(*vpc.Client)}, Ledger: book, Book: book, Leases: book, Log: r.Log, Now: r.Now, LedgerWait: r.LedgerWait,
		}
		out, err := releaser.Release(context.Background(), containment.Ask{Instance: victim, Reason: "released"})
		if err != nil {
			t.Fatal(err)
		}
		after := server.World()
		for _, w := range []*world.World{before, after} {
			w.Groups = slices.DeleteFunc(w.Groups, func(g *world.SecurityGroup) bool { return g.Tags[network.RoleTag] != "" })
			for _, i := range w.Interfaces { // where none were set, the defaults are set now
				i.TCPTimeout, i.UDPStreamTimeout, i.UDPTimeout = 0, 0, 0
			}
		}
		if d := world.Diff(before, after); d != "" || out.Record.Status != record.Released || len(book.AllSlots()) > 0 {
			t.Fatalf("%s, slots %v, and the world differs from before:\n%s", out.Record.Status, book.AllSlots(), d)
		}
	})
}

// checkCut: no connection of the instance with a peer passes, established or new,
// unless the answer says that the peer found no place.
func checkCut(t *rapid.T, out containment.Outcome, after *world.World) {
	for _, f := range flows(after) {
		peer, ok := peerOf(after, f, out.Record.Peers)
		if !ok || said(out, peer) {
			continue
		}
		if v := oracle.Passes(after, f); v.Passes {
			t.Fatalf("established %s passes: %s", f, v.Why)
		}
		if v := oracle.Connects(after, f); v.Passes {
			t.Fatalf("new %s passes: %s", f, v.Why)
		}
	}
}

// peerOf is the peer at the other end of a flow of the instance.
func peerOf(w *world.World, f world.Flow, peers []guardduty.Peer) (netip.Addr, bool) {
	mine := func(a netip.Addr) bool {
		return slices.ContainsFunc(w.InterfacesOf(victim), func(i *world.Interface) bool {
			return slices.Contains(i.Private, a) || slices.Contains(i.IPv6, a)
		})
	}
	for _, p := range peers {
		if p.Addr == f.To.Addr() && mine(f.From.Addr()) || p.Addr == f.From.Addr() && mine(f.To.Addr()) {
			return p.Addr, true
		}
	}
	return netip.Addr{}, false
}

func said(out containment.Outcome, peer netip.Addr) bool {
	return slices.ContainsFunc(out.Record.Exposure, func(e record.Exposure) bool {
		full := e.Kind == record.ACLFull || e.Kind == record.NoSlotBelowAllow
		return full && strings.Contains(e.Detail, peer.String())
	})
}

// checkPrecise: every ACL keeps its entries, and gains only denials of peers, or of
// covering prefixes of several peers within the bound; no interface but the
// instance's has changed.
func checkPrecise(t *rapid.T, in plan.Incident, rules plan.Rules, before, after *world.World) {
	for _, a := range before.ACLs {
		now := after.ACL(a.ID).Entries
		for _, e := range a.Entries {
			if !slices.Contains(now, e) {
				t.Fatalf("%s lost the entry %+v", a.ID, e)
			}
		}
		for _, e := range now {
			peers := 0
			for _, p := range in.Peers {
				if e.CIDR.Contains(p.Addr) {
					peers++
				}
			}
			ofPeers := peers > 0 && e.CIDR.IsSingleIP() || peers > 1 && rules.CoverIPv4 > 0 && e.CIDR.Bits() >= rules.CoverIPv4
			if !slices.Contains(a.Entries, e) && (e.Allow || e.Protocol != world.All || !ofPeers) {
				t.Fatalf("%s gained the entry %+v", a.ID, e)
			}
		}
		if len(now) > 2*2*(world.DefaultACLQuota-1) {
			t.Fatalf("%s holds %d entries", a.ID, len(now))
		}
	}
	next := after.Interface("eni-next")
	if !slices.Equal(next.Groups, before.Interface("eni-next").Groups) {
		t.Fatalf("another instance's interface now has %v", next.Groups)
	}
}

// checkNothingWidened: for every flow, what passes now passed before.
func checkNothingWidened(t *rapid.T, before, after *world.World) {
	for _, f := range flows(before) {
		if oracle.Connects(after, f).Passes && !oracle.Connects(before, f).Passes {
			t.Fatalf("new %s passes now and did not before", f)
		}
		if oracle.Passes(after, f).Passes && !oracle.Passes(before, f).Passes {
			t.Fatalf("established %s passes now and did not before", f)
		}
	}
}

// checkOriginals: the record has each interface's groups as they were, and each
// interface has one group, without rules.
func checkOriginals(t *rapid.T, out containment.Outcome, before, after *world.World) {
	found := 0
	for _, s := range out.Record.Steps {
		q, ok := record.AsQuarantine(s.Step)
		if !ok {
			continue
		}
		found++
		if want := before.Interface(q.Resource).Groups; !slices.Equal(q.Before, want) {
			t.Fatalf("%s: recorded %v, had %v", q.Resource, q.Before, want)
		}
		now := after.Interface(q.Resource).Groups
		if len(now) != 1 || len(after.Group(now[0]).In)+len(after.Group(now[0]).Out) != 0 {
			t.Fatalf("%s now has %v", q.Resource, now)
		}
	}
	if found != len(before.InterfacesOf(victim)) {
		t.Fatalf("%d quarantines for %d interfaces", found, len(before.InterfacesOf(victim)))
	}
}
