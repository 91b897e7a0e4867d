package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/lambda/network"
)

// Where it is written which resources and condition keys an action has.
const (
	authorizationEC2  = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html"
	authorizationXRay = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html"
)

// A term says on what, and on which conditions, a role may use some actions. It
// grants nothing by itself: the actions come from the code that makes the calls,
// and of these it holds for those that it names.
type term struct {
	sid       string
	actions   []string // patterns
	resources []string
	when      when
	wildcard  string // why a resource has a wildcard; empty: none has
}

// when is a statement's condition: operator, key, values.
type when map[string]map[string]any

// A granter writes the ARNs of one account and Region.
type granter struct {
	stack   awscdk.Stack
	table   awsdynamodb.Table
	key     awskms.Key // nil: AWS's own
	topic   awssns.Topic
	failed  awssqs.Queue
	logs    awslogs.LogGroup
	actions []string // what the function's code calls
}

// any is every resource of a type in this account and Region.
func (g granter) any(resourceType string) string { return g.of(resourceType, *g.stack.Account()) }

func (g granter) of(resourceType, account string) string {
	return *g.stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("ec2"), Account: jsii.String(account),
		Resource: jsii.String(resourceType), ResourceName: jsii.String("*"),
	})
}

// containTerms let the function that faces events tighten, and no more: attach the
// quarantine group and no other, add ACL entries and remove none. What it can tag
// can't turn a foreign group into a quarantine group, nor exempt an instance.
//
// Each condition key below is listed for its action and resource type in the
// Service Authorization Reference, authorizationEC2.
func (g granter) containTerms() []term {
	quarantine := when{"StringEquals": {"aws:ResourceTag/" + network.RoleTag: network.RoleValue}}
	return append(g.commonTerms(),
		// Quarantining an interface. EC2 asks for the interface, and may ask for
		// its instance and its subnet; the group has a statement of its own. The key
		// ec2:Attribute would keep other attributes out; AWS doesn't say which names
		// it has for this action, and a wrong one would stop containment.
		// authorizationEC2, ModifyNetworkInterfaceAttribute.
		term{
			sid: "QuarantineInterface", actions: []string{"ec2:ModifyNetworkInterfaceAttribute"},
			resources: []string{g.any("network-interface"), g.any("instance"), g.of("subnet", "*")},
			wildcard: "any instance may turn out to be compromised. The subnet of an interface can be another account's, " +
				"which shares its VPC; the call changes nothing of it",
		},
		// The group that quarantining attaches: only one that carries the tag, which
		// this role can set on a group that it makes, and on no other. Key
		// aws:ResourceTag of security-group*: authorizationEC2, ModifyNetworkInterfaceAttribute.
		term{
			sid: "QuarantineGroup", actions: []string{"ec2:ModifyNetworkInterfaceAttribute"},
			resources: []string{g.any("security-group")}, when: quarantine,
			wildcard: "each VPC has a quarantine group of its own; the tag says which",
		},
		// Denying a peer. There is no condition key for an entry's number, prefix
		// or action: that it denies is the code's to see to.
		// authorizationEC2, CreateNetworkAclEntry.
		term{
			sid: "DenyPeer", actions: []string{"ec2:CreateNetworkAclEntry"},
			resources: []string{g.any("network-acl")},
			wildcard:  "the ACL is that of the subnet that the compromised instance is in",
		},
		// Making a VPC's quarantine group: only one that carries the tag from the
		// start. Keys aws:RequestTag and aws:TagKeys of security-group*:
		// authorizationEC2, CreateSecurityGroup.
		term{
			sid: "MakeGroup", actions: []string{"ec2:CreateSecurityGroup"},
			resources: []string{g.any("security-group")},
			when: when{
				"StringEquals":              {"aws:RequestTag/" + network.RoleTag: network.RoleValue},
				"ForAllValues:StringEquals": {"aws:TagKeys": []string{network.RoleTag, "Name"}},
			},
			wildcard: "a group has no id before it is made; the tag says what it is",
		},
		// The VPC to make it in. authorizationEC2, CreateSecurityGroup.
		term{
			sid: "MakeGroupIn", actions: []string{"ec2:CreateSecurityGroup"},
			resources: []string{g.of("vpc", "*")},
			wildcard:  "any VPC may have a compromised instance, one that another account shares too; the group is made in this account",
		},
		// The tag of a new group, while it is made and at no other time: else this
		// role could make a foreign group a quarantine group. Key ec2:CreateAction:
		// authorizationEC2, CreateTags.
		term{
			sid: "TagNewGroup", actions: []string{"ec2:CreateTags"},
			resources: []string{g.any("security-group")},
			when:      when{"StringEquals": {"ec2:CreateAction": "CreateSecurityGroup"}},
			wildcard:  "a group has no id before it is made",
		},
		// Emptying a quarantine group: it comes with rules, and somebody may add
		// some. Key aws:ResourceTag of security-group*: authorizationEC2,
		// RevokeSecurityGroupEgress and RevokeSecurityGroupIngress.
		term{
			sid: "EmptyGroup", actions: []string{"ec2:RevokeSecurityGroup*"},
			resources: []string{g.any("security-group")}, when: quarantine,
			wildcard: "each VPC has a quarantine group of its own; the tag says which",
		},
		// The second record of the original groups, before the first change. Key
		// aws:TagKeys of network-interface*: authorizationEC2, CreateTags.
		term{
			sid: "RememberOriginals", actions: []string{"ec2:CreateTags"},
			resources: []string{g.any("network-interface")}, when: onlyTags(interfaceTags...),
			wildcard: "any interface may be a compromised instance's; the keys say that only our tags are set",
		},
		// The status on a contained instance, and its peers where there is no ledger
		// to hold them. Never the tag that exempts. Key aws:TagKeys of instance*: authorizationEC2, CreateTags.
		term{
			sid: "MarkInstance", actions: []string{"ec2:CreateTags"},
			resources: []string{g.any("instance")}, when: onlyTags(instanceTags...),
			wildcard: "any instance may turn out to be compromised; the keys say that only our tags are set",
		},
	)
}

