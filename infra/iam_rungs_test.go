package main

import (
	"strings"
	"testing"

	"tourniquet/lambda/config"
	"tourniquet/lambda/host"
)

func documentARN(name string) string {
	return "arn:aws:ssm:" + testRegion + ":" + testAccount + ":document/" + name
}

const (
	sendCommand   = "ssm:SendCommand"
	getInvocation = "ssm:GetCommandInvocation"
)

// hostRows are about commands to hosts, where the setting is on, or off.
func hostRows(on bool) []iamRow {
	isolate, restore := documentARN(host.IsolateName), documentARN(host.RestoreName)
	rows := []iamRow{
		{"isolate: the document", access{contain, sendCommand, isolate, nil, nil}, on},
		{"isolate: an instance", access{contain, sendCommand, instance, nil, nil}, on},
		{"isolate: another account's instance", access{contain, sendCommand, foreign(instance), nil, nil}, denied},
		{"isolate: another Region's instance", access{contain, sendCommand, elsewhere(instance), nil, nil}, denied},
		{"hear of it", access{contain, getInvocation, "*", nil, nil}, on},
		{"hear of it in another Region", access{contain, getInvocation, "*", nil, object{"aws:RequestedRegion": "us-east-1"}}, denied},
		{"restore: from the function that faces events", access{contain, sendCommand, restore, nil, nil}, denied},
		{"restore: the document", access{release, sendCommand, restore, nil, nil}, on},
		{"restore: an instance", access{release, sendCommand, instance, nil, nil}, on},
		{"restore: another account's instance", access{release, sendCommand, foreign(instance), nil, nil}, denied},
		{"isolate: from the function that releases", access{release, sendCommand, isolate, nil, nil}, denied},
		{"hear of the restore", access{release, getInvocation, "*", nil, nil}, on},
	}
	for _, role := range []string{contain, release} {
		for _, document := range []string{
			documentARN("AWS-RunShellScript"), documentARN(host.IsolateName + "-2"),
			foreign(isolate), elsewhere(restore),
		} {
			rows = append(rows, iamRow{"run another document", access{role, sendCommand, document, nil, nil}, denied})
		}
		for _, action := range []string{"ssm:CreateDocument", "ssm:UpdateDocument", "ssm:UpdateDocumentDefaultVersion", "ssm:ModifyDocumentPermission", "ssm:DeleteDocument"} {
			rows = append(rows, iamRow{"change the document", access{role, action, isolate, nil, nil}, denied})
		}
		for _, action := range []string{"ssm:StartSession"} {
			rows = append(rows, iamRow{"get into a host", access{role, action, instance, nil, nil}, denied})
		}
	}
	return rows
}

// The documents are in the stack where the rung is on, with the scripts of the code and
// without a parameter, and each function knows the name of its own.
func TestHostDocuments(t *testing.T) {
	on, off := plain(t), bare(t)
	if n := len(off.of("AWS::SSM::Document")); n != 0 {
		t.Errorf("turned off, there are %d documents", n)
	}
	names := map[string]string{}
	for _, d := range on.of("AWS::SSM::Document") {
		name := d.Properties["Name"].(string)
		content := d.Properties["Content"].(map[string]any)
		names[name] = ""
		if content["schemaVersion"] != "2.2" || content["parameters"] != nil || d.Properties["UpdateMethod"] != "NewVersion" || d.Properties["DocumentType"] != "Command" {
			t.Errorf("%s: got %v", name, d.Properties)
		}
		if steps := content["mainSteps"].([]any); len(steps) != 2 {
			t.Errorf("%s has %d steps", name, len(steps))
		}
	}
	if len(names) != 2 {
		t.Errorf("got the documents %v", names)
	}
	for handler, want := range map[string]map[string]string{
		contain: {config.IsolateDocument: host.IsolateName, config.RestoreDocument: ""},
		release: {config.IsolateDocument: "", config.RestoreDocument: host.RestoreName},
	} {
		_, fn := on.function(t, handler)
		for variable, value := range want {
			got, _ := pick(fn, "Environment", "Variables", variable).(string)
			if got != value {
				t.Errorf("%s: %s is %q, want %q", handler, variable, got, value)
			}
		}
		_, fn = off.function(t, handler)
		for variable := range pick(fn, "Environment", "Variables").(map[string]any) {
			if strings.HasSuffix(variable, "_DOCUMENT") {
				t.Errorf("turned off, %s has %s", handler, variable)
			}
		}
	}
}

