// Package oracle says which traffic passes in a simulated VPC, and which flows
// EC2 tracks there.
//
// [Connects] says whether a new connection comes about, [Passes]
// whether an established flow still passes, [Reaches] whether anything at
// all does. Security groups are judged with connection tracking, network ACLs
// without; see [world.Flow] for what a tracked flow is. Time passes for tracking
// entries only by [Advance].
//
// A flow from an IPv6 address to [NAT64] is one with the IPv4 address behind it:
// ACLs see the IPv6 address, groups too, and EC2 always tracks it.
//
// Deliberate limits: routing is not modelled (every address is routable, and
// belongs to one interface in all VPCs), there are no prefix lists, and an ICMP
// flow is an echo. NAT64 leads out of the VPC only.
package oracle
