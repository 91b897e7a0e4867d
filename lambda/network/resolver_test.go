package network_test

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"tourniquet/lambda/network"
)

// Wherever a VPC is, its resolver is at an address that may be one, in both forms.
func TestMayBeResolver(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "base")))
		vpc := netip.PrefixFrom(base, rapid.IntRange(16, 28).Draw(t, "length")).Masked()
		for _, a := range (network.Network{Ranges: map[string][]netip.Prefix{"vpc-1": {vpc}}}).Resolvers() {
			if !network.MayBeResolver(a) || !network.MayBeResolver(network.ToNAT64(a)) {
				t.Errorf("%s is the resolver of %s", a, vpc)
			}
		}
	})
	for _, a := range []string{"10.0.0.1", "10.0.0.3", "198.51.100.7", "2001:db8::2", "64:ff9b::a00:1"} {
		if network.MayBeResolver(netip.MustParseAddr(a)) {
			t.Errorf("%s is taken for a resolver", a)
		}
	}
}
