package organization

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/lambda/config"
)

// noSettings are for what does not depend on any.
var noSettings config.Settings

// NewStackSet adds the stack with the StackSet, which deploys a template to the accounts
// of organizational units and to those that join them later. The template lies under a
// key in the bucket of the stack's Region.
//
// StackSets never deploy to the management account.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-orgs-associate-stackset-with-org.html
func NewStackSet(scope constructs.Construct, id string, s config.Settings, templateKey string) awscdk.Stack {
	stack := newStack(scope, id, "Tourniquet: the StackSet that deploys it to the accounts of an organization")
	var handed []any
	var bucket *string
	for _, p := range Parameters(s) {
		value := p.Add(stack).ValueAsString()
		handed = append(handed, &awscdk.CfnStackSet_ParameterProperty{ParameterKey: jsii.String(p.Name), ParameterValue: value})
		if p.Name == CodeBucketPrefix {
			bucket = bucketName(stack, value)
		}
	}
	set := awscdk.NewCfnStackSet(stack, jsii.String("Accounts"), &awscdk.CfnStackSetProps{
		StackSetName: jsii.String("Tourniquet"), PermissionModel: jsii.String("SERVICE_MANAGED"), CallAs: jsii.String("DELEGATED_ADMIN"),
		Description: jsii.String("Contains compromised EC2 instances on GuardDuty findings, in each account by itself"),
		TemplateUrl: awscdk.Fn_Join(jsii.String(""), &[]*string{
			jsii.String("https://"), bucket, jsii.String(".s3."), stack.Region(), jsii.String("."), stack.UrlSuffix(), jsii.String("/" + templateKey),
		}),
		Capabilities: jsii.Strings("CAPABILITY_IAM"),
		Parameters:   handed,
		// A stack that is deleted with an open containment takes away the means to
		// release it: an account that leaves keeps its own.
		AutoDeployment: &awscdk.CfnStackSet_AutoDeploymentProperty{
			Enabled: jsii.Bool(true), RetainStacksOnAccountRemoval: jsii.Bool(true),
		},
		ManagedExecution: map[string]any{"Active": true}, // operations wait for each other instead of failing
		OperationPreferences: &awscdk.CfnStackSet_OperationPreferencesProperty{
			// An account that can't be deployed to stops no other.
			FailureTolerancePercentage: jsii.Number(100), MaxConcurrentPercentage: jsii.Number(25), RegionConcurrencyType: jsii.String("PARALLEL"),
		},
	})
	set.AddPropertyOverride(jsii.String("StackInstancesGroup"), targets(stack, s.Regions)) // the construct knows no condition within it
	awscdk.Validations_Of(set).Acknowledge(&awscdk.Acknowledgment{
		Id: jsii.String("CloudFormation-Validate::F3031"), Reason: jsii.String("the condition leaves the units out where there are none"),
	})
	return stack
}

// targets are the accounts and Regions to deploy to. Accounts that are in enforcing units
// at a deployment of this stack get the mode enforce. StackSets give the StackSet's own
// value, not one for a unit, to accounts that join the unit later.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stackinstances-override.html
func targets(stack awscdk.Stack, regions []string) []any {
	list := func(name, meaning string, preset *string) *[]*string {
		return awscdk.NewCfnParameter(stack, jsii.String(name), &awscdk.CfnParameterProps{
			Type: jsii.String("CommaDelimitedList"), Description: jsii.String(meaning), Default: preset,
		}).ValueAsList()
	}
	units := list("OrganizationalUnits", "ids of the organizational units, or of the root, to deploy to", nil)
	enforcing := Parameter{
		Name: "EnforcingUnits", Pattern: `|` + unit + `(,` + unit + `)*`,
		Meaning: "ids of further organizational units, whose present accounts get the mode enforce; empty: none",
	}.Add(stack).ValueAsString()
	var preset *string
	if len(regions) > 0 {
		preset = jsii.String(strings.Join(regions, ","))
	}
	where := list("Regions", "Regions to deploy to", preset)
	group := func(units *[]*string) map[string]any {
		return map[string]any{"DeploymentTargets": map[string]any{"OrganizationalUnitIds": units}, "Regions": where}
	}
	some := awscdk.NewCfnCondition(stack, jsii.String("SomeEnforce"), &awscdk.CfnConditionProps{
		Expression: awscdk.Fn_ConditionNot(awscdk.Fn_ConditionEquals(enforcing, jsii.String(""))),
	})
	enforce := group(awscdk.Fn_Split(jsii.String(","), enforcing, nil))
	enforce["ParameterOverrides"] = []any{map[string]any{"ParameterKey": Mode, "ParameterValue": string(config.Enforce)}}
	return []any{
		group(units),
		map[string]any{"Fn::If": []any{some.LogicalId(), enforce, map[string]any{"Ref": "AWS::NoValue"}}},
	}
}

// unit is an organizational unit, or the root.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_OrganizationalUnit.html
const unit = `(ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}|r-[a-z0-9]{4,32})`

// newStack is a stack for any account and Region that needs no bootstrap.
func newStack(scope constructs.Construct, id, description string) awscdk.Stack {
	return awscdk.NewStack(scope, jsii.String(id), &awscdk.StackProps{
		Description: jsii.String(description), Synthesizer: awscdk.NewBootstraplessSynthesizer(nil),
	})
}