// releaseTerms let the function that a person starts undo a containment: restore
// any groups, since the originals can be any, and remove ACL entries.
func (g granter) releaseTerms() []term {
	return append(g.commonTerms(),
		// Restoring the groups of an interface.
		// authorizationEC2, ModifyNetworkInterfaceAttribute.
		term{
			sid: "RestoreGroups", actions: []string{"ec2:ModifyNetworkInterfaceAttribute"},
			resources: []string{g.any("network-interface"), g.any("instance"), g.of("subnet", "*"), g.of("security-group", "*")},
			wildcard: "which interface, and which groups, is in the record of the containment; " +
				"a shared VPC's subnets and groups can be another account's, and the call changes nothing of them",
		},
		// Removing a denial. There is no condition key for an entry's number: that
		// it is one of ours, the ledger knows. authorizationEC2, DeleteNetworkAclEntry.
		term{
			sid: "RemoveDenial", actions: []string{"ec2:DeleteNetworkAclEntry"},
			resources: []string{g.any("network-acl")},
			wildcard:  "which ACL is in the record of the containment",
		},
		// Our tags on interfaces and instances, and no others. Key aws:TagKeys:
		// authorizationEC2, CreateTags and DeleteTags.
		term{
			sid: "ForgetOriginals", actions: []string{"ec2:CreateTags", "ec2:DeleteTags"},
			resources: []string{g.any("network-interface")}, when: onlyTags(interfaceTags...),
			wildcard: "which interface is in the record of the containment; the keys say that only our tags change",
		},
		term{
			sid: "UnmarkInstance", actions: []string{"ec2:CreateTags", "ec2:DeleteTags"},
			resources: []string{g.any("instance")}, when: onlyTags(instanceTags...),
			wildcard: "which instance is in the record of the containment; the keys say that only our tags change",
		},
	)
}

// commonTerms are what both functions need, each for itself.
func (g granter) commonTerms() []term {
	terms := []term{
		// Looking. These actions have no resources; the Region is the only
		// condition that they know. authorizationEC2, Describe*.
		{
			sid: "Observe", actions: []string{"ec2:Describe*"}, resources: []string{"*"},
			when:     when{"StringEquals": {"aws:RequestedRegion": *g.stack.Region()}},
			wildcard: "EC2 has no resources for reading: " + authorizationEC2,
		},
		// The ledger, this table and no other; it has no index.
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
		{sid: "Ledger", actions: []string{"dynamodb:*"}, resources: []string{*g.table.TableArn()}},
		// Telling people what was done, on one topic.
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
		{sid: "Notify", actions: []string{"sns:Publish"}, resources: []string{*g.topic.TopicArn()}},
		// Lambda sends the event of a failed invocation on with the function's role.
		// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
		{sid: "HandOnFailures", actions: []string{"sqs:SendMessage"}, resources: []string{*g.failed.QueueArn()}},
		// The function's own log group, which the stack has made.
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
		{sid: "Log", actions: []string{"logs:*"}, resources: []string{*g.logs.LogGroupArn()}},
		// Sending traces. These actions have no resources; the Region is a condition
		// that every request has. authorizationXRay, PutTelemetryRecords and PutTraceSegments.
		{
			sid: "Trace", actions: []string{"xray:*"}, resources: []string{"*"},
			when:     when{"StringEquals": {"aws:RequestedRegion": *g.stack.Region()}},
			wildcard: "X-Ray has no resources for sending traces: " + authorizationXRay,
		},
	}
	if g.key != nil {
		// The ledger's key, through DynamoDB only. Key kms:ViaService:
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html
		// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
		terms = append(terms, term{
			sid: "LedgerKey", actions: []string{"kms:*"}, resources: []string{*g.key.KeyArn()},
			when: when{"StringEquals": {"kms:ViaService": fmt.Sprintf("dynamodb.%s.%s", *g.stack.Region(), *g.stack.UrlSuffix())}},
		})
	}
	return terms
}

// Our tags. What is too long for one goes on in others, numbered.
var (
	interfaceTags = []string{network.OriginalsTag, network.OriginalsTag + "-*"}
	instanceTags  = []string{network.StatusTag, network.PeersTag, network.PeersTag + "-*"}
)

// onlyTags allows requests whose tag keys are all among some, which may have
// wildcards. With no keys at all the first condition would be true, hence the
// second: deleting tags without naming any deletes all.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
func onlyTags(keys ...string) when {
	return when{
		"ForAllValues:StringLike": {"aws:TagKeys": keys},
		"Null":                    {"aws:TagKeys": "false"},
	}
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
// calls. An action without a term is a fault of this program.
func (g granter) newRole(id, description string, terms []term) awsiam.Role {
	actions := slices.Concat(g.actions, lambdaActions)
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
			panic(fmt.Sprintf("%s calls %s, and no term says on what it may", id, a))
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

// of are the actions that the term names.
func (t term) of(actions []string) []string {
	var named []string
	for _, a := range actions {
		if slices.ContainsFunc(t.actions, func(p string) bool { ok, _ := path.Match(p, a); return ok }) {
			named = append(named, a)
		}
	}
	return named
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
