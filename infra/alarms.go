package main

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/lambda/record"
)

// namespace holds the metrics that are read from the log.
const namespace = "Tourniquet"

// The lines of the log that metrics are read from. Lambda's JSON format calls the
// text of a line "message".
const (
	lineIncident    = "incident handled"
	lineInvocation  = "invocation done"
	lineReconciled  = "account reconciled"
	lineUnknownType = "unknown finding type"
)

// aclRoomLow is how many free entries make an ACL nearly full: room for the two
// incidents with one peer each that may come before anybody has looked, and as
// many again.
const aclRoomLow = 4

// newTopic tells people of incidents and alarms.
func newTopic(stack awscdk.Stack, emails []string) awssns.Topic {
	topic := awssns.NewTopic(stack, jsii.String("Notifications"), &awssns.TopicProps{
		DisplayName: jsii.String("Tourniquet"),
		EnforceSSL:  jsii.Bool(true),
	})
	// Alarms publish as a service, from this account only.
	// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
	topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("Alarms"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
		Actions:    jsii.Strings("sns:Publish"),
		Resources:  &[]*string{topic.TopicArn()},
		Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": stack.Account()}},
	}))
	for _, address := range emails {
		topic.AddSubscription(awssnssubscriptions.NewEmailSubscription(jsii.String(address), nil))
	}
	return topic
}

// logged are the metrics that are read from the contain function's log.
type logged struct {
	partial, held, unrecorded, unknown, aclRoom, contained, open, repaired awscloudwatch.Metric
}

func newLogged(logs awslogs.LogGroup) logged {
	is := func(line, key, value string) string {
		return fmt.Sprintf(`{ $.message = %q && $.%s = %q }`, line, key, value)
	}
	return logged{
		partial: counted(logs, "PartialContainments", is(lineIncident, "status", string(record.PartiallyContained))),
		held:    counted(logs, "Held", is(lineIncident, "verdict", string(record.Held))),
		unrecorded: counted(logs, "Unrecorded",
			fmt.Sprintf(`{ $.message = %q && $.unrecorded IS TRUE }`, lineIncident)),
		unknown: counted(logs, "UnknownFindingTypes", fmt.Sprintf(`{ $.message = %q }`, lineUnknownType)),
		open: measured(logs, "OpenContainments", "$.open", "Maximum",
			fmt.Sprintf(`{ $.message = %q && $.open = * }`, lineReconciled)),
		repaired: measured(logs, "RepairedContainments", "$.changed", "Sum",
			fmt.Sprintf(`{ $.message = %q && $.changed = * }`, lineReconciled)),
		aclRoom: measured(logs, "ACLRoom", "$.aclRoom", "Minimum",
			fmt.Sprintf(`{ $.message = %q && $.aclRoom = * }`, lineIncident)),
		contained: measured(logs, "ContainedMillis", "$.containedMillis", "Maximum",
			fmt.Sprintf(`{ $.message = %q && $.containedMillis > 0 }`, lineInvocation)),
	}
}

func counted(logs awslogs.LogGroup, name, pattern string) awscloudwatch.Metric {
	return measured(logs, name, "1", "Sum", pattern)
}

// measured adds a metric of a value in the lines that match.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
func measured(logs awslogs.LogGroup, name, value, statistic, pattern string) awscloudwatch.Metric {
	awslogs.NewMetricFilter(logs, jsii.String(name), &awslogs.MetricFilterProps{
		LogGroup: logs, FilterPattern: awslogs.FilterPattern_Literal(jsii.String(pattern)),
		MetricNamespace: jsii.String(namespace), MetricName: jsii.String(name), MetricValue: jsii.String(value),
	})
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: jsii.String(namespace), MetricName: jsii.String(name), Statistic: jsii.String(statistic),
		Period: awscdk.Duration_Minutes(jsii.Number(1)),
	})
}

// alarmed is what the alarms watch.
type alarmed struct {
	contain, release    awslambda.Function
	logged              logged
	undelivered, failed awssqs.Queue
}

// addAlarms adds an alarm for each condition that a person has to look at.
func addAlarms(stack awscdk.Stack, a alarmed, topic awssns.Topic) []awscloudwatch.IAlarm {
	action := awscloudwatchactions.NewSnsAction(topic)
	var all []awscloudwatch.IAlarm
	add := func(id, description string, metric awscloudwatch.IMetric, low bool) {
		props := &awscloudwatch.AlarmProps{
			AlarmName: jsii.String("tourniquet-" + id), AlarmDescription: jsii.String(description),
			Metric: metric, EvaluationPeriods: jsii.Number(1), Threshold: jsii.Number(1),
			ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
			TreatMissingData:   awscloudwatch.TreatMissingData_NOT_BREACHING, // nothing happened
		}
		if low {
			props.Threshold = jsii.Number(aclRoomLow)
			props.ComparisonOperator = awscloudwatch.ComparisonOperator_LESS_THAN_OR_EQUAL_TO_THRESHOLD
		}
		alarm := awscloudwatch.NewAlarm(stack, jsii.String("Alarm-"+id), props)
		alarm.AddAlarmAction(action)
		all = append(all, alarm)
	}
	add("partially-contained", "An instance is contained in part only: the answer's residualExposure says what is left open.", a.logged.partial, false)
	add("held", "The blast-radius guard held a containment back: contain by hand what must be.", a.logged.held, false)
	add("unrecorded", "An instance was contained without the ledger: only its tags hold the original groups.", a.logged.unrecorded, false)
	add("acl-nearly-full", fmt.Sprintf("A network ACL has room for at most %d more entries in a direction.", aclRoomLow), a.logged.aclRoom, true)
	for _, fn := range []awslambda.Function{a.contain, a.release} {
		name := handlerOf(fn)
		add(name+"-errors", "The "+name+" function failed. Lambda tries again; after the last try the event is in the queue of failures.",
			fn.MetricErrors(perMinute("Sum")), false)
		add(name+"-throttles", "Lambda throttled the "+name+" function: its events wait.", fn.MetricThrottles(perMinute("Sum")), false)
		add(name+"-destination-failures", "Lambda could not hand on a failed event of the "+name+" function: it is lost.",
			fn.Metric(jsii.String("DestinationDeliveryFailures"), perMinute("Sum")), false)
	}
	add("failed-events", "Events that a function failed on until the last try wait in the queue of failures.",
		a.failed.MetricApproximateNumberOfMessagesVisible(perMinute("Maximum")), false)
	add("undelivered-events", "Events that EventBridge could not deliver wait in the dead-letter queue.",
		a.undelivered.MetricApproximateNumberOfMessagesVisible(perMinute("Maximum")), false)
	return all
}

// handlerOf is what the function does, in a word: its handler.
func handlerOf(fn awslambda.Function) string {
	return *fn.Node().DefaultChild().(awslambda.CfnFunction).Handler()
}

func perMinute(statistic string) *awscloudwatch.MetricOptions {
	return &awscloudwatch.MetricOptions{Statistic: jsii.String(statistic), Period: awscdk.Duration_Minutes(jsii.Number(1))}
}
