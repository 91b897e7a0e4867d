package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// drawNear draws an address of a few neighbourhoods, so that many are near each
// other, some inside the VPC, some exempt.
func drawNear(t *rapid.T) netip.Addr {
	base := netip.MustParseAddr(rapid.SampledFrom([]string{
		"198.51.100.0", "198.51.100.0", "203.0.113.64", "192.0.2.128", "10.0.1.0", "10.0.9.0", "172.31.0.0", "45.148.10.0", "2001:db8:ffff::", "2001:db8:1:1::", "2a06:98c0::",
		"64:ff9b::c633:6400", "64:ff9b::2d94:a00",
	}).Draw(t, "neighbourhood")).AsSlice()
	base[len(base)-1] |= byte(rapid.IntRange(0, 63).Draw(t, "host"))
	a, _ := netip.AddrFromSlice(base)
	return a
}

func drawPeers(t *rapid.T) []guardduty.Peer {
	addrs := rapid.SliceOfNDistinct(rapid.Custom(drawNear), 0, 40, rapid.ID[netip.Addr]).Draw(t, "peers")
	var peers []guardduty.Peer
	for _, a := range addrs {
		peers = append(peers, guardduty.Peer{
			Addr: a, Severity: float64(rapid.IntRange(7, 9).Draw(t, "severity")),
			Direction: guardduty.Direction(rapid.IntRange(0, 2).Draw(t, "direction")),
		})
	}
	return peers
}

// The spans have every peer once, by prefixes that may be denied, in no more
// places than there are, as far as prefixes can be found; and where there is a
// place for each, each has its own.
func TestCover(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v6 := rapid.Bool().Draw(t, "IPv6")
		peers := slices.DeleteFunc(rapid.SliceOfNDistinct(rapid.Custom(drawNear), 0, 60, rapid.ID[netip.Addr]).Draw(t, "peers"),
			func(a netip.Addr) bool { return a.Is6() != v6 })
		places := rapid.IntRange(0, 20).Draw(t, "places")
		bound := rapid.IntRange(20, 128).Draw(t, "bound")
		taboo := rapid.Custom(drawNear).Draw(t, "taboo")
		may := func(p netip.Prefix) bool { return p.Bits() >= bound && !p.Contains(taboo) }
		spans := cover(peers, places, may)
		var covered []netip.Addr
		for i, got := range spans {
			covered = append(covered, got.peers...)
			if got.covers() && !may(got.prefix) {
				t.Errorf("%s may not be denied", got.prefix)
			}
			if got.covers() && len(got.peers) < 2 || got.prefix != got.prefix.Masked() {
				t.Errorf("%s for %v", got.prefix, got.peers)
			}
			for _, p := range got.peers {
				if !got.prefix.Contains(p) {
					t.Errorf("%s isn't in %s", p, got.prefix)
				}
			}
			for _, other := range spans[:i] {
				if other.prefix.Overlaps(got.prefix) {
					t.Errorf("%s and %s overlap", other.prefix, got.prefix)
				}
			}
			if i > 0 && spans[i-1].rank > got.rank || peers[got.rank] != got.peers[0] {
				t.Errorf("%v is out of order", got)
			}
		}
		if !sameAddrs(covered, peers) {
			t.Errorf("covered %v of %v", covered, peers)
		}
		if len(peers) <= places && len(spans) != len(peers) {
			t.Errorf("%d spans for %d peers and %d places", len(spans), len(peers), places)
		}
		if len(spans) > places && places > 0 {
			for i, a := range spans {
				for _, b := range spans[:i] {
					if p := commonPrefix(a.prefix, b.prefix); may(p) {
						t.Errorf("%s and %s could be %s", a.prefix, b.prefix, p)
					}
				}
			}
		}
	})
}

func sameAddrs(a, b []netip.Addr) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, netip.Addr.Compare)
	slices.SortFunc(b, netip.Addr.Compare)
	return slices.Equal(a, b)
}

