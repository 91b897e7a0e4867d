package main

import (
	"fmt"

	"tourniquet/lambda/network"
	"tourniquet/lambda/notice"
)

// commonTerms are what both functions may do.
func (g granter) commonTerms() []term {
	terms := []term{
		// Observe. These actions have no resources, and know no condition but the
		// Region. authorizationEC2, Describe*.
		{
			sid: "Observe", actions: []string{"ec2:Describe*"}, except: []string{describeAttribute}, resources: []string{"*"},
			when:     when{"StringEquals": {"aws:RequestedRegion": *g.stack.Region()}},
			wildcard: "EC2 has no resources for reading: " + authorizationEC2,
		},
		// Read and write the ledger: this table only. It has no index.
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
		{sid: "Ledger", actions: []string{"dynamodb:*"}, resources: []string{*g.table.TableArn()}},
		// Tell people what was done, on this topic only.
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
		{sid: "Notify", actions: []string{"sns:Publish"}, resources: []string{*g.topic.TopicArn()}},
		// Send events to the default bus, under this source only. The key has a value for
		// each entry of a call; a call without any would meet the first condition.
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
		{
			sid: "SendEvents", actions: []string{"events:PutEvents"},
			resources: []string{g.ours("events", "event-bus", "default")},
			when: when{
				"ForAllValues:StringEquals": {"events:source": []string{notice.Source}},
				"Null":                      {"events:source": "false"},
			},
		},
		// Lambda uses the function's role to send the event of a failed invocation to the queue.
		// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
		{sid: "HandOnFailures", actions: []string{"sqs:SendMessage"}, resources: []string{*g.failed.QueueArn()}},
		// Write to the function's own log group.
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
		{sid: "Log", actions: []string{"logs:CreateLogStream", "logs:PutLogEvents"}, resources: []string{*g.logs.LogGroupArn()}},
		// Send traces. These actions have no resources; every request has the Region as
		// a condition key. authorizationXRay, PutTelemetryRecords and PutTraceSegments.
		{
			sid: "Trace", actions: []string{"xray:*"}, resources: []string{"*"},
			when:     when{"StringEquals": {"aws:RequestedRegion": *g.stack.Region()}},
			wildcard: "X-Ray has no resources for sending traces: " + authorizationXRay,
		},
	}
	if g.key != nil {
		// Use the ledger's key, through DynamoDB only. Key kms:ViaService:
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html
		// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
		terms = append(terms, term{
			sid: "LedgerKey", actions: []string{"kms:*"}, resources: []string{*g.key.KeyArn()},
			when: when{"StringEquals": {"kms:ViaService": fmt.Sprintf("dynamodb.%s.%s", *g.stack.Region(), *g.stack.UrlSuffix())}},
		})
	}
	return terms
}

// Our tags. A value that is too long for one tag goes on in numbered ones.
var (
	interfaceTags = []string{network.OriginalsTag, network.OriginalsTag + "-*"}
	instanceTags  = []string{network.StatusTag, network.PeersTag, network.PeersTag + "-*"}
)

// onlyTags allows requests whose tag keys all match one of some, which may have
// wildcards. A request without any key would meet the first condition, and deleting
// tags without naming a key deletes all of them. So the second condition asks for a key.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
func onlyTags(keys ...string) when {
	return when{
		"ForAllValues:StringLike": {"aws:TagKeys": keys},
		"Null":                    {"aws:TagKeys": "false"},
	}
}
