// Package fabric carries IP packets between hosts as a VPC does. Every packet goes
// the way it would go in EC2, and everything on the way may stop it:
//
//	host's own rules → security groups → ACL out of the subnet →
//	NAT or internet gateway, load balancer → ACL into the subnet → security groups → host's own rules
//
// Security groups are stateful: an interface remembers a connection that its groups
// let begin, and lets it pass from then on, whatever they say later, until it has
// been idle for the interface's timeout
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html).
// Network ACLs are stateless, and judge every packet that crosses the edge of a
// subnet, never one inside it (https://docs.aws.amazon.com/vpc/latest/userguide/nacl-basics.html).
//
// Rules are asked for anew for every packet, so that a change counts from the next
// packet on. Packets are real ones, bytes with checksums; addresses are rewritten
// in place, as a gateway does.
//
// # Where AWS is silent
//
// AWS documents flows, not packets. Of an untracked flow it says that the rule which
// lets it begin also ends it. So an interface remembers who began an untracked flow
// too, and judges packets of both directions by that rule. When it remembers nothing,
// whoever sends next begins; for TCP that need not be a SYN. A tracked flow becomes
// untracked, or the other way round, when its initiator sends a packet that today's
// rules let begin. AWS gives no timeout for ICMP (taken: 600 s, as for other
// protocols), for a handshake that isn't complete (taken: 120 s) and for a connection
// that was closed from both sides (taken: 10 s). Whether packets from outside keep a
// NAT gateway's mapping alive when an ACL then drops them is not documented (taken:
// they do).
//
// # Limits
//
// Routing is symmetric: answers go back the way that requests came. Fragments are
// dropped. An ICMP error is judged by the rules alone. Tracking allowances are not
// modelled. What goes to NAT64 is tracked, as everything through a NAT gateway is, but
// not translated: the host behind has the IPv6 form of its address.
package fabric
