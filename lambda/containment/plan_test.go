package containment

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/guardduty"
)

// text is a plan as a reviewer reads it: a line for each step, change of slots and
// exposure, without the exposures that every containment has.
func (p Plan) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s generation %d\n", p.Record.Status, p.Record.Generation)
	for _, s := range p.Record.Steps {
		switch step := s.Step.(type) {
		case Quarantine:
			fmt.Fprintf(&b, "%s %s: %s -> %s", s.State, step.ID(), strings.Join(step.Before, " "), step.Group)
		case Denial:
			fmt.Fprintf(&b, "%s %s at %d", s.State, step.ID(), step.Number)
		case Tracking:
			fmt.Fprintf(&b, "%s %s: %s -> %s", s.State, step.ID(), strings.Join(step.Before.Texts(), " "), strings.Join(step.After.Texts(), " "))
		}
		if s.Note != "" {
			fmt.Fprintf(&b, " (%s)", s.Note)
		}
		b.WriteByte('\n')
	}
	for _, c := range p.Slots {
		fmt.Fprintf(&b, "%s %s %s %d %s for %s\n", c.Op, c.Slot.ACL, c.Slot.Direction, c.Slot.Number, c.Slot.Prefix, strings.Join(c.Slot.Holders, " "))
	}
	for _, e := range p.Record.Exposure {
		if e.Kind != UnknownPeers && e.Kind != ResolverDNS {
			fmt.Fprintf(&b, "left: %s: %s\n", e.Kind, e.Detail)
		}
	}
	return b.String()
}

const me = "i-0aaaaaaaaaaaaaaa1"

func incident(peers ...string) Incident {
	in := Incident{Instance: me, Findings: []FindingRef{{ID: "f1", Type: "Backdoor:EC2/C&CActivity.B", Severity: 8}}, Reason: "test"}
	for _, p := range peers {
		in.Peers = append(in.Peers, guardduty.Peer{Addr: netip.MustParseAddr(p)})
	}
	return in
}

// ordinary is an instance with one interface behind a default ACL.
func ordinary() Network {
	return Network{
		Instance:   Instance{ID: me, Account: account, State: "running"},
		Interfaces: []Interface{{ID: "eni-1", VPC: "vpc-1", Subnet: "subnet-1", Groups: []string{"sg-ssh", "sg-web"}, TrackingTimeout: 5 * 24 * time.Hour}},
		Subnets: map[string]Subnet{"subnet-1": {
			ID: "subnet-1", VPC: "vpc-1", ACL: "acl-1",
			Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.1.0/24"), netip.MustParsePrefix("2001:db8:1:1::/64")},
		}},
		ACLs: map[string]ACL{"acl-1": {ID: "acl-1", VPC: "vpc-1", Account: account, Entries: []Entry{
			allow(100, In, "0.0.0.0/0"), allow(100, Out, "0.0.0.0/0"), allow(101, In, "::/0"), allow(101, Out, "::/0"),
			denyAll(32767, In, "0.0.0.0/0"), denyAll(32767, Out, "0.0.0.0/0"), denyAll(32768, In, "::/0"), denyAll(32768, Out, "::/0"),
		}}},
		Quarantine: map[string][]Quarantined{"vpc-1": {{Group: "sg-q", Empty: true}}},
	}
}

func (n Network) withEntries(entries ...Entry) Network {
	acl := n.ACLs["acl-1"]
	acl.Entries = append(slices.Clone(acl.Entries), entries...)
	n.ACLs = map[string]ACL{"acl-1": acl}
	return n
}

var rules = Rules{ACLQuota: DefaultACLQuota}

