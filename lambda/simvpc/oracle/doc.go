// Package oracle says which traffic passes in a simulated VPC, and which flows
// EC2 tracks there.
//
// [Connects] says whether a new connection comes about, [Passes]
// whether an established flow still passes, [Reaches] whether anything at
// all does. Security groups are judged with connection tracking, network ACLs
// without; see [world.Flow] for what a tracked flow is. Time passes for tracking
// entries only by [Advance].
//
// Deliberate limits: routing is not modelled (every address is routable, and
// belongs to one interface in all VPCs), there are no prefix lists, and an ICMP
// flow is an echo.
package oracle