// scarce is a random network whose ACLs have few places, with the rules to plan by.
func scarce(t *rapid.T) (network.Network, record.Known, Rules) {
	seen := ordinary()
	seen.Interfaces[0].Timeouts = network.ShortestTimeouts // of denials alone is the question here
	seen.Ranges = map[string][]netip.Prefix{"vpc-1": prefixes("10.0.0.0/16", "2001:db8:1::/56")}
	seen.Owners = map[netip.Addr]network.Owner{
		netip.MustParseAddr("198.51.100.9"): {Interface: "eni-nat", Service: "nat_gateway"},
		netip.MustParseAddr("10.0.9.7"):     {Interface: "eni-9", Instance: "i-9"},
	}
	if rapid.Bool().Draw(t, "DNS64") {
		subnet := seen.Subnets["subnet-1"]
		subnet.DNS64 = true
		seen.Subnets = map[string]network.Subnet{"subnet-1": subnet}
	}
	entries := map[int]network.Entry{}
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(1, 12), 0, 8, rapid.ID[int]).Draw(t, "numbers") {
		p := netip.PrefixFrom(drawNear(t), rapid.SampledFrom([]int{20, 24, 28, 30, 32}).Draw(t, "length")).Masked()
		entries[n] = network.Entry{
			Number: n, Prefix: p, Direction: rapid.SampledFrom(network.Directions[:]).Draw(t, "direction"),
			Allow: rapid.Bool().Draw(t, "allow"), AllTraffic: rapid.Bool().Draw(t, "all traffic"),
		}
	}
	var known record.Known
	for n, e := range entries {
		seen = withEntries(seen, e)
		if !e.Allow && e.AllTraffic && rapid.Bool().Draw(t, "ours") { // another incident's denial
			known.Slots = append(known.Slots, record.Slot{
				SlotKey: record.SlotKey{VPC: "vpc-1", ACL: "acl-1", Direction: e.Direction, Number: n}, Prefix: e.Prefix, Holders: []record.Holder{{Instance: "i-9", Generation: 1}}, State: record.SlotApplied,
			})
		}
	}
	slices.SortFunc(known.Slots, func(a, b record.Slot) int { return a.Number - b.Number })
	rules := Rules{
		ACLQuota:  rapid.IntRange(2, 14).Draw(t, "quota"),
		CoverIPv4: rapid.SampledFrom([]int{0, 24, 26, 28, 30, 31, 32}).Draw(t, "cover IPv4"),
		CoverIPv6: rapid.SampledFrom([]int{0, 64, 120, 124}).Draw(t, "cover IPv6"),
	}
	if rapid.Bool().Draw(t, "exempt") {
		rules.NeverDeny = prefixes("198.51.100.16/30", "203.0.113.70/32", "2001:db8:ffff::8/126", "64:ff9b::c633:6414/126")
	}
	return seen, known, rules
}

// applied is the network and the ledger once a plan's steps are in effect.
func applied(seen network.Network, known record.Known, plan Plan) (network.Network, record.Known) {
	known = known.After(record.Change{Record: plan.Record, Slots: plan.Slots})
	for _, s := range plan.Record.Steps {
		if d, ok := s.Step.(record.Denial); ok && s.State == record.Pending {
			seen = withEntries(seen, d.Entry())
		}
	}
	for i := range seen.Interfaces {
		seen.Interfaces = slices.Clone(seen.Interfaces)
		seen.Interfaces[i].Groups = []string{"sg-q"}
	}
	for _, s := range plan.Record.Pending() {
		if r, ok := s.(record.Replacement); ok && r.Of == record.KindTracking {
			i := slices.IndexFunc(seen.Interfaces, func(i network.Interface) bool { return i.ID == r.Resource })
			seen.Interfaces[i].Timeouts = network.ShortestTimeouts
		}
	}
	return seen, known
}

