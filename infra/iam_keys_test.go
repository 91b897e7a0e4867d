package main

import (
	"slices"
	"strings"
	"testing"
)

// TestConditionKeysAreListed: a condition on a key that AWS doesn't know for an
// action and a type of resource would never hold, or always.
func TestConditionKeysAreListed(t *testing.T) {
	for name, stack := range map[string]stackUnderTest{"plain": plain(t), "options": withOptions(t)} {
		for _, handler := range []string{contain, release} {
			statements := stack.statements(t, handler)
			var actions []string
			for _, s := range statements {
				actions = append(actions, s.actions...)
			}
			_, reference := runSimulator(t, nil, actions)
			for _, s := range statements {
				for _, problem := range unlisted(s, reference) {
					t.Errorf("%s, %s, %s: %s", name, handler, s.sid, problem)
				}
			}
		}
	}
}

// global are the condition keys that every request has.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
var global = []string{"aws:RequestedRegion"}

// unlisted are the condition keys and types of resource of a statement that the
// Service Authorization Reference doesn't list for one of its actions.
func unlisted(s statement, reference map[string]actionReference) []string {
	var problems []string
	for _, action := range s.actions {
		known := reference[action]
		for _, resource := range s.resources {
			keys := slices.Clone(known.Keys)
			if kind, ok := typeOf(resource); ok {
				more, listed := known.Types[kind]
				if !listed {
					problems = append(problems, action+" has no resource "+kind)
				}
				keys = append(keys, more...)
			} else if len(known.Types) > 0 && resource == "*" {
				problems = append(problems, action+" has resources: name them")
			}
			for _, operator := range s.condition {
				for key := range operator.(map[string]any) {
					family, _, _ := strings.Cut(key, "/")
					if !slices.Contains(global, key) && !slices.ContainsFunc(keys, func(k string) bool { return k == key || strings.HasPrefix(k, family+"/$") }) {
						problems = append(problems, action+" has no condition key "+key+" on "+resource)
					}
				}
			}
		}
	}
	return problems
}

// typeOf is the type of resource that an ARN of EC2 names.
func typeOf(arn string) (string, bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[2] != "ec2" {
		return "", false
	}
	kind, _, _ := strings.Cut(parts[5], "/")
	return kind, true
}
