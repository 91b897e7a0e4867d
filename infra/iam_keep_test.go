package main

import (
	"slices"
	"testing"
)

const (
	enterStandby    = "autoscaling:EnterStandby"
	exitStandby     = "autoscaling:ExitStandby"
	suppress        = "ec2:EnableApplicationStatusCheckSuppression"
	resume          = "ec2:DisableApplicationStatusCheckSuppression"
	modifyInstance  = "ec2:ModifyInstanceAttribute"
	modifyMetadata  = "ec2:ModifyInstanceMetadataOptions"
	replaceProfile  = "ec2:ReplaceIamInstanceProfileAssociation"
	createSnapshots = "ec2:CreateSnapshots"
	passRole        = "iam:PassRole"
)

var (
	scalingGroup = "arn:aws:autoscaling:" + testRegion + ":" + testAccount + ":autoScalingGroup:930d940e-891e-4781-a11a-7b0acd480f03:autoScalingGroupName/web"
	volume       = ec2ARN("volume/vol-0123456789abcdef0")
	snapshot     = "arn:aws:ec2:" + testRegion + "::snapshot/snap-0123456789abcdef0"
	member       = tags{"aws:autoscaling:groupName": "web"}
)

// setTo is the context of a request that sets an attribute.
func setTo(name, value string) object {
	return object{"ec2:Attribute": name, "ec2:Attribute/" + name: value}
}

// aliveRows are about standby and status checks, where keeping alive is on.
var aliveRows = []iamRow{
	{"look for its group", access{contain, "autoscaling:DescribeAutoScalingInstances", "*", nil, nil}, allowed},
	{"look for a group in another Region", access{contain, "autoscaling:DescribeAutoScalingInstances", "*", nil, object{"aws:RequestedRegion": "us-east-1"}}, denied},
	{"standby", access{contain, enterStandby, scalingGroup, nil, nil}, allowed},
	{"standby in another account's group", access{contain, enterStandby, foreign(scalingGroup), nil, nil}, denied},
	{"back into service, which releasing does", access{contain, exitStandby, scalingGroup, nil, nil}, denied},
	{"terminate", access{contain, "autoscaling:TerminateInstanceInAutoScalingGroup", scalingGroup, nil, nil}, denied},
	{"resize the group", access{contain, "autoscaling:UpdateAutoScalingGroup", scalingGroup, nil, nil}, denied},
	{"suppress a member's checks", access{contain, suppress, instance, member, nil}, allowed},
	{"suppress the checks of one in no group", access{contain, suppress, instance, nil, nil}, denied},
	{"resume checks, which releasing does", access{contain, resume, instance, member, nil}, denied},
	{"back into service", access{release, exitStandby, scalingGroup, nil, nil}, allowed},
	{"put on standby, which containing does", access{release, enterStandby, scalingGroup, nil, nil}, denied},
	{"resume a member's checks", access{release, resume, instance, member, nil}, allowed},
	{"resume the checks of one in no group", access{release, resume, instance, nil, nil}, denied},
}

// protectRows are about attributes, where protection is on; off, all are denied.
func protectRows(on bool) []iamRow {
	rows := []iamRow{
		{"see termination protection", access{contain, describeAttribute, instance, nil, nil}, allowed},
		{"protect from the API", access{contain, modifyInstance, instance, nil, setTo("DisableApiTermination", "true")}, allowed},
		{"unprotect", access{contain, modifyInstance, instance, nil, setTo("DisableApiTermination", "false")}, denied},
		{"stop when shut down", access{contain, modifyInstance, instance, nil, setTo("InstanceInitiatedShutdownBehavior", "stop")}, allowed},
		{"terminate when shut down", access{contain, modifyInstance, instance, nil, setTo("InstanceInitiatedShutdownBehavior", "terminate")}, denied},
		{"keep volumes", access{contain, modifyInstance, instance, nil, object{"ec2:Attribute": "BlockDeviceMapping"}}, allowed},
		{"keep a volume", access{contain, modifyInstance, volume, nil, nil}, allowed},
		{"swap groups of the instance", access{contain, modifyInstance, instance, nil, setTo("GroupId", "sg-1")}, denied},
		{"swap to a group by the instance", access{contain, modifyInstance, group, nil, setTo("GroupId", "sg-1")}, denied},
		{"change user data", access{contain, modifyInstance, instance, nil, setTo("UserData", "x")}, denied},
		{"protect another account's", access{contain, modifyInstance, foreign(instance), nil, setTo("DisableApiTermination", "true")}, denied},
		{"unprotect, to release", access{release, modifyInstance, instance, nil, setTo("DisableApiTermination", "false")}, allowed},
		{"terminate when shut down, to release", access{release, modifyInstance, instance, nil, setTo("InstanceInitiatedShutdownBehavior", "terminate")}, allowed},
		{"change user data, to release", access{release, modifyInstance, instance, nil, setTo("UserData", "x")}, denied},
	}
	if !on {
		for i := range rows {
			rows[i].want = denied
		}
		return rows
	}
	return rows
}