// The laws of denying with few places: what is denied is a peer, or inside a
// covering prefix within the bound that holds nothing exempt and nothing of ours;
// every peer is denied or reported; the quota is kept; and a second plan adds nothing.
func TestPlansWithFewPlaces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, known, rules := scarce(t)
		in := incident()
		in.Peers = drawPeers(t)
		plan := NewPlan(in, before, known, rules)
		after, then := applied(before, known, plan)
		checkPlaces(t, before.ACLs["acl-1"], after.ACLs["acl-1"], rules)
		checkReach(t, in, plan, before, after, rules)
		checkReported(t, in, plan, after, rules)

		second := NewPlan(in, after, then, rules)
		for _, c := range second.Slots {
			if c.Op != record.Settle {
				t.Errorf("the second plan would %s %s %s %d", c.Op, c.Slot.Prefix, c.Slot.Direction, c.Slot.Number)
			}
		}
		if a, b := stepIDs(plan), stepIDs(second); a != b {
			t.Errorf("steps\n%s\nthen\n%s", a, b)
		}
		if !slices.Equal(plan.Record.Exposure, second.Record.Exposure) {
			t.Errorf("exposure\n%v\nthen\n%v", plan.Record.Exposure, second.Record.Exposure)
		}
		after, then = applied(after, then, second)
		if len(in.Peers) == 0 { // the second one lowers timeouts, and the third sees them lowered
			after, then = applied(after, then, NewPlan(in, after, then, rules))
		}
		if third := NewPlan(in, after, then, rules); third.Changed {
			t.Errorf("the third plan still changes\n%s", third.text())
		}
	})
}

// stepIDs leaves out what comes only once the interfaces are in quarantine.
func stepIDs(p Plan) string {
	var ids []string
	for _, s := range p.Record.Steps {
		if s.Step.Kind() == record.KindTracking {
			continue
		}
		ids = append(ids, fmt.Sprintf("%s %s", record.Attempt(s.Step), s.Note))
	}
	return strings.Join(ids, "\n")
}

func checkPlaces(t *rapid.T, before, after network.ACL, rules Rules) {
	for _, dir := range network.Directions {
		for _, v6 := range []bool{false, true} {
			had := 1000 - before.Room(dir, v6, 1000)
			has := 1000 - after.Room(dir, v6, 1000)
			if has > max(had, rules.ACLQuota) {
				t.Errorf("%d entries %s, quota %d, were %d", has, dir, rules.ACLQuota, had)
			}
		}
		numbers := map[int]bool{}
		for _, e := range after.Entries {
			if e.Direction == dir && numbers[e.Number] {
				t.Errorf("two entries %s at %d", dir, e.Number)
			}
			numbers[e.Number] = numbers[e.Number] || e.Direction == dir
		}
	}
}

func checkReach(t *rapid.T, in Incident, plan Plan, before, after network.Network, rules Rules) {
	probes := map[netip.Addr]bool{}
	for _, p := range in.Peers {
		for a, n := p.Addr, 0; n < 5; a, n = a.Next(), n+1 {
			probes[a] = true
		}
	}
	for _, s := range plan.Record.Steps {
		if d, ok := s.Step.(record.Denial); ok { // the ends of a covering prefix
			probes[d.Prefix.Addr()] = true
		}
	}
	for a := range probes {
		peer := slices.ContainsFunc(in.Peers, func(p guardduty.Peer) bool { return slices.Contains(bothForms(p.Addr, before), a) })
		_, refused := refuse(a, before, rules)
		for _, dir := range network.Directions {
			was, is := before.ACLs["acl-1"].Decide(dir, network.Host(a)), after.ACLs["acl-1"].Decide(dir, network.Host(a))
			switch {
			case was.Shut == is.Shut:
				continue
			case was.Shut:
				t.Errorf("%s was shut out %s, and passes now", a, dir)
			case refused || !peer && inAny(before.Ranges["vpc-1"], a):
				t.Errorf("%s is denied %s by %s and must not be", a, dir, is.Entry.Prefix)
			case !peer && tooWide(is.Entry.Prefix, rules):
				t.Errorf("%s is denied by %s, which is wider than configured", a, is.Entry.Prefix)
			case !peer && is.Entry.Prefix == network.Host(a):
				t.Errorf("%s is no peer and is denied", a)
			}
		}
	}
}