func TestNewPlan(t *testing.T) {
	t.Parallel()
	slot := func(dir Direction, number int, prefix string, state SlotState, holders ...string) Slot {
		return Slot{SlotKey: SlotKey{"vpc-1", "acl-1", dir, number}, Prefix: netip.MustParsePrefix(prefix), Holders: holders, State: state}
	}
	full := func(dir Direction) []Entry {
		var entries []Entry
		for n := 200; n < 218; n++ {
			entries = append(entries, allow(n, dir, fmt.Sprintf("192.0.2.%d/32", n)))
		}
		return entries
	}
	const peer = "198.51.100.7"
	tests := map[string]struct {
		in    Incident
		seen  Network
		known Known
		rules Rules
		want  string
	}{
		"one interface, one peer": {
			in: incident(peer), seen: ordinary(),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
pending denial/acl-1/in/198.51.100.7/32 at 1
pending denial/acl-1/out/198.51.100.7/32 at 1
reserve acl-1 in 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
reserve acl-1 out 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
`,
		},
		"both families share the numbers": {
			in: incident(peer, "2001:db8:ffff::7"), seen: ordinary(),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
pending denial/acl-1/in/198.51.100.7/32 at 1
pending denial/acl-1/out/198.51.100.7/32 at 1
pending denial/acl-1/in/2001:db8:ffff::7/128 at 2
pending denial/acl-1/out/2001:db8:ffff::7/128 at 2
reserve acl-1 in 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
reserve acl-1 in 2 2001:db8:ffff::7/128 for i-0aaaaaaaaaaaaaaa1#1
reserve acl-1 out 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
reserve acl-1 out 2 2001:db8:ffff::7/128 for i-0aaaaaaaaaaaaaaa1#1
`,
		},
		"no peer: quarantined all the same": {
			in: incident(), seen: ordinary(),
			want: "containing generation 1\npending quarantine/eni-1: sg-ssh sg-web -> sg-q\n",
		},
		"somebody else denies the peer already": {
			in: incident(peer), seen: ordinary().withEntries(denyAll(50, In, "198.51.100.0/24"), denyAll(50, Out, "198.51.100.0/24")),
			want: "containing generation 1\npending quarantine/eni-1: sg-ssh sg-web -> sg-q\n",
		},
		"an entry in the way keeps its number": {
			in: incident(peer), seen: ordinary().withEntries(allow(1, In, "203.0.113.0/24")),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
pending denial/acl-1/in/198.51.100.7/32 at 2
pending denial/acl-1/out/198.51.100.7/32 at 1
reserve acl-1 out 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
reserve acl-1 in 2 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
`,
		},
		"allowed at number 1: no slot below, the other direction cuts": {
			in: incident(peer), seen: ordinary().withEntries(allow(1, In, "198.51.100.0/24")),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
pending denial/acl-1/out/198.51.100.7/32 at 1
reserve acl-1 out 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
left: one-direction: acl-1 denies 198.51.100.7 only out (no-slot-below-allow): connections with it break, packets in still pass
`,
		},
		"allowed at number 1 both ways": {
			in: incident(peer), seen: ordinary().withEntries(allow(1, In, "198.51.100.0/24"), allow(1, Out, "198.51.100.0/24")),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
left: no-slot-below-allow: acl-1 has no free rule number below the entry that allows 198.51.100.7
`,
		},
		"one direction full: the other is used": {
			in: incident(peer), seen: ordinary().withEntries(full(In)...),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
pending denial/acl-1/out/198.51.100.7/32 at 1
reserve acl-1 out 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
left: one-direction: acl-1 denies 198.51.100.7 only out (acl-full): connections with it break, packets in still pass
`,
		},
		"full: nothing is evicted": {
			in: incident(peer), seen: ordinary().withEntries(append(full(In), full(Out)...)...),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
left: acl-full: acl-1 has no room for another entry: 198.51.100.7 is not denied
`,
		},
		"a reservation by another counts as an entry": {
			in: incident(peer), seen: ordinary(),
			known: Known{Slots: []Slot{slot(In, 1, "192.0.2.9/32", SlotReserved, "i-2#1"), slot(Out, 1, peer+"/32", SlotReserved, "i-2#1")}},
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
pending denial/acl-1/in/198.51.100.7/32 at 2
pending denial/acl-1/out/198.51.100.7/32 at 1
reserve acl-1 in 2 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
hold acl-1 out 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1 i-2#1
`,
		},
		"another's denial is shared": {
			in: incident(peer), seen: ordinary().withEntries(denyAll(1, In, peer+"/32"), denyAll(1, Out, peer+"/32")),
			known: Known{Slots: []Slot{slot(In, 1, peer+"/32", SlotApplied, "i-2#1"), slot(Out, 1, peer+"/32", SlotApplied, "i-2#1")}},
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
applied denial/acl-1/in/198.51.100.7/32 at 1
applied denial/acl-1/out/198.51.100.7/32 at 1
hold acl-1 in 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1 i-2#1
hold acl-1 out 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1 i-2#1
`,
		},
		"our slot was taken by somebody else's entry": {
			in: incident(peer), seen: ordinary().withEntries(allow(1, In, "203.0.113.0/24")),
			known: Known{Slots: []Slot{slot(In, 1, peer+"/32", SlotReserved, me+"#1")}},
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
pending denial/acl-1/in/198.51.100.7/32 at 2
pending denial/acl-1/out/198.51.100.7/32 at 1
reserve acl-1 out 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
reserve acl-1 in 2 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
give-up acl-1 in 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
`,
		},
		"addresses that no ACL may deny": {
			in: incident("0.0.0.0", "127.0.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::1", "fe80::1", "ff02::1", "203.0.113.9"),
			seen: func() Network {
				n := ordinary()
				n.Owners = map[netip.Addr]Owner{netip.MustParseAddr("203.0.113.9"): {Interface: "eni-nat", Service: "natGateway"}}
				return n
			}(),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
left: undeniable-peer: 0.0.0.0 is unspecified: no network ACL denies it
left: undeniable-peer: 127.0.0.1 is loopback: no network ACL denies it
left: undeniable-peer: 169.254.169.254 is the instance metadata service: no network ACL denies it
left: undeniable-peer: 224.0.0.1 is multicast: no network ACL denies it
left: undeniable-peer: 255.255.255.255 is broadcast: no network ACL denies it
left: undeniable-peer: ::1 is loopback: no network ACL denies it
left: undeniable-peer: fe80::1 is link-local: no network ACL denies it
left: undeniable-peer: ff02::1 is multicast: no network ACL denies it
left: shared-infrastructure-peer: 203.0.113.9 belongs to eni-nat (natGateway), which the whole subnet uses: it is not denied
`,
		},
		"exempt by prefix, not by text": {
			in: incident("10.1.1.10", "10.1.1.1"), seen: ordinary(),
			rules: Rules{ACLQuota: 20, NeverDeny: []netip.Prefix{netip.MustParsePrefix("10.1.1.1/32")}},
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
pending denial/acl-1/in/10.1.1.10/32 at 1
pending denial/acl-1/out/10.1.1.10/32 at 1
reserve acl-1 in 1 10.1.1.10/32 for i-0aaaaaaaaaaaaaaa1#1
reserve acl-1 out 1 10.1.1.10/32 for i-0aaaaaaaaaaaaaaa1#1
left: exempt-peer: 10.1.1.1 is in 10.1.1.1/32, which is never denied
`,
		},
		"a neighbour in the subnet": {
			in: incident("10.0.1.99"), seen: ordinary(),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
left: same-subnet-peer: 10.0.1.99 is inside subnet-1, where no ACL is evaluated: established connections with it go on
`,
		},
		"an ACL of another account": {
			in: incident(peer),
			seen: func() Network {
				n := ordinary()
				acl := n.ACLs["acl-1"]
				acl.Account = "999999999999"
				n.ACLs["acl-1"] = acl
				return n
			}(),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
left: foreign-acl: acl-1 is owned by account 999999999999, which alone can deny 198.51.100.7 in it
`,
		},
		"an interface that another service manages": {
			in: incident(),
			seen: func() Network {
				n := ordinary()
				n.Interfaces[0].ManagedBy = "amazon-ecs"
				return n
			}(),
			want: "partially-contained generation 1\nleft: unchangeable-interface: eni-1 is managed by amazon-ecs, which alone can change its groups\n",
		},
		"EC2 refuses the swap and an entry": {
			in: incident(peer),
			seen: func() Network {
				n := ordinary()
				n.Refused = map[string]Refusal{
					"quarantine/eni-1":                 {Reason: "EC2 refuses (AuthFailure)"},
					"denial/acl-1/in/198.51.100.7/32":  {Reason: "limit", Full: true},
					"denial/acl-1/out/198.51.100.7/32": {Reason: "limit", Full: true},
				}
				return n
			}(),
			want: `partially-contained generation 1
failed quarantine/eni-1: sg-ssh sg-web -> sg-q (EC2 refuses (AuthFailure))
failed denial/acl-1/in/198.51.100.7/32 at 0 (limit)
failed denial/acl-1/out/198.51.100.7/32 at 0 (limit)
left: unchangeable-interface: eni-1 keeps its groups: EC2 refuses (AuthFailure)
left: acl-full: acl-1 has no room for another entry: 198.51.100.7 is not denied
`,
		},
		"quarantined by nobody we know: the tag's originals": {
			in: incident(),
			seen: func() Network {
				n := ordinary()
				n.Interfaces[0].Groups, n.Interfaces[0].Originals = []string{"sg-q"}, []string{"sg-web"}
				return n
			}(),
			want: "contained generation 1\napplied quarantine/eni-1: sg-web -> sg-q\npending tracking/eni-1:  -> tcp=1m0s udp-stream=1m0s udp=30s\n",
		},
		"a tag left from earlier is not believed": {
			in: incident(),
			seen: func() Network {
				n := ordinary()
				n.Interfaces[0].Originals = []string{"sg-old"}
				return n
			}(),
			want: "containing generation 1\npending quarantine/eni-1: sg-ssh sg-web -> sg-q\n",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.rules.ACLQuota == 0 {
				tc.rules = rules
			}
			if d := cmp.Diff(tc.want, NewPlan(tc.in, tc.seen, tc.known, tc.rules).text()); d != "" {
				t.Errorf("plan (-want +got):\n%s", d)
			}
		})
	}
}

