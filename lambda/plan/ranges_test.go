package plan

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
)

// Where an incident does not go by the VPCs' ranges, its plan is the same without them.
func TestPlanWithoutRanges(t *testing.T) {
	t.Parallel()
	skipped := 0
	rapid.Check(t, func(t *rapid.T) {
		seen, known, rules := scarce(t)
		in := Incident{Instance: seen.Instance.ID, Trigger: ByEvent, Peers: slices.DeleteFunc(drawPeers(t), func(p guardduty.Peer) bool {
			return network.MayBeResolver(p.Addr) && rapid.Bool().Draw(t, "left out")
		})}
		if rapid.Bool().Draw(t, "covers nothing") {
			rules.CoverIPv4, rules.CoverIPv6 = 32, 128
		}
		if in.GoesByRanges(in.Target(nil).Peers, rules) {
			return
		}
		skipped++
		without := seen
		without.Ranges = nil
		same := cmp.Options{
			cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
			cmp.AllowUnexported(Plan{}),
		}
		if d := cmp.Diff(NewPlan(in, seen, known, rules), NewPlan(in, without, known, rules), same); d != "" {
			t.Errorf("the plan for %v (-with the ranges +without):\n%s", in.Peers, d)
		}
	})
	if skipped == 0 {
		t.Error("no incident did without the ranges")
	}
}

// What goes by the ranges.
func TestGoesByRanges(t *testing.T) {
	t.Parallel()
	addrs := func(all ...string) (peers []netip.Addr) {
		for _, a := range all {
			peers = append(peers, netip.MustParseAddr(a))
		}
		return peers
	}
	watched := Incident{Flows: network.FlowReading{Records: []network.FlowRecord{{}}}}
	for name, tc := range map[string]struct {
		in    Incident
		peers []netip.Addr
		rules Rules
		want  bool
	}{
		"no peer":                        {},
		"peers that can't be a resolver": {peers: addrs("198.51.100.7", "2001:db8::2")},
		"a peer that may be one":         {peers: addrs("198.51.100.7", "10.0.0.2"), want: true},
		"behind NAT64":                   {peers: addrs("64:ff9b::a00:2"), want: true},
		"IPv4 peers may be covered":      {rules: Rules{CoverIPv4: 24}, want: true},
		"IPv6 peers may be covered":      {rules: Rules{CoverIPv6: 64}, want: true},
		"as configured by default":       {rules: Rules{CoverIPv4: 32, CoverIPv6: 128}},
		"who still exchanged packets":    {in: watched, want: true},
	} {
		if got := tc.in.GoesByRanges(tc.peers, tc.rules); got != tc.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
