package main

import "tourniquet/lambda/network"

// containTerms let the function that faces events tighten, and no more: attach the
// quarantine group and no other, add ACL entries and remove none. What it can tag
// can't turn a foreign group into a quarantine group, nor exempt an instance.
//
// Each condition key below is listed for its action and resource type in the
// Service Authorization Reference, authorizationEC2.
func (g granter) containTerms() []term {
	quarantine := when{"StringEquals": {"aws:ResourceTag/" + network.RoleTag: network.RoleValue}}
	return append(g.commonTerms(),
		// Quarantining an interface. EC2 asks for the interface, and may ask for
		// its instance and its subnet; the group has a statement of its own. The key
		// ec2:Attribute would keep other attributes out; AWS doesn't say which names
		// it has for this action, and a wrong one would stop network.
		// authorizationEC2, ModifyNetworkInterfaceAttribute.
		term{
			sid: "QuarantineInterface", actions: []string{"ec2:ModifyNetworkInterfaceAttribute"},
			resources: []string{g.any("network-interface"), g.any("instance"), g.of("subnet", "*")},
			wildcard: "any instance may turn out to be compromised. The subnet of an interface can be another account's, " +
				"which shares its VPC; the call changes nothing of it",
		},
		// The group that quarantining attaches: only one that carries the tag, which
		// this role can set on a group that it makes, and on no other. Key
		// aws:ResourceTag of security-group*: authorizationEC2, ModifyNetworkInterfaceAttribute.
		term{
			sid: "QuarantineGroup", actions: []string{"ec2:ModifyNetworkInterfaceAttribute"},
			resources: []string{g.any("security-group")}, when: quarantine,
			wildcard: "each VPC has a quarantine group of its own; the tag says which",
		},
		// Denying a peer. There is no condition key for an entry's number, prefix
		// or action: that it denies is the code's to see to.
		// authorizationEC2, CreateNetworkAclEntry.
		term{
			sid: "DenyPeer", actions: []string{"ec2:CreateNetworkAclEntry"},
			resources: []string{g.any("network-acl")},
			wildcard:  "the ACL is that of the subnet that the compromised instance is in",
		},
		// Making a VPC's quarantine group: only one that carries the tag from the
		// start. Keys aws:RequestTag and aws:TagKeys of security-group*:
		// authorizationEC2, CreateSecurityGroup.
		term{
			sid: "MakeGroup", actions: []string{"ec2:CreateSecurityGroup"},
			resources: []string{g.any("security-group")},
			when: when{
				"StringEquals":              {"aws:RequestTag/" + network.RoleTag: network.RoleValue},
				"ForAllValues:StringEquals": {"aws:TagKeys": []string{network.RoleTag, "Name"}},
			},
			wildcard: "a group has no id before it is made; the tag says what it is",
		},
		// The VPC to make it in. authorizationEC2, CreateSecurityGroup.
		term{
			sid: "MakeGroupIn", actions: []string{"ec2:CreateSecurityGroup"},
			resources: []string{g.of("vpc", "*")},
			wildcard:  "any VPC may have a compromised instance, one that another account shares too; the group is made in this account",
		},
		// The tag of a new group, while it is made and at no other time: else this
		// role could make a foreign group a quarantine group. Key ec2:CreateAction:
		// authorizationEC2, CreateTags.
		term{
			sid: "TagNewGroup", actions: []string{"ec2:CreateTags"},
			resources: []string{g.any("security-group")},
			when:      when{"StringEquals": {"ec2:CreateAction": "CreateSecurityGroup"}},
			wildcard:  "a group has no id before it is made",
		},
		// Emptying a quarantine group: it comes with rules, and somebody may add
		// some. Key aws:ResourceTag of security-group*: authorizationEC2,
		// RevokeSecurityGroupEgress and RevokeSecurityGroupIngress.
		term{
			sid: "EmptyGroup", actions: []string{"ec2:RevokeSecurityGroup*"},
			resources: []string{g.any("security-group")}, when: quarantine,
			wildcard: "each VPC has a quarantine group of its own; the tag says which",
		},
		// The second record of the original groups, before the first change. Key
		// aws:TagKeys of network-interface*: authorizationEC2, CreateTags.
		term{
			sid: "RememberOriginals", actions: []string{"ec2:CreateTags"},
			resources: []string{g.any("network-interface")}, when: onlyTags(interfaceTags...),
			wildcard: "any interface may be a compromised instance's; the keys say that only our tags are set",
		},
		// The status on a contained instance, and its peers where there is no ledger
		// to hold them. Never the tag that exempts. Key aws:TagKeys of instance*: authorizationEC2, CreateTags.
		term{
			sid: "MarkInstance", actions: []string{"ec2:CreateTags"},
			resources: []string{g.any("instance")}, when: onlyTags(instanceTags...),
			wildcard: "any instance may turn out to be compromised; the keys say that only our tags are set",
		},
	)
}
