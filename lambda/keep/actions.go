package keep

import "slices"

// A Rung is what keeps an instance and its evidence, as an operator turns it on.
type Rung struct {
	Contain []string // the IAM actions that it needs of the function that contains
	Release []string // and of the one that releases
}

// Rungs are all of them, by the key of the setting that turns one on.
var Rungs = map[string]Rung{"keepAlive": keepAlive, "protect": protect, "snapshots": snapshots, "credentials": deny}

// The rungs. Each action is of an API call in this package.
var (
	keepAlive = Rung{
		Contain: slices.Concat(lookingAlive, []string{"autoscaling:EnterStandby", "ec2:EnableApplicationStatusCheckSuppression"}),
		Release: slices.Concat(lookingAlive, []string{"autoscaling:ExitStandby", "ec2:DisableApplicationStatusCheckSuppression"}),
	}
	protect   = Rung{Contain: protecting, Release: protecting}
	snapshots = Rung{Contain: []string{"ec2:DescribeSnapshots", "ec2:CreateSnapshots", "ec2:CreateTags"}}
	deny      = Rung{Contain: denying, Release: denying}
)

var (
	lookingAlive = []string{"autoscaling:DescribeAutoScalingInstances", "ec2:DescribeApplicationStatus"}
	protecting   = []string{"ec2:DescribeInstanceAttribute", "ec2:ModifyInstanceAttribute"}
	// Who gives an instance a profile passes the profile's role.
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
	denying = []string{
		"ec2:DescribeIamInstanceProfileAssociations", "ec2:DescribeInstances", "ec2:ModifyInstanceMetadataOptions",
		"ec2:ReplaceIamInstanceProfileAssociation", "iam:PassRole",
	}
)
