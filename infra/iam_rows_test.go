package main

import (
	"strings"
	"testing"

	"tourniquet/lambda/hub"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/notice"
)

// containRows are about EC2 and the function that faces events.
var containRows = []iamRow{
	{"look", access{contain, "ec2:DescribeNetworkInterfaces", "*", nil, nil}, allowed},
	{"look in another Region", access{contain, "ec2:DescribeNetworkInterfaces", "*", nil, object{"aws:RequestedRegion": "us-east-1"}}, denied},
	{"look at what it needs not", access{contain, "ec2:DescribeVolumes", "*", nil, nil}, denied},

	{"swap: the interface", access{contain, modifyInterface, eni, nil, nil}, allowed},
	{"swap: its instance", access{contain, modifyInterface, instance, nil, nil}, allowed},
	{"swap: its subnet", access{contain, modifyInterface, subnet, nil, nil}, allowed},
	{"swap: a shared VPC's subnet", access{contain, modifyInterface, foreign(subnet), nil, nil}, allowed},
	{"swap: the quarantine group", access{contain, modifyInterface, group, quarantined, nil}, allowed},
	{"swap: a group without tags", access{contain, modifyInterface, group, nil, nil}, denied},
	{"swap: a group with other tags", access{contain, modifyInterface, group, tags{"Name": "tourniquet-quarantine"}, nil}, denied},
	{"swap: a group with another role", access{contain, modifyInterface, group, tags{roleTag: "open"}, nil}, denied},
	{"swap: a group with the role in capitals", access{contain, modifyInterface, group, tags{roleTag: "Quarantine"}, nil}, denied},
	{"swap: another account's quarantine group", access{contain, modifyInterface, foreign(group), quarantined, nil}, denied},
	{"swap: another Region's quarantine group", access{contain, modifyInterface, elsewhere(group), quarantined, nil}, denied},
	{"swap: another account's interface", access{contain, modifyInterface, foreign(eni), nil, nil}, denied},
	{"swap: another Region's interface", access{contain, modifyInterface, elsewhere(eni), nil, nil}, denied},
	{"swap: another account's instance", access{contain, modifyInterface, foreign(instance), nil, nil}, denied},
	// Another attribute of the interface: no group is a resource of that call.
	{"shorten connection tracking", access{contain, modifyInterface, eni, nil, object{"ec2:Attribute": "ConnectionTrackingSpecification"}}, allowed},
	{"shorten it in another account", access{contain, modifyInterface, foreign(eni), nil, object{"ec2:Attribute": "ConnectionTrackingSpecification"}}, denied},
	{"swap by the instance", access{contain, "ec2:ModifyInstanceAttribute", instance, nil, nil}, denied},
	{"attach an interface", access{contain, "ec2:AttachNetworkInterface", eni, nil, nil}, denied},

	{"deny a peer", access{contain, createEntry, acl, nil, nil}, allowed},
	{"deny in another account's ACL", access{contain, createEntry, foreign(acl), nil, nil}, denied},
	{"deny in another Region's ACL", access{contain, createEntry, elsewhere(acl), nil, nil}, denied},
	{"delete an entry", access{contain, deleteEntry, acl, nil, nil}, denied},
	{"replace an entry", access{contain, "ec2:ReplaceNetworkAclEntry", acl, nil, nil}, denied},
	{"put a subnet behind another ACL", access{contain, "ec2:ReplaceNetworkAclAssociation", acl, nil, nil}, denied},
	{"delete an ACL", access{contain, "ec2:DeleteNetworkAcl", acl, nil, nil}, denied},

	{"make a group, tagged", access{contain, createGroup, group, nil, setting(roleTag, "quarantine", "Name", "tourniquet-quarantine")}, allowed},
	{"make a group, only the role", access{contain, createGroup, group, nil, setting(roleTag, "quarantine")}, allowed},
	{"make a group without tags", access{contain, createGroup, group, nil, nil}, denied},
	{"make a group with a name only", access{contain, createGroup, group, nil, setting("Name", "tourniquet-quarantine")}, denied},
	{"make a group of another role", access{contain, createGroup, group, nil, setting(roleTag, "open")}, denied},
	{"make a group with a tag too many", access{contain, createGroup, group, nil, setting(roleTag, "quarantine", "team", "web")}, denied},
	{"make a group in a VPC", access{contain, createGroup, vpcARN, nil, nil}, allowed},
	{"make a group in a shared VPC", access{contain, createGroup, foreign(vpcARN), nil, nil}, allowed},
	{"make a group in another Region", access{contain, createGroup, elsewhere(vpcARN), nil, nil}, denied},
	{"make another account's group", access{contain, createGroup, foreign(group), nil, setting(roleTag, "quarantine")}, denied},
	{"tag the group that is made", access{contain, createTags, group, nil, creating("CreateSecurityGroup", setting(roleTag, "quarantine"))}, allowed},
	{"tag a group as quarantine later", access{contain, createTags, group, nil, setting(roleTag, "quarantine")}, denied},
	{"tag a quarantine group", access{contain, createTags, group, quarantined, setting("Name", "x")}, denied},
	{"tag a group while something else is made", access{contain, createTags, group, nil, creating("RunInstances", setting(roleTag, "quarantine"))}, denied},
	{"untag a quarantine group", access{contain, deleteTags, group, quarantined, setting(roleTag, "quarantine")}, denied},
	{"delete a quarantine group", access{contain, "ec2:DeleteSecurityGroup", group, quarantined, nil}, denied},

	{"empty a quarantine group, outgoing", access{contain, "ec2:RevokeSecurityGroupEgress", group, quarantined, nil}, allowed},
	{"empty a quarantine group, incoming", access{contain, "ec2:RevokeSecurityGroupIngress", group, quarantined, nil}, allowed},
	{"empty a foreign group", access{contain, "ec2:RevokeSecurityGroupIngress", group, nil, nil}, denied},
	{"empty another account's quarantine group", access{contain, "ec2:RevokeSecurityGroupEgress", foreign(group), quarantined, nil}, denied},
	{"open a quarantine group, incoming", access{contain, "ec2:AuthorizeSecurityGroupIngress", group, quarantined, nil}, denied},
	{"open a quarantine group, outgoing", access{contain, "ec2:AuthorizeSecurityGroupEgress", group, quarantined, nil}, denied},
	{"change a quarantine group's rules", access{contain, "ec2:ModifySecurityGroupRules", group, quarantined, nil}, denied},

	{"remember originals", access{contain, createTags, eni, nil, setting(originals, "sg-1")}, allowed},
	{"remember many originals", access{contain, createTags, eni, nil, setting(originals, "sg-1", originals+"-2", "sg-17")}, allowed},
	{"tag an interface otherwise", access{contain, createTags, eni, nil, setting("Name", "x")}, denied},
	{"remember originals and tag otherwise", access{contain, createTags, eni, nil, setting(originals, "sg-1", "Name", "x")}, denied},
	{"remember originals in another account", access{contain, createTags, foreign(eni), nil, setting(originals, "sg-1")}, denied},
	{"remember originals in another Region", access{contain, createTags, elsewhere(eni), nil, setting(originals, "sg-1")}, denied},
	{"remember originals on a group", access{contain, createTags, group, nil, setting(originals, "sg-1")}, denied},
	{"forget originals", access{contain, deleteTags, eni, nil, setting(originals, "sg-1")}, denied},
	{"set no tag", access{contain, createTags, eni, nil, nil}, denied},
	{"mark the instance", access{contain, createTags, instance, nil, setting(status, "contained")}, allowed},
	{"mark the instance with its peers", access{contain, createTags, instance, nil, setting("tourniquet:peers", "198.51.100.7", "tourniquet:peers-2", "")}, allowed},
	{"exempt an instance", access{contain, createTags, instance, nil, setting(exempt, "")}, denied},
	{"mark an instance and exempt it", access{contain, createTags, instance, nil, setting(status, "contained", exempt, "")}, denied},
	{"mark another account's instance", access{contain, createTags, foreign(instance), nil, setting(status, "contained")}, denied},
	{"tag an ACL", access{contain, createTags, acl, nil, setting(status, "contained")}, denied},

	{"stop the instance", access{contain, "ec2:StopInstances", instance, nil, nil}, denied},
	{"terminate the instance", access{contain, "ec2:TerminateInstances", instance, nil, nil}, denied},
	{"give itself a policy", access{contain, "iam:PutRolePolicy", "arn:aws:iam::" + testAccount + ":role/ContainRole", nil, nil}, denied},
	{"become another role", access{contain, "sts:AssumeRole", "arn:aws:iam::" + testAccount + ":role/Admin", nil, nil}, denied},
}

