package main

import (
	"encoding/json"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// deliveries is how often EventBridge tries to deliver an event, beside the first
// time. Its own limits are 24 h and 185 tries: an event of yesterday would contain
// what was released since.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
const deliveries = 20

// addRules sends findings to the contain function, and commands on a schedule to
// both functions. The release function has no other event source. Findings of unknown
// types that don't go to the function go to a queue.
func addRules(p parts, contain, release awslambda.Function, undelivered, unknown awssqs.Queue) {
	s := p.settings
	to := func(fn awslambda.Function, input awsevents.RuleTargetInput) *[]awsevents.IRuleTarget {
		return &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(fn, &awseventstargets.LambdaFunctionProps{
			DeadLetterQueue: undelivered, MaxEventAge: seconds(s.MaxEventAge), RetryAttempts: jsii.Number(deliveries), Event: input,
		})}
	}
	addPatternRule(p.stack, "Findings", findingsPattern(s.Config), &awsevents.RuleProps{
		Description: jsii.String("GuardDuty findings that may call for containment. A coarse filter: the function decides."),
		Targets:     to(contain, nil),
	})
	addPatternRule(p.stack, "UnknownFindings", unknownPattern(s.Config), &awsevents.RuleProps{
		Description: jsii.String("GuardDuty findings on instances, of types that this version does not know and that no function gets."),
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewSqsQueue(unknown, &awseventstargets.SqsQueueProps{
			DeadLetterQueue: undelivered, MaxEventAge: seconds(s.MaxEventAge), RetryAttempts: jsii.Number(deliveries),
		})},
	})
	if s.CustomAction != "" {
		action := p.stack.FormatArn(&awscdk.ArnComponents{
			Service: jsii.String("securityhub"), Resource: jsii.String("action/custom"), ResourceName: jsii.String(s.CustomAction),
		})
		addPatternRule(p.stack, "CustomAction", customActionPattern(*action), &awsevents.RuleProps{
			Description: jsii.String("Findings that an analyst sends with Security Hub's custom action " + s.CustomAction + "."),
			Targets:     to(contain, nil),
		})
	}
	if s.Schedules {
		addSchedules(p.stack, to(contain, command("reconcile")), to(release, command("expire")))
		if p.flows.on() {
			awsevents.NewRule(p.stack, jsii.String("Watch"), &awsevents.RuleProps{
				Description: jsii.String("Looks in flow logs for who still exchanges packets with contained instances."),
				Schedule:    awsevents.Schedule_Rate(awscdk.Duration_Minutes(jsii.Number(5))), Targets: to(contain, command("watch")),
			})
		}
	}
}

// command is a constant event: it takes nothing from what started the rule.
func command(name string) awsevents.RuleTargetInput {
	return awsevents.RuleTargetInput_FromObject(map[string]string{"command": name})
}

// addSchedules runs the work that no event starts. Expire loosens, so it goes to the
// release function.
func addSchedules(stack awscdk.Stack, reconcile, expire *[]awsevents.IRuleTarget) {
	every := awsevents.Schedule_Rate(awscdk.Duration_Minutes(jsii.Number(15)))
	awsevents.NewRule(stack, jsii.String("Reconcile"), &awsevents.RuleProps{
		Description: jsii.String("Finishes what is unfinished and repairs drift."),
		Schedule:    every, Targets: reconcile,
	})
	awsevents.NewRule(stack, jsii.String("Expire"), &awsevents.RuleProps{
		Description: jsii.String("Finishes releases, and removes denials whose flows can't revive any more."),
		Schedule:    every, Targets: expire,
	})
}

// addPatternRule adds a rule with a pattern exactly as written: the construct's own
// patterns can't combine a value with "exists".
func addPatternRule(stack awscdk.Stack, id, pattern string, props *awsevents.RuleProps) {
	props.EventPattern = &awsevents.EventPattern{Source: jsii.Strings("replaced")}
	r := awsevents.NewRule(stack, jsii.String(id), props)
	var doc map[string]any
	if err := json.Unmarshal([]byte(pattern), &doc); err != nil {
		panic(err) // our own marshal wrote it
	}
	r.Node().DefaultChild().(awsevents.CfnRule).SetEventPattern(doc)
}
