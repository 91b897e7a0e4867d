package main

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/lambda/config"
)

// aclRoomLow is how many free entries make an ACL nearly full. Two incidents with
// one peer each may come before anybody has looked: they take 2, and 2 more are left.
const aclRoomLow = 4

// watched is what the alarms and the dashboard watch.
type watched struct {
	contain, release             awslambda.Function
	logged                       logged
	undelivered, failed, unknown awssqs.Queue
}

// An alarm goes off when its metric is 1 or more in a minute; one that watches what
// is left, when it is low or less.
type alarm struct {
	name   string // in the account, after "tourniquet-"; lambda/README.md has a section for each
	says   string
	metric awscloudwatch.IMetric
	low    float64 // 0: the alarm watches for too much
}

// alarms are the conditions that a person has to look at.
func alarms(w watched) []alarm {
	all := []alarm{
		{
			name: "partially-contained", metric: w.logged.partial,
			says: "An instance is contained in part only. residualExposure in the answer says what is still open.",
		},
		{
			name: "held", metric: w.logged.held,
			says: "The blast-radius guard held a containment back. Contain by hand what must be contained.",
		},
		{
			name: "unrecorded", metric: w.logged.unrecorded,
			says: "An instance was contained without the ledger. Only its tags hold the original groups.",
		},
		{
			name: "may-be-terminated", metric: w.logged.mayBeTerminated,
			says: "Somebody else may terminate a contained instance, and the evidence with it. residualExposure in the answer says who, and what stops it.",
		},
		{
			name: "notification-failed", metric: w.logged.untold,
			says: "People or the event bus could not be told of an incident. Reconcile tries again; what is contained stays contained.",
		},
		{
			name: "quarantine-leaks", metric: w.logged.leaks,
			says: "The flow logs show a connection that was begun after the cut. The quarantine does not hold.",
		},
		{
			name: "acl-nearly-full", metric: w.logged.aclRoom, low: aclRoomLow,
			says: fmt.Sprintf("A network ACL has room for at most %d more entries in a direction.", aclRoomLow),
		},
		{
			name: "unknown-types-logged", metric: w.logged.unknown,
			says: "The contain function got a finding on an instance, of a type that this version does not know. Nothing was contained.",
		},
		{
			name: "unknown-types-queued", metric: w.unknown.MetricApproximateNumberOfMessagesVisible(perMinute("Maximum")),
			says: "GuardDuty found something on an instance, of a type that this version does not know. The finding waits in the queue UnknownFindingTypes.",
		},
	}
	all = append(all, functionAlarms(string(config.Contain), w.contain)...)
	all = append(all, functionAlarms(string(config.Release), w.release)...)
	return append(all,
		alarm{
			name: "failed-events", metric: w.failed.MetricApproximateNumberOfMessagesVisible(perMinute("Maximum")),
			says: "A function failed on an event until the last try. The event waits in the queue FailedEvents.",
		},
		alarm{
			name: "undelivered-events", metric: w.undelivered.MetricApproximateNumberOfMessagesVisible(perMinute("Maximum")),
			says: "EventBridge could not deliver an event. It waits in the queue UndeliveredEvents.",
		},
	)
}

func functionAlarms(name string, fn awslambda.Function) []alarm {
	return []alarm{
		{
			name: name + "-errors", metric: fn.MetricErrors(perMinute("Sum")),
			says: "The " + name + " function failed. Lambda tries again; after the last try the event goes to the queue FailedEvents.",
		},
		{
			name: name + "-throttles", metric: fn.MetricThrottles(perMinute("Sum")),
			says: "Lambda throttled the " + name + " function. Its events wait.",
		},
		{
			name: name + "-destination-failures", metric: fn.Metric(jsii.String("DestinationDeliveryFailures"), perMinute("Sum")),
			says: "Lambda could not keep a failed event of the " + name + " function. The event is lost.",
		},
	}
}

// runbook begins the address of an alarm's section in this repository.
const runbook = "lambda/README.md#tourniquet-"

// addAlarms adds the alarms, which publish to the topic.
func addAlarms(stack awscdk.Stack, w watched, topic awssns.Topic) []awscloudwatch.IAlarm {
	action := awscloudwatchactions.NewSnsAction(topic)
	var all []awscloudwatch.IAlarm
	for _, a := range alarms(w) {
		props := &awscloudwatch.AlarmProps{
			AlarmName: jsii.String("tourniquet-" + a.name), AlarmDescription: jsii.String(a.says + " Runbook: " + runbook + a.name),
			Metric: a.metric, EvaluationPeriods: jsii.Number(1), Threshold: jsii.Number(1),
			ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
			TreatMissingData:   awscloudwatch.TreatMissingData_NOT_BREACHING, // nothing happened
		}
		if a.low > 0 {
			props.Threshold = jsii.Number(a.low)
			props.ComparisonOperator = awscloudwatch.ComparisonOperator_LESS_THAN_OR_EQUAL_TO_THRESHOLD
		}
		made := awscloudwatch.NewAlarm(stack, jsii.String("Alarm-"+a.name), props)
		made.AddAlarmAction(action)
		all = append(all, made)
	}
	return all
}
