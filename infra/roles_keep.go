package main

import (
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/lambda/config"
	"tourniquet/lambda/keep"
	"tourniquet/lambda/network"
)

const authorizationScaling = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html"

// rungActions are the actions of the rungs that are on.
func rungActions(c config.Config) (contain, release []string) {
	for key, on := range map[string]bool{
		"keepAlive": c.KeepAlive, "protect": c.Protect, "snapshots": c.Snapshots, "credentials": c.Credentials == config.DenyCredentials,
	} {
		if on {
			contain, release = append(contain, keep.Rungs[key].Contain...), append(release, keep.Rungs[key].Release...)
		}
	}
	slices.Sort(contain)
	slices.Sort(release)
	return contain, release
}

// unique joins lists, and has each of their elements once.
func unique(lists ...[]string) []string {
	var all []string
	for _, a := range slices.Concat(lists...) {
		if !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// members are the instances that an Auto Scaling group has tagged as its own. Nobody else
// can set a tag that begins with "aws:".
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html
var members = when{"Null": {"aws:ResourceTag/" + network.AutoScalingTag: "false"}}

// describeAttribute reads one attribute of one instance, unlike the other actions that read.
const describeAttribute = "ec2:DescribeInstanceAttribute"

// seeAttributes lets a function read them. authorizationEC2, DescribeInstanceAttribute.
func (g granter) seeAttributes() term {
	return term{sid: "SeeAttributes", actions: []string{describeAttribute}, resources: []string{g.any("instance")}, wildcard: whichever}
}

// volumes lets a function say what becomes of volumes: EC2 authorizes the change on each
// of them too, without a condition key that says what is changed.
// authorizationEC2, ModifyInstanceAttribute.
func (g granter) volumes() term {
	return term{
		sid: "OfVolumes", actions: []string{"ec2:ModifyInstanceAttribute"}, resources: []string{g.any("volume")},
		wildcard: whichever + "; of a volume the call changes nothing but whether it is deleted with its instance",
	}
}

// seeGroups lets a function see in which state an instance is in its group.
// authorizationScaling, DescribeAutoScalingInstances.
func (g granter) seeGroups() term {
	return term{
		sid: "SeeGroups", actions: []string{"autoscaling:Describe*"}, resources: []string{"*"},
		when:     when{"StringEquals": {"aws:RequestedRegion": *g.stack.Region()}},
		wildcard: "EC2 Auto Scaling has no resources for reading: " + authorizationScaling,
	}
}

// groups are the Auto Scaling groups of this account and Region.
func (g granter) groups() string {
	return *g.stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("autoscaling"), Resource: jsii.String("autoScalingGroup"), ResourceName: jsii.String("*:autoScalingGroupName/*"),
		ArnFormat: awscdk.ArnFormat_COLON_RESOURCE_NAME,
	})
}

// attribute allows requests that set an attribute to a value. EC2 writes truth in either case.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/iam-policies-for-amazon-ec2.html#attribute-key
func attribute(name, value string) when {
	return when{"StringEqualsIgnoreCase": {"ec2:Attribute/" + name: value}}
}

const whichever = "any instance may turn out to be compromised"

// keepingTerms let the contain function keep an instance and its evidence. Each is there
// for what is on only. authorizationEC2 lists each key for its action and resource type.
func (g granter) keepingTerms() []term {
	any := []string{g.any("instance")}
	terms := []term{
		g.seeGroups(), g.seeAttributes(), g.volumes(),
		// authorizationScaling, EnterStandby.
		{
			sid: "PutOnStandby", actions: []string{"autoscaling:EnterStandby"}, resources: []string{g.groups()},
			wildcard: "any group may have a compromised instance; the call neither terminates one nor changes a size",
		},
		{
			sid: "SuppressChecks", actions: []string{"ec2:EnableApplicationStatusCheckSuppression"}, resources: any, when: members,
			wildcard: whichever + "; the tag says that it is in a group",
		},
		{
			sid: "ProtectFromAPI", actions: []string{"ec2:ModifyInstanceAttribute"}, resources: any, when: attribute("DisableApiTermination", "true"),
			wildcard: whichever,
		},
		{
			sid: "ProtectFromShutdown", actions: []string{"ec2:ModifyInstanceAttribute"}, resources: any, when: attribute("InstanceInitiatedShutdownBehavior", "stop"),
			wildcard: whichever,
		},
		// Which value a volume gets, no key says.
		{
			sid: "KeepVolumes", actions: []string{"ec2:ModifyInstanceAttribute"}, resources: any,
			when: when{"StringEqualsIgnoreCase": {"ec2:Attribute": "BlockDeviceMapping"}}, wildcard: whichever,
		},
	}
	if g.settings.Snapshots {
		terms = append(terms, g.snapshotTerms()...)
	}
	return append(terms, g.denyingTerms()...)
}

