package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tourniquet/lambda/plan"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	got, err := Parse(map[string]string{Table: "ledger", MaxContained: "", NeverDeny: " "})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Table: "ledger", Mode: Enforce, MinSeverity: 7, ExemptTag: Tag{Key: "tourniquet:exempt"},
		MaxContained: 25, ACLQuota: 20, CoverIPv4: 32, CoverIPv6: 128, LedgerWait: 3 * time.Second,
		KeepAlive: true, Protect: true, Credentials: KeepCredentials,
		OnHost: plan.OnHostOff, Survivors: plan.SurvivorsOff, Isolate: plan.IsolateOff,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("defaults (-want +got):\n%s", d)
	}
}

func TestEverySetting(t *testing.T) {
	t.Parallel()
	got, err := Parse(map[string]string{
		Table: "ledger", Mode: "observe", MinSeverity: "4.5", ExemptTag: "env=prod", MaxContained: "3", ACLQuota: "40", ContainHosts: "true", CoverIPv4: "28", CoverIPv6: "64",
		FindingTypes: "Trojan:EC2/DropPoint, -UnauthorizedAccess:EC2/TorClient,+Backdoor:EC2/Spambot",
		NeverDeny:    "203.0.113.0/24, 2001:db8::/32", LedgerWait: "500ms", DenialTTL: "168h", Endpoint: "http://127.0.0.1:4566", EndpointEC2: "http://127.0.0.1:5000",
		TopicARN: "arn:aws:sns:eu-central-1:111122223333:tourniquet",
		OnHost:   "always", IsolateDocument: "shut", RestoreDocument: "open",
		KeepAlive: "false", Protect: "false", Snapshots: "true", Keys: "deny", DenyProfile: "arn:aws:iam::111122223333:instance-profile/tourniquet-deny",
		IsolateSubnets: "tagged", Survivors: "deny", FlowLogGroup: "flows", FlowLogRole: "deliver",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Table: "ledger", Mode: Observe, MinSeverity: 4.5, ContainHosts: true, ExemptTag: Tag{Key: "env", Value: "prod"}, MaxContained: 3, ACLQuota: 40, CoverIPv4: 28, CoverIPv6: 64,
		FindingTypes: Types{
			Add:    []string{"Trojan:EC2/DropPoint", "Backdoor:EC2/Spambot"},
			Remove: []string{"UnauthorizedAccess:EC2/TorClient"},
		},
		NeverDeny: Prefixes{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		Snapshots: true, Credentials: DenyCredentials, DenyProfile: "arn:aws:iam::111122223333:instance-profile/tourniquet-deny",
		LedgerWait: 500 * time.Millisecond, DenialTTL: 168 * time.Hour,
		Endpoint: "http://127.0.0.1:4566", EndpointEC2: "http://127.0.0.1:5000", TopicARN: "arn:aws:sns:eu-central-1:111122223333:tourniquet",
		OnHost: plan.OnHostAlways, IsolateDocument: "shut", RestoreDocument: "open",
		Isolate: plan.IsolateTagged, Survivors: plan.SurvivorsDeny, FlowLogGroup: "flows", FlowLogRole: "deliver",
	}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{})); d != "" {
		t.Errorf("settings (-want +got):\n%s", d)
	}
}

func TestProblemsAreReportedTogetherByName(t *testing.T) {
	t.Parallel()
	_, err := Parse(map[string]string{
		Mode: "on", MinSeverity: "11", FindingTypes: "*:EC2/*", ExemptTag: "=x", NeverDeny: "10.0.0.1/8",
		MaxContained: "0", ACLQuota: "50", CoverIPv4: "8", CoverIPv6: "0", ContainHosts: "1", LedgerWait: "soon", TopicARN: "tourniquet",
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{Table, Mode, MinSeverity, FindingTypes, ExemptTag, NeverDeny, MaxContained, ACLQuota, CoverIPv4, CoverIPv6, ContainHosts, LedgerWait, TopicARN} {
		if !strings.Contains(err.Error(), name+": ") {
			t.Errorf("the error doesn't name %s: %v", name, err)
		}
	}
}

func TestRefusedValues(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, value, reason string }{
		{MinSeverity, "NaN", "from 1 to 10"},
		{MinSeverity, "high", "from 1 to 10"},
		{FindingTypes, "EC2", "invalid finding type"},
		{FindingTypes, "*", "hardening calls"},
		{FindingTypes, "*:EC2/*", "hardening calls"},
		{FindingTypes, "Trojan:*", "hardening calls"},
		{FindingTypes, "Trojan:EC2/*!DNS", "hardening calls"},
		{FindingTypes, "Trojan:EC2/Drop?oint", "hardening calls"},
		{FindingTypes, "Trojan:EC3/*", "no known finding type begins"},
		{FindingTypes, "Recon:EC2/PortProbe*", "anyone"},
		{FindingTypes, "DefenseImpairment:EC2/*", "never contained"},
		{CoverIPv4, "15", "from 16 to 32"},
		{CoverIPv4, "/24", "from 16 to 32"},
		{CoverIPv6, "32", "from 48 to 128"},
		{CoverIPv6, "129", "from 48 to 128"},
		{ContainHosts, "yes", "want true or false"},
		{FindingTypes, "Recon:EC2/PortProbeUnprotectedPort", "anyone"},
		{NeverDeny, "10.0.0.1", "invalid CIDR"},
		{NeverDeny, "10.0.0.1/8", "did you mean 10.0.0.0/8"},
		{MaxContained, "-1", "1 or more"},
		{LedgerWait, "-3s", "above 0"},
		{Mode, "false", "enforce or observe"},
		{KeepAlive, "on", "want true or false"},
		{Keys, "deny", "needs " + DenyProfile},
		{Keys, "revoke", "needs " + DenyProfile},
		{DenyProfile, "tourniquet-deny", "want an ARN"},
	}
	for _, tc := range tests {
		_, err := Parse(map[string]string{Table: "ledger", tc.name: tc.value})
		if err == nil || !strings.Contains(err.Error(), tc.reason) {
			t.Errorf("%s=%s: got %v, want …%s…", tc.name, tc.value, err, tc.reason)
		}
	}
}

// A family takes in the known types, without those that are never contained.
func TestFamiliesOfFindingTypes(t *testing.T) {
	t.Parallel()
	tests := map[string]Types{
		"Recon:EC2/*": {Add: []string{"Recon:EC2/Portscan"}},
		"Trojan:EC2/DropPoint*,-Trojan:EC2/Blackhole*": {
			Add:    []string{"Trojan:EC2/DropPoint", "Trojan:EC2/DropPoint!DNS"},
			Remove: []string{"Trojan:EC2/BlackholeTraffic", "Trojan:EC2/BlackholeTraffic!DNS"},
		},
		"-Recon:EC2/*": {Remove: []string{
			"Recon:EC2/PortProbeEMRUnprotectedPort", "Recon:EC2/PortProbeUnprotectedPort", "Recon:EC2/Portscan",
		}},
	}
	for value, want := range tests {
		got, err := Parse(map[string]string{Table: "ledger", FindingTypes: value})
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if d := cmp.Diff(want, got.FindingTypes); d != "" {
			t.Errorf("%s (-want +got):\n%s", value, d)
		}
	}
}
