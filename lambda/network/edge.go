package network

import "slices"

// An Edge is where traffic enters and leaves a subnet, and who is behind it.
type Edge struct {
	Subnet, VPC string
	Account     string   // the subnet's owner, who may share it
	Allowed     bool     // its owner's tag allows that it is isolated
	Interfaces  []string // that are in it or associated with it, sorted

	ACL         string
	Association string // EC2's id of the ACL's association with the subnet; each change gives it another
}

// Edges are those of some subnets, and what can stand before them.
type Edges struct {
	Of        map[string]Edge     // by subnet
	ACLs      map[string]ACL      // of their VPCs
	Isolation map[string][]string // by VPC: the ACLs that carry our tag, sorted
}

// Ready is the isolation ACL to use in a VPC: without an entry that anybody has made.
func (e Edges) Ready(vpc string) string {
	for _, id := range e.Isolation[vpc] {
		if e.ACLs[id].Bare() {
			return id
		}
	}
	return ""
}

// Isolates reports whether an ACL carries our tag for isolation.
func (e Edges) Isolates(acl string) bool {
	for _, all := range e.Isolation {
		if slices.Contains(all, acl) {
			return true
		}
	}
	return false
}

// Bare reports whether an ACL has no entry but those that every ACL has, which deny
// everything. https://docs.aws.amazon.com/vpc/latest/userguide/nacl-basics.html
func (a ACL) Bare() bool {
	return a.ID != "" && !slices.ContainsFunc(a.Entries, func(e Entry) bool { return e.Number < firstDefault })
}

// firstDefault is the number of the first entry that nobody can change: "*" for IPv4.
const firstDefault = 32767