// watchRows are about flow logs, where the setting is on, or off.
func watchRows(t *testing.T, tpl template, on bool) []iamRow {
	t.Helper()
	const makeLog, deleteLog, passRole, filterLog = "ec2:CreateFlowLogs", "ec2:DeleteFlowLogs", "iam:PassRole", "logs:FilterLogEvents"
	flowLog, ours := ec2ARN("vpc-flow-log/fl-0123456789abcdef0"), tags{roleTag: "watch"}
	rows := []iamRow{
		{"log flows: the interface", access{contain, makeLog, eni, nil, nil}, on},
		{"log flows: another account's interface", access{contain, makeLog, foreign(eni), nil, nil}, denied},
		{"log flows: a whole subnet", access{contain, makeLog, subnet, nil, nil}, denied},
		{"log flows: a whole VPC", access{contain, makeLog, vpcARN, nil, nil}, denied},
		{"log flows: the log, tagged", access{contain, makeLog, flowLog, nil, setting(roleTag, "watch")}, on},
		{"log flows: the log without a tag", access{contain, makeLog, flowLog, nil, nil}, denied},
		{"log flows: the log with a tag too many", access{contain, makeLog, flowLog, nil, setting(roleTag, "watch", "Name", "x")}, denied},
		{"tag the log that is made", access{contain, createTags, flowLog, nil, creating("CreateFlowLogs", setting(roleTag, "watch"))}, on},
		{"tag a log later", access{contain, createTags, flowLog, nil, setting(roleTag, "watch")}, denied},
		{"delete a log, facing events", access{contain, deleteLog, flowLog, ours, nil}, denied},
		{"delete a log", access{release, deleteLog, flowLog, ours, nil}, on},
		{"delete somebody else's log", access{release, deleteLog, flowLog, nil, nil}, denied},
		{"delete another account's log", access{release, deleteLog, foreign(flowLog), ours, nil}, denied},
		{"make a log, from the function that releases", access{release, makeLog, eni, nil, nil}, denied},
		{"another log group", access{contain, filterLog, "arn:aws:logs:" + testRegion + ":" + testAccount + ":log-group:audit:*", nil, nil}, denied},
		{"hand over another role", access{contain, passRole, "arn:aws:iam::" + testAccount + ":role/Admin", nil, object{"iam:PassedToService": "vpc-flow-logs.amazonaws.com"}}, denied},
	}
	if !on {
		return rows
	}
	id, role := tpl.one(t, "AWS::IAM::Role", "FlowLogRole")
	arn := tpl.arn(id)
	group, _ := tpl.one(t, "AWS::Logs::LogGroup", "FlowLogs")
	_, trust := tpl.Resources[id], tpl.resolve(role.Properties["AssumeRolePolicyDocument"])
	conditions := pick(trust, "Statement", 0, "Condition")
	if pick(conditions, "StringEquals", "aws:SourceAccount") != testAccount ||
		pick(conditions, "ArnLike", "aws:SourceArn") != ec2ARN("vpc-flow-log/*") {
		t.Errorf("who may use the role that delivers flow logs: %v", trust)
	}
	return append(rows,
		iamRow{"hand over the role", access{contain, passRole, arn, nil, object{"iam:PassedToService": "vpc-flow-logs.amazonaws.com"}}, allowed},
		iamRow{"hand it to an instance", access{contain, passRole, arn, nil, object{"iam:PassedToService": "ec2.amazonaws.com"}}, denied},
		iamRow{"hand it over from the function that releases", access{release, passRole, arn, nil, object{"iam:PassedToService": "vpc-flow-logs.amazonaws.com"}}, denied},
		iamRow{"read the flow logs", access{contain, filterLog, tpl.arn(group), nil, nil}, allowed},
		iamRow{"read them from the function that releases", access{release, filterLog, tpl.arn(group), nil, nil}, denied},
		iamRow{"write into the flow logs", access{contain, "logs:PutLogEvents", tpl.arn(group), nil, nil}, denied},
		iamRow{"delete the flow logs", access{contain, "logs:DeleteLogGroup", tpl.arn(group), nil, nil}, denied},
	)
}

// isolationRows are about a subnet's edge, where the setting is on, or off.
func isolationRows(on bool) []iamRow {
	const replace, makeACL = "ec2:ReplaceNetworkAclAssociation", "ec2:CreateNetworkAcl"
	isolation, allows := tags{roleTag: "isolation"}, tags{"tourniquet:isolate": "allowed"}
	return []iamRow{
		{"isolate: by our ACL", access{contain, replace, acl, isolation, nil}, on},
		{"isolate: a subnet whose owner allows it", access{contain, replace, subnet, allows, nil}, on},
		{"isolate: by any ACL", access{contain, replace, acl, nil, nil}, denied},
		{"isolate: by a quarantine's tag", access{contain, replace, acl, quarantined, nil}, denied},
		{"isolate: any subnet", access{contain, replace, subnet, nil, nil}, denied},
		{"isolate: a subnet whose owner does not", access{contain, replace, subnet, tags{"tourniquet:isolate": "no"}, nil}, denied},
		{"isolate: another account's subnet", access{contain, replace, foreign(subnet), allows, nil}, denied},
		{"isolate: by another Region's ACL", access{contain, replace, elsewhere(acl), isolation, nil}, denied},
		{"make an isolation ACL", access{contain, makeACL, acl, nil, setting(roleTag, "isolation", "Name", "tourniquet-isolation")}, on},
		{"make an isolation ACL in a VPC", access{contain, makeACL, vpcARN, nil, nil}, on},
		{"make an ACL without the tag", access{contain, makeACL, acl, nil, nil}, denied},
		{"make an ACL with a tag too many", access{contain, makeACL, acl, nil, setting(roleTag, "isolation", "team", "web")}, denied},
		{"tag the ACL that is made", access{contain, createTags, acl, nil, creating("CreateNetworkAcl", setting(roleTag, "isolation"))}, on},
		{"tag an ACL later", access{contain, createTags, acl, nil, setting(roleTag, "isolation")}, denied},
		{"allow a subnet to be isolated", access{contain, createTags, subnet, nil, setting("tourniquet:isolate", "allowed")}, denied},
		{"open: the ACL from before", access{release, replace, acl, nil, nil}, on},
		{"open: the subnet", access{release, replace, subnet, nil, nil}, on},
		{"open: another account's subnet", access{release, replace, foreign(subnet), nil, nil}, denied},
		{"open: by an ACL that it makes", access{release, makeACL, acl, nil, setting(roleTag, "isolation")}, denied},
	}
}