// snapshotTerms let the function copy volumes. It can tag the copies while it makes them,
// and at no other time.
func (g granter) snapshotTerms() []term {
	copies := []string{g.of("snapshot", "")}
	return []term{
		{
			sid: "CopyVolumes", actions: []string{"ec2:CreateSnapshots"}, resources: []string{g.any("instance"), g.any("volume")}, wildcard: whichever,
		},
		{
			sid: "MakeSnapshots", actions: []string{"ec2:CreateSnapshots"}, resources: copies,
			when: when{
				"StringLike":                {"aws:RequestTag/" + network.IncidentTag: "i-*"},
				"ForAllValues:StringEquals": {"aws:TagKeys": []string{network.IncidentTag, network.FindingTag}},
			},
			wildcard: "a snapshot has no id before it is made; the tag says what it is",
		},
		{
			sid: "TagSnapshots", actions: []string{"ec2:CreateTags"}, resources: copies,
			when: when{"StringEquals": {"ec2:CreateAction": "CreateSnapshots"}}, wildcard: "a snapshot has no id before it is made",
		},
	}
}

// denyingTerms let the function give an instance the profile that denies everything, and
// no other, and switch its metadata endpoint off, and not on.
func (g granter) denyingTerms() []term {
	if g.denial.profile == nil {
		return nil
	}
	return []term{
		{
			sid: "DenyProfile", actions: []string{"ec2:ReplaceIamInstanceProfileAssociation"}, resources: []string{g.any("instance")},
			when: when{"ArnEquals": {"ec2:NewInstanceProfile": *g.denial.profile}}, wildcard: whichever + "; the key says which profile it gets",
		},
		{
			sid: "PassDenyRole", actions: []string{"iam:PassRole"}, resources: []string{*g.denial.role},
			when: when{"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}, //nolint:gosec // a condition key, and no password
		},
		{
			sid: "SwitchMetadataOff", actions: []string{"ec2:ModifyInstanceMetadataOptions"}, resources: []string{g.any("instance")},
			when: attribute("HttpEndpoint", "disabled"), wildcard: whichever + "; the key says that it is switched off",
		},
	}
}

// givingBackTerms let the release function undo what keeps an instance.
func (g granter) givingBackTerms() []term {
	any := []string{g.any("instance")}
	const recorded = "which instance is in the record of the containment"
	terms := []term{
		g.seeGroups(), g.seeAttributes(), g.volumes(),
		// authorizationScaling, ExitStandby.
		{
			sid: "BackIntoService", actions: []string{"autoscaling:ExitStandby"}, resources: []string{g.groups()},
			wildcard: "which group has the instance, the group says",
		},
		{
			sid: "ResumeChecks", actions: []string{"ec2:DisableApplicationStatusCheckSuppression"}, resources: any, when: members, wildcard: recorded,
		},
		{
			sid: "Unprotect", actions: []string{"ec2:ModifyInstanceAttribute"}, resources: any,
			when: when{"StringEqualsIgnoreCase": {"ec2:Attribute": []string{
				"DisableApiTermination", "InstanceInitiatedShutdownBehavior", "BlockDeviceMapping",
			}}},
			wildcard: recorded,
		},
		{
			sid: "SwitchMetadataOn", actions: []string{"ec2:ModifyInstanceMetadataOptions"}, resources: any,
			when: when{"Null": {"ec2:Attribute/HttpEndpoint": "false"}}, wildcard: recorded,
		},
	}
	if g.denial.profile == nil {
		return terms
	}
	return append(terms,
		// Give an instance its profile back, in place of ours and of no other. Key
		// ec2:InstanceProfile of instance*.
		term{
			sid: "GiveProfileBack", actions: []string{"ec2:ReplaceIamInstanceProfileAssociation"}, resources: any,
			when: when{"ArnEquals": {"ec2:InstanceProfile": *g.denial.profile}}, wildcard: recorded + "; the key says that it has our profile",
		},
		// Its role is passed with it: any role may have been there. Key
		// iam:AssociatedResourceArn:
		// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
		term{
			sid: "PassRoleBack", actions: []string{"iam:PassRole"}, resources: []string{*g.stack.FormatArn(&awscdk.ArnComponents{
				Service: jsii.String("iam"), Region: jsii.String(""), Resource: jsii.String("role"), ResourceName: jsii.String("*"),
			})},
			when: when{
				"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}, //nolint:gosec // a condition key, and no password
				"ArnLike":      {"iam:AssociatedResourceArn": g.any("instance")},
			},
			wildcard: "which role the instance had is in the record of the containment; the keys say that an instance gets it",
		},
	)
}
