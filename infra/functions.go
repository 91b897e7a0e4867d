package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambdadestinations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/lambda/plan"
)

// A function is what the two functions differ in.
type function struct {
	handler     string // "contain" or "release", which the binary reads from _HANDLER
	description string
	concurrency int // reserved; 0: none
	variables   map[string]string
	role        awsiam.Role
	logs        awslogs.LogGroup
	failed      awssqs.Queue
	code        awslambda.Code
}

func newFunction(stack awscdk.Stack, s Settings, f function) awslambda.Function {
	architecture := awslambda.Architecture_ARM_64()
	if s.Architecture == "x86_64" {
		architecture = awslambda.Architecture_X86_64()
	}
	props := &awslambda.FunctionProps{
		FunctionName: jsii.String("tourniquet-" + f.handler),
		Description:  jsii.String(f.description),
		Code:         f.code,
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Handler:      jsii.String(f.handler),
		Architecture: architecture,
		// Memory buys processor time: a cold start opens a dozen TLS connections
		// side by side. What it holds needs a tenth.
		MemorySize: jsii.Number(1024),
		// EC2's throttled calls come through after seconds; a plan with many peers
		// waits for many of them.
		Timeout:     seconds(plan.MaxInvocation),
		Environment: environment(s, f.variables),
		// The construct would add permissions that the role's terms already state.
		Role:          f.role.WithoutPolicyUpdates(nil),
		LogGroup:      f.logs,
		LoggingFormat: awslambda.LoggingFormat_JSON, // the metric filters read JSON
		Tracing:       awslambda.Tracing_ACTIVE,
		RetryAttempts: jsii.Number(2),
		MaxEventAge:   seconds(s.MaxEventAge),
		OnFailure:     awslambdadestinations.NewSqsDestination(f.failed),
	}
	if f.concurrency > 0 {
		// A floor as much as a ceiling: other functions can't use up what
		// containment needs, and a burst of findings doesn't drain EC2's buckets.
		props.ReservedConcurrentExecutions = jsii.Number(f.concurrency)
	}
	fn := awslambda.NewFunction(stack, jsii.String("Function-"+f.handler), props)
	// The reference to the role's ARN says it already.
	fn.Node().DefaultChild().(awslambda.CfnFunction).AddDeletionOverride(jsii.String("DependsOn"))
	return fn
}

func environment(s Settings, variables map[string]string) *map[string]*string {
	env := map[string]*string{}
	for name, value := range variables {
		env[name] = jsii.String(value)
	}
	if s.Endpoint != "" {
		env["AWS_ENDPOINT_URL"] = jsii.String(s.Endpoint)
	}
	if s.EndpointEC2 != "" {
		env["AWS_ENDPOINT_URL_EC2"] = jsii.String(s.EndpointEC2)
	}
	return &env
}

// newLogGroup outlives the stack: logs are evidence. Its name is new with each
// deployment, so that the old one is in nobody's way.
func newLogGroup(stack awscdk.Stack, id string, days int) awslogs.LogGroup {
	group := awslogs.NewLogGroup(stack, jsii.String(id), &awslogs.LogGroupProps{
		Retention:     awslogs.RetentionDays_INFINITE, // set below: the construct has names for the days, not numbers
		RemovalPolicy: awscdk.RemovalPolicy_RETAIN,
	})
	group.Node().DefaultChild().(awslogs.CfnLogGroup).SetRetentionInDays(jsii.Number(days))
	return group
}
