package main

import (
	"encoding/json"
	"slices"
	"strings"

	"tourniquet/lambda/config"
	"tourniquet/lambda/guardduty"
)

// maxPattern is how long a pattern can be.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
const maxPattern = 4096

// pattern matches all findings that the function may contain an instance on, and
// keeps most others from starting it. The function decides: a pattern can't tell
// one type in a family from the next in the 4,096 characters that it has.
func pattern(c config.Config) string {
	var types []any
	for _, family := range families(c) {
		types = append(types, map[string]any{"prefix": family})
	}
	return marshal(map[string]any{
		"source":      []any{guardduty.SourceGuardDuty},
		"detail-type": []any{guardduty.DetailTypeGuardDuty},
		"detail": map[string]any{
			"type": types,
			// A severity that is text can't be compared here: the function reads it.
			"severity": []any{
				map[string]any{"numeric": []any{">=", float64(c.MinSeverity)}}, map[string]any{"prefix": ""},
			},
			// A finding without the field is not archived. Suppressed ones are
			// never sent, those that a person archived are.
			// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html
			"service": map[string]any{"archived": []any{false, map[string]any{"exists": false}}},
		},
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

// families are the prefixes, up to the slash, of the types that are contained.
func families(c config.Config) []string {
	var names []string
	for _, t := range guardduty.Types() {
		if t.Response == guardduty.Contain && !slices.Contains(c.FindingTypes.Remove, t.Name) {
			names = append(names, t.Name)
		}
	}
	var prefixes []string
	for _, name := range append(names, c.FindingTypes.Add...) {
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
