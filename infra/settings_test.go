package main

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tourniquet/lambda/config"
)

func TestSettingsDefaults(t *testing.T) {
	s, err := NewSettings(map[string]any{"@aws-cdk/core:anything": true, "aws:cdk:bundling-stacks": []any{"**"}})
	if err != nil {
		t.Fatal(err)
	}
	if s.Architecture != "arm64" || s.Encryption != AWSOwned || s.MaxEventAge != time.Hour || s.Detector || !s.Schedules ||
		s.CustomAction != "Tourniquet" || len(s.Regions) != 0 || len(s.Variables) != 0 {
		t.Errorf("got %+v", s)
	}
}

// TestSettings: what "cdk -c" gives as text means the same as JSON.
func TestSettings(t *testing.T) {
	fromJSON, err := NewSettings(map[string]any{
		"tourniquet:regions": []any{"eu-central-1", "us-east-1"}, "tourniquet:minSeverity": 8.5, "tourniquet:createDetector": true,
		"tourniquet:neverDeny": []any{"192.0.2.0/24", "2001:db8::/32"}, "tourniquet:logRetentionDays": 30.0, "tourniquet:mode": "observe",
	})
	if err != nil {
		t.Fatal(err)
	}
	fromText, err := NewSettings(map[string]any{
		"tourniquet:regions": "eu-central-1, us-east-1", "tourniquet:minSeverity": "8.5", "tourniquet:createDetector": "true",
		"tourniquet:neverDeny": "192.0.2.0/24,2001:db8::/32", "tourniquet:logRetentionDays": "30", "tourniquet:mode": "observe",
		"tourniquet:email": "",
	})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(fromJSON, fromText) {
		t.Errorf("JSON: %+v\ntext: %+v", fromJSON, fromText)
	}
	want := map[string]string{config.MinSeverity: "8.5", config.NeverDeny: "192.0.2.0/24,2001:db8::/32", config.Mode: "observe"}
	if !maps.Equal(fromJSON.Variables, want) {
		t.Errorf("variables: got %v, want %v", fromJSON.Variables, want)
	}
}

func TestSettingsProblems(t *testing.T) {
	for _, tt := range []struct {
		key   string
		value any
		want  string
	}{
		{"tourniquet:minSeverty", 7.0, "is no key; the keys are tourniquet:aclQuota"},
		{"tourniquet:minSeverity", 11.0, `"11" is no severity; want a number from 1 to 10`},
		{"tourniquet:minSeverity", "high", `"high" is no severity`},
		{"tourniquet:neverDeny", []any{"192.0.2.0/24", "192.0.2.300/32"}, `"192.0.2.300/32" is no CIDR`},
		{"tourniquet:neverDeny", "192.0.2.7/24", "did you mean 192.0.2.0/24?"},
		{"tourniquet:ledgerWait", "3", `"3" is no duration`},
		{"tourniquet:maxEventAge", "1 hour", `"1 hour" is no age of events`},
		{"tourniquet:maxEventAge", "6h", "want a duration from 5m0s to 3h0m0s"},
		{"tourniquet:findingTypes", "*:EC2/*", "is no family of finding types"},
		{"tourniquet:mode", "enforced", "is no mode; want enforce or observe"},
		{"tourniquet:regions", "eu-central", `"eu-central" is no Region`},
		{"tourniquet:regions", "eu-central-1,eu-central-1", "is there twice"},
		{"tourniquet:architecture", "amd64", "want arm64 or x86_64"},
		{"tourniquet:encryption", true, "want aws-owned or customer-managed"},
		{"tourniquet:email", "security", `"security" is no address`},
		{"tourniquet:logRetentionDays", 31.0, "is no retention"},
		{"tourniquet:concurrency", -1.0, "is no concurrency"},
		{"tourniquet:securityHubAction", "contain it!", "is no id of a custom action"},
		{"tourniquet:createDetector", "yes", `"yes" is no switch`},
		{"tourniquet:schedules", 1.0, "is no switch"},
		{"tourniquet:endpointUrl", "localhost", "is no URL"},
		{"tourniquet:aclQuota", 50.0, "is no quota"},
		{"tourniquet:mode", map[string]any{}, "got a JSON object"},
		{"tourniquet:mode", []any{map[string]any{}}, "got a JSON object"},
	} {
		_, err := NewSettings(map[string]any{tt.key: tt.value})
		if err == nil || !strings.HasPrefix(err.Error(), tt.key+": ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %v: got %v, want %q", tt.key, tt.value, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "TOURNIQUET_") {
			t.Errorf("%s: names a variable, which the operator doesn't know: %v", tt.key, err)
		}
	}
}

func TestSettingsReportsAllProblems(t *testing.T) {
	_, err := NewSettings(map[string]any{"tourniquet:mode": "x", "tourniquet:concurrency": "x", "tourniquet:typo": "x", "tourniquet:neverDeny": "x"})
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("got %v, want four lines", err)
	}
}

// TestSettingsAreComplete: each variable of the function has a key, unless the
// stack sets it, and each key is in the README.
func TestSettingsAreComplete(t *testing.T) {
	have := append(slices.Collect(maps.Values(variables)), config.Table, config.TopicARN)
	for i := range reflect.TypeFor[config.Config]().NumField() {
		name, _, _ := strings.Cut(reflect.TypeFor[config.Config]().Field(i).Tag.Get("env"), ",")
		if !slices.Contains(have, name) {
			t.Errorf("no key of the context sets %s", name)
		}
	}
	readme := readme(t)
	for _, key := range slices.Concat(slices.Collect(maps.Keys(variables)), slices.Collect(maps.Keys(settings))) {
		if !strings.Contains(readme, "`"+Prefix+key+"`") {
			t.Errorf("the README doesn't document %s%s", Prefix, key)
		}
	}
}

func readme(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
