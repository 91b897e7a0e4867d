package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambdadestinations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/lambda/config"
	"tourniquet/lambda/plan"
)

// A function is what the two functions differ in.
type function struct {
	name        config.Function // and Lambda's handler setting, which the binary reads from _HANDLER
	id          string          // begins the ids of its role and its log group
	description string
	may         string // what its role lets it do, for people
	concurrency int    // reserved executions; 0: none
	calls       []string
	terms       func(granter) []term
}

// newFunction adds a function with a role and a log group of its own.
func newFunction(p parts, f function) (awslambda.Function, awslogs.LogGroup) {
	logs := newLogGroup(p.stack, f.id+"Log", p.settings.LogDays)
	grant := granter{parts: p, logs: logs}
	role := grant.newRole(f.id+"Role", "Tourniquet, "+string(f.name)+": "+f.may, f.calls, f.terms(grant))
	props := &awslambda.FunctionProps{
		FunctionName: jsii.String(f.name.Name()),
		Description:  jsii.String(f.description),
		Code:         p.code,
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Handler:      jsii.String(string(f.name)),
		Architecture: awslambda.Architecture_ARM_64(),
		// Memory buys processor time: a cold start opens a dozen TLS connections
		// side by side. The function's data needs a tenth of it.
		MemorySize: jsii.Number(1024),
		// EC2 lets throttled calls through after seconds, and a plan with many peers
		// waits for many calls.
		Timeout:     seconds(plan.MaxInvocation),
		Environment: environment(p, f.name),
		// The construct would add permissions that the role's terms already state.
		Role:          role.WithoutPolicyUpdates(nil),
		LogGroup:      logs,
		LoggingFormat: awslambda.LoggingFormat_JSON, // the metric filters read JSON
		Tracing:       awslambda.Tracing_ACTIVE,
		RetryAttempts: jsii.Number(2),
		MaxEventAge:   seconds(p.settings.MaxEventAge),
		OnFailure:     awslambdadestinations.NewSqsDestination(p.failed),
	}
	if p.settings.Architecture == config.X8664 {
		props.Architecture = awslambda.Architecture_X86_64()
	}
	if f.concurrency > 0 {
		// A floor and a ceiling: other functions can't use up what containment needs,
		// and a burst of findings doesn't drain EC2's request buckets. Nothing is
		// reserved by default: the reservation of an account whose quota is 10, as new
		// accounts have, fails.
		// https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
		props.ReservedConcurrentExecutions = jsii.Number(f.concurrency)
	}
	fn := awslambda.NewFunction(p.stack, jsii.String("Function-"+string(f.name)), props)
	// The reference to the role's ARN already orders the two.
	fn.Node().DefaultChild().(awslambda.CfnFunction).AddDeletionOverride(jsii.String("DependsOn"))
	return fn, logs
}

// environment are the variables that the function reads: those that the operator
// set, and those that the stack makes.
func environment(p parts, name config.Function) *map[string]*string {
	env := map[string]*string{}
	for variable, value := range p.settings.Variables(name) {
		env[variable] = jsii.String(value)
	}
	for _, values := range []map[string]*string{p.made(), p.left.variables} {
		for variable, value := range values {
			if name.Reads(variable) {
				env[variable] = value
			}
		}
	}
	return &env
}

// newLogGroup outlives the stack: logs are evidence. Its name is new with each
// deployment, so that a log group of an earlier one is never in the way.
func newLogGroup(stack awscdk.Stack, id string, days int) awslogs.LogGroup {
	group := awslogs.NewLogGroup(stack, jsii.String(id), &awslogs.LogGroupProps{
		Retention:     awslogs.RetentionDays_INFINITE, // set below: the construct has names for the days, not numbers
		RemovalPolicy: awscdk.RemovalPolicy_RETAIN,
	})
	group.Node().DefaultChild().(awslogs.CfnLogGroup).SetRetentionInDays(jsii.Number(days))
	return group
}
