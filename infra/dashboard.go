package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/interfaces/interfacesawscloudwatch"
	"github.com/aws/jsii-runtime-go"
)

// addDashboard shows the state of the alarms first, then what was contained and
// how fast, then the pipeline's health.
func addDashboard(stack awscdk.Stack, a alarmed, logs awslogs.LogGroup, alarms []awscloudwatch.IAlarm) {
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
		graph("Time to contain, ms", a.logged.contained),
		graph("Verdicts that need a person", a.logged.partial, a.logged.held, a.logged.unrecorded),
	)
	board.AddWidgets(
		graph("Invocations, errors and throttles", a.contain.MetricInvocations(nil), a.contain.MetricErrors(nil), a.contain.MetricThrottles(nil),
			a.release.MetricInvocations(nil), a.release.MetricErrors(nil)),
		graph("Waiting events", a.failed.MetricApproximateNumberOfMessagesVisible(nil), a.undelivered.MetricApproximateNumberOfMessagesVisible(nil)),
	)
	board.AddWidgets(
		graph("Free entries in the fullest network ACL", a.logged.aclRoom),
		graph("Duration, ms", a.contain.MetricDuration(nil), a.release.MetricDuration(nil)),
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
