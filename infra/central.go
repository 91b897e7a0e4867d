package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/lambda/notice"
)

// centralRule is the rule's name. It is fixed, so that the queue's policy and the role
// can name a rule that a condition may leave out.
const centralRule = "tourniquet-central-bus"

// A central is the bus that outcome events are passed on to.
type central struct {
	bus  *string             // its ARN; nil: none
	only awscdk.CfnCondition // whether the bus is there at deployment; nil: always
}

// addCentral passes the events of this account on to the central bus. The role can send
// to that bus and do nothing else. Events that came from another account are left out.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html
func addCentral(p parts, c central, undelivered awssqs.Queue) {
	if c.bus == nil {
		return
	}
	arn := p.stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("events"), Resource: jsii.String("rule"), ResourceName: jsii.String(centralRule),
	})
	// https://docs.aws.amazon.com/eventbridge/latest/userguide/cross-service-confused-deputy-prevention.html
	thisRule := map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": arn}}
	events := awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), nil)
	role := awsiam.NewRole(p.stack, jsii.String("CentralBusRole"), &awsiam.RoleProps{
		Description: jsii.String("Tourniquet: passes outcome events on to the central bus"),
		AssumedBy:   events.WithConditions(&thisRule),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"Tourniquet": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &[]awsiam.PolicyStatement{
				awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
					Sid: jsii.String("SendEvents"), Actions: jsii.Strings("events:PutEvents"), Resources: &[]*string{c.bus},
				}),
			}}),
		},
	})
	undelivered.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String("CentralBus"), Principals: &[]awsiam.IPrincipal{events},
		Actions: jsii.Strings("sqs:SendMessage"), Resources: &[]*string{undelivered.QueueArn()}, Conditions: &thisRule,
	}))
	rule := awsevents.NewCfnRule(p.stack, jsii.String("CentralBusRule"), &awsevents.CfnRuleProps{
		Name: jsii.String(centralRule), Description: jsii.String("Passes outcome events on to the central bus."),
		State:        jsii.String("ENABLED"),
		EventPattern: map[string]any{"source": []any{notice.Source}, "account": []any{p.stack.Account()}},
		Targets: []any{&awsevents.CfnRule_TargetProperty{
			Id: jsii.String("CentralBus"), Arn: c.bus, RoleArn: role.RoleArn(),
			DeadLetterConfig: &awsevents.CfnRule_DeadLetterConfigProperty{Arn: undelivered.QueueArn()},
			RetryPolicy: &awsevents.CfnRule_RetryPolicyProperty{
				MaximumEventAgeInSeconds: jsii.Number(p.settings.MaxEventAge.Seconds()), MaximumRetryAttempts: jsii.Number(deliveries),
			},
		}},
	})
	if c.only != nil {
		rule.CfnOptions().SetCondition(c.only)
		role.Node().DefaultChild().(awsiam.CfnRole).CfnOptions().SetCondition(c.only)
	}
}