// A second finding, after the swap, must not take the quarantine group for the
// original.
func TestRecordedOriginalsStay(t *testing.T) {
	t.Parallel()
	seen := ordinary()
	first := NewPlan(incident(), seen, Known{}, rules)
	rec := first.Record
	rec.Version = 1
	swapped := ordinary()
	swapped.Interfaces[0].Groups = []string{"sg-q"}
	second := NewPlan(incident("198.51.100.7"), swapped, Known{Record: &rec}, rules)
	want := `containing generation 1
applied quarantine/eni-1: sg-ssh sg-web -> sg-q
pending denial/acl-1/in/198.51.100.7/32 at 1
pending denial/acl-1/out/198.51.100.7/32 at 1
reserve acl-1 in 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
reserve acl-1 out 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
`
	if d := cmp.Diff(want, second.text()); d != "" {
		t.Errorf("plan (-want +got):\n%s", d)
	}
}

// Sixteen interfaces' worth of groups don't fit in one tag value.
func TestOriginalsSurviveTags(t *testing.T) {
	t.Parallel()
	var groups []string
	for n := range 16 {
		groups = append(groups, fmt.Sprintf("sg-0123456789abcde%02d", n))
	}
	tags := originalsTags(groups)
	for k, v := range tags {
		if len(v) > maxTagValue {
			t.Errorf("tag %s has %d characters", k, len(v))
		}
	}
	if d := cmp.Diff(groups, Originals(tags)); d != "" {
		t.Errorf("read back (-want +got):\n%s", d)
	}
}
