package plan

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// The order in which peers take the places of an ACL.
func TestByImportance(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	peer := func(addr string, severity float64, d guardduty.Direction, seen time.Duration) guardduty.Peer {
		return guardduty.Peer{Addr: netip.MustParseAddr(addr), Severity: severity, Direction: d, Seen: noon.Add(seen)}
	}
	want := []guardduty.Peer{
		peer("45.148.10.9", 9, guardduty.UnknownDirection, 0), // severity before all
		peer("45.148.10.1", 8, guardduty.Outbound, time.Hour), // what the instance called
		peer("45.148.10.8", 8, guardduty.Outbound, 0),         // seen earlier
		peer("45.148.10.2", 8, guardduty.Inbound, 2*time.Hour),
		peer("45.148.10.7", 8, guardduty.UnknownDirection, 3*time.Hour),
		peer("45.148.10.3", 7, guardduty.Outbound, 0),
		peer("198.51.100.7", 10, guardduty.Outbound, 0),       // documentation: nobody has it
		peer("2001:db8::7", 9, guardduty.Outbound, time.Hour), // likewise
	}
	for rotation := range want {
		mixed := slices.Concat(want[rotation:], want[:rotation])
		if got := byImportance(mixed); !slices.Equal(got, want) {
			t.Errorf("from %v:\n got %v\nwant %v", mixed, got, want)
		}
	}
	same := []guardduty.Peer{peer("45.148.10.5", 7, guardduty.Outbound, 0), peer("45.148.10.4", 7, guardduty.Outbound, 0)}
	if got := byImportance(same); !slices.Equal(got, same) {
		t.Errorf("peers that weigh the same came as %v and go as %v", same, got)
	}
}

// A finding of higher severity on a known peer raises it; a repeat changes nothing.
func TestMergePeers(t *testing.T) {
	t.Parallel()
	a := guardduty.Peer{Addr: netip.MustParseAddr("45.148.10.9"), Severity: 7, Direction: guardduty.Inbound}
	b := guardduty.Peer{Addr: netip.MustParseAddr("45.148.10.8"), Severity: 8}
	worse, lesser := a, a
	worse.Severity, worse.Direction, lesser.Severity = 9, guardduty.Outbound, 1
	got := mergePeers([]guardduty.Peer{a}, []guardduty.Peer{lesser, b, worse, b})
	raised := a
	raised.Severity = 9
	if want := []guardduty.Peer{raised, b}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if again := mergePeers(got, []guardduty.Peer{worse, b, a}); !slices.Equal(again, got) {
		t.Errorf("a repeat makes %v of %v", again, got)
	}
}

// What no covering prefix may contain.
func TestMayCover(t *testing.T) {
	t.Parallel()
	seen := withEntries(ordinary(), allow(50, network.Out, "45.148.10.160/28"), allow(51, network.In, "45.148.10.128/25"))
	seen.Ranges = map[string][]netip.Prefix{"vpc-1": prefixes("10.0.0.0/16", "45.148.20.0/24", "2001:db8:1::/56")}
	seen.Interfaces[0].Addresses = []netip.Addr{netip.MustParseAddr("45.148.30.9")}
	seen.Owners = map[netip.Addr]network.Owner{netip.MustParseAddr("45.148.40.9"): {Interface: "eni-nat", Service: "nat_gateway"}}
	p := &planner{seen: seen, rules: Rules{CoverIPv4: 24, CoverIPv6: 64, NeverDeny: prefixes("45.148.50.128/25", "2a06:98c0:1::/48")}}
	d := denier{planner: p, acl: seen.ACLs["acl-1"], never: p.uncoverable()}
	for prefix, want := range map[string]bool{
		"45.148.60.0/24":     true,
		"45.148.60.0/23":     false, // wider than configured
		"2a06:98c0::/64":     true,
		"2a06:98c0::/63":     false,
		"45.148.50.0/25":     true,
		"45.148.50.0/24":     false, // an exempt half
		"45.148.50.200/31":   false, // inside an exempt prefix
		"2a06:98c0:1:2::/64": false,
		"45.148.20.8/30":     false, // the VPC's own, though public
		"10.0.1.0/30":        false, // the subnet's
		"2001:db8:1:1::/126": false,
		"192.168.7.0/28":     false, // somebody's on this side of the internet
		"172.31.0.0/28":      false,
		"100.64.0.0/28":      false,
		"fd12::/64":          false,
		"169.254.169.252/30": false,
		"45.148.30.8/30":     false, // an address of the instance
		"45.148.30.0/30":     true,
		"45.148.40.0/28":     false, // a NAT gateway's
		"45.148.10.128/26":   false, // an entry of its own allows a part
		"45.148.10.160/29":   true,  // which it lies within
		"45.148.10.192/26":   true,
		"45.148.10.128/25":   false,
		"0.0.0.0/24":         false,
		"255.255.255.0/24":   false,
		// The IPv4 addresses that NAT64 translates, by the rules for those.
		"64:ff9b::2d94:3c00/120": true,
		"64:ff9b::2d94:3c00/119": false,
		"64:ff9b::2d94:3200/121": true,
		"64:ff9b::2d94:3200/120": false, // an exempt half
		"64:ff9b::2d94:2800/124": false, // a NAT gateway's
		"64:ff9b::2d94:a00/120":  true,  // entries for IPv4 say nothing of it
		"64:ff9b::a00:100/126":   false, // the subnet's
		"64:ff9b::/96":           false,
		"64:ff9b::/95":           false,
		"64:ff9b::/64":           false,
	} {
		if got := d.mayCover(netip.MustParsePrefix(prefix)); got != want {
			t.Errorf("%s: %t, want %t", prefix, got, want)
		}
	}
	d.rules = Rules{}
	if d.mayCover(netip.MustParsePrefix("45.148.60.0/31")) {
		t.Error("without configuration a covering prefix is made")
	}
}

