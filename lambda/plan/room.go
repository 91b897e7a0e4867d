package plan

import "tourniquet/lambda/network"

// Room is how many more entries the ACLs of an observation take, in the one, the
// direction and the address family that have fewest places left; nil without an ACL.
func Room(seen network.Network, rules Rules) *int {
	var least *int
	for _, acl := range seen.ACLs {
		for _, dir := range network.Directions {
			room := min(acl.Room(dir, false, rules.ACLQuota), acl.Room(dir, true, rules.ACLQuota))
			if least == nil || room < *least {
				least = &room
			}
		}
	}
	return least
}