// snapshotRows are about copies of volumes.
func snapshotRows(on bool) []iamRow {
	incident := setting("tourniquet:incident", "i-0123456789abcdef0#1", "tourniquet:finding", "f1")
	rows := []iamRow{
		{"copy the volumes: the instance", access{contain, createSnapshots, instance, nil, incident}, allowed},
		{"copy the volumes: each", access{contain, createSnapshots, volume, nil, incident}, allowed},
		{"copy the volumes: the copies", access{contain, createSnapshots, snapshot, nil, incident}, allowed},
		{"copies without our tag", access{contain, createSnapshots, snapshot, nil, nil}, denied},
		{"copies with somebody else's tag", access{contain, createSnapshots, snapshot, nil, setting("tourniquet:incident", "i-1#1", "Name", "x")}, denied},
		{"tag the copies while they are made", access{contain, createTags, snapshot, nil, creating("CreateSnapshots", incident)}, allowed},
		{"tag a snapshot that is there", access{contain, createTags, snapshot, nil, incident}, denied},
		{"share a snapshot", access{contain, "ec2:ModifySnapshotAttribute", snapshot, nil, nil}, denied},
		{"delete a snapshot", access{contain, "ec2:DeleteSnapshot", snapshot, nil, nil}, denied},
		{"delete a snapshot, to release", access{release, "ec2:DeleteSnapshot", snapshot, nil, nil}, denied},
		{"copy, to release", access{release, createSnapshots, volume, nil, incident}, denied},
	}
	for i := range rows {
		rows[i].want = rows[i].want && on
	}
	return rows
}

// credentialRows are about the profile that denies everything, where there is one.
func credentialRows(t *testing.T, tpl template, on bool) []iamRow {
	t.Helper()
	ours, role := "arn:aws:iam::"+testAccount+":instance-profile/x", "arn:aws:iam::"+testAccount+":role/x"
	if on {
		id, _ := tpl.one(t, "AWS::IAM::InstanceProfile", "DenyProfile")
		ours = tpl.arn(id)
		id, _ = tpl.one(t, "AWS::IAM::Role", "DenyRole")
		role = tpl.arn(id)
	}
	theirs, admin := "arn:aws:iam::"+testAccount+":instance-profile/admin", "arn:aws:iam::"+testAccount+":role/admin"
	to := func(instance string) object {
		return object{"iam:PassedToService": "ec2.amazonaws.com", "iam:AssociatedResourceArn": instance}
	}
	swap := func(from, into string) object {
		return object{"ec2:InstanceProfile": from, "ec2:NewInstanceProfile": into}
	}
	rows := []iamRow{
		{"deny: the profile", access{contain, replaceProfile, instance, nil, swap(theirs, ours)}, allowed},
		{"any other profile", access{contain, replaceProfile, instance, nil, swap(theirs, theirs+"2")}, denied},
		{"the profile back", access{contain, replaceProfile, instance, nil, swap(ours, theirs)}, denied},
		{"deny: the role", access{contain, passRole, role, nil, to(instance)}, allowed},
		{"pass it to Lambda", access{contain, passRole, role, nil, object{"iam:PassedToService": "lambda.amazonaws.com"}}, denied},
		{"pass any other role", access{contain, passRole, admin, nil, to(instance)}, denied},
		{"write a role's policy", access{contain, "iam:PutRolePolicy", admin, nil, nil}, denied},
		{"metadata off", access{contain, modifyMetadata, instance, nil, setTo("HttpEndpoint", "disabled")}, allowed},
		{"metadata on", access{contain, modifyMetadata, instance, nil, setTo("HttpEndpoint", "enabled")}, denied},
		{"metadata without tokens", access{contain, modifyMetadata, instance, nil, setTo("HttpTokens", "optional")}, denied},
		{"give the profile back", access{release, replaceProfile, instance, nil, swap(ours, theirs)}, allowed},
		{"replace a profile that is not ours", access{release, replaceProfile, instance, nil, swap(theirs, theirs+"2")}, denied},
		{"give the role back", access{release, passRole, admin, nil, to(instance)}, allowed},
		{"give a role to a function", access{release, passRole, admin, nil, object{"iam:PassedToService": "lambda.amazonaws.com"}}, denied},
		{"give a role to another account's instance", access{release, passRole, admin, nil, to(foreign(instance))}, denied},
		{"write a role's policy, to release", access{release, "iam:PutRolePolicy", admin, nil, nil}, denied},
		{"metadata on, to release", access{release, modifyMetadata, instance, nil, setTo("HttpEndpoint", "enabled")}, allowed},
		{"metadata without tokens, to release", access{release, modifyMetadata, instance, nil, setTo("HttpTokens", "optional")}, denied},
	}
	for i := range rows {
		rows[i].want = rows[i].want && on
	}
	return rows
}

// keepRows are about all that keeps an instance: what is on by default, and what is not.
// Of what is off, everything is denied.
func keepRows(t *testing.T, tpl template, byDefault, optional bool) []iamRow {
	t.Helper()
	alive := slices.Clone(aliveRows)
	for i := range alive {
		alive[i].want = alive[i].want && byDefault
	}
	return slices.Concat(alive, protectRows(byDefault), snapshotRows(optional), credentialRows(t, tpl, optional))
}
