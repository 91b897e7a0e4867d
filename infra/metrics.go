package main

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
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
	lineUntold      = "notification failed"
	lineOwed        = "notifications owed"
)

// logged are the metrics that are read from the functions' logs: most from the contain
// function's, untold from both.
type logged struct {
	mayBeTerminated, partial, held, unrecorded, unknown, untold, owed, survivors, aclRoom, leaks, contained, open, repaired awscloudwatch.Metric
}

func newLogged(logs, releaseLogs awslogs.LogGroup) logged {
	is := func(line, key, value string) string {
		return fmt.Sprintf(`{ $.message = %q && $.%s = %q }`, line, key, value)
	}
	untold := fmt.Sprintf(`{ $.message = %q }`, lineUntold)
	counted(releaseLogs, "FailedNotifications", untold)
	return logged{
		untold:  counted(logs, "FailedNotifications", untold),
		partial: counted(logs, "PartialContainments", is(lineIncident, "status", string(record.PartiallyContained))),
		held:    counted(logs, "Held", is(lineIncident, "verdict", string(record.Held))),
		unrecorded: counted(logs, "Unrecorded",
			fmt.Sprintf(`{ $.message = %q && $.unrecorded IS TRUE }`, lineIncident)),
		mayBeTerminated: counted(logs, "MayBeTerminated",
			fmt.Sprintf(`{ $.message = %q && $.mayBeTerminated IS TRUE }`, lineIncident)),
		unknown: counted(logs, "UnknownFindingTypes", fmt.Sprintf(`{ $.message = %q }`, lineUnknownType)),
		owed: measured(logs, "OwedNotifications", "$.owed", "Maximum",
			fmt.Sprintf(`{ $.message = %q && $.owed = * }`, lineOwed)),
		survivors: measured(logs, "Survivors", "$.survivors", "Maximum",
			fmt.Sprintf(`{ $.message = %q && $.survivors > 0 }`, lineIncident)),
		open: measured(logs, "OpenContainments", "$.open", "Maximum",
			fmt.Sprintf(`{ $.message = %q && $.open = * }`, lineReconciled)),
		repaired: measured(logs, "RepairedContainments", "$.changed", "Sum",
			fmt.Sprintf(`{ $.message = %q && $.changed = * }`, lineReconciled)),
		leaks: counted(logs, "QuarantineLeaks", fmt.Sprintf(`{ $.message = %q && $.leaks IS TRUE }`, lineIncident)),
		aclRoom: measured(logs, "ACLRoom", "$.aclRoom", "Minimum",
			fmt.Sprintf(`{ $.message = %q && $.aclRoom = * }`, lineIncident)),
		contained: measured(logs, "ContainedMillis", "$.containedMillis", "Maximum",
			fmt.Sprintf(`{ $.message = %q && $.containedMillis > 0 }`, lineInvocation)),
	}
}

// counted adds a metric of how many lines match.
func counted(logs awslogs.LogGroup, name, pattern string) awscloudwatch.Metric {
	return measured(logs, name, "1", "Sum", pattern)
}

// measured adds a metric of a value in the lines that match. The same metric can be read
// from several logs.
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

// perMinute asks a resource for one of its metrics by the minute.
func perMinute(statistic string) *awscloudwatch.MetricOptions {
	return &awscloudwatch.MetricOptions{Statistic: jsii.String(statistic), Period: awscdk.Duration_Minutes(jsii.Number(1))}
}
