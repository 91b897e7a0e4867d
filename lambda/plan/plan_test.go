package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// text is a plan as a reviewer reads it: a line for each step, change of slots and
// exposure, without the exposures that every containment has.
func (p Plan) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s generation %d\n", p.Record.Status, p.Record.Generation)
	for _, s := range p.Record.Steps {
		switch step := s.Step.(type) {
		case record.Replacement:
			fmt.Fprintf(&b, "%s %s: %s -> %s", s.State, step.ID(), strings.Join(step.Before, " "), strings.Join(step.After, " "))
		case record.Denial:
			fmt.Fprintf(&b, "%s %s at %d", s.State, step.ID(), step.Number)
		}
		if s.Note != "" {
			fmt.Fprintf(&b, " (%s)", s.Note)
		}
		b.WriteByte('\n')
	}
	for _, c := range p.Slots {
		fmt.Fprintf(&b, "%s %s %s %d %s for %s\n", c.Op, c.Slot.ACL, c.Slot.Direction, c.Slot.Number, c.Slot.Prefix, strings.ReplaceAll(names(c.Slot.Holders), ",", ""))
	}
	for _, e := range p.Record.Exposure {
		if e.Kind != record.UnknownPeers && e.Kind != record.ResolverDNS {
			fmt.Fprintf(&b, "left: %s: %s\n", e.Kind, e.Detail)
		}
	}
	return b.String()
}

const (
	me      = "i-0aaaaaaaaaaaaaaa1"
	account = "111122223333"
)

func allow(n int, dir network.Direction, prefix string) network.Entry {
	return network.Entry{Number: n, Direction: dir, Prefix: netip.MustParsePrefix(prefix), Allow: true, AllTraffic: true}
}

func denyAll(n int, dir network.Direction, prefix string) network.Entry {
	return network.Entry{Number: n, Direction: dir, Prefix: netip.MustParsePrefix(prefix), AllTraffic: true}
}

func incident(peers ...string) Incident {
	in := Incident{Instance: me, Findings: []record.FindingRef{{ID: "f1", Type: "Backdoor:EC2/C&CActivity.B", Severity: 8}}, Reason: "test"}
	for _, p := range peers {
		in.Peers = append(in.Peers, guardduty.Peer{Addr: netip.MustParseAddr(p)})
	}
	return in
}

// ordinary is an instance with one interface behind a default ACL.
func ordinary() network.Network {
	return network.Network{
		Instance:   network.Instance{ID: me, Account: account, State: "running"},
		Interfaces: []network.Interface{{ID: "eni-1", VPC: "vpc-1", Subnet: "subnet-1", Groups: []string{"sg-ssh", "sg-web"}, TrackingTimeout: 5 * 24 * time.Hour}},
		Subnets: map[string]network.Subnet{"subnet-1": {
			ID: "subnet-1", VPC: "vpc-1", ACL: "acl-1",
			Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.1.0/24"), netip.MustParsePrefix("2001:db8:1:1::/64")},
		}},
		ACLs: map[string]network.ACL{"acl-1": {ID: "acl-1", VPC: "vpc-1", Account: account, Entries: []network.Entry{
			allow(100, network.In, "0.0.0.0/0"), allow(100, network.Out, "0.0.0.0/0"), allow(101, network.In, "::/0"), allow(101, network.Out, "::/0"),
			denyAll(32767, network.In, "0.0.0.0/0"), denyAll(32767, network.Out, "0.0.0.0/0"), denyAll(32768, network.In, "::/0"), denyAll(32768, network.Out, "::/0"),
		}}},
		Quarantine: map[string][]network.Quarantined{"vpc-1": {{Group: "sg-q", Empty: true}}},
	}
}

func withEntries(n network.Network, entries ...network.Entry) network.Network {
	acl := n.ACLs["acl-1"]
	acl.Entries = append(slices.Clone(acl.Entries), entries...)
	n.ACLs = map[string]network.ACL{"acl-1": acl}
	return n
}

var rules = Rules{ACLQuota: network.DefaultACLQuota}

