package organization

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// NewBucket adds the stack of a Region's bucket. Lambda takes a function's code only from
// a bucket of the function's own Region. Accounts of the organization read objects whose
// name they know; nobody else reads, and they neither list nor write.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-code.html
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalorgid
func NewBucket(scope constructs.Construct, id string) awscdk.Stack {
	stack := newStack(scope, id, "Tourniquet: the functions' code, for the accounts of an organization")
	prefix := Parameters(noSettings)[0].Add(stack) // CodeBucketPrefix
	org := Parameter{
		Name: "OrganizationId", Required: true, Pattern: `o-[a-z0-9]{10,32}`, Meaning: "id of the organization whose accounts may read the code",
	}.Add(stack)
	bucket := awss3.NewBucket(stack, jsii.String("Code"), &awss3.BucketProps{
		BucketName:        bucketName(stack, prefix.ValueAsString()),
		Encryption:        awss3.BucketEncryption_S3_MANAGED, // a key of ours would have to be shared as well
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		EnforceSSL:        jsii.Bool(true),
		Versioned:         jsii.Bool(true),
		RemovalPolicy:     awscdk.RemovalPolicy_RETAIN,
	})
	// S3 does not count a policy for one fixed organization as public, so that blocking
	// public access leaves it in force.
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
	bucket.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String("Organization"), Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
		Actions: jsii.Strings("s3:GetObject"), Resources: &[]*string{bucket.ArnForObjects(jsii.String("*"))},
		Conditions: &map[string]any{"StringEquals": map[string]any{"aws:PrincipalOrgID": org.ValueAsString()}},
	}))
	bucket.Node().DefaultChild().(awscdk.CfnResource).AddMetadata(jsii.String("cdk_nag"), map[string]any{"rules_to_suppress": []any{map[string]any{
		"id": "AwsSolutions-S1", "reason": "the bucket holds code that anybody can build from its source; CloudTrail's data events show who read it",
	}}})
	awscdk.NewCfnOutput(stack, jsii.String("CodeBucket"), &awscdk.CfnOutputProps{Value: bucket.BucketName()})
	return stack
}

// bucketName is the name of the bucket in the stack's Region.
func bucketName(stack awscdk.Stack, prefix *string) *string {
	return awscdk.Fn_Join(jsii.String("-"), &[]*string{prefix, stack.Region()})
}
