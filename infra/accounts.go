package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/infra/organization"
)

// left is what the template for many accounts leaves to its parameters. Its zero value
// leaves nothing: the stack is for one account, and "cdk deploy" deploys it.
type left struct {
	variables map[string]*string // of the functions
	bucket    *string            // with the functions' code
	email     *string
	central   central
	hasEmail  awscdk.CfnCondition
}

// synthesizer is what makes the stack's template; nil: the CDK's own, with its bootstrap.
func (p Props) synthesizer() awscdk.IStackSynthesizer {
	if p.CodeKey == "" {
		return nil
	}
	return awscdk.NewBootstraplessSynthesizer(nil)
}

// newLeft adds the parameters, where the stack is for many accounts.
func newLeft(stack awscdk.Stack, p Props) left {
	l := left{central: central{bus: optional(p.Settings.CentralBus)}}
	if p.CodeKey == "" {
		return l
	}
	l.variables = map[string]*string{}
	for _, param := range organization.Parameters(p.Settings) {
		value := param.Add(stack).ValueAsString()
		switch {
		case param.Variable != "":
			l.variables[param.Variable] = value
		case param.Name == organization.CodeBucketPrefix:
			l.bucket = awscdk.Fn_Join(jsii.String("-"), &[]*string{value, stack.Region()})
		case param.Name == organization.Email:
			l.email, l.hasEmail = value, given(stack, "HasEmail", value)
		case param.Name == organization.CentralBus:
			l.central = central{bus: value, only: given(stack, "HasCentralBus", value)}
		}
	}
	return l
}

// given is the condition that a parameter is not empty.
func given(stack awscdk.Stack, id string, value *string) awscdk.CfnCondition {
	return awscdk.NewCfnCondition(stack, jsii.String(id), &awscdk.CfnConditionProps{
		Expression: awscdk.Fn_ConditionNot(awscdk.Fn_ConditionEquals(value, jsii.String(""))),
	})
}

// code is where Lambda finds the functions' zip.
func (l left) code(stack awscdk.Stack, p Props) awslambda.Code {
	if l.bucket == nil {
		return awslambda.Code_FromAsset(jsii.String(p.Zip), nil)
	}
	bucket := awss3.Bucket_FromBucketName(stack, jsii.String("Code"), l.bucket)
	awscdk.Annotations_Of(bucket).AcknowledgeWarning(jsii.String("@aws-cdk/aws-lambda:codeFromBucketObjectVersionNotSpecified"),
		jsii.String("the key is the zip's hash, so that other code has another key"))
	return awslambda.Code_FromBucketV2(bucket, jsii.String(p.CodeKey), nil)
}

// subscribe tells the parameter's address what the topic tells.
func (l left) subscribe(stack awscdk.Stack, topic awssns.Topic) {
	if l.email == nil {
		return
	}
	s := awssns.NewCfnSubscription(stack, jsii.String("EmailSubscription"), &awssns.CfnSubscriptionProps{
		TopicArn: topic.TopicArn(), Protocol: jsii.String("email"), Endpoint: l.email,
	})
	s.CfnOptions().SetCondition(l.hasEmail)
}
