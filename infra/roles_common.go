package main

import (
	"fmt"

	"tourniquet/lambda/network"
)

// commonTerms are what both functions need, each for itself.
func (g granter) commonTerms() []term {
	terms := []term{
		// Looking. These actions have no resources; the Region is the only
		// condition that they know. authorizationEC2, Describe*.
		{
			sid: "Observe", actions: []string{"ec2:Describe*"}, resources: []string{"*"},
			when:     when{"StringEquals": {"aws:RequestedRegion": *g.stack.Region()}},
			wildcard: "EC2 has no resources for reading: " + authorizationEC2,
		},
		// The ledger, this table and no other; it has no index.
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
		{sid: "Ledger", actions: []string{"dynamodb:*"}, resources: []string{*g.table.TableArn()}},
		// Telling people what was done, on one topic.
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
		{sid: "Notify", actions: []string{"sns:Publish"}, resources: []string{*g.topic.TopicArn()}},
		// Lambda sends the event of a failed invocation on with the function's role.
		// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
		{sid: "HandOnFailures", actions: []string{"sqs:SendMessage"}, resources: []string{*g.failed.QueueArn()}},
		// The function's own log group, which the stack has made.
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
		{sid: "Log", actions: []string{"logs:*"}, resources: []string{*g.logs.LogGroupArn()}},
		// Sending traces. These actions have no resources; the Region is a condition
		// that every request has. authorizationXRay, PutTelemetryRecords and PutTraceSegments.
		{
			sid: "Trace", actions: []string{"xray:*"}, resources: []string{"*"},
			when:     when{"StringEquals": {"aws:RequestedRegion": *g.stack.Region()}},
			wildcard: "X-Ray has no resources for sending traces: " + authorizationXRay,
		},
	}
	if g.key != nil {
		// The ledger's key, through DynamoDB only. Key kms:ViaService:
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html
		// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
		terms = append(terms, term{
			sid: "LedgerKey", actions: []string{"kms:*"}, resources: []string{*g.key.KeyArn()},
			when: when{"StringEquals": {"kms:ViaService": fmt.Sprintf("dynamodb.%s.%s", *g.stack.Region(), *g.stack.UrlSuffix())}},
		})
	}
	return terms
}

// Our tags. What is too long for one goes on in others, numbered.
var (
	interfaceTags = []string{network.OriginalsTag, network.OriginalsTag + "-*"}
	instanceTags  = []string{network.StatusTag, network.PeersTag, network.PeersTag + "-*"}
)

// onlyTags allows requests whose tag keys are all among some, which may have
// wildcards. With no keys at all the first condition would be true, hence the
// second: deleting tags without naming any deletes all.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
func onlyTags(keys ...string) when {
	return when{
		"ForAllValues:StringLike": {"aws:TagKeys": keys},
		"Null":                    {"aws:TagKeys": "false"},
	}
}
