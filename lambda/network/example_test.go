package network_test

import (
	"fmt"
	"net/netip"

	"tourniquet/lambda/network"
)

// The entry with the lowest number that matches decides. A deny that comes after the
// allow of everything has no effect.
func ExampleACL_Decide() {
	peer := netip.MustParsePrefix("198.51.100.7/32")
	acl := network.ACL{ID: "acl-1", Entries: []network.Entry{
		{Number: 100, Direction: network.Out, Prefix: netip.MustParsePrefix("0.0.0.0/0"), Allow: true, AllTraffic: true},
		{Number: 101, Direction: network.Out, Prefix: peer, AllTraffic: true},
	}}
	ruling := acl.Decide(network.Out, peer)
	fmt.Println("decided by entry", ruling.Entry.Number, "- shut out:", ruling.Shut)

	acl = acl.With(network.Entry{Number: 1, Direction: network.Out, Prefix: peer, AllTraffic: true})
	ruling = acl.Decide(network.Out, peer)
	fmt.Println("decided by entry", ruling.Entry.Number, "- shut out:", ruling.Shut)
	// Output:
	// decided by entry 100 - shut out: false
	// decided by entry 1 - shut out: true
}
