package oracle_test

import (
	"net/netip"
	"strings"
	"testing"

	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

const nat64 = `
vpc vpc-1 10.0.0.0/16 2001:db8:1::/56
subnet subnet-1 vpc-1 10.0.1.0/24 2001:db8:1:1::/64 dns64
subnet subnet-2 vpc-1 10.0.2.0/24 2001:db8:1:2::/64
group sg-open vpc-1
  in all 0.0.0.0/0
  in all ::/0
  out all 0.0.0.0/0
  out all ::/0
group sg-q vpc-1
acl acl-1 vpc-1 subnets subnet-1
  100 in allow all 0.0.0.0/0
  101 in allow all ::/0
  100 out allow all 0.0.0.0/0
  101 out allow all ::/0
instance i-1
interface eni-1 i-1 subnet-1 10.0.1.10 2001:db8:1:1::10 groups sg-open
secondary si-1 i-1 10.9.0.5
`

// The IPv4 peer 198.51.100.7 has a second form in a subnet with NAT64, which a
// denial of the first doesn't cut, and a swap of the groups doesn't either: EC2
// always tracks what goes through a NAT gateway.
func TestNAT64(t *testing.T) {
	t.Parallel()
	peer, other := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("64:ff9b::c633:6407")
	if got := oracle.Translated(peer); got != other {
		t.Errorf("%s is reached as %s, want %s", peer, got, other)
	}
	if got := oracle.Behind(other); got != peer {
		t.Errorf("behind %s is %s, want %s", other, got, peer)
	}
	w := read(t, nat64)
	f := flow(t, "tcp [2001:db8:1:1::10]:40000 -> [64:ff9b::c633:6407]:443")
	if v := oracle.Establish(w, f); !v.Passes {
		t.Fatal(v.Why)
	}
	w.Interface("eni-1").Groups = []string{"sg-q"}
	deny(w, "acl-1", peer)
	if v := oracle.Passes(w, f); !v.Passes || !strings.Contains(v.Why, "tracks it") {
		t.Errorf("with a denial of %s alone: %+v", peer, v)
	}
	if v := oracle.Reaches(w, f.From.Addr(), peer); !v.Passes {
		t.Errorf("%s doesn't reach %s though it does in its other form", f.From.Addr(), peer)
	}
	for i := range w.ACL("acl-1").Entries {
		w.ACL("acl-1").Entries[i].Number += 10
	}
	deny(w, "acl-1", other)
	if v := oracle.Passes(w, f); v.Passes {
		t.Errorf("with denials of both forms: %+v", v)
	}
	if v := oracle.Reaches(w, f.From.Addr(), peer); v.Passes {
		t.Errorf("%s still reaches %s: %s", f.From.Addr(), peer, v.Why)
	}
}

// AWS doesn't say which ACL counts for an interface in several subnets: the oracle
// takes the one that lets more pass.
func TestAssociatedSubnets(t *testing.T) {
	t.Parallel()
	w := read(t, nat64)
	w.Interface("eni-1").Associated = []string{"subnet-2"}
	peer := netip.MustParseAddr("198.51.100.7")
	f := flow(t, "tcp 10.0.1.10:40000 -> 198.51.100.7:443")
	deny(w, "acl-1", peer)
	if v := oracle.Passes(w, f); !v.Passes {
		t.Errorf("denied in one of two subnets: %s", v.Why)
	}
	deny(w, "acl-default-1", peer)
	if v := oracle.Passes(w, f); v.Passes {
		t.Errorf("denied in both subnets: %s", v.Why)
	}
}

func TestSecondaryInterfacesHaveNoGroups(t *testing.T) {
	t.Parallel()
	w := read(t, nat64)
	f := world.Flow{Protocol: world.TCP, From: netip.MustParseAddrPort("10.9.0.5:40000"), To: netip.MustParseAddrPort("10.9.0.6:443")}
	w.Interface("eni-1").Groups = []string{"sg-q"}
	if v := oracle.Connects(w, f); !v.Passes || !strings.Contains(v.Why, "si-1") {
		t.Errorf("%+v", v)
	}
	w.Instance("i-1").State = "stopped"
	if v := oracle.Passes(w, f); v.Passes {
		t.Errorf("of a stopped instance: %+v", v)
	}
}
