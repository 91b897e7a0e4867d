package oracle_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

const tracking = `
vpc vpc-1 10.0.0.0/16 2001:db8:1::/56
subnet subnet-1 vpc-1 10.0.1.0/24 2001:db8:1:1::/64
group sg-out vpc-1
  in  tcp 22 203.0.113.0/24
  out all 0.0.0.0/0
  out all ::/0
group sg-open vpc-1
  in  all 0.0.0.0/0
  out all 0.0.0.0/0
group sg-web vpc-1
  in  tcp 80 0.0.0.0/0
  in  tcp 22 203.0.113.0/24
  out all 0.0.0.0/0
group sg-tcp vpc-1
  in  tcp 0.0.0.0/0
  in  udp 1-65535 0.0.0.0/0
  out tcp 443 0.0.0.0/0
  out udp 53 0.0.0.0/0
group sg-q vpc-1
instance i-1 type m5.large
instance i-6 type m8i.large
interface eni-1 i-1 subnet-1 10.0.1.10 2001:db8:1:1::10 groups GROUP
interface eni-6 i-6 subnet-1 10.0.1.16 groups GROUP
interface eni-7 i-6 subnet-1 10.0.1.17 groups GROUP timeout 60s
`

func in(group string) string { return strings.ReplaceAll(tracking, "GROUP", group) }

func TestTracked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		group, flow string
		want        bool
	}{
		{"sg-out", "tcp 10.0.1.10:44321 -> 198.51.100.7:443", true}, // the reverse shell
		{"sg-out", "udp 10.0.1.10:44321 -> 198.51.100.7:53", true},
		{"sg-open", "tcp 10.0.1.10:44321 -> 198.51.100.7:443", false},
		{"sg-open", "tcp 198.51.100.7:44321 -> 10.0.1.10:443", false},
		{"sg-open", "udp 10.0.1.10:44321 -> 198.51.100.7:53", false},
		{"sg-open", "icmp 10.0.1.10 -> 198.51.100.7", true}, // always
		{"sg-open", "47 10.0.1.10 -> 198.51.100.7", true},
		{"sg-open", "tcp 10.0.1.10:44321 -> 198.51.100.7:443 via nat", true}, // always
		{"sg-open", "tcp 198.51.100.7:44321 -> 10.0.1.10:443 via nlb", true},
		{"sg-web", "tcp 198.51.100.7:44321 -> 10.0.1.10:80", false}, // from everywhere, all answers allowed
		{"sg-web", "tcp 203.0.113.7:44321 -> 10.0.1.10:22", true},   // from somewhere
		{"sg-web", "tcp 10.0.1.10:44321 -> 198.51.100.7:443", true}, // answers not allowed by rule
		{"sg-tcp", "tcp 10.0.1.10:44321 -> 198.51.100.7:443", false},
		{"sg-tcp", "udp 10.0.1.10:44321 -> 198.51.100.7:53", true}, // answers to port 0 are missing
		{"sg-out", "tcp [2001:db8:1:1::10]:44321 -> [2001:db8:9::7]:443", true},
	} {
		w := read(t, in(test.group))
		if v := oracle.Establish(w, flow(t, test.flow)); !v.Passes {
			t.Fatalf("%s with %s: %s", test.flow, test.group, v.Why)
		}
		if got := slices.Contains(w.Flows[0].Tracked, "eni-1"); got != test.want {
			t.Errorf("%s with %s: tracked %t, want %t", test.flow, test.group, got, test.want)
		}
		// The swap leaves exactly the tracked ones alive.
		w.Interface("eni-1").Groups = []string{"sg-q"}
		v := oracle.Passes(w, flow(t, test.flow))
		if v.Passes != test.want || test.want && !strings.Contains(v.Why, "eni-1 still tracks it, though no rule of sg-q lets it") {
			t.Errorf("%s with %s after the swap: %+v", test.flow, test.group, v)
		}
		if oracle.Connects(w, flow(t, test.flow)).Passes {
			t.Errorf("%s connects again after the swap", test.flow)
		}
	}
}