// releaseRows are about EC2 and the function that a person starts.
var releaseRows = []iamRow{
	{"look", access{release, "ec2:DescribeSecurityGroups", "*", nil, nil}, allowed},
	{"look in another Region", access{release, "ec2:DescribeInstances", "*", nil, object{"aws:RequestedRegion": "us-east-1"}}, denied},
	{"restore: the interface", access{release, modifyInterface, eni, nil, nil}, allowed},
	{"restore: its instance", access{release, modifyInterface, instance, nil, nil}, allowed},
	{"restore: its subnet", access{release, modifyInterface, subnet, nil, nil}, allowed},
	{"restore: any group", access{release, modifyInterface, group, nil, nil}, allowed},
	{"restore: a shared group of another account", access{release, modifyInterface, foreign(group), nil, nil}, allowed},
	{"restore: another account's interface", access{release, modifyInterface, foreign(eni), nil, nil}, denied},
	{"restore: another Region's interface", access{release, modifyInterface, elsewhere(eni), nil, nil}, denied},
	{"restore: another Region's group", access{release, modifyInterface, elsewhere(group), nil, nil}, denied},
	{"restore connection tracking", access{release, modifyInterface, eni, nil, object{"ec2:Attribute": "ConnectionTrackingSpecification"}}, allowed},
	{"remove a denial", access{release, deleteEntry, acl, nil, nil}, allowed},
	{"remove an entry of another account's ACL", access{release, deleteEntry, foreign(acl), nil, nil}, denied},
	{"remove an entry of another Region's ACL", access{release, deleteEntry, elsewhere(acl), nil, nil}, denied},
	{"add an entry, which may allow", access{release, createEntry, acl, nil, nil}, denied},
	{"replace an entry", access{release, "ec2:ReplaceNetworkAclEntry", acl, nil, nil}, denied},
	{"delete an ACL", access{release, "ec2:DeleteNetworkAcl", acl, nil, nil}, denied},
	{"forget originals", access{release, deleteTags, eni, nil, setting(originals, "sg-1")}, allowed},
	{"forget all tags", access{release, deleteTags, eni, nil, nil}, denied},
	{"delete an owner's tag", access{release, deleteTags, eni, nil, setting(originals, "sg-1", "Name", "x")}, denied},
	{"mark the instance, which releasing does not", access{release, createTags, instance, nil, setting(status, "released")}, denied},
	{"unmark the instance", access{release, deleteTags, instance, nil, setting(status, "contained")}, allowed},
	{"exempt an instance", access{release, createTags, instance, nil, setting(exempt, "")}, denied},
	{"take an exemption away", access{release, deleteTags, instance, nil, setting(exempt, "")}, denied},
	{"tag a group as quarantine", access{release, createTags, group, nil, setting(roleTag, "quarantine")}, denied},
	{"untag a quarantine group", access{release, deleteTags, group, quarantined, setting(roleTag, "quarantine")}, denied},
	{"make a group", access{release, createGroup, group, nil, setting(roleTag, "quarantine")}, denied},
	{"open a group", access{release, "ec2:AuthorizeSecurityGroupIngress", group, nil, nil}, denied},
	{"delete a group", access{release, "ec2:DeleteSecurityGroup", group, quarantined, nil}, denied},
}

