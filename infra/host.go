package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/lambda/config"
	"tourniquet/lambda/host"
	"tourniquet/lambda/plan"
)

// authorizationSSM documents which resources and condition keys an action has.
const authorizationSSM = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html"

// hostRung is what isolating hosts adds to the stack: two documents, and for each
// function the actions to send one of them. It is nothing where the rung is off.
type hostRung struct{ on bool }

func addHostRung(stack awscdk.Stack, s config.Settings) hostRung {
	r := hostRung{on: s.OnHost != "" && s.OnHost != plan.OnHostOff}
	if r.on {
		addDocument(stack, "IsolateDocument", host.IsolateName, host.IsolateDocument())
		addDocument(stack, "RestoreDocument", host.RestoreName, host.RestoreDocument())
	}
	return r
}

// addDocument adds a document of SSM. A later version of it becomes the default one,
// which the functions send.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ssm-document.html
func addDocument(stack awscdk.Stack, id, name string, content map[string]any) {
	awsssm.NewCfnDocument(stack, jsii.String(id), &awsssm.CfnDocumentProps{
		Content: content, DocumentFormat: jsii.String("JSON"), DocumentType: jsii.String("Command"),
		Name: jsii.String(name), TargetType: jsii.String("/AWS::EC2::Instance"), UpdateMethod: jsii.String("NewVersion"),
	})
}

// variables are the names of the documents. Each function reads its own.
func (r hostRung) variables() map[string]*string {
	if !r.on {
		return nil
	}
	return map[string]*string{config.IsolateDocument: jsii.String(host.IsolateName), config.RestoreDocument: jsii.String(host.RestoreName)}
}

func (r hostRung) calls(actions []string) []string {
	if !r.on {
		return nil
	}
	return actions
}

// hostTerms let a function send one document, to this account's instances. SSM wants
// the call allowed on the document and on each instance. IAM does not see parameters,
// so that the documents have none, and there are two of them.
// authorizationSSM, SendCommand.
func (g granter) hostTerms(document string) []term {
	return []term{
		{
			sid: "SendDocument", actions: []string{"ssm:SendCommand"},
			resources: []string{*g.stack.FormatArn(&awscdk.ArnComponents{
				Service: jsii.String("ssm"), Resource: jsii.String("document"), ResourceName: jsii.String(document),
			})},
		},
		{
			sid: "SendToInstance", actions: []string{"ssm:SendCommand"}, resources: []string{g.any("instance")},
			wildcard: "any instance may turn out to be compromised; the document says what it is told",
		},
		// Hear what became of it. authorizationSSM, GetCommandInvocation.
		{
			sid: "HearOfHost", actions: []string{"ssm:GetCommandInvocation"}, resources: []string{"*"},
			when:     when{"StringEquals": {"aws:RequestedRegion": *g.stack.Region()}},
			wildcard: "SSM has no resources for the results of commands: " + authorizationSSM,
		},
	}
}
