package main

import (
	"slices"

	"tourniquet/lambda/host"
)

// releaseTerms let the function that a person starts undo a containment. It can
// restore any group, because any group may have been there, and remove ACL entries.
func (g granter) releaseTerms() []term {
	return append(g.looseningTerms(), g.givingBackTerms()...)
}

// looseningTerms undo the cut itself.
func (g granter) looseningTerms() []term {
	return append(slices.Concat(g.commonTerms(), g.hostTerms(host.RestoreName), g.unwatchTerms(), g.openingTerms()),
		// Restore the groups of an interface.
		// authorizationEC2, ModifyNetworkInterfaceAttribute.
		term{
			sid: "RestoreGroups", actions: []string{"ec2:ModifyNetworkInterfaceAttribute"},
			resources: []string{g.any("network-interface"), g.any("instance"), g.of("subnet", "*"), g.of("security-group", "*")},
			wildcard: "which interface, and which groups, is in the record of the containment; " +
				"a shared VPC's subnets and groups can be another account's, and the call changes nothing of them",
		},
		// Remove a denial. No condition key restricts an entry's number: only the ledger
		// knows which entries are ours. authorizationEC2, DeleteNetworkAclEntry.
		term{
			sid: "RemoveDenial", actions: []string{"ec2:DeleteNetworkAclEntry"},
			resources: []string{g.any("network-acl")},
			wildcard:  "which ACL is in the record of the containment",
		},
		// Change our tags on interfaces and instances, and no others. Key aws:TagKeys:
		// authorizationEC2, CreateTags and DeleteTags.
		term{
			sid: "ForgetOriginals", actions: []string{"ec2:CreateTags", "ec2:DeleteTags"},
			resources: []string{g.any("network-interface")}, when: onlyTags(interfaceTags...),
			wildcard: "which interface is in the record of the containment; the keys say that only our tags change",
		},
		term{
			sid: "UnmarkInstance", actions: []string{"ec2:CreateTags", "ec2:DeleteTags"},
			resources: []string{g.any("instance")}, when: onlyTags(instanceTags...),
			wildcard: "which instance is in the record of the containment; the keys say that only our tags change",
		},
	)
}
