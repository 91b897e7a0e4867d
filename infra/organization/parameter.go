// Package organization is what an organization deploys once, from a delegated
// administrator: in each Region a bucket with the functions' code, and in one Region a
// StackSet that deploys Tourniquet to the accounts. Package main of the folder above
// makes the template that the StackSet deploys, of the stack that "cdk deploy" deploys.
//
// Nothing central acts in an account: each has its own functions, roles and ledger.
package organization

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"tourniquet/lambda/config"
)

// A Parameter is a parameter of the template for accounts, and the StackSet's of the
// same name, which hands it on.
type Parameter struct {
	Name     string
	Variable string // of the functions, that the value goes to; empty: only the stack reads it
	Meaning  string
	Default  string
	Required bool     // there is no default
	Values   []string // that are allowed; empty: those of Pattern
	Pattern  string   // of what is allowed, which CloudFormation matches with all of the value
}

// The names of the parameters that the stack reads itself.
const (
	CodeBucketPrefix = "CodeBucketPrefix"
	Email            = "Email"
	CentralBus       = "CentralBus"
	Mode             = "Mode"
)

// bucketPrefix leaves room for a hyphen and the longest name of a Region in the 63
// characters of a bucket's name.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
const bucketPrefix = `[a-z0-9][a-z0-9-]{1,44}`

// NotDefault keeps default buses out of a pattern. CloudFormation's patterns are Java's.
const NotDefault = `(?!default$)`

const cidr = `[0-9A-Fa-f.:]+/[0-9]{1,3}`

// Parameters are those of the template for accounts. What shapes the stack, such as the
// rules' patterns, can't be one: that is read from the settings when the template is
// written. The settings also give the defaults, except that of the mode: new accounts
// begin in observe mode.
func Parameters(s config.Settings) []Parameter {
	given := s.Variables(config.Contain)
	all := []Parameter{
		{
			Name: CodeBucketPrefix, Required: true, Pattern: bucketPrefix,
			Meaning: "the buckets with the functions' code begin so; a hyphen and the Region follow",
		},
		{Name: Mode, Variable: config.Mode, Default: string(config.Observe), Values: []string{string(config.Observe), string(config.Enforce)}},
		{Name: "ExemptTag", Variable: config.ExemptTag, Pattern: `[^=]+(=.*)?`},
		{Name: "NeverDeny", Variable: config.NeverDeny, Pattern: `|` + cidr + `( *, *` + cidr + `)*`},
		{Name: "MaxContained", Variable: config.MaxContained, Pattern: `[1-9][0-9]{0,5}`},
		{Name: Email, Meaning: "email address to tell of incidents and alarms; empty: none", Pattern: `|[^@ ,<>]+@[^@ ,<>]+`},
		{
			Name: CentralBus, Default: s.CentralBus, Meaning: "ARN of an event bus, not a default one, that outcome events are passed on to; empty: none",
			Pattern: `|arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/` + NotDefault + `[A-Za-z0-9._-]+`,
		},
	}
	for i, p := range all {
		for _, row := range config.All {
			if p.Variable == "" || row.Variable != p.Variable {
				continue
			}
			all[i].Meaning = strings.ReplaceAll(row.Meaning, "`", "")
			if p.Default == "" {
				all[i].Default = row.Default
				if v, ok := given[p.Variable]; ok {
					all[i].Default = v
				}
			}
		}
	}
	return all
}

// Add adds the parameter to a template.
func (p Parameter) Add(scope constructs.Construct) awscdk.CfnParameter {
	props := &awscdk.CfnParameterProps{Type: jsii.String("String"), Description: jsii.String(p.Meaning)}
	if !p.Required {
		props.Default = jsii.String(p.Default)
	}
	if len(p.Values) > 0 {
		props.AllowedValues = jsii.Strings(p.Values...)
	}
	if p.Pattern != "" {
		props.AllowedPattern = jsii.String("^(" + p.Pattern + ")$")
	}
	return awscdk.NewCfnParameter(scope, jsii.String(p.Name), props)
}
