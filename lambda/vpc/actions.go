package vpc

import "slices"

// looking are the IAM actions that both functions need to observe.
var looking = []string{
	"ec2:DescribeInstances",
	"ec2:DescribeNetworkAcls",
	"ec2:DescribeNetworkInterfaces",
	"ec2:DescribeSecurityGroups",
	"ec2:DescribeSubnets",
	"ec2:DescribeVpcs",
}

// ContainActions are the IAM actions that containing needs, each of an API call
// in this package. The stack gives the contain function these and no other.
var ContainActions = slices.Concat(looking, []string{
	// quarantining, and lowering tracking timeouts
	"ec2:ModifyNetworkInterfaceAttribute",
	// denying
	"ec2:CreateNetworkAclEntry",
	// making a quarantine group, and emptying it of rules
	"ec2:CreateSecurityGroup",
	"ec2:RevokeSecurityGroupEgress",
	"ec2:RevokeSecurityGroupIngress",
	// the copy of the original groups, and a new group's tag
	"ec2:CreateTags",
})

// IsolateActions are those that isolating subnets adds, and UnisolateActions those that
// opening them again does. The stack gives them where the setting is on.
var (
	IsolateActions   = []string{"ec2:CreateNetworkAcl", "ec2:ReplaceNetworkAclAssociation"}
	UnisolateActions = []string{"ec2:ReplaceNetworkAclAssociation"}
)

// ReleaseActions are the IAM actions that undoing a containment needs. The stack
// gives them to the release function only: the one that faces events can't undo.
var ReleaseActions = slices.Concat(looking, []string{
	"ec2:ModifyNetworkInterfaceAttribute",
	"ec2:DeleteNetworkAclEntry",
	"ec2:DeleteTags",
})
