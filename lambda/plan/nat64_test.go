package plan

import (
	"net/netip"
	"slices"
	"testing"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// translating is a network in whose subnet the resolver has DNS64.
func translating() network.Network {
	seen := ordinary()
	subnet := seen.Subnets["subnet-1"]
	subnet.DNS64 = true
	seen.Subnets = map[string]network.Subnet{"subnet-1": subnet}
	return seen
}

// A peer behind NAT64 has two addresses, and is cut only when both are denied.
func TestPeersBehindNAT64(t *testing.T) {
	t.Parallel()
	const translated = "64:ff9b::c633:6407" // 198.51.100.7
	owned := translating()
	owned.Owners = map[netip.Addr]network.Owner{netip.MustParseAddr("198.51.100.7"): {Interface: "eni-nat", Service: "nat_gateway"}}
	for name, tc := range map[string]struct {
		seen   network.Network
		peers  []string
		rules  Rules
		denied []string
		left   []record.ExposureKind
	}{
		"IPv4, no DNS64":              {seen: ordinary(), peers: []string{"198.51.100.7"}, denied: []string{"198.51.100.7"}},
		"IPv4":                        {seen: translating(), peers: []string{"198.51.100.7"}, denied: []string{"198.51.100.7", translated}},
		"translated":                  {seen: translating(), peers: []string{translated}, denied: []string{translated, "198.51.100.7"}},
		"both":                        {seen: translating(), peers: []string{"198.51.100.7", translated}, denied: []string{"198.51.100.7", translated}},
		"another IPv6 peer":           {seen: translating(), peers: []string{"2001:db8:ffff::7"}, denied: []string{"2001:db8:ffff::7"}},
		"shared infrastructure":       {seen: owned, peers: []string{translated}, left: []record.ExposureKind{record.SharedInfrastructurePeer}},
		"the resolver":                {seen: translating(), peers: []string{"64:ff9b::a00:2"}, left: []record.ExposureKind{record.UndeniablePeer}},
		"the instance itself":         {seen: translating(), peers: []string{"64:ff9b::a00:10a"}, left: []record.ExposureKind{record.UndeniablePeer}},
		"a link-local address":        {seen: translating(), peers: []string{"64:ff9b::a9fe:909"}, left: []record.ExposureKind{record.UndeniablePeer}},
		"exempt by its IPv4 address":  {seen: translating(), peers: []string{translated}, rules: Rules{NeverDeny: prefixes("198.51.100.0/24")}, left: []record.ExposureKind{record.ExemptPeer}},
		"exempt by the other address": {seen: translating(), peers: []string{"198.51.100.7"}, rules: Rules{NeverDeny: prefixes("64:ff9b::/96")}, denied: []string{"198.51.100.7"}, left: []record.ExposureKind{record.ExemptPeer}},
		"a neighbour": {
			seen: translating(), peers: []string{"10.0.1.77"}, denied: []string{"64:ff9b::a00:14d"}, left: []record.ExposureKind{record.SameSubnetPeer},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.rules.ACLQuota = network.DefaultACLQuota
			tc.seen.Ranges = map[string][]netip.Prefix{"vpc-1": prefixes("10.0.0.0/16")}
			tc.seen.Interfaces[0].Addresses = []netip.Addr{netip.MustParseAddr("10.0.1.10")}
			in := incident(tc.peers...)
			plan := NewPlan(in, tc.seen, record.Known{}, tc.rules)
			var denied []string
			for _, s := range plan.Record.Steps {
				if d, ok := s.Step.(record.Denial); ok && d.Direction == network.In {
					denied = append(denied, d.Prefix.Addr().String())
				}
			}
			if !slices.Equal(denied, tc.denied) {
				t.Errorf("denied %v, want %v", denied, tc.denied)
			}
			var left []record.ExposureKind
			for _, e := range plan.Record.Exposure {
				if e.Kind != record.UnknownPeers && e.Kind != record.ResolverDNS {
					left = append(left, e.Kind)
				}
			}
			if !slices.Equal(left, tc.left) {
				t.Errorf("exposure %v, want %v", left, tc.left)
			}
		})
	}
}

// Where there is no room for the other address of each peer, covering prefixes of
// translated addresses are as wide as those of IPv4 may be.
func TestCoveringBehindNAT64(t *testing.T) {
	t.Parallel()
	in := incident()
	for n := range 40 {
		in.Peers = append(in.Peers, guardduty.Peer{Addr: netip.AddrFrom4([4]byte{45, 148, 10, byte(n)})})
	}
	seen := translating()
	plan := NewPlan(in, seen, record.Known{}, Rules{ACLQuota: 6, CoverIPv4: 24})
	after, _ := applied(seen, record.Known{}, plan)
	for _, p := range in.Peers {
		for _, a := range []netip.Addr{p.Addr, network.ToNAT64(p.Addr)} {
			if !after.ACLs["acl-1"].Cuts(a) {
				t.Errorf("%s passes", a)
			}
		}
	}
	if plan.Record.Status == record.PartiallyContained || after.ACLs["acl-1"].Cuts(netip.MustParseAddr("64:ff9b::2d94:b01")) {
		t.Errorf("status %s; 45.148.11.1 is cut %t", plan.Record.Status, after.ACLs["acl-1"].Cuts(netip.MustParseAddr("64:ff9b::2d94:b01")))
	}
}

// An entry that denies either address of a peer may be ours, when only tags say who
// the peers are.
func TestUnclaimedBehindNAT64(t *testing.T) {
	t.Parallel()
	seen := withEntries(translating(), denyAll(1, network.In, "64:ff9b::c633:6407/128"), denyAll(2, network.In, "64:ff9b::c633:6408/128"))
	if got := unclaimed(seen, []netip.Addr{netip.MustParseAddr("198.51.100.7")}); len(got) != 1 {
		t.Errorf("%v, want the one entry at 1", got)
	}
}
