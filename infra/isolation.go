package main

import (
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
)

// isolates reports whether subnets may be isolated.
func (p parts) isolates() bool { return p.settings.Isolate == plan.IsolateTagged }

func (p parts) isolationCalls(actions []string) []string {
	if !p.isolates() {
		return nil
	}
	return actions
}

// isolationTerms let the function that faces events put our ACL without entries before a
// subnet whose owner allows it: both sides carry a tag, and this role can set neither on
// what exists. authorizationEC2, ReplaceNetworkAclAssociation and CreateNetworkAcl.
func (g granter) isolationTerms() []term {
	if !g.isolates() {
		return nil
	}
	const replace, make = "ec2:ReplaceNetworkAclAssociation", "ec2:CreateNetworkAcl"
	return []term{
		{
			sid: "IsolateBy", actions: []string{replace}, resources: []string{g.any("network-acl")},
			when:     when{"StringEquals": {"aws:ResourceTag/" + network.RoleTag: network.IsolationRole}},
			wildcard: "each VPC has an isolation ACL of its own; the tag says which",
		},
		{
			sid: "IsolateSubnet", actions: []string{replace}, resources: []string{g.any("subnet")},
			when:     when{"StringEquals": {"aws:ResourceTag/" + network.IsolateTag: network.IsolateValue}},
			wildcard: "a compromised instance may be in any subnet; the tag says that its owner allows it",
		},
		{
			sid: "MakeIsolation", actions: []string{make}, resources: []string{g.any("network-acl")},
			when: when{
				"StringEquals":              {"aws:RequestTag/" + network.RoleTag: network.IsolationRole},
				"ForAllValues:StringEquals": {"aws:TagKeys": []string{network.RoleTag, "Name"}},
			},
			wildcard: "an ACL has no id before it is made; the tag says what it is",
		},
		{
			sid: "MakeIsolationIn", actions: []string{make}, resources: []string{g.any("vpc")},
			wildcard: "any VPC may have a subnet that may be isolated",
		},
		{
			sid: "TagNewIsolation", actions: []string{"ec2:CreateTags"}, resources: []string{g.any("network-acl")},
			when:     when{"StringEquals": {"ec2:CreateAction": "CreateNetworkAcl"}},
			wildcard: "an ACL has no id before it is made",
		},
	}
}

// openingTerms let the other function put the ACL from before back.
func (g granter) openingTerms() []term {
	if !g.isolates() {
		return nil
	}
	return []term{{
		sid: "OpenSubnet", actions: []string{"ec2:ReplaceNetworkAclAssociation"}, resources: []string{g.any("network-acl"), g.any("subnet")},
		wildcard: "which subnet, and which ACL it had, is in the record of the containment",
	}}
}
