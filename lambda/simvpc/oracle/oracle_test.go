package oracle_test

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tourniquet/lambda/simvpc/internal/draw"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// flow reads a flow in the words of worlds.
func flow(t testing.TB, text string) world.Flow {
	t.Helper()
	f, err := world.ParseFlow(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const two = `
vpc vpc-1 10.0.0.0/16 2001:db8:1::/56
subnet subnet-1 vpc-1 10.0.1.0/24 2001:db8:1:1::/64
subnet subnet-2 vpc-1 10.0.2.0/24
group sg-web vpc-1
  in  tcp 443 0.0.0.0/0
  in  tcp 22 203.0.113.99/32
  in  icmp 8 0.0.0.0/0
  out tcp 0.0.0.0/0
  out udp 53 198.51.100.53/32
  out tcp ::/0
group sg-db vpc-1
  in  tcp 5432 sg-web
  out all 10.0.0.0/8
group sg-q vpc-1
acl acl-1 vpc-1 subnets subnet-1
   80 in  deny  tcp 22 203.0.113.99/32
   90 in  deny  all 198.51.100.7/32
   91 out deny  all 198.51.100.8/32
   92 out deny  all 198.51.100.53/32
   95 in  deny  all 2001:db8:bad::/48
  100 in  allow all 0.0.0.0/0
  100 out allow all 0.0.0.0/0
  101 in  allow all ::/0
  101 out allow all ::/0
acl acl-2 vpc-1 subnets subnet-2
  100 in  allow tcp 5432 10.0.1.0/24
  100 out allow tcp 1024-65535 10.0.1.0/24
instance i-1
instance i-2
instance i-3 state stopped
interface eni-1 i-1 subnet-1 10.0.1.10 2001:db8:1:1::10 public 203.0.113.10 groups sg-web
interface eni-2 i-2 subnet-2 10.0.2.10 public 203.0.113.20 groups sg-db
interface eni-3 i-1 subnet-1 10.0.1.11 groups sg-db
interface eni-4 i-3 subnet-1 10.0.1.12 groups sg-web
interface eni-5 i-2 subnet-1 10.0.1.13 groups sg-q
`

func TestConnects(t *testing.T) {
	t.Parallel()
	w := read(t, two)
	for _, test := range []struct {
		flow   string
		passes bool
		why    string
	}{
		{"tcp 198.51.100.1:5000 -> 10.0.1.10:443", true, "sg-web lets it in: tcp 443 0.0.0.0/0"},
		{"tcp 198.51.100.1:5000 -> 203.0.113.10:443", true, "sg-web lets it in"},
		{"tcp 198.51.100.1:5000 -> 10.0.1.10:444", false, "no rule of sg-web lets it in at eni-1"},
		{"tcp 198.51.100.7:5000 -> 10.0.1.10:443", false, "denied by acl-1 entry 90 in"},
		{"tcp 198.51.100.8:5000 -> 10.0.1.10:443", false, "denied by acl-1 entry 91 out"}, // the answers
		{"tcp 10.0.1.10:5000 -> 198.51.100.7:443", false, "denied by acl-1 entry 90 in"},  // the answers
		{"tcp 10.0.1.10:5000 -> 198.51.100.8:443", false, "denied by acl-1 entry 91 out"},
		{"tcp 10.0.1.10:5000 -> 198.51.100.9:443", true, "sg-web lets it out"},
		{"udp 10.0.1.10:5000 -> 198.51.100.9:443", false, "no rule of sg-web lets it out at eni-1"},
		{"udp 10.0.1.10:5000 -> 198.51.100.53:53", false, "denied by acl-1 entry 92 out"},
		{"tcp 203.0.113.99:5000 -> 10.0.1.10:22", false, "denied by acl-1 entry 80 in"},
		{"icmp 198.51.100.1 -> 10.0.1.10", true, "icmp 8"},
		{"icmp 10.0.1.10 -> 198.51.100.1", false, "no rule of sg-web"},
		{"47 198.51.100.1 -> 10.0.1.10", false, "no rule of sg-web"},
		{"tcp [2001:db8:bad::1]:5000 -> [2001:db8:1:1::10]:443", false, "denied by acl-1 entry 95 in"},
		{"tcp [2001:db8:1:1::10]:5000 -> [2001:db8:bad::1]:443", false, "denied by acl-1 entry 95 in"},
		{"tcp [2001:db8:1:1::10]:5000 -> [2001:db8:9::1]:443", true, "tcp ::/0"},
		{"tcp [2001:db8:9::1]:5000 -> [2001:db8:1:1::10]:443", false, "no rule of sg-web"}, // 0.0.0.0/0 is not ::/0

		// Between instances: group as source, ACLs of both subnets, both ways.
		{"tcp 10.0.1.10:5000 -> 10.0.2.10:5432", true, "sg-db lets it in: tcp 5432 sg-web"},
		{"tcp 10.0.1.10:1000 -> 10.0.2.10:5432", false, "denied by acl-2 entry * out"}, // answers to a low port
		{"tcp 10.0.1.11:5000 -> 10.0.2.10:5432", false, "no rule of sg-db lets it in"},
		{"tcp 10.0.2.10:5000 -> 10.0.1.10:443", false, "denied by acl-2 entry * out"},
		// Spoken to at its public address, an instance isn't known by its group.
		{"tcp 10.0.1.10:5000 -> 203.0.113.20:5432", false, "denied by acl-2 entry * in"},
		// In one subnet ACLs don't count.
		{"tcp 10.0.1.10:5000 -> 10.0.1.11:5432", true, "sg-db lets it in: tcp 5432 sg-web"},
		{"tcp 10.0.1.13:5000 -> 10.0.1.10:443", false, "no rule of sg-q lets it out at eni-5"},

		// What nothing filters.
		{"udp 10.0.1.13:5000 -> 10.0.0.2:53", true, "the Amazon resolver is not filtered"},
		{"udp 10.0.1.13:5000 -> 169.254.169.253:53", true, "the Amazon resolver"},
		{"udp [2001:db8:1:1::10]:5000 -> [fd00:ec2::253]:53", true, "the Amazon resolver"},
		{"tcp 10.0.1.13:5000 -> 169.254.169.254:80", true, "the instance metadata service"},
		{"tcp [2001:db8:1:1::10]:5000 -> [fd00:ec2::254]:80", true, "the instance metadata service"},
		{"udp 10.0.1.13:5000 -> 169.254.169.123:123", true, "the time service"},
		{"udp 10.0.1.13:5000 -> 10.0.1.1:53", true, "the VPC router"},
		{"udp 10.0.1.13:5000 -> 10.0.1.2:53", false, "no rule of sg-q"},

		{"tcp 10.0.1.12:5000 -> 198.51.100.9:443", false, "i-3 is stopped"},
		{"tcp 198.51.100.1:5000 -> 198.51.100.9:443", false, "neither end"},
	} {
		v := oracle.Connects(w, flow(t, test.flow))
		if v.Passes != test.passes || !strings.Contains(v.Why, test.why) {
			t.Errorf("%s: %t, %s; want %t, %s", test.flow, v.Passes, v.Why, test.passes, test.why)
		}
	}
}

func TestParseFlow(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"tcp 10.0.1.13:5000 -> 198.51.100.9:443 via nat", "icmpv6 2001:db8::1 -> 2001:db8::2", "47 10.0.0.1 -> 10.0.0.2"} {
		if got := flow(t, text).String(); got != text {
			t.Errorf("%s is read as %s", text, got)
		}
	}
	for _, text := range []string{"", "all 10.0.0.1 -> 10.0.0.2", "tcp 10.0.1.13 -> 198.51.100.9:443", "tcp 10.0.0.1:1 -> 10.0.0.2:2 via tunnel", `"`} {
		if f, err := world.ParseFlow(text); err == nil {
			t.Errorf("%q is read as %s", text, f)
		}
	}
}

func TestOneWay(t *testing.T) {
	t.Parallel()
	w := read(t, two+"flow udp 10.0.1.10:5000 -> 198.51.100.9:9 tracked eni-1\nflow tcp 10.0.1.10:5000 -> 198.51.100.9:9 tracked eni-1")
	acl := w.ACL("acl-1")
	acl.Entries = append(acl.Entries, world.Entry{Number: 1, Protocol: world.All, CIDR: netip.MustParsePrefix("198.51.100.9/32")})
	w.Normalize()
	// A deny of one direction cuts TCP, but lets UDP leak in the other.
	if v := oracle.Passes(w, flow(t, "tcp 10.0.1.10:5000 -> 198.51.100.9:9")); v.Passes || !v.Forward || v.Backward {
		t.Errorf("TCP: %+v", v)
	}
	if v := oracle.Passes(w, flow(t, "udp 10.0.1.10:5000 -> 198.51.100.9:9")); !v.Passes || !v.Forward || v.Backward || !strings.Contains(v.Why, "one way only") {
		t.Errorf("UDP: %+v", v)
	}
}

func TestReaches(t *testing.T) {
	t.Parallel()
	w := read(t, two+"flow tcp 10.0.1.13:5000 -> 198.51.100.66:4444 tracked eni-5")
	for _, test := range []struct {
		from, to string
		want     bool
	}{
		{"198.51.100.1", "10.0.1.10", true},
		{"198.51.100.1", "203.0.113.10", true},
		{"198.51.100.7", "10.0.1.10", false}, // denied in
		{"10.0.1.10", "198.51.100.7", true},  // but not out
		{"10.0.1.10", "198.51.100.8", false},
		{"198.51.100.1", "10.0.1.13", false}, // quarantined
		{"10.0.1.13", "198.51.100.1", false},
		{"10.0.1.13", "198.51.100.66", true}, // but for its flow, in both directions
		{"198.51.100.66", "10.0.1.13", true},
		{"10.0.1.10", "10.0.2.10", true}, // on one port of all
		{"10.0.2.10", "10.0.1.10", false},
		{"10.0.1.13", "169.254.169.254", true},
	} {
		if v := oracle.Reaches(w, netip.MustParseAddr(test.from), netip.MustParseAddr(test.to)); v.Passes != test.want {
			t.Errorf("%s -> %s: %t, %s", test.from, test.to, v.Passes, v.Why)
		}
	}
}

// TestTighteningOnly: what a denial and a quarantine leave allowed was allowed before.
func TestTighteningOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before := draw.World(t)
		before.Normalize()
		if len(before.Interfaces) == 0 {
			return
		}
		var flows []world.Flow
		for range 10 {
			flows = append(flows, draw.Flow(t, before))
			oracle.Establish(before, flows[len(flows)-1])
		}
		after := before.Clone()
		n := rapid.SampledFrom(after.Interfaces).Draw(t, "interface")
		n.Groups = []string{"sg-empty"}
		after.Groups = append(after.Groups, &world.SecurityGroup{ID: "sg-empty", VPC: "vpc-0"})
		peer := netip.MustParseAddr("198.51.100.7")
		deny(after, after.Subnet(n.Subnet).ACL, peer)
		for _, f := range flows {
			if oracle.Passes(after, f).Passes && !oracle.Passes(before, f).Passes || oracle.Connects(after, f).Passes && !oracle.Connects(before, f).Passes {
				t.Fatalf("%s passes only after", f)
			}
		}
		for _, pair := range [][2]netip.Addr{{peer, n.Private[0]}, {n.Private[0], peer}} {
			if v := oracle.Reaches(after, pair[0], pair[1]); v.Passes {
				t.Fatalf("%s reaches %s: %s", pair[0], pair[1], v.Why)
			}
		}
	})
}

// deny puts a deny for an address first in both directions.
func deny(w *world.World, acl string, peer netip.Addr) {
	a := w.ACL(acl)
	for _, egress := range []bool{false, true} {
		a.Entries = append(a.Entries, world.Entry{
			Number: 1, Egress: egress, Protocol: world.All, CIDR: netip.PrefixFrom(peer, peer.BitLen()),
		})
	}
	w.Normalize()
}
