package policy

import (
	"strings"
	"testing"
	"time"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

const (
	account = "111122223333"
	region  = "eu-central-1"
)

func policy() Policy {
	return Policy{Account: account, Region: region, MinSeverity: DefaultMinSeverity, ExemptTag: Tag{Key: "tourniquet:exempt"}, MaxContained: 25}
}

func finding(change func(*guardduty.Finding)) guardduty.Finding {
	f := guardduty.Finding{
		ID: "f1", AccountID: account, Region: region, Type: "Backdoor:EC2/C&CActivity.B", Severity: 8, Role: "ACTOR",
		ResourceType: "Instance", Origin: guardduty.GuardDuty, Instances: []guardduty.Instance{{ID: "i-0aaaaaaaaaaaaaaa1"}},
	}
	change(&f)
	return f
}

func TestDecision(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*guardduty.Finding)
		policy func(*Policy)
		want   record.Verdict
		reason string
	}{
		"a backdoor": {want: record.Contain, reason: "severity 8.0"},
		"another account's": {
			change: func(f *guardduty.Finding) { f.AccountID = "999999999999" }, want: record.OtherAccount, reason: "999999999999",
		},
		"another Region's": {
			change: func(f *guardduty.Finding) { f.Region = "us-east-1" }, want: record.NotActionable, reason: "us-east-1",
		},
		"a sample":  {change: func(f *guardduty.Finding) { f.Sample = true }, want: record.Sample, reason: "pipeline works"},
		"archived":  {change: func(f *guardduty.Finding) { f.Archived = true }, want: record.NotActionable, reason: "archived"},
		"no EC2":    {change: func(f *guardduty.Finding) { f.Instances = nil; f.ResourceType = "S3Bucket" }, want: record.NotActionable, reason: "S3Bucket"},
		"too low":   {change: func(f *guardduty.Finding) { f.Severity = 6.9 }, want: record.NotActionable, reason: "floor of 7.0"},
		"on a line": {change: func(f *guardduty.Finding) { f.Severity = 7 }, want: record.Contain},
		"a container's host": {
			change: func(f *guardduty.Finding) { f.ResourceType = "Container" }, want: record.NotActionable, reason: "other workloads may share",
		},
		"a container's host, with the type configured": {
			change: func(f *guardduty.Finding) { f.ResourceType = "Container" },
			policy: func(p *Policy) { p.Types.Add = []string{"Backdoor:EC2/C&CActivity.B"} },
			want:   record.NotActionable, reason: "other workloads may share",
		},
		"a container's host, with hosts configured": {
			change: func(f *guardduty.Finding) { f.ResourceType = "Container" },
			policy: func(p *Policy) { p.ContainHosts = true }, want: record.Contain,
		},
		"a pod's host, with hosts configured": {
			change: func(f *guardduty.Finding) { f.ResourceType, f.Type = "EKSCluster", "Execution:Runtime/ReverseShell" },
			policy: func(p *Policy) { p.ContainHosts = true }, want: record.Contain,
		},
		"a task's host, with hosts configured": {
			change: func(f *guardduty.Finding) {
				f.ResourceType, f.Type = "ECSCluster", "Execution:Runtime/NewBinaryExecuted"
			},
			policy: func(p *Policy) { p.ContainHosts = true }, want: record.NotActionable, reason: "only when configured",
		},
		"Fargate": {
			change: func(f *guardduty.Finding) { f.ResourceType, f.Instances = "ECSCluster", nil },
			policy: func(p *Policy) { p.ContainHosts = true }, want: record.NotActionable, reason: "Fargate",
		},
		"Lambda": {
			change: func(f *guardduty.Finding) { f.ResourceType, f.Instances = "Lambda", nil }, want: record.NotActionable, reason: "a Lambda function",
		},
		"credentials": {
			change: func(f *guardduty.Finding) {
				f.ResourceType, f.Type = "AccessKey", "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS"
			}, want: record.NotActionable, reason: "only when configured",
		},
		"credentials, configured": {
			change: func(f *guardduty.Finding) {
				f.ResourceType, f.Type = "AccessKey", "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS"
			},
			policy: func(p *Policy) {
				p.Types.Add = []string{"UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS"}
			}, want: record.Contain,
		},
		"a backdoor, on credentials": {
			change: func(f *guardduty.Finding) { f.ResourceType = "AccessKey" }, want: record.NotActionable, reason: "not on the instance",
		},
		"anyone can probe a port": {
			change: func(f *guardduty.Finding) { f.Type, f.Severity = "Recon:EC2/PortProbeEMRUnprotectedPort", 8 }, want: record.NotActionable,
		},
		"brute force on the instance": {
			change: func(f *guardduty.Finding) { f.Type, f.Role = "UnauthorizedAccess:EC2/SSHBruteForce", "TARGET" }, want: record.NotActionable, reason: "ACTOR",
		},
		"brute force by the instance": {
			change: func(f *guardduty.Finding) { f.Type = "UnauthorizedAccess:EC2/SSHBruteForce" }, want: record.Contain,
		},
		"our own hardening": {
			change: func(f *guardduty.Finding) { f.Type = "DefenseImpairment:EC2/DisableOrModifyTools" }, want: record.NotActionable, reason: "never contained",
		},
		"our own hardening, configured all the same": {
			change: func(f *guardduty.Finding) { f.Type = "DefenseImpairment:EC2/DisableOrModifyTools" },
			policy: func(p *Policy) { p.Types.Add = []string{"DefenseImpairment:EC2/DisableOrModifyTools"} },
			want:   record.NotActionable, reason: "never contained",
		},
		"a type of tomorrow": {
			change: func(f *guardduty.Finding) { f.Type = "Backdoor:EC2/Tomorrow" }, want: record.NotActionable, reason: "not in the list",
		},
		"a type of tomorrow, configured": {
			change: func(f *guardduty.Finding) { f.Type = "Backdoor:EC2/Tomorrow" },
			policy: func(p *Policy) { p.Types.Add = []string{"Backdoor:EC2/Tomorrow"} }, want: record.Contain,
		},
		"a type for policy": {
			change: func(f *guardduty.Finding) { f.Type = "Trojan:EC2/DropPoint" }, want: record.NotActionable, reason: "only when configured",
		},
		"a type for policy, configured": {
			change: func(f *guardduty.Finding) { f.Type = "Trojan:EC2/DropPoint" },
			policy: func(p *Policy) { p.Types.Add = []string{"Trojan:EC2/DropPoint"} }, want: record.Contain,
		},
		"a type taken out": {
			policy: func(p *Policy) { p.Types.Remove = []string{"Backdoor:EC2/C&CActivity.B"} }, want: record.NotActionable, reason: "takes this finding type out",
		},
		"brute force on the instance, configured": {
			change: func(f *guardduty.Finding) { f.Type, f.Role = "UnauthorizedAccess:EC2/SSHBruteForce", "TARGET" },
			policy: func(p *Policy) { p.Types.Add = []string{"UnauthorizedAccess:EC2/SSHBruteForce"} }, want: record.NotActionable, reason: "ACTOR",
		},
		"an analyst's choice": {
			change: func(f *guardduty.Finding) {
				f.Origin, f.Severity, f.Type = guardduty.SecurityHub, 2, "Trojan:EC2/DropPoint"
			}, want: record.Contain, reason: "analyst",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := policy()
			if tc.policy != nil {
				tc.policy(&p)
			}
			if tc.change == nil {
				tc.change = func(*guardduty.Finding) {}
			}
			got := p.Decide(finding(tc.change))
			if got.Verdict != tc.want || !strings.Contains(got.Reason, tc.reason) {
				t.Errorf("got %s (%s), want %s (…%s…)", got.Verdict, got.Reason, tc.want, tc.reason)
			}
		})
	}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	released := time.Date(2026, 11, 23, 12, 0, 0, 700e6, time.UTC)
	at := func(d time.Duration) plan.Incident {
		return plan.Incident{Instance: "i-1", Findings: []record.FindingRef{{ID: "f", Seen: released.Truncate(time.Second).Add(d)}}}
	}
	running := network.Network{Instance: network.Instance{ID: "i-1", Account: account, State: "running"}, Interfaces: []network.Interface{{ID: "eni-1"}}}
	exempt := running
	exempt.Instance.Tags = map[string]string{"tourniquet:exempt": ""}
	stopped := running
	stopped.Instance.State = "stopped"
	terminated := running
	terminated.Instance.State, terminated.Interfaces = "terminated", nil
	was := record.Known{Record: &record.Record{Status: record.Released, Released: released}}
	releasing := record.Known{Record: &record.Record{Status: record.Releasing, Released: released}}
	contained := record.Known{Record: &record.Record{Status: record.Contained}}
	asked := func(d time.Duration) plan.Incident {
		return plan.Incident{Instance: "i-1", Trigger: plan.ByPerson, Asked: released.Add(d)}
	}
	repair := plan.Incident{Instance: "i-1", Trigger: plan.ByRepair}
	tests := map[string]struct {
		in    plan.Incident
		seen  network.Network
		known record.Known
		want  record.Verdict
	}{
		"running":                       {at(0), running, record.Known{}, record.Contain},
		"stopped keeps its interfaces":  {at(0), stopped, record.Known{}, record.Contain},
		"unknown":                       {at(0), network.Network{}, record.Known{}, record.NotActionable},
		"terminated":                    {at(0), terminated, record.Known{}, record.NotActionable},
		"exempt":                        {at(0), exempt, record.Known{}, record.Exempt},
		"seen before the release":       {at(-time.Second), running, was, record.NotActionable},
		"seen in the release's second":  {at(0), running, was, record.NotActionable},
		"seen after the release":        {at(time.Second), running, was, record.Contain},
		"a person asked before it":      {asked(-time.Millisecond), running, was, record.NotActionable},
		"a person asks after a release": {asked(time.Millisecond), running, was, record.Contain},
		"seen before, while releasing":  {at(-time.Second), running, releasing, record.NotActionable},
		"seen after, while releasing":   {at(time.Second), running, releasing, record.Contain},
		"repair of what is contained":   {repair, running, contained, record.Contain},
		"repair of what is released":    {repair, running, was, record.NotActionable},
		"repair while releasing":        {repair, running, releasing, record.NotActionable},
		"repair of nothing":             {repair, running, record.Known{}, record.NotActionable},
	}
	for name, tc := range tests {
		if got := policy().Admit(tc.in, tc.seen, tc.known); got.Verdict != tc.want {
			t.Errorf("%s: got %s (%s), want %s", name, got.Verdict, got.Reason, tc.want)
		}
	}
}
