// Package network is what decides an instance's traffic, as EC2 described it: its
// network interfaces with their groups, the subnets, the network ACLs and who owns
// the peers' addresses. The arithmetic of network ACLs is here too: which entry
// decides a prefix, and which rule numbers are free. Nothing in it makes a call.
package network
