package main

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsguardduty"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/lambda/config"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/vpc"
)

// Props is what differs between deployments.
type Props struct {
	Account  string // empty: the CLI's
	Region   string // likewise
	Settings Settings
	Zip      string // path of the functions' zip
}

// NewStack adds the pipeline of one account and Region.
func NewStack(scope constructs.Construct, id string, p Props) awscdk.Stack {
	s := p.Settings
	props := &awscdk.StackProps{
		StackName:   jsii.String("Tourniquet"),
		Description: jsii.String("Tourniquet: contains compromised EC2 instances on GuardDuty findings"),
		Env:         &awscdk.Environment{Account: optional(p.Account), Region: optional(p.Region)},
	}
	stack := awscdk.NewStack(scope, jsii.String(id), props)
	key := newKey(stack, s.Encryption)
	table := newTable(stack, key)
	topic := newTopic(stack, s.Emails)
	failed, undelivered := newQueue(stack, "FailedEvents"), newQueue(stack, "UndeliveredEvents")
	code := awslambda.Code_FromAsset(jsii.String(p.Zip), nil)

	grant := granter{stack: stack, table: table, key: key, topic: topic, failed: failed}
	variables := maps.Clone(s.Variables)
	variables[config.Table], variables[config.TopicARN] = *table.TableName(), *topic.TopicArn()
	notify := []string{"sns:Publish"}

	grant.logs = newLogGroup(stack, "ContainLog", s.LogDays)
	grant.actions = slices.Concat(vpc.ContainActions, ledger.Actions, notify)
	contain := newFunction(stack, s, function{
		handler: "contain", description: "Contains compromised EC2 instances. Faces events, and can only tighten.",
		concurrency: s.Concurrency, variables: variables,
		role: grant.newRole("ContainRole", "Tourniquet, contain: quarantines interfaces and denies peers; can undo neither", grant.containTerms()),
		logs: grant.logs, failed: failed, code: code,
	})
	containLog := grant.logs

	grant.logs = newLogGroup(stack, "ReleaseLog", s.LogDays)
	grant.actions = slices.Concat(vpc.ReleaseActions, ledger.Actions, notify)
	release := newFunction(stack, s, function{
		handler: "release", description: "Undoes a containment when a person asks. No event can start it.",
		// One release or expiry at a time: an entry is removed by its number, which
		// must not have become somebody else's in between.
		concurrency: min(s.Concurrency, 1), variables: variables,
		role: grant.newRole("ReleaseRole", "Tourniquet, release: restores groups and removes denials", grant.releaseTerms()),
		logs: grant.logs, failed: failed, code: code,
	})

	addRules(stack, s, contain, release, undelivered)
	watched := alarmed{contain: contain, release: release, logged: newLogged(containLog), undelivered: undelivered, failed: failed}
	addDashboard(stack, watched, containLog, addAlarms(stack, watched, topic))
	if s.Detector {
		awsguardduty.NewCfnDetector(stack, jsii.String("Detector"), &awsguardduty.CfnDetectorProps{Enable: jsii.Bool(true)})
	}
	addOutputs(stack, map[string]*string{
		"ContainFunctionName": contain.FunctionName(), "ReleaseFunctionName": release.FunctionName(), "TableName": table.TableName(),
		"TopicArn": topic.TopicArn(), "FailedEventsUrl": failed.QueueUrl(), "UndeliveredEventsUrl": undelivered.QueueUrl(),
	})
	return stack
}

func addOutputs(stack awscdk.Stack, outputs map[string]*string) {
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		awscdk.NewCfnOutput(stack, jsii.String("Output"+name), &awscdk.CfnOutputProps{Value: outputs[name]}).
			OverrideLogicalId(jsii.String(name))
	}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
