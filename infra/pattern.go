package main

import (
	"encoding/json"
	"slices"
	"strings"

	"tourniquet/lambda/config"
	"tourniquet/lambda/guardduty"
)

// maxPattern is how many characters a pattern can have.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
const maxPattern = 4096

// findingsPattern matches all findings that the function may contain an instance
// on, and keeps most others from starting it. The function decides: a pattern has
// no room to tell one type of a family from the next.
func findingsPattern(c config.Config) string {
	var types []any
	for _, family := range containedFamilies(c) {
		types = append(types, map[string]any{"prefix": family})
	}
	return findings(c, map[string]any{"type": types})
}

// unknownPattern matches findings on an instance, of a type that neither this
// version nor the operator knows, where findingsPattern doesn't match them. Nothing
// is contained on them, but somebody has to hear that they exist.
func unknownPattern(c config.Config) string {
	return findings(c, map[string]any{
		"type": []any{map[string]any{"anything-but": map[string]any{"prefix": notUnknown(c)}}},
		"resource": map[string]any{
			"resourceType":    []any{"Instance", "Container", "ECSCluster", "EKSCluster"}, // other findings name an instance for context
			"instanceDetails": map[string]any{"instanceId": []any{map[string]any{"exists": true}}},
		},
	})
}

// findings is a pattern of findings at the severity floor or above, archived ones
// left out, with more conditions on the detail.
func findings(c config.Config, detail map[string]any) string {
	// A severity that is text can't be compared here: the function reads it.
	detail["severity"] = []any{
		map[string]any{"numeric": []any{">=", c.MinSeverity}}, map[string]any{"prefix": ""},
	}
	// A finding without the field is not archived. GuardDuty never sends suppressed
	// findings, and it sends those that a person archived.
	// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html
	detail["service"] = map[string]any{"archived": []any{false, map[string]any{"exists": false}}}
	return marshal(map[string]any{
		"source": []any{guardduty.SourceGuardDuty}, "detail-type": []any{guardduty.DetailTypeGuardDuty}, "detail": detail,
	})
}

// customActionPattern matches what an analyst sends with our custom action, and no
// other: to send findings to a ticket system must not contain an instance.
// https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-cwe-event-formats.html
func customActionPattern(actionARN string) string {
	return marshal(map[string]any{
		"source":      []any{guardduty.SourceSecurityHub},
		"detail-type": []any{guardduty.DetailTypeSecurityHub},
		"resources":   []any{actionARN},
	})
}

// containedFamilies are the families of the types that are contained.
func containedFamilies(c config.Config) []string {
	names := slices.Clone(c.FindingTypes.Add)
	for _, t := range guardduty.Types() {
		if t.Response == guardduty.Contain && !slices.Contains(c.FindingTypes.Remove, t.Name) {
			names = append(names, t.Name)
		}
	}
	return families(names)
}

// notUnknown are prefixes of the types that unknownPattern leaves out: the families
// that go to the function, which logs what it doesn't know, and the other types that
// somebody has classified.
func notUnknown(c config.Config) []string {
	prefixes := containedFamilies(c)
	others := slices.Clone(c.FindingTypes.Remove)
	for _, t := range guardduty.Types() {
		others = append(others, t.Name)
	}
	for _, name := range others {
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			prefixes = append(prefixes, name)
		}
	}
	slices.Sort(prefixes)
	return prefixes
}

// families are what the types begin with, up to the slash: purpose and resource.
func families(types []string) []string {
	var prefixes []string
	for _, name := range types {
		family, _, _ := strings.Cut(name, "/")
		prefixes = append(prefixes, family+"/")
	}
	slices.Sort(prefixes)
	return slices.Compact(prefixes)
}

func marshal(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // maps, lists, text and numbers only
	}
	return strings.TrimSpace(b.String())
}