func TestTrackingTimeouts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		flow string
		want time.Duration
	}{
		{"tcp 10.0.1.10:1 -> 198.51.100.7:443", 432000 * time.Second},
		{"tcp 10.0.1.16:1 -> 198.51.100.7:443", 350 * time.Second}, // Nitro v6
		{"tcp 10.0.1.17:1 -> 198.51.100.7:443", 60 * time.Second},  // set on the interface
		{"udp 10.0.1.10:1 -> 198.51.100.7:443", 180 * time.Second},
		{"47 10.0.1.10 -> 198.51.100.7", 600 * time.Second},
		{"tcp 10.0.1.10:1 -> 198.51.100.7:443 via nlb", 350 * time.Second},
		{"udp 10.0.1.10:1 -> 198.51.100.7:443 via nlb", 120 * time.Second},
	} {
		w, f := read(t, in("sg-out")), flow(t, test.flow)
		oracle.Establish(w, f)
		for _, n := range w.Interfaces {
			n.Groups = []string{"sg-q"}
		}
		oracle.Advance(w, test.want-time.Second)
		if v := oracle.Passes(w, f); !v.Passes {
			t.Errorf("%s before %s: %s", f, test.want, v.Why)
		}
		oracle.Send(w, f) // a packet keeps it alive
		oracle.Advance(w, test.want-time.Second)
		if v := oracle.Passes(w, f); !v.Passes {
			t.Errorf("%s, kept alive, after %s: %s", f, 2*test.want, v.Why)
		}
		oracle.Advance(w, time.Second)
		if oracle.Passes(w, f).Passes {
			t.Errorf("%s still passes after %s without a packet", f, test.want)
		}
	}
}

func TestDenialAndRevival(t *testing.T) {
	t.Parallel()
	w, f := read(t, in("sg-out")), flow(t, "tcp 10.0.1.10:44321 -> 198.51.100.7:443")
	oracle.Establish(w, f)
	w.Interface("eni-1").Groups = []string{"sg-q"}
	swapped := w.Clone()
	for _, egress := range []bool{false, true} { // either direction is enough
		w := swapped.Clone()
		acl := w.ACL("acl-default-1")
		acl.Entries = append([]world.Entry{{
			Number: 1, Egress: egress, Protocol: world.All, CIDR: netip.MustParsePrefix("198.51.100.7/32"),
		}}, acl.Entries...)
		w.Normalize()
		if v := oracle.Passes(w, f); v.Passes || !strings.Contains(v.Why, "denied by acl-default-1 entry 1") {
			t.Errorf("with a denial: %+v", v)
		}
		early, late := w.Clone(), w.Clone()
		oracle.Advance(early, time.Hour)
		early.ACL("acl-default-1").Entries = swapped.ACL("acl-default-1").Entries
		if !oracle.Passes(early, f).Passes {
			t.Error("the flow doesn't revive though it is tracked")
		}
		oracle.Advance(late, 5*24*time.Hour)
		late.ACL("acl-default-1").Entries = swapped.ACL("acl-default-1").Entries
		if oracle.Passes(late, f).Passes {
			t.Error("the flow revives though its entry has expired")
		}
	}
}

// TestBridge: an all-open group untracks a flow only if a packet passes while it
// is attached, and never a flow that is always tracked.
func TestBridge(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		flow   string
		packet bool
		cut    bool
	}{
		"active":             {"tcp 10.0.1.10:1 -> 198.51.100.7:443", true, true},
		"dormant":            {"tcp 10.0.1.10:1 -> 198.51.100.7:443", false, false},
		"active through NAT": {"tcp 10.0.1.10:1 -> 198.51.100.7:443 via nat", true, false},
	} {
		w, f := read(t, in("sg-out")), flow(t, test.flow)
		oracle.Establish(w, f)
		w.Interface("eni-1").Groups = []string{"sg-open"}
		if test.packet {
			oracle.Send(w, f)
		}
		w.Interface("eni-1").Groups = []string{"sg-q"}
		if got := !oracle.Passes(w, f).Passes; got != test.cut {
			t.Errorf("%s: cut %t, want %t", name, got, test.cut)
		}
	}
}

func TestFlowsKeepTheirStateInText(t *testing.T) {
	t.Parallel()
	w, f := read(t, in("sg-out")), flow(t, "tcp 10.0.1.10:44321 -> 198.51.100.7:443")
	oracle.Establish(w, f)
	if !strings.Contains(w.String(), "\nflow tcp 10.0.1.10:44321 -> 198.51.100.7:443 tracked eni-1\n") {
		t.Errorf("before the swap:\n%s", w)
	}
	w.Interface("eni-1").Groups = []string{"sg-q"}
	oracle.Advance(w, time.Minute)
	if !strings.Contains(w.String(), "443 tracked eni-1 idle 1m0s\n") {
		t.Errorf("after the swap:\n%s", w)
	}
	if !oracle.Passes(read(t, w.String()), f).Passes {
		t.Error("read again, the flow is cut")
	}
}
