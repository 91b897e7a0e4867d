package main

import (
	"fmt"
	"strings"
	"testing"
)

// A template is what CloudFormation gets.
type template struct {
	Resources map[string]resource
	Outputs   map[string]map[string]any

	Parameters, Conditions, Rules map[string]map[string]any
}

type resource struct {
	Type                string
	Condition           string
	Properties          map[string]any
	Metadata            map[string]any
	DeletionPolicy      string
	UpdateReplacePolicy string
}

// of are the resources of a type, by logical id.
func (tpl template) of(resourceType string) map[string]resource {
	found := map[string]resource{}
	for id, r := range tpl.Resources {
		if r.Type == resourceType {
			found[id] = r
		}
	}
	return found
}

// one is the only resource of a type whose logical id begins with a prefix.
func (tpl template) one(t *testing.T, resourceType, prefix string) (string, resource) {
	t.Helper()
	var found []string
	for id := range tpl.of(resourceType) {
		if strings.HasPrefix(id, prefix) {
			found = append(found, id)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s %s*: got %v, want one", resourceType, prefix, found)
	}
	return found[0], tpl.Resources[found[0]]
}

// function is a function's logical id and properties, by handler.
func (tpl template) function(t *testing.T, handler string) (string, map[string]any) {
	t.Helper()
	for id, r := range tpl.of("AWS::Lambda::Function") {
		if r.Properties["Handler"] == handler {
			return id, r.Properties
		}
	}
	t.Fatalf("no function has the handler %s", handler)
	return "", nil
}

// services are the parts of the ARNs of resources, by type.
var arns = map[string]string{
	"AWS::DynamoDB::Table":      "dynamodb:REGION:ACCOUNT:table/",
	"AWS::Events::Rule":         "events:REGION:ACCOUNT:rule/",
	"AWS::IAM::Role":            "iam::ACCOUNT:role/",
	"AWS::IAM::InstanceProfile": "iam::ACCOUNT:instance-profile/",
	"AWS::KMS::Key":             "kms:REGION:ACCOUNT:key/",
	"AWS::Lambda::Function":     "lambda:REGION:ACCOUNT:function:",
	"AWS::Logs::LogGroup":       "logs:REGION:ACCOUNT:log-group:",
	"AWS::SNS::Topic":           "sns:REGION:ACCOUNT:",
	"AWS::SQS::Queue":           "sqs:REGION:ACCOUNT:",
}

// arn is what a resource's ARN will be, with the logical id for the generated name.
func (tpl template) arn(id string) string {
	r := tpl.Resources[id]
	form, ok := arns[r.Type]
	if !ok {
		return "unknown:" + id
	}
	arn := "arn:aws:" + strings.NewReplacer("REGION", testRegion, "ACCOUNT", testAccount).Replace(form) + id
	if r.Type == "AWS::Logs::LogGroup" {
		arn += ":*"
	}
	return arn
}

// resolve replaces the template's functions by what they will give.
func (tpl template) resolve(v any) any {
	switch v := v.(type) {
	case []any:
		var all []any
		for _, e := range v {
			all = append(all, tpl.resolve(e))
		}
		return all
	case map[string]any:
		if got, ok := tpl.call(v); ok {
			return got
		}
		all := map[string]any{}
		for k, e := range v {
			all[k] = tpl.resolve(e)
		}
		return all
	default:
		return v
	}
}

// call evaluates a function of the template.
func (tpl template) call(v map[string]any) (any, bool) {
	if ref, ok := v["Ref"].(string); ok && len(v) == 1 {
		switch {
		case ref == "AWS::Partition":
			return "aws", true
		case ref == "AWS::Region":
			return testRegion, true
		case ref == "AWS::AccountId":
			return testAccount, true
		case ref == "AWS::URLSuffix":
			return "amazonaws.com", true
		case tpl.Resources[ref].Type == "AWS::SNS::Topic":
			return tpl.arn(ref), true
		}
		return ref, true
	}
	if get, ok := v["Fn::GetAtt"].([]any); ok {
		id, attribute := get[0].(string), get[1].(string)
		if attribute == "Arn" {
			return tpl.arn(id), true
		}
		return id + "." + attribute, true
	}
	if join, ok := v["Fn::Join"].([]any); ok {
		var parts []string
		for _, p := range join[1].([]any) {
			parts = append(parts, fmt.Sprint(tpl.resolve(p)))
		}
		return strings.Join(parts, join[0].(string)), true
	}
	return nil, false
}

// A statement of a policy.
type statement struct {
	sid       string
	effect    string
	actions   []string
	resources []string
	condition map[string]any
	raw       map[string]any
}

// policy is the document of a function's role, resolved.
func (tpl template) policy(t *testing.T, handler string) map[string]any {
	t.Helper()
	_, fn := tpl.function(t, handler)
	role := fn["Role"].(map[string]any)["Fn::GetAtt"].([]any)[0].(string)
	policies := tpl.Resources[role].Properties["Policies"].([]any)
	if len(policies) != 1 {
		t.Fatalf("the %s role has %d policies, want 1", handler, len(policies))
	}
	return tpl.resolve(policies[0].(map[string]any)["PolicyDocument"]).(map[string]any)
}

func (tpl template) statements(t *testing.T, handler string) []statement {
	t.Helper()
	var all []statement
	for _, s := range tpl.policy(t, handler)["Statement"].([]any) {
		m := s.(map[string]any)
		condition, _ := m["Condition"].(map[string]any)
		sid, _ := m["Sid"].(string)
		all = append(all, statement{sid, m["Effect"].(string), texts(m["Action"]), texts(m["Resource"]), condition, m})
	}
	return all
}

// texts is a text or a list of them as a list.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, e.(string))
		}
		return all
	default:
		return nil
	}
}
