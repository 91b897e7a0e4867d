package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"
)

// Where AWS documents which resources and condition keys an action has.
const (
	authorizationEC2  = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html"
	authorizationXRay = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html"
)

// A term says on what, and on which conditions, a role may use some actions. It
// grants nothing by itself: it holds for those of its actions that the function's
// code calls.
type term struct {
	sid       string
	actions   []string // patterns
	except    []string // actions that a pattern takes in and another term covers
	resources []string
	when      when
	wildcard  string // why a resource has a wildcard; empty: none has
}

// when is a statement's condition: operator, key, values.
type when map[string]map[string]any

// A granter makes the role of one function. It writes the ARNs of one account and
// Region.
type granter struct {
	parts
	logs awslogs.LogGroup // the function's
}

// any is every EC2 resource of a type in this account and Region.
func (g granter) any(resourceType string) string { return g.of(resourceType, *g.stack.Account()) }

func (g granter) of(resourceType, account string) string {
	return *g.stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("ec2"), Account: jsii.String(account),
		Resource: jsii.String(resourceType), ResourceName: jsii.String("*"),
	})
}

// ours is one resource of a service in this account and Region.
func (g granter) ours(service, resourceType, name string) string {
	return *g.stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String(service), Resource: jsii.String(resourceType), ResourceName: jsii.String(name),
	})
}

// What the Lambda service does with a function's role, beside what the code calls.
var (
	lambdaActions = []string{"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage", "xray:PutTelemetryRecords", "xray:PutTraceSegments"}
	keyActions    = []string{
		"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext",
		"kms:ReEncryptFrom", "kms:ReEncryptTo",
	}
)

// newRole makes a function's role of its terms and of the actions that its code
// calls. An action that no term covers is a bug.
func (g granter) newRole(id, description string, calls []string, terms []term) awsiam.Role {
	actions := slices.Concat(calls, lambdaActions)
	if g.key != nil {
		actions = append(actions, keyActions...)
	}
	var statements []awsiam.PolicyStatement
	var excuses []excused
	covered := map[string]bool{}
	for _, t := range terms {
		granted := t.of(actions)
		if len(granted) == 0 {
			continue
		}
		for _, a := range granted {
			covered[a] = true
		}
		statements = append(statements, t.statement(granted))
		if t.wildcard != "" {
			excuses = append(excuses, excused{"AwsSolutions-IAM5", t.sid + ": " + t.wildcard, t.resources})
		}
	}
	for _, a := range actions {
		if !covered[a] {
			panic(fmt.Sprintf("the code of %s calls %s, and no term says on which resources", id, a))
		}
	}
	role := awsiam.NewRole(g.stack, jsii.String(id), &awsiam.RoleProps{
		Description: jsii.String(description),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"Tourniquet": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements}),
		},
	})
	excuse(role, excuses...)
	return role
}

// of are the actions that the term covers.
func (t term) of(actions []string) []string {
	var covered []string
	for _, a := range actions {
		if !slices.Contains(t.except, a) && slices.ContainsFunc(t.actions, func(p string) bool { ok, _ := path.Match(p, a); return ok }) {
			covered = append(covered, a)
		}
	}
	return covered
}

func (t term) statement(actions []string) awsiam.PolicyStatement {
	conditions := map[string]any{}
	for operator, keys := range t.when {
		conditions[operator] = keys
	}
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String(t.sid), Actions: jsii.Strings(actions...), Resources: jsii.Strings(t.resources...),
		Conditions: &conditions,
	})
}

// wild are those resources that have a wildcard, in the words of cdk-nag.
func wild(resources []string) []string {
	var found []string
	for _, r := range resources {
		if strings.Contains(r, "*") {
			found = append(found, "Resource::"+r)
		}
	}
	return found
}
