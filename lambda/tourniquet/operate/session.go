package operate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	settings "tourniquet/lambda/config"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/tourniquet/console"
)

// Flags are those of every command on a deployed stack.
type Flags struct {
	Profile string `help:"Profile of the AWS configuration." placeholder:"NAME"`
	Region  string `help:"AWS Region of the stack." placeholder:"REGION"`
	Stack   string `help:"Name of the CloudFormation stack." default:"Tourniquet" placeholder:"NAME"`
	JSON    bool   `name:"json" help:"Print one JSON document."`
}

// DefaultStack is the stack that is meant when none is named.
const DefaultStack = "Tourniquet"

// A session is one command's use of AWS.
type session struct {
	flags   Flags
	console *console.Console
	aws     aws.Config
	caller  string // the ARN of who calls; empty until it is asked for
	account string
}

// A stack is what a deployed stack says of itself.
type stack struct {
	contain, release string // the functions' names
	table            string
}

// The names of the stack's outputs.
const (
	outputContain = "ContainFunctionName"
	outputRelease = "ReleaseFunctionName"
	outputTable   = "TableName"
)

// open reads the AWS configuration, and sees to it that there are a Region and
// credentials.
func open(ctx context.Context, c *console.Console, f Flags) (*session, error) {
	options := []func(*config.LoadOptions) error{config.WithAppID("tourniquet")}
	if f.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(f.Profile))
	}
	if f.Region != "" {
		options = append(options, config.WithRegion(f.Region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, badProfile(f.Profile, err)
	}
	s := &session{flags: f, console: c, aws: cfg}
	if cfg.Region == "" {
		return nil, refused("no AWS Region", "Give one with --region, or set AWS_REGION.")
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return nil, s.noCredentials(err)
	}
	return s, nil
}

// in is the same session in another Region.
func (s *session) in(region string) *session {
	other := *s
	other.aws.Region = region
	other.flags.Region = region
	return &other
}

// find looks the stack up: the one that is named, or the one that a StackSet made.
func (s *session) find(ctx context.Context) (stack, error) {
	found, err := s.describe(ctx, s.flags.Stack)
	if errors.Is(err, errNoStack) && s.flags.Stack == DefaultStack {
		if name := s.byFunction(ctx); name != "" {
			found, err = s.describe(ctx, name)
		}
	}
	return found, err
}

// byFunction names the stack that has the contain function; empty: none that the caller
// may see. StackSets give each stack a name of its own, and the functions' names are
// always the same.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStackResources.html
func (s *session) byFunction(ctx context.Context) string {
	out, err := cloudformation.NewFromConfig(s.aws).DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{
		PhysicalResourceId: aws.String(settings.Contain.Name()),
	})
	if err != nil || len(out.StackResources) == 0 {
		return "" // then the stack that was asked for is what is missing
	}
	return aws.ToString(out.StackResources[0].StackName)
}

// describe reads what a stack says of itself.
func (s *session) describe(ctx context.Context, name string) (stack, error) {
	doing := fmt.Sprintf("looking for the stack %s in %s", name, s.aws.Region)
	out, err := cloudformation.NewFromConfig(s.aws).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "does not exist") {
		return stack{}, s.noStack()
	}
	if err != nil {
		return stack{}, s.explain(doing, err)
	}
	if len(out.Stacks) == 0 {
		return stack{}, s.noStack()
	}
	outputs := map[string]string{}
	for _, o := range out.Stacks[0].Outputs {
		outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	for _, key := range []string{outputContain, outputRelease, outputTable} {
		if outputs[key] == "" {
			return stack{}, &Failure{
				Code: ExitReach, What: fmt.Sprintf("the stack %s in %s has no output %s", name, s.aws.Region, key),
				Hint: "It is not a stack of Tourniquet, or its deployment is not finished. Name another with --stack.",
			}
		}
	}
	return stack{outputs[outputContain], outputs[outputRelease], outputs[outputTable]}, nil
}

// errNoStack says that there is no stack of the name.
var errNoStack = errors.New("no such stack")

func (s *session) noStack() error {
	return &Failure{
		Code: ExitReach, What: fmt.Sprintf("no stack %s in %s", s.flags.Stack, s.aws.Region), Err: errNoStack,
		Hint: "Is it in another Region or account? Choose with --region, --profile and --stack.",
	}
}

// ledger is the stack's table.
func (s *session) ledger(st stack) *ledger.Table {
	return &ledger.Table{Client: dynamodb.NewFromConfig(s.aws), Name: st.table}
}

// identify asks AWS who calls.
func (s *session) identify(ctx context.Context) error {
	out, err := sts.NewFromConfig(s.aws).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return s.explain("asking who calls", err)
	}
	s.caller, s.account = aws.ToString(out.Arn), aws.ToString(out.Account)
	return nil
}

// who names the caller as far as it is known.
func (s *session) who() string {
	switch {
	case s.caller != "":
		return s.caller
	case s.flags.Profile != "":
		return "profile " + s.flags.Profile
	default:
		return "the present credentials"
	}
}

// maxText bounds a text of others on the terminal, in bytes.
const maxText = 1024

// clean makes a text of others safe to print.
func clean(s string) string { return guardduty.Clean(s, maxText) }
