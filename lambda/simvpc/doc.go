// Package simvpc is a simulated VPC: EC2 at wire level, with state, EC2's own
// error codes, injectable faults, a call log, and an oracle that says which
// traffic passes. The real AWS SDKs and the AWS CLI talk to it as they would
// to EC2, so retries, paging and error decoding are the real ones.
//
// # Worlds
//
// A [World] is plain data, read from a text that a security engineer can write:
//
//	account 111122223333
//	region eu-central-1
//	vpc vpc-1 10.0.0.0/16 2001:db8:1::/56
//	subnet subnet-1 vpc-1 10.0.1.0/24 2001:db8:1:1::/64
//	group sg-web vpc-1 tags team=blue
//	  in tcp 443 0.0.0.0/0
//	  out all 0.0.0.0/0
//	acl acl-1 vpc-1 subnets subnet-1
//	  100 in allow all 0.0.0.0/0
//	  100 out allow all 0.0.0.0/0
//	instance i-0aaaaaaaaaaaaaaa1 type m5.large state running tags Name=web
//	interface eni-1 i-0aaaaaaaaaaaaaaa1 subnet-1 10.0.1.10 public 203.0.113.10 groups sg-web
//	flow tcp 10.0.1.10:44321 -> 198.51.100.7:443
//
// What can be derived may be left out. Each VPC has a default group
// (sg-default-1 for vpc-1) and a default network ACL (acl-default-1) that serves
// the subnets no other ACL names; the "*" entries always exist. Lines may come
// in any order; [World.String] prints the one canonical form and leaves out a
// default group or default ACL that is still as derived. [Diff] compares two
// worlds in full.
//
// The kinds of line, with what may follow in any order:
//
//	vpc ID CIDR…               owner ACCOUNT, tags K=V…
//	subnet ID VPC CIDR…        zone ZONE, tags
//	group ID VPC               name NAME, description TEXT, owner, default, tags
//	  in|out PROTO [PORTS] CIDR|GROUP [desc TEXT]
//	acl ID VPC                 subnets ID…, default, quota N, owner, tags
//	  NUMBER in|out allow|deny PROTO [PORTS] CIDR
//	instance ID                type TYPE, state STATE, tags
//	interface ID INSTANCE|- SUBNET ADDRESS…
//	                           public ADDRESS, groups ID…, device N, type TYPE,
//	                           managed REQUESTER, operator NAME, owner, unchangeable,
//	                           timeout 60s, udp-timeout, udp-stream-timeout,
//	                           nocheck, keep, description TEXT, tags
//	flow PROTO FROM -> TO      via nat, tracked ENI…, untracked, idle 5m
//
// PROTO is all, tcp, udp, icmp, icmpv6 or a number; PORTS is 443, 8000-9000, or
// TYPE/CODE for ICMP. Texts with spaces are quoted, "#" starts a comment.
//
// # Serving
//
//	server := simvpc.Start(t, world, simvpc.Options{})
//	client := ec2.New(ec2.Options{
//		BaseEndpoint: aws.String(server.URL),
//		Region:       world.Region,
//		Credentials:  credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
//	})
//	…
//	server.World()     // a copy of the world as it is now
//	server.Edit(func(w *simvpc.World) { … }) // somebody else changes it
//	server.Calls()     // every call made, with its code and times
//
// Faults are armed by operation and call number; the hook given to
// [Server.Before] sees every call first, and may change the world between calls:
//
//	server.Inject(simvpc.Fault{Op: "CreateNetworkAclEntry", Nth: 2, Kind: simvpc.LostAfter})
//	server.Before(func(c simvpc.Call) simvpc.Fault {
//		if c.Seq > 7 {
//			return simvpc.Fault{Kind: simvpc.LostBefore} // the caller dies after seven calls
//		}
//		return simvpc.Fault{}
//	})
//
// # The oracle
//
// [World.Connects] says whether a new connection comes about, [World.Passes]
// whether an established flow still passes, [World.Reaches] whether anything at
// all does. Security groups are judged with connection tracking, network ACLs
// without; see [Flow] for what a tracked flow is. Time passes for tracking
// entries only by [World.Advance].
//
// Deliberate limits: routing is not modelled (every address is routable, and
// belongs to one interface in all VPCs), every answer is that of one account and
// one Region, requests are not authenticated, instances stop and start at once,
// there are no prefix lists, and an ICMP flow is an echo. A parameter that an
// operation doesn't know is refused, never ignored.
package simvpc