// Peers are of an incident by the findings that name its instance: an analyst's
// are a person's.
func TestIncidentsOfSecurityHubAreByPerson(t *testing.T) {
	t.Parallel()
	f := finding(func(*guardduty.Finding) {})
	hub := finding(func(f *guardduty.Finding) { f.Origin = guardduty.SecurityHub })
	for want, findings := range map[bool][]guardduty.Finding{false: {f}, true: {f, hub}} {
		if got := NewIncidents(findings)[0].Trigger == ByPerson; got != want {
			t.Errorf("by a person: %t, want %t", got, want)
		}
	}
}

// An incident lists as many peers as a record keeps, the most important ones.
func TestIncidentsAreBounded(t *testing.T) {
	t.Parallel()
	f := finding(func(f *guardduty.Finding) {
		f.Instances[0].OmittedPeers = 7
		for n := range maxPeers + 3 {
			f.Instances[0].Peers = append(f.Instances[0].Peers, guardduty.Peer{
				Addr: netip.AddrFrom4([4]byte{45, 148, byte(n / 250), byte(n % 250)}), Severity: float64(n) / 100,
			})
		}
		for n := range maxUnreadable + 2 {
			f.Instances[0].UnreadablePeers = append(f.Instances[0].UnreadablePeers, strings.Repeat("x", n+1))
		}
	})
	in := NewIncidents([]guardduty.Finding{f})[0]
	if len(in.Peers) != maxPeers || len(in.Unreadable) != maxUnreadable || in.Omitted != 7+3+2 {
		t.Errorf("%d peers, %d unreadable, %d omitted", len(in.Peers), len(in.Unreadable), in.Omitted)
	}
	if last := maxPeers + 2; in.Peers[0].Addr != netip.AddrFrom4([4]byte{45, 148, byte(last / 250), byte(last % 250)}) {
		t.Errorf("the first peer is %s", in.Peers[0].Addr)
	}
	plan := NewPlan(in, ordinary(), record.Known{}, rules)
	if !slices.ContainsFunc(plan.Record.Exposure, func(e record.Exposure) bool { return e.Kind == record.OmittedPeers }) {
		t.Errorf("no exposure of omitted peers: %v", plan.Record.Exposure)
	}
}

// finding is one of an ordinary instance, as a test changes it.
func finding(change func(*guardduty.Finding)) guardduty.Finding {
	f := guardduty.Finding{
		ID: "f1", AccountID: account, Type: "Backdoor:EC2/C&CActivity.B", Severity: 8, Role: "ACTOR",
		Instances: []guardduty.Instance{{ID: "i-1"}},
	}
	change(&f)
	return f
}
