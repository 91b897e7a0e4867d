package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/lambda/config"
	"tourniquet/lambda/flowlog"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
)

// flowLogService is the service that delivers flow logs.
const flowLogService = "vpc-flow-logs.amazonaws.com"

// flowLogs is what looking for survivors adds to the stack: a log group, and a role that
// delivers flow logs to it. It is nothing where the rung is off.
type flowLogs struct {
	group awslogs.LogGroup // nil: off
	role  awsiam.Role
}

func addFlowLogs(stack awscdk.Stack, s config.Settings) flowLogs {
	if s.Survivors == "" || s.Survivors == plan.SurvivorsOff {
		return flowLogs{}
	}
	f := flowLogs{group: newLogGroup(stack, "FlowLogs", s.LogDays)}
	// Only flow logs of this account may use the role, so that nobody's else can have
	// records written here. https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
	f.role = awsiam.NewRole(stack, jsii.String("FlowLogRole"), &awsiam.RoleProps{
		Description: jsii.String("Tourniquet: delivers the flow logs of contained instances"),
		AssumedBy: awsiam.NewServicePrincipal(jsii.String(flowLogService), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{
				"StringEquals": map[string]any{"aws:SourceAccount": *stack.Account()},
				"ArnLike":      map[string]any{"aws:SourceArn": *stack.FormatArn(&awscdk.ArnComponents{Service: jsii.String("ec2"), Resource: jsii.String("vpc-flow-log"), ResourceName: jsii.String("*")})},
			},
		}),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"Deliver": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &[]awsiam.PolicyStatement{
				awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
					Sid: jsii.String("Deliver"), Actions: jsii.Strings("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
					Resources: jsii.Strings(*f.group.LogGroupArn()),
				}),
			}}),
		},
	})
	excuse(f.role, excused{"AwsSolutions-IAM5", "Deliver: a log group's ARN ends in a wildcard that means its streams", []string{*f.group.LogGroupArn()}})
	return f
}

func (f flowLogs) on() bool { return f.group != nil }

// variables are the names of the log group and the role.
func (f flowLogs) variables() map[string]*string {
	if !f.on() {
		return nil
	}
	return map[string]*string{config.FlowLogGroup: f.group.LogGroupName(), config.FlowLogRole: f.role.RoleArn()}
}

func (f flowLogs) calls(actions []string) []string {
	if !f.on() {
		return nil
	}
	return actions
}

// watchTerms let the function that faces events make flow logs of interfaces, with our
// tag, and read what they say. It can delete none. authorizationEC2, CreateFlowLogs.
func (g granter) watchTerms() []term {
	if !g.flows.on() {
		return nil
	}
	tagged := when{
		"StringEquals":              {"aws:RequestTag/" + network.RoleTag: flowlog.RoleValue},
		"ForAllValues:StringEquals": {"aws:TagKeys": []string{network.RoleTag}},
	}
	return []term{
		{
			sid: "MakeFlowLog", actions: []string{"ec2:CreateFlowLogs"}, resources: []string{g.any("vpc-flow-log")}, when: tagged,
			wildcard: "a flow log has no id before it is made; the tag says what it is",
		},
		{
			sid: "MakeFlowLogOf", actions: []string{"ec2:CreateFlowLogs"}, resources: []string{g.any("network-interface")},
			wildcard: "any interface may be a compromised instance's; a flow log changes nothing of its traffic",
		},
		{
			sid: "TagNewFlowLog", actions: []string{"ec2:CreateTags"}, resources: []string{g.any("vpc-flow-log")},
			when:     when{"StringEquals": {"ec2:CreateAction": "CreateFlowLogs"}},
			wildcard: "a flow log has no id before it is made",
		},
		// Hand the role to flow logs, and to nothing else.
		// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
		{
			sid: "PassDelivery", actions: []string{"iam:PassRole"}, resources: []string{*g.flows.role.RoleArn()},
			when: when{"StringEquals": {"iam:PassedToService": flowLogService}},
		},
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
		{sid: "ReadFlowLogs", actions: []string{"logs:FilterLogEvents"}, resources: []string{*g.flows.group.LogGroupArn()}},
	}
}

// unwatchTerms let the other function delete flow logs of ours.
func (g granter) unwatchTerms() []term {
	if !g.flows.on() {
		return nil
	}
	return []term{{
		sid: "DeleteFlowLog", actions: []string{"ec2:DeleteFlowLogs"}, resources: []string{g.any("vpc-flow-log")},
		when:     when{"StringEquals": {"aws:ResourceTag/" + network.RoleTag: flowlog.RoleValue}},
		wildcard: "which flow log is in the record of the containment; the tag says that it is ours",
	}}
}
