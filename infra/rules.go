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

// addRules sends findings to the contain function, and commands on a schedule to
// both. The release function has no other event source.
func addRules(stack awscdk.Stack, s Settings, contain, release awslambda.Function, undelivered awssqs.Queue) {
	target := func(fn awslambda.Function, input awsevents.RuleTargetInput) *[]awsevents.IRuleTarget {
		return &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(fn, &awseventstargets.LambdaFunctionProps{
			DeadLetterQueue: undelivered,
			// EventBridge's own limits are 24 h and 185 tries: an event of
			// yesterday would contain what was released since.
			MaxEventAge:   seconds(s.MaxEventAge),
			RetryAttempts: jsii.Number(20),
			Event:         input,
		})}
	}
	rule(stack, "Findings", pattern(s.Function), &awsevents.RuleProps{
		Description: jsii.String("GuardDuty findings that may call for containment. A coarse filter: the function decides."),
		Targets:     target(contain, nil),
	})
	if s.CustomAction != "" {
		action := stack.FormatArn(&awscdk.ArnComponents{
			Service: jsii.String("securityhub"), Resource: jsii.String("action/custom"), ResourceName: jsii.String(s.CustomAction),
		})
		rule(stack, "CustomAction", customActionPattern(*action), &awsevents.RuleProps{
			Description: jsii.String("Findings that an analyst sends with Security Hub's custom action " + s.CustomAction + "."),
			Targets:     target(contain, nil),
		})
	}
	if s.Schedules {
		every := func(minutes float64) awsevents.Schedule {
			return awsevents.Schedule_Rate(awscdk.Duration_Minutes(jsii.Number(minutes)))
		}
		command := func(name string) awsevents.RuleTargetInput {
			return awsevents.RuleTargetInput_FromObject(map[string]string{"command": name})
		}
		awsevents.NewRule(stack, jsii.String("Reconcile"), &awsevents.RuleProps{
			Description: jsii.String("Finishes what is unfinished and repairs drift."),
			Schedule:    every(15), Targets: target(contain, command("reconcile")),
		})
		// Loosening is for the release function. It gets this one command and
		// no event's content.
		awsevents.NewRule(stack, jsii.String("Expire"), &awsevents.RuleProps{
			Description: jsii.String("Finishes releases, and removes denials whose flows can't revive any more."),
			Schedule:    every(15), Targets: target(release, command("expire")),
		})
	}
}

// rule adds a rule with a pattern, exactly as written: the construct's own patterns
// can't combine a value with "exists".
func rule(stack awscdk.Stack, id, pattern string, props *awsevents.RuleProps) {
	props.EventPattern = &awsevents.EventPattern{Source: jsii.Strings("replaced")}
	r := awsevents.NewRule(stack, jsii.String(id), props)
	var doc map[string]any
	if err := json.Unmarshal([]byte(pattern), &doc); err != nil {
		panic(err) // our own marshal wrote it
	}
	r.Node().DefaultChild().(awsevents.CfnRule).SetEventPattern(doc)
}