// dataRows are about what the stack itself has: table, topic, queues, logs.
func dataRows(t *testing.T, tpl template) []iamRow {
	t.Helper()
	arn := func(resourceType, prefix string) string {
		id, _ := tpl.one(t, resourceType, prefix)
		return tpl.arn(id)
	}
	table, topic := arn("AWS::DynamoDB::Table", ""), arn("AWS::SNS::Topic", "")
	failed, undelivered := arn("AWS::SQS::Queue", "FailedEvents"), arn("AWS::SQS::Queue", "UndeliveredEvents")
	logs := map[string]string{contain: arn("AWS::Logs::LogGroup", "ContainLog"), release: arn("AWS::Logs::LogGroup", "ReleaseLog")}
	stream := func(role string) string {
		return strings.TrimSuffix(logs[role], "*") + "log-stream:2026/11/24/[$LATEST]0"
	}
	other := map[string]string{contain: release, release: contain}
	var rows []iamRow
	for _, role := range []string{contain, release} {
		for _, action := range ledger.Actions {
			rows = append(rows, iamRow{"its ledger", access{role, action, table, nil, nil}, allowed})
		}
		rows = append(rows, []iamRow{
			{"read another table", access{role, "dynamodb:Query", ddb("table/customers"), nil, nil}, denied},
			{"write another table", access{role, "dynamodb:PutItem", ddb("table/customers"), nil, nil}, denied},
			{"write a table whose name goes on", access{role, "dynamodb:PutItem", table + "2", nil, nil}, denied},
			{"write another account's table of the name", access{role, "dynamodb:PutItem", foreign(table), nil, nil}, denied},
			{"read another Region's table of the name", access{role, "dynamodb:Query", elsewhere(table), nil, nil}, denied},
			{"scan the ledger", access{role, "dynamodb:Scan", table, nil, nil}, denied},
			{"delete the ledger", access{role, "dynamodb:DeleteTable", table, nil, nil}, denied},
			{"unprotect the ledger", access{role, "dynamodb:UpdateTable", table, nil, nil}, denied},
			{"notify", access{role, "sns:Publish", topic, nil, nil}, allowed},
			{"notify without TLS", access{role, "sns:Publish", topic, nil, object{"aws:SecureTransport": "false"}}, denied},
			{"notify another topic", access{role, "sns:Publish", topic + "2", nil, nil}, denied},
			{"send an event", access{role, "events:PutEvents", defaultBus, nil, object{"events:source": []string{notice.Source}}}, allowed},
			{"send an event of another source", access{role, "events:PutEvents", defaultBus, nil, object{"events:source": []string{"aws.guardduty"}}}, denied},
			{"send two events, one of another source", access{role, "events:PutEvents", defaultBus, nil, object{"events:source": []string{notice.Source, "other"}}}, denied},
			{"send an event without a source", access{role, "events:PutEvents", defaultBus, nil, nil}, denied},
			{"send an event to another bus", access{role, "events:PutEvents", defaultBus + "2", nil, object{"events:source": []string{notice.Source}}}, denied},
			{"make a rule", access{role, "events:PutRule", "arn:aws:events:" + testRegion + ":" + testAccount + ":rule/r", nil, nil}, denied},
			{"subscribe somebody", access{role, "sns:Subscribe", topic, nil, nil}, denied},
			{"hand on a failure", access{role, "sqs:SendMessage", failed, nil, nil}, allowed},
			{"hand on to the other queue", access{role, "sqs:SendMessage", undelivered, nil, nil}, denied},
			{"take a failure away", access{role, "sqs:ReceiveMessage", failed, nil, nil}, denied},
			{"purge the failures", access{role, "sqs:PurgeQueue", failed, nil, nil}, denied},
			{"log", access{role, "logs:PutLogEvents", stream(role), nil, nil}, allowed},
			{"log as the other function", access{role, "logs:PutLogEvents", stream(other[role]), nil, nil}, denied},
			{"delete its log", access{role, "logs:DeleteLogGroup", strings.TrimSuffix(logs[role], ":*"), nil, nil}, denied},
			{"trace", access{role, "xray:PutTraceSegments", "*", nil, nil}, allowed},
			{"trace in another Region", access{role, "xray:PutTraceSegments", "*", nil, object{"aws:RequestedRegion": "us-east-1"}}, denied},
		}...)
	}
	return rows
}

