package config

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestContextDefaults(t *testing.T) {
	t.Parallel()
	s, err := FromContext(map[string]any{"@aws-cdk/core:anything": true, "aws:cdk:bundling-stacks": []any{"**"}})
	if err != nil {
		t.Fatal(err)
	}
	want := Stack{
		Architecture: ARM64, Encryption: AWSOwned, LogDays: 365, MaxEventAge: time.Hour, CustomAction: "Tourniquet", Schedules: true,
	}
	if !reflect.DeepEqual(s.Stack, want) {
		t.Errorf("got %+v, want %+v", s.Stack, want)
	}
	if vars := s.Variables(Contain); len(vars) != 0 {
		t.Errorf("variables that nobody set: %v", vars)
	}
}

// The functions make the same of their variables as the stack made of the context.
func TestContextAndVariablesAgree(t *testing.T) {
	t.Parallel()
	s, err := FromContext(map[string]any{
		"tourniquet:minSeverity": 8.5, "tourniquet:neverDeny": []any{"192.0.2.0/24"}, "tourniquet:findingTypes": "Recon:EC2/*", "tourniquet:denialTtl": "168h",
	})
	if err != nil {
		t.Fatal(err)
	}
	contain, release := s.Variables(Contain), s.Variables(Release)
	if _, there := contain[DenialTTL]; there || len(release) != 1 {
		t.Errorf("contain: got %v, release: got %v; want each what it reads", contain, release)
	}
	all := maps.Clone(contain)
	maps.Copy(all, release)
	all[Table], all[IsolateDocument], all[FlowLogGroup], all[FlowLogRole] = "t", "shut", "flows", "deliver"
	c, err := Parse(all)
	s.Table, s.IsolateDocument, s.FlowLogGroup, s.FlowLogRole = "t", "shut", "flows", "deliver" // of the stack
	if err != nil || !reflect.DeepEqual(c, s.Config) {
		t.Errorf("from variables: %+v (%v)\nfrom the context: %+v", c, err, s.Config)
	}
}

// What "cdk -c" gives as text means the same as JSON.
func TestContextAsTextOrJSON(t *testing.T) {
	t.Parallel()
	fromJSON, err := FromContext(map[string]any{
		"tourniquet:regions": []any{"eu-central-1", "us-east-1"}, "tourniquet:minSeverity": 8.5, "tourniquet:createDetector": true,
		"tourniquet:neverDeny": []any{"192.0.2.0/24", "2001:db8::/32"}, "tourniquet:logRetentionDays": 30.0, "tourniquet:mode": "observe",
		"tourniquet:securityHubAction": "",
	})
	if err != nil {
		t.Fatal(err)
	}
	fromText, err := FromContext(map[string]any{
		"tourniquet:regions": "eu-central-1, us-east-1", "tourniquet:minSeverity": "8.5", "tourniquet:createDetector": "true",
		"tourniquet:neverDeny": "192.0.2.0/24,2001:db8::/32", "tourniquet:logRetentionDays": "30", "tourniquet:mode": "observe",
		"tourniquet:email": "", "tourniquet:securityHubAction": " ",
	})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(fromJSON, fromText) {
		t.Errorf("JSON: %+v\ntext: %+v", fromJSON, fromText)
	}
	if fromText.CustomAction != "" {
		t.Errorf("custom action: got %q, want none", fromText.CustomAction)
	}
	want := map[string]string{MinSeverity: "8.5", NeverDeny: "192.0.2.0/24,2001:db8::/32", Mode: "observe"}
	if got := fromJSON.Variables(Contain); !maps.Equal(got, want) {
		t.Errorf("variables: got %v, want %v", got, want)
	}
}

func TestContextProblems(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		key   string
		value any
		want  string
	}{
		{"tourniquet:minSeverty", 7.0, "unknown key; the keys are tourniquet:aclQuota"},
		{"tourniquet:", 7.0, "unknown key"},
		{"tourniquet:minSeverity", 11.0, `invalid severity "11": want a number from 1 to 10`},
		{"tourniquet:minSeverity", "high", `invalid severity "high"`},
		{"tourniquet:neverDeny", []any{"192.0.2.0/24", "192.0.2.300/32"}, `invalid CIDR "192.0.2.300/32"`},
		{"tourniquet:neverDeny", "192.0.2.7/24", "did you mean 192.0.2.0/24?"},
		{"tourniquet:ledgerWait", "3", `invalid duration "3"`},
		{"tourniquet:maxEventAge", "1 hour", `invalid age "1 hour"`},
		{"tourniquet:maxEventAge", "6h", "want a duration from 5m0s to 3h0m0s"},
		{"tourniquet:findingTypes", "*:EC2/*", "invalid family of finding types"},
		{"tourniquet:mode", "enforced", "want enforce or observe"},
		{"tourniquet:regions", "eu-central", `invalid Region "eu-central"`},
		{"tourniquet:regions", "eu-central-1,eu-central-1", "listed twice"},
		{"tourniquet:architecture", "amd64", "want arm64 or x86_64"},
		{"tourniquet:encryption", true, "want aws-owned or customer-managed"},
		{"tourniquet:email", "security", `invalid email address "security"`},
		{"tourniquet:logRetentionDays", 31.0, "invalid retention"},
		{"tourniquet:concurrency", -1.0, "want a whole number from 0 to 100"},
		{"tourniquet:securityHubAction", "contain it!", "invalid id of a custom action"},
		{"tourniquet:createDetector", "yes", `invalid value "yes": want true or false`},
		{"tourniquet:schedules", 1.0, "want true or false"},
		{"tourniquet:endpointUrl", "localhost", "invalid URL"},
		{"tourniquet:aclQuota", 50.0, "want a whole number from 20 to 40"},
		{"tourniquet:mode", map[string]any{}, "got a JSON object"},
		{"tourniquet:mode", []any{map[string]any{}}, "got a JSON object"},
	} {
		_, err := FromContext(map[string]any{tt.key: tt.value})
		if err == nil || !strings.HasPrefix(err.Error(), tt.key+": ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %v: got %v, want %q", tt.key, tt.value, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "TOURNIQUET_") {
			t.Errorf("%s: names a variable, which the operator doesn't know: %v", tt.key, err)
		}
	}
}

func TestContextReportsAllProblems(t *testing.T) {
	t.Parallel()
	_, err := FromContext(map[string]any{"tourniquet:mode": "x", "tourniquet:concurrency": "x", "tourniquet:typo": "x", "tourniquet:neverDeny": "x"})
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("got %v, want four lines", err)
	}
}