// checkReported: a peer is denied in a direction, or the record says why not. With
// covering prefixes off, those denied are the most important ones.
func checkReported(t *rapid.T, in Incident, plan Plan, after network.Network, rules Rules) {
	acl := after.ACLs["acl-1"]
	says := func(a netip.Addr, kinds ...record.ExposureKind) bool {
		return slices.ContainsFunc(plan.Record.Exposure, func(e record.Exposure) bool {
			words := strings.FieldsFunc(e.Detail, func(r rune) bool { return r == ' ' || r == ',' })
			named := slices.Contains(words, a.String()) || slices.Contains(words, a.String()+":")
			return named && (slices.Contains(kinds, e.Kind) || len(kinds) == 0 && e.Kind != record.OneDirection && e.Kind != record.OwnInstancePeer)
		})
	}
	full := map[bool]bool{}         // by family: a more important peer found no room
	judged := map[netip.Addr]bool{} // two peers may be one host, in both forms
	for _, p := range byImportance(in.Peers) {
		_, refused := refuse(p.Addr, after, rules)
		for _, a := range bothForms(p.Addr, after) {
			if !acl.Cuts(a) && !says(a) && !refused {
				t.Errorf("%s passes, and no exposure says so: %v", a, plan.Record.Exposure)
			}
			if !judged[a] && full[a.Is6()] && rules.CoverIPv4+rules.CoverIPv6 == 0 && newly(plan, a) {
				t.Errorf("%s has a place that a more important peer needed", a)
			}
			judged[a] = true
			full[a.Is6()] = full[a.Is6()] || says(a, record.ACLFull)
		}
		if refused && !says(p.Addr) {
			t.Errorf("%s is not denied, and no exposure says so: %v", p.Addr, plan.Record.Exposure)
		}
	}
}

// bothForms are a peer's address and, where NAT64 translates, the other one under
// which it is reached.
func bothForms(peer netip.Addr, seen network.Network) []netip.Addr {
	switch {
	case network.NAT64.Contains(peer):
		return []netip.Addr{peer, network.FromNAT64(peer)}
	case peer.Is4() && seen.Subnets["subnet-1"].DNS64:
		return []netip.Addr{peer, network.ToNAT64(peer)}
	default:
		return []netip.Addr{peer}
	}
}

func tooWide(p netip.Prefix, rules Rules) bool {
	if hosts, translated := network.FromNAT64Prefix(p); translated {
		p = hosts
	}
	return p.Bits() < rules.shortest(p.Addr().Is6())
}

// newly reports whether the plan reserves a place for a peer itself.
func newly(plan Plan, a netip.Addr) bool {
	return slices.ContainsFunc(plan.Slots, func(c record.SlotChange) bool { return c.Op == record.Reserve && c.Slot.Prefix == network.Host(a) })
}

// Many peers and ACLs, as many as there can be.
func BenchmarkNewPlan(b *testing.B) {
	for _, size := range []struct{ peers, acls, cover int }{{1, 1, 0}, {16, 4, 0}, {500, 15, 0}, {500, 15, 24}} {
		b.Run(fmt.Sprintf("%d peers, %d ACLs, /%d", size.peers, size.acls, size.cover), func(b *testing.B) {
			seen := ordinary()
			acl := seen.ACLs["acl-1"]
			for n := range size.acls {
				id := fmt.Sprintf("acl-%d", n+1)
				acl.ID = id
				seen.ACLs[id] = acl
				seen.Subnets["s"+id] = network.Subnet{ID: "s" + id, VPC: "vpc-1", ACL: id}
			}
			in := incident()
			for n := range size.peers {
				in.Peers = append(in.Peers, guardduty.Peer{Addr: netip.AddrFrom4([4]byte{45, 148, byte(n % 20), byte(n)})})
			}
			b.ReportAllocs()
			for b.Loop() {
				NewPlan(in, seen, record.Known{}, Rules{ACLQuota: network.DefaultACLQuota, CoverIPv4: size.cover})
			}
		})
	}
}
