package main

import (
	"slices"

	"tourniquet/lambda/host"
	"tourniquet/lambda/hub"
	"tourniquet/lambda/network"
)

// containTerms let the function that faces events tighten and nothing else. It can
// attach the quarantine group and no other group. It can add ACL entries and remove
// none. It can't tag a group that exists, which would make it a quarantine group, and
// it can't set the tag that exempts an instance.
//
// The Service Authorization Reference (authorizationEC2) lists each condition key
// below for its action and resource type.
func (g granter) containTerms() []term {
	return append(g.tighteningTerms(), g.keepingTerms()...)
}

// tighteningTerms are for the cut itself.
func (g granter) tighteningTerms() []term {
	quarantine := when{"StringEquals": {"aws:ResourceTag/" + network.RoleTag: network.RoleValue}}
	return append(slices.Concat(g.commonTerms(), g.hostTerms(host.IsolateName), g.watchTerms(), g.isolationTerms()),
		g.noteTerm(),
		// Quarantine an interface. EC2 authorizes the call on the interface, and may
		// authorize it on the instance and the subnet too. The group has a statement of
		// its own. The key ec2:Attribute could exclude other attributes, but AWS doesn't
		// document its values for this action, and a wrong one would stop containment.
		// authorizationEC2, ModifyNetworkInterfaceAttribute.
		term{
			sid: "QuarantineInterface", actions: []string{"ec2:ModifyNetworkInterfaceAttribute"},
			resources: []string{g.any("network-interface"), g.any("instance"), g.of("subnet", "*")},
			wildcard: "any instance may turn out to be compromised. The subnet of an interface can be another account's, " +
				"which shares its VPC; the call changes nothing of it",
		},
		// Attach the quarantine group: only a group that carries the tag. This role can
		// set the tag on a group that it makes, and on no other. Key aws:ResourceTag of
		// security-group*: authorizationEC2, ModifyNetworkInterfaceAttribute.
		term{
			sid: "QuarantineGroup", actions: []string{"ec2:ModifyNetworkInterfaceAttribute"},
			resources: []string{g.any("security-group")}, when: quarantine,
			wildcard: "each VPC has a quarantine group of its own; the tag says which",
		},
		// Deny a peer. No condition key restricts an entry's number, prefix or action:
		// only the code ensures that the entry denies.
		// authorizationEC2, CreateNetworkAclEntry.
		term{
			sid: "DenyPeer", actions: []string{"ec2:CreateNetworkAclEntry"},
			resources: []string{g.any("network-acl")},
			wildcard:  "the ACL is that of the subnet that the compromised instance is in",
		},
		// Make a VPC's quarantine group: only one that carries the tag from the start.
		// Keys aws:RequestTag and aws:TagKeys of security-group*:
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
		// Make it in any VPC. authorizationEC2, CreateSecurityGroup.
		term{
			sid: "MakeGroupIn", actions: []string{"ec2:CreateSecurityGroup"},
			resources: []string{g.of("vpc", "*")},
			wildcard:  "any VPC may have a compromised instance, one that another account shares too; the group is made in this account",
		},
		// Tag the new group while it is made, and at no other time: otherwise this role
		// could turn somebody else's group into a quarantine group. Key ec2:CreateAction:
		// authorizationEC2, CreateTags.
		term{
			sid: "TagNewGroup", actions: []string{"ec2:CreateTags"},
			resources: []string{g.any("security-group")},
			when:      when{"StringEquals": {"ec2:CreateAction": "CreateSecurityGroup"}},
			wildcard:  "a group has no id before it is made",
		},
		// Empty a quarantine group: EC2 makes it with rules, and somebody may add some.
		// Key aws:ResourceTag of security-group*: authorizationEC2,
		// RevokeSecurityGroupEgress and RevokeSecurityGroupIngress.
		term{
			sid: "EmptyGroup", actions: []string{"ec2:RevokeSecurityGroup*"},
			resources: []string{g.any("security-group")}, when: quarantine,
			wildcard: "each VPC has a quarantine group of its own; the tag says which",
		},
		// Note the original groups on the interface, before the first change. Key
		// aws:TagKeys of network-interface*: authorizationEC2, CreateTags.
		term{
			sid: "RememberOriginals", actions: []string{"ec2:CreateTags"},
			resources: []string{g.any("network-interface")}, when: onlyTags(interfaceTags...),
			wildcard: "any interface may be a compromised instance's; the keys say that only our tags are set",
		},
		// Note the status on a contained instance, and its peers while the ledger is out
		// of reach. Never set the tag that exempts. Key aws:TagKeys of instance*:
		// authorizationEC2, CreateTags.
		term{
			sid: "MarkInstance", actions: []string{"ec2:CreateTags"},
			resources: []string{g.any("instance")}, when: onlyTags(instanceTags...),
			wildcard: "any instance may turn out to be compromised; the keys say that only our tags are set",
		},
	)
}

// noteTerm is to note in Security Hub: the workflow status NOTIFIED and a note, and no
// other field.
// https://docs.aws.amazon.com/securityhub/latest/userguide/finding-update-batchupdatefindings.html
func (g granter) noteTerm() term {
	return term{
		sid: "NoteInSecurityHub", actions: []string{"securityhub:BatchUpdateFindings"},
		resources: []string{g.ours("securityhub", "hub", "default")},
		when: when{
			"StringEquals": {hub.FieldKey + hub.StatusField: hub.Notified},
			"Null":         absent(hub.UnusedFields),
		},
	}
}

// absent asks that a request does not set some fields of a finding.
func absent(fields []string) map[string]any {
	condition := map[string]any{}
	for _, f := range fields {
		condition[hub.FieldKey+f] = "true"
	}
	return condition
}