// The event bus, and Security Hub, of the account and Region.
const (
	defaultBus = "arn:aws:events:" + testRegion + ":" + testAccount + ":event-bus/default"
	theHub     = "arn:aws:securityhub:" + testRegion + ":" + testAccount + ":hub/default"
)

// hubRows are about notes in Security Hub, where the setting is on, or off.
func hubRows(on bool) []iamRow {
	const note = "securityhub:BatchUpdateFindings"
	field := func(pairs ...string) object {
		context := object{}
		for i := 0; i+1 < len(pairs); i += 2 {
			context[hub.FieldKey+pairs[i]] = pairs[i+1]
		}
		return context
	}
	ours := field(hub.StatusField, hub.Notified, "Note.Text", "contained", "Note.UpdatedBy", "tourniquet")
	rows := []iamRow{
		{"note in Security Hub", access{contain, note, theHub, nil, ours}, on},
		{"note from the other function", access{release, note, theHub, nil, ours}, denied},
		{"note without a status", access{contain, note, theHub, nil, field("Note.Text", "x", "Note.UpdatedBy", "y")}, denied},
		{"suppress a finding", access{contain, note, theHub, nil, field(hub.StatusField, "SUPPRESSED")}, denied},
		{"resolve a finding", access{contain, note, theHub, nil, field(hub.StatusField, "RESOLVED")}, denied},
		{"note in another Region", access{contain, note, elsewhere(theHub), nil, ours}, denied},
		{"note in another account", access{contain, note, foreign(theHub), nil, ours}, denied},
		{"archive in GuardDuty", access{contain, "guardduty:ArchiveFindings", "*", nil, nil}, denied},
	}
	for _, unused := range hub.UnusedFields {
		with := field(hub.StatusField, hub.Notified, unused, "x")
		rows = append(rows, iamRow{"note and set " + unused, access{contain, note, theHub, nil, with}, denied})
	}
	return rows
}

