package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// A denial is the instance profile that a contained instance gets in place of its own,
// with a role that may do nothing.
type denial struct {
	role, profile *string // ARNs
}

// newDenial adds the profile. Its role denies everything, so that a policy that somebody
// attaches to it later allows nothing either.
func newDenial(stack awscdk.Stack) denial {
	role := awsiam.NewRole(stack, jsii.String("DenyRole"), &awsiam.RoleProps{
		Description: jsii.String("Tourniquet: of contained instances; may do nothing"),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("ec2.amazonaws.com"), nil),
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"DenyAll": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &[]awsiam.PolicyStatement{
				awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
					Sid: jsii.String("DenyAll"), Effect: awsiam.Effect_DENY, Actions: jsii.Strings("*"), Resources: jsii.Strings("*"),
				}),
			}}),
		},
	})
	profile := awsiam.NewInstanceProfile(stack, jsii.String("DenyProfile"), &awsiam.InstanceProfileProps{Role: role})
	return denial{role: role.RoleArn(), profile: profile.InstanceProfileArn()}
}
