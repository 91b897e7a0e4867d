package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/interfaces/interfacesawscloudwatch"
	"github.com/aws/jsii-runtime-go"
)

// addDashboard adds a dashboard: the state of the alarms first, then what was
// contained and how fast, then the pipeline's health.
func addDashboard(stack awscdk.Stack, w watched, logs awslogs.LogGroup, alarms []awscloudwatch.IAlarm) {
	const full, half = 24, 12
	var states []interfacesawscloudwatch.IAlarmRef
	for _, alarm := range alarms {
		states = append(states, alarm)
	}
	graph := func(title string, metrics ...awscloudwatch.IMetric) awscloudwatch.IWidget {
		return awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
			Title: jsii.String(title), Left: &metrics, Width: jsii.Number(half),
		})
	}
	board := awscloudwatch.NewDashboard(stack, jsii.String("Dashboard"), &awscloudwatch.DashboardProps{
		DashboardName: jsii.String("Tourniquet-" + *stack.Region()), // dashboards are seen from every Region
	})
	board.AddWidgets(awscloudwatch.NewAlarmStatusWidget(&awscloudwatch.AlarmStatusWidgetProps{
		Title: jsii.String("Alarms"), Alarms: &states, Width: jsii.Number(full),
	}))
	board.AddWidgets(
		graph("Time to contain, ms", w.logged.contained),
		graph("Verdicts that need a person", w.logged.partial, w.logged.held, w.logged.unrecorded),
	)
	board.AddWidgets(
		graph("Addresses that still exchange packets with a contained instance", w.logged.survivors),
		graph("Notifications that are owed, and attempts that failed", w.logged.owed, w.logged.untold),
	)
	board.AddWidgets(
		graph("Invocations, errors and throttles", w.contain.MetricInvocations(nil), w.contain.MetricErrors(nil), w.contain.MetricThrottles(nil),
			w.release.MetricInvocations(nil), w.release.MetricErrors(nil)),
		graph("Waiting events", w.failed.MetricApproximateNumberOfMessagesVisible(nil), w.undelivered.MetricApproximateNumberOfMessagesVisible(nil)),
	)
	board.AddWidgets(
		graph("Open containments, and those that had drifted", w.logged.open, w.logged.repaired),
		graph("Findings of unknown types", w.logged.unknown, w.unknown.MetricNumberOfMessagesSent(nil)),
	)
	board.AddWidgets(
		graph("Free entries in the fullest network ACL", w.logged.aclRoom),
		graph("Duration, ms", w.contain.MetricDuration(nil), w.release.MetricDuration(nil)),
	)
	board.AddWidgets(awscloudwatch.NewLogQueryWidget(&awscloudwatch.LogQueryWidgetProps{
		Title: jsii.String("Incidents"), Width: jsii.Number(full), LogGroupNames: &[]*string{logs.LogGroupName()},
		QueryLines: jsii.Strings(
			"fields @timestamp, instance, verdict, status, reason",
			"filter message = '"+lineIncident+"'",
			"sort @timestamp desc",
			"limit 50"),
	}))
}
