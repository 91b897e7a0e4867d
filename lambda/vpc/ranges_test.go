package vpc_test

import (
	"net/netip"
	"testing"

	"tourniquet/lambda/network"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/vpc"
)

// The ranges of a VPC are read when something is decided by them, whichever look that is,
// and are then kept for the looks that add to it.
func TestRangesAreReadWhenNeeded(t *testing.T) {
	t.Parallel()
	w, err := simvpc.ParseWorld(`account 111122223333
region eu-central-1
vpc vpc-1 10.0.0.0/16
subnet subnet-1 vpc-1 10.0.1.0/24
group sg-web vpc-1
instance ` + victim + `
interface eni-1 ` + victim + ` subnet-1 10.0.1.10 groups sg-web
`)
	if err != nil {
		t.Fatal(err)
	}
	server := simvpc.Start(t, w, simvpc.Options{})
	look := func(c *vpc.Client, target network.Target, known, reads int) network.Network {
		t.Helper()
		server.ClearLog()
		target.Instance, target.Subnets, target.VPCs = victim, []string{"subnet-1"}, []string{"vpc-1"}
		seen, err := c.Observe(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		made := 0
		for _, call := range server.Calls() {
			if call.Op == "DescribeVpcs" {
				made++
			}
		}
		if len(seen.Ranges) != known || made != reads {
			t.Errorf("look %d, skipping %v: ranges %v by %d reads, want %d by %d", target.Look, target.SkipRanges, seen.Ranges, made, known, reads)
		}
		return seen
	}
	peers := []netip.Addr{netip.MustParseAddr("10.0.0.2")}
	skipping := clientOf(server)
	first := look(skipping, network.Target{SkipRanges: true}, 0, 0)
	for _, l := range []network.Look{network.Again, network.AgainInterfaces, network.AgainACLs, network.Owners} {
		look(skipping, network.Target{SkipRanges: true, Look: l, Since: &first}, 0, 0)
	}
	for _, l := range []network.Look{network.Whole, network.Again, network.AgainInterfaces, network.AgainACLs, network.Owners} {
		seen := look(clientOf(server), network.Target{Look: l, Since: &first, Peers: peers}, 1, 1)
		look(clientOf(server), network.Target{SkipRanges: true, Look: network.AgainInterfaces, Since: &seen}, 1, 0)
		look(clientOf(server), network.Target{Look: network.Owners, Since: &seen, Peers: peers}, 1, 0)
	}
}
