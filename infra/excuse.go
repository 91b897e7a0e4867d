package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// excused is a rule of cdk-nag that a resource breaks, and why that is right.
type excused struct {
	rule   string
	reason string
	about  []string // resources of a policy; empty: all that the rule finds
}

// excuse writes the reasons to where cdk-nag reads them. Only the tests load cdk-nag.
func excuse(c constructs.IConstruct, excuses ...excused) {
	var rules []any
	for _, e := range excuses {
		rule := map[string]any{"id": e.rule, "reason": e.reason}
		if about := wild(e.about); len(about) > 0 {
			rule["applies_to"] = about
		}
		rules = append(rules, rule)
	}
	if len(rules) > 0 {
		c.Node().DefaultChild().(awscdk.CfnResource).AddMetadata(jsii.String("cdk_nag"), map[string]any{"rules_to_suppress": rules})
	}
}