func ddb(resource string) string {
	return "arn:aws:dynamodb:" + testRegion + ":" + testAccount + ":" + resource
}

// invocationRows are about who may start a function, and publish.
func invocationRows(t *testing.T, tpl template) []iamRow {
	t.Helper()
	fn := func(handler string) string {
		id, _ := tpl.function(t, handler)
		return tpl.arn(id)
	}
	rule := func(prefix string) string {
		id, _ := tpl.one(t, "AWS::Events::Rule", prefix)
		return tpl.arn(id)
	}
	topicID, _ := tpl.one(t, "AWS::SNS::Topic", "")
	queueID, _ := tpl.one(t, "AWS::SQS::Queue", "UndeliveredEvents")
	topic, queue := tpl.arn(topicID), tpl.arn(queueID)
	const invoke = "lambda:InvokeFunction"
	return []iamRow{
		{"findings start contain", access{eventBridge, invoke, fn(contain), nil, source(rule("Findings"))}, allowed},
		{"the custom action starts contain", access{eventBridge, invoke, fn(contain), nil, source(rule("CustomAction"))}, allowed},
		{"the schedule starts reconcile", access{eventBridge, invoke, fn(contain), nil, source(rule("Reconcile"))}, allowed},
		{"the schedule starts expire", access{eventBridge, invoke, fn(release), nil, source(rule("Expire"))}, allowed},
		{"findings start release", access{eventBridge, invoke, fn(release), nil, source(rule("Findings"))}, denied},
		{"the custom action starts release", access{eventBridge, invoke, fn(release), nil, source(rule("CustomAction"))}, denied},
		{"the other schedule starts release", access{eventBridge, invoke, fn(release), nil, source(rule("Reconcile"))}, denied},
		{"another rule starts release", access{eventBridge, invoke, fn(release), nil, source(rule("Expire") + "2")}, denied},
		{"another account's rule starts release", access{eventBridge, invoke, fn(release), nil, source(foreign(rule("Expire")))}, denied},
		{"another rule starts contain", access{eventBridge, invoke, fn(contain), nil, source(rule("Findings") + "2")}, denied},
		{"a bucket starts release", access{"s3.amazonaws.com", invoke, fn(release), nil, source("arn:aws:s3:::bucket")}, denied},
		{"a topic starts release", access{"sns.amazonaws.com", invoke, fn(release), nil, source(topic)}, denied},
		{"the scheduler starts release", access{"scheduler.amazonaws.com", invoke, fn(release), nil, source(rule("Expire"))}, denied},
		{"contain starts release", access{contain, invoke, fn(release), nil, nil}, denied},
		{"contain starts itself", access{contain, invoke, fn(contain), nil, nil}, denied},
		{"release starts contain", access{release, invoke, fn(contain), nil, nil}, denied},
		{"contain changes release's code", access{contain, "lambda:UpdateFunctionCode", fn(release), nil, nil}, denied},
		{"contain lets a service start release", access{contain, "lambda:AddPermission", fn(release), nil, nil}, denied},

		{"alarms tell people", access{"cloudwatch.amazonaws.com", "sns:Publish", topic, nil, object{"aws:SourceAccount": testAccount}}, allowed},
		{"another account's alarms tell people", access{"cloudwatch.amazonaws.com", "sns:Publish", topic, nil, object{"aws:SourceAccount": otherAccount}}, denied},
		{"a rule's undelivered event is kept", access{eventBridge, "sqs:SendMessage", queue, nil, source(rule("Findings"))}, allowed},
		{"another rule's is not", access{eventBridge, "sqs:SendMessage", queue, nil, source(rule("Findings") + "2")}, denied},
		{"an event without TLS is not", access{eventBridge, "sqs:SendMessage", queue, nil, object{"aws:SourceArn": rule("Findings"), "aws:SecureTransport": "false"}}, denied},
	}
}

// keyRows are about a customer's key of the ledger.
func keyRows(t *testing.T, tpl template) []iamRow {
	t.Helper()
	id, _ := tpl.one(t, "AWS::KMS::Key", "")
	key := tpl.arn(id)
	through := object{"kms:ViaService": "dynamodb." + testRegion + ".amazonaws.com"}
	var rows []iamRow
	for _, role := range []string{contain, release} {
		for _, action := range keyActions {
			rows = append(rows, iamRow{"the ledger's key", access{role, action, key, nil, through}, allowed})
		}
		rows = append(rows,
			iamRow{"the key by itself", access{role, "kms:Decrypt", key, nil, nil}, denied},
			iamRow{"the key through another service", access{role, "kms:Decrypt", key, nil, object{"kms:ViaService": "s3." + testRegion + ".amazonaws.com"}}, denied},
			iamRow{"another key", access{role, "kms:Decrypt", key + "2", nil, through}, denied},
			iamRow{"give the key away", access{role, "kms:PutKeyPolicy", key, nil, through}, denied},
			iamRow{"delete the key", access{role, "kms:ScheduleKeyDeletion", key, nil, through}, denied},
		)
	}
	return rows
}
