package main

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/lambda/bus"
	"tourniquet/lambda/config"
	"tourniquet/lambda/flowlog"
	"tourniquet/lambda/host"
	"tourniquet/lambda/hub"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/topic"
	"tourniquet/lambda/vpc"
)

// Props is what differs between deployments.
type Props struct {
	Account  string // empty: the CLI's
	Region   string // likewise
	Settings config.Settings
	Zip      string // path of the functions' zip
	CodeKey  string // of the zip in the buckets of an organization; empty: the stack is for one account
}

// parts are what the functions share.
type parts struct {
	stack    awscdk.Stack
	settings config.Settings
	table    awsdynamodb.Table
	key      awskms.Key // the ledger's; nil: AWS's own
	topic    awssns.Topic
	failed   awssqs.Queue // events that a function failed on
	code     awslambda.Code
	denial   denial // zero: the credentials of contained instances are kept
	host     hostRung
	left     left
	flows    flowLogs
}

// made are the variables that the stack makes, whether or not a function reads them.
func (p parts) made() map[string]*string {
	made := map[string]*string{config.Table: p.table.TableName(), config.TopicARN: p.topic.TopicArn()}
	if p.denial.profile != nil {
		made[config.DenyProfile] = p.denial.profile
	}
	maps.Copy(made, p.host.variables())
	maps.Copy(made, p.flows.variables())
	return made
}

// NewStack adds the pipeline of one account and Region.
func NewStack(scope constructs.Construct, id string, props Props) awscdk.Stack {
	s := props.Settings
	stack := awscdk.NewStack(scope, jsii.String(id), &awscdk.StackProps{
		StackName:   jsii.String("Tourniquet"),
		Description: jsii.String("Tourniquet: contains compromised EC2 instances on GuardDuty findings"),
		Env:         &awscdk.Environment{Account: optional(props.Account), Region: optional(props.Region)},
		Synthesizer: props.synthesizer(),
	})
	left := newLeft(stack, props)
	key := newKey(stack, s.Encryption)
	p := parts{
		stack: stack, settings: s, key: key, table: newTable(stack, key), topic: newTopic(stack, s.Emails),
		failed: newQueue(stack, "FailedEvents"), code: left.code(stack, props), left: left,
		host: addHostRung(stack, s), flows: addFlowLogs(stack, s),
	}
	tell := slices.Concat(topic.Actions, bus.Actions)
	note := hub.Actions
	if !s.SecurityHubNote {
		note = nil
	}
	if s.Credentials == config.DenyCredentials {
		p.denial = newDenial(stack)
	}
	toContain, toRelease := rungActions(s.Config)
	contain, containLog := newFunction(p, function{
		name: config.Contain, id: "Contain",
		description: "Contains compromised EC2 instances. Faces events, and can only tighten.",
		may:         "quarantines interfaces and denies peers; can undo neither",
		concurrency: s.Concurrency,
		calls:       unique(vpc.ContainActions, ledger.Actions, tell, note, p.host.calls(host.ContainActions), p.flows.calls(flowlog.ContainActions), p.isolationCalls(vpc.IsolateActions), toContain), terms: granter.containTerms,
	})
	release, releaseLog := newFunction(p, function{
		name: config.Release, id: "Release",
		description: "Undoes a containment when a person asks. No event can start it.",
		may:         "restores groups and removes denials",
		calls:       unique(vpc.ReleaseActions, ledger.Actions, tell, p.host.calls(host.ReleaseActions), p.flows.calls(flowlog.ReleaseActions), p.isolationCalls(vpc.UnisolateActions), toRelease), terms: granter.releaseTerms,
	})
	undelivered, unknown := newQueue(stack, "UndeliveredEvents"), newQueue(stack, "UnknownFindingTypes")
	addRules(p, contain, release, undelivered, unknown)
	addCentral(p, left.central, undelivered)
	left.subscribe(stack, p.topic)
	w := watched{
		contain: contain, release: release, logged: newLogged(containLog, releaseLog),
		undelivered: undelivered, failed: p.failed, unknown: unknown,
	}
	addDashboard(stack, w, containLog, addAlarms(stack, w, p.topic))
	if s.Detector {
		addDetector(stack)
	}
	addOutputs(stack, map[string]*string{
		"ContainFunctionName": contain.FunctionName(), "ReleaseFunctionName": release.FunctionName(), "TableName": p.table.TableName(),
		"TopicArn": p.topic.TopicArn(), "FailedEventsUrl": p.failed.QueueUrl(), "UndeliveredEventsUrl": undelivered.QueueUrl(),
		"UnknownFindingTypesUrl": unknown.QueueUrl(),
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
