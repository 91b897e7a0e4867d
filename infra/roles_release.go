package main

// releaseTerms let the function that a person starts undo a containment: restore
// any groups, since the originals can be any, and remove ACL entries.
func (g granter) releaseTerms() []term {
	return append(g.commonTerms(),
		// Restoring the groups of an interface.
		// authorizationEC2, ModifyNetworkInterfaceAttribute.
		term{
			sid: "RestoreGroups", actions: []string{"ec2:ModifyNetworkInterfaceAttribute"},
			resources: []string{g.any("network-interface"), g.any("instance"), g.of("subnet", "*"), g.of("security-group", "*")},
			wildcard: "which interface, and which groups, is in the record of the containment; " +
				"a shared VPC's subnets and groups can be another account's, and the call changes nothing of them",
		},
		// Removing a denial. There is no condition key for an entry's number: that
		// it is one of ours, the ledger knows. authorizationEC2, DeleteNetworkAclEntry.
		term{
			sid: "RemoveDenial", actions: []string{"ec2:DeleteNetworkAclEntry"},
			resources: []string{g.any("network-acl")},
			wildcard:  "which ACL is in the record of the containment",
		},
		// Our tags on interfaces and instances, and no others. Key aws:TagKeys:
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
