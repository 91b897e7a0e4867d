// Package world is the state of a simulated VPC: plain data, read from a text
// that a security engineer can write, and printed as one.
//
// The text of a world:
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
//	groups-per-interface N     the quota of groups of one interface, 5 unless raised
//	managed-resources visible  reads by filter show what services operate, unasked
//	vpc ID CIDR…               owner ACCOUNT, no-dns, dns-names, tags K=V…
//	subnet ID VPC CIDR…        zone ZONE, dns64, map-public, tags
//	group ID VPC               name NAME, description TEXT, owner, default, tags
//	  in|out PROTO [PORTS] CIDR|GROUP [desc TEXT]
//	acl ID VPC                 subnets ID…, default, quota N, owner, tags
//	  NUMBER in|out allow|deny PROTO [PORTS] CIDR
//	instance ID                type TYPE, state STATE, image AMI, operator PRINCIPAL, spot, protected,
//	                           shutdown terminate, profile NAME, profile-changing, no-metadata,
//	                           ssm, windows, isolated, autoscaling GROUP, lifecycle STATE, pinned,
//	                           health-port PORT, status-check, suppressed, tags
//	interface ID INSTANCE|- SUBNET ADDRESS…
//	                           public ADDRESS, associated SUBNET…, groups ID…, device N, type TYPE,
//	                           managed REQUESTER, operator PRINCIPAL, owner, unchangeable,
//	                           timeout 60s, udp-timeout, udp-stream-timeout,
//	                           nocheck, keep, description TEXT, tags
//	secondary ID INSTANCE ADDRESS…
//	elastic-ip ID ADDRESS      tags
//	internet-gateway ID VPC|-  tags
//	route-table ID VPC         main, subnets ID…, tags
//	  to CIDR IGW|ENI
//	volume ID INSTANCE|- DEVICE
//	                           root, keep, size GIB, encrypted, modifying, tags
//	snapshot ID VOLUME         state STATE, size GIB, encrypted, description TEXT, tags
//	autoscaling-group NAME     min N, max N, desired N, health ELB, deleting
//	log-group NAME
//	flow-log ID ENI|SUBNET|VPC group NAME, role ARN, interval SECONDS, traffic ACCEPT|REJECT,
//	                           format TEXT, tags
//	flow PROTO FROM -> TO      via nat, agent, quiet, tracked ENI…, untracked, idle 5m
//
// PROTO is all, tcp, udp, icmp, icmpv6 or a number; PORTS is 443, 8000-9000, or
// TYPE/CODE for ICMP. Texts with spaces are quoted, "#" starts a comment.
package world