func TestNewPlan(t *testing.T) {
	t.Parallel()
	slot := func(dir network.Direction, number int, prefix string, state record.SlotState, names ...string) record.Slot {
		var holders []record.Holder
		for _, name := range names {
			h, err := record.ParseHolder(name)
			if err != nil {
				t.Fatal(err)
			}
			holders = append(holders, h)
		}
		return record.Slot{SlotKey: record.SlotKey{VPC: "vpc-1", ACL: "acl-1", Direction: dir, Number: number}, Prefix: netip.MustParsePrefix(prefix), Holders: holders, State: state}
	}
	full := func(dir network.Direction) []network.Entry {
		var entries []network.Entry
		for n := 200; n < 218; n++ {
			entries = append(entries, allow(n, dir, fmt.Sprintf("192.0.2.%d/32", n)))
		}
		return entries
	}
	const peer = "198.51.100.7"
	tests := map[string]struct {
		in    Incident
		seen  network.Network
		known record.Known
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
			in: incident(peer), seen: withEntries(ordinary(), denyAll(50, network.In, "198.51.100.0/24"), denyAll(50, network.Out, "198.51.100.0/24")),
			want: "containing generation 1\npending quarantine/eni-1: sg-ssh sg-web -> sg-q\n",
		},
		"an entry in the way keeps its number": {
			in: incident(peer), seen: withEntries(ordinary(), allow(1, network.In, "203.0.113.0/24")),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
pending denial/acl-1/in/198.51.100.7/32 at 2
pending denial/acl-1/out/198.51.100.7/32 at 1
reserve acl-1 out 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
reserve acl-1 in 2 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
`,
		},
		"allowed at number 1: no slot below, the other direction cuts": {
			in: incident(peer), seen: withEntries(ordinary(), allow(1, network.In, "198.51.100.0/24")),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
pending denial/acl-1/out/198.51.100.7/32 at 1
reserve acl-1 out 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
left: one-direction: acl-1 denies 198.51.100.7 only out (no-slot-below-allow): connections with it break, packets in still pass
`,
		},
		"allowed at number 1 both ways": {
			in: incident(peer), seen: withEntries(ordinary(), allow(1, network.In, "198.51.100.0/24"), allow(1, network.Out, "198.51.100.0/24")),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
left: no-slot-below-allow: acl-1 has no free rule number below the entry that allows 198.51.100.7
`,
		},
		"one direction full: the other is used": {
			in: incident(peer), seen: withEntries(ordinary(), full(network.In)...),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
pending denial/acl-1/out/198.51.100.7/32 at 1
reserve acl-1 out 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
left: one-direction: acl-1 denies 198.51.100.7 only out (acl-full): connections with it break, packets in still pass
`,
		},
		"full: nothing is evicted": {
			in: incident(peer), seen: withEntries(ordinary(), append(full(network.In), full(network.Out)...)...),
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
left: acl-full: acl-1 has no room for another entry: 198.51.100.7 is not denied
`,
		},
		"a reservation by another counts as an entry": {
			in: incident(peer), seen: ordinary(),
			known: record.Known{Slots: []record.Slot{slot(network.In, 1, "192.0.2.9/32", record.SlotReserved, "i-2#1"), slot(network.Out, 1, peer+"/32", record.SlotReserved, "i-2#1")}},
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
pending denial/acl-1/in/198.51.100.7/32 at 2
pending denial/acl-1/out/198.51.100.7/32 at 1
reserve acl-1 in 2 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1
hold acl-1 out 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1 i-2#1
`,
		},
		"another's denial is shared": {
			in: incident(peer), seen: withEntries(ordinary(), denyAll(1, network.In, peer+"/32"), denyAll(1, network.Out, peer+"/32")),
			known: record.Known{Slots: []record.Slot{slot(network.In, 1, peer+"/32", record.SlotApplied, "i-2#1"), slot(network.Out, 1, peer+"/32", record.SlotApplied, "i-2#1")}},
			want: `containing generation 1
pending quarantine/eni-1: sg-ssh sg-web -> sg-q
applied denial/acl-1/in/198.51.100.7/32 at 1
applied denial/acl-1/out/198.51.100.7/32 at 1
hold acl-1 in 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1 i-2#1
hold acl-1 out 1 198.51.100.7/32 for i-0aaaaaaaaaaaaaaa1#1 i-2#1
`,
		},
		"our slot was taken by somebody else's entry": {
			in: incident(peer), seen: withEntries(ordinary(), allow(1, network.In, "203.0.113.0/24")),
			known: record.Known{Slots: []record.Slot{slot(network.In, 1, peer+"/32", record.SlotReserved, me+"#1")}},
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
			seen: func() network.Network {
				n := ordinary()
				n.Owners = map[netip.Addr]network.Owner{netip.MustParseAddr("203.0.113.9"): {Interface: "eni-nat", Service: "natGateway"}}
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
			seen: func() network.Network {
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
			seen: func() network.Network {
				n := ordinary()
				n.Interfaces[0].ManagedBy = "amazon-ecs"
				return n
			}(),
			want: "partially-contained generation 1\nleft: unchangeable-interface: eni-1 is managed by amazon-ecs, which alone can change its groups\n",
		},
		"EC2 refuses the swap and an entry": {
			in: incident(peer),
			seen: func() network.Network {
				n := ordinary()
				n.Refused = map[string]network.Refusal{
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
			seen: func() network.Network {
				n := ordinary()
				n.Interfaces[0].Groups, n.Interfaces[0].Originals = []string{"sg-q"}, []string{"sg-web"}
				return n
			}(),
			want: "contained generation 1\napplied quarantine/eni-1: sg-web -> sg-q\npending tracking/eni-1:  -> tcp=1m0s udp-stream=1m0s udp=30s\n",
		},
		"a tag left from earlier is not believed": {
			in: incident(),
			seen: func() network.Network {
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
	first := NewPlan(incident(), seen, record.Known{}, rules)
	rec := first.Record
	rec.Version = 1
	swapped := ordinary()
	swapped.Interfaces[0].Groups = []string{"sg-q"}
	second := NewPlan(incident("198.51.100.7"), swapped, record.Known{Record: &rec}, rules)
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
	tags := network.OriginalsTags(groups)
	for k, v := range tags {
		if len(v) > network.MaxTagValue {
			t.Errorf("tag %s has %d characters", k, len(v))
		}
	}
	if d := cmp.Diff(groups, network.Originals(tags)); d != "" {
		t.Errorf("read back (-want +got):\n%s", d)
	}
}

// Peers go into few tags, the most important first; without any, a tag still says
// that there was no ledger. What others have written there is no address.
func TestPeersSurviveTags(t *testing.T) {
	t.Parallel()
	var peers []guardduty.Peer
	for n := range 200 {
		peers = append(peers, guardduty.Peer{Addr: netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0xff, 0xff, 14: byte(n), 15: byte(n)})})
	}
	for _, count := range []int{0, 1, 40, 200} {
		tags := network.PeersTags(addresses(peers[:count]))
		if _, ok := tags[network.PeersTag]; !ok || len(tags) > network.MaxPeerTags {
			t.Errorf("%d peers: %d tags, %s among them: %t", count, len(tags), network.PeersTag, ok)
		}
		for k, v := range tags {
			if len(v) > network.MaxTagValue {
				t.Errorf("tag %s has %d characters", k, len(v))
			}
		}
		got := network.PeersOf(tags)
		if len(got) < min(count, 80) {
			t.Errorf("%d peers: %d read back", count, len(got))
		}
		for i, a := range got {
			if a != peers[i].Addr {
				t.Fatalf("peer %d is %s, want %s", i, a, peers[i].Addr)
			}
		}
	}
	if got := network.PeersOf(map[string]string{network.PeersTag: "198.51.100.7 evil; $(reboot)\n::1%eth0x"}); len(got) != 1 || got[0].String() != "198.51.100.7" {
		t.Errorf("read %v", got)
	}
}
