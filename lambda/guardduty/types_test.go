package guardduty

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTypes(t *testing.T) {
	t.Parallel()
	all := Types()
	names := make([]string, len(all))
	for i, typ := range all {
		names[i] = typ.Name
		if got, ok := LookUp(typ.Name); !ok || got != typ {
			t.Errorf("LookUp(%q) = %v, %t", typ.Name, got, ok)
		}
		if !validType(typ.Name) {
			t.Errorf("%q isn't the form of a finding type", typ.Name)
		}
		if !slices.Contains([]Response{Contain, OnRequest, Never}, typ.Response) || typ.Peers == "" || typ.Why == "" {
			t.Errorf("%+v is incomplete", typ)
		}
		if strings.Contains(typ.Name, "!DNS") && !strings.HasPrefix(typ.Peers, "none") {
			t.Errorf("%s has peers: %s", typ.Name, typ.Peers)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Error("types aren't sorted by name, each once")
	}
	all[0].Name = "changed"
	if _, ok := LookUp(names[0]); !ok {
		t.Error("changing the result of Types changed the table")
	}
}

func TestLookUp(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		known     bool
		response  Response
		actorOnly bool
	}{
		{"Backdoor:EC2/C&CActivity.B", true, Contain, false},
		{"Execution:Runtime/ReverseShell", true, Contain, false},
		{"AttackSequence:EC2/CompromisedInstanceGroup", true, Contain, false},
		{"UnauthorizedAccess:EC2/SSHBruteForce", true, Contain, true},
		{"UnauthorizedAccess:EC2/RDPBruteForce", true, Contain, true},
		{"Impact:EC2/WinRMBruteForce", true, Contain, true},
		{"Impact:EC2/PortSweep", true, OnRequest, false},
		{"Recon:EC2/PortProbeUnprotectedPort", true, Never, false},
		{"DefenseImpairment:EC2/DisableOrModifyTools", true, Never, false},
		{"Execution:EC2/MaliciousFile!AMI", true, Never, false},
		{"Backdoor:EC2/", false, "", false},
		{"Backdoor:EC2/C&CActivity", false, "", false},
		{"backdoor:ec2/c&cactivity.b", false, "", false},
		{"", false, "", false},
	} {
		got, ok := LookUp(test.name)
		if ok != test.known || got.Response != test.response || got.ActorOnly != test.actorOnly {
			t.Errorf("LookUp(%q) = %+v, %t", test.name, got, ok)
		}
	}
}

// Only the types that GuardDuty documents per role depend on it.
func TestTypesByRole(t *testing.T) {
	t.Parallel()
	var got []string
	for _, typ := range Types() {
		if typ.ActorOnly {
			got = append(got, typ.Name)
		}
	}
	want := []string{"Impact:EC2/WinRMBruteForce", "UnauthorizedAccess:EC2/RDPBruteForce", "UnauthorizedAccess:EC2/SSHBruteForce"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("types that need the role ACTOR (-want +got):\n%s", diff)
	}
}

func TestTranslateType(t *testing.T) {
	t.Parallel()
	for asff, want := range map[string]string{
		"TTPs/Command and Control/Backdoor:EC2-C&CActivity.B!DNS":                                        "Backdoor:EC2/C&CActivity.B!DNS",
		"TTPs/Impact:EC2-MaliciousDomainRequest.Reputation":                                              "Impact:EC2/MaliciousDomainRequest.Reputation",
		"TTPs/DefenseEvasion/EC2:Unusual-DNS-Resolver":                                                   "DefenseEvasion:EC2/UnusualDNSResolver",
		"TTPs/AttackSequence:EC2/CompromisedInstanceGroup":                                               "AttackSequence:EC2/CompromisedInstanceGroup",
		"Software and Configuration Checks/PrivilegeEscalation:Runtime-SuspiciousCommand":                "PrivilegeEscalation:Runtime/SuspiciousCommand",
		"Effects/Data Exfiltration/UnauthorizedAccess:IAMUser-InstanceCredentialExfiltration.OutsideAWS": "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS",
		"UnauthorizedAccess:EC2/TorClient":                                                               "UnauthorizedAccess:EC2/TorClient",
		"TTPs/Discovery/IAMUser-AnomalousBehavior":                                                       "",
		"": "",
	} {
		if got := translateType(asff); got != want {
			t.Errorf("translateType(%q) = %q, want %q", asff, got, want)
		}
	}
}

// A family is a purpose and resource in full and what its types' names begin with.
// Nothing wider: GuardDuty's custom detection rules raise types such as
// Persistence:EC2/ExternalRemoteServices on calls like our own.
func TestFamily(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]int{
		"Trojan:EC2/*": 9, "Backdoor:EC2/DenialOfService.*": 5, "Backdoor:EC2/DenialOfService*": 5, "Trojan:EC2/DropPoint!*": 1,
		"*": 0, "*:EC2/*": 0, "Trojan:*": 0, "Trojan:*/DropPoint": 0, "Trojan:EC2/**": 0, "Trojan:EC2/Drop*Point": 0, "Trojan:EC2/DropPoint": 0,
		"Trojan:EC2/Nothing*": 0, "": 0, "/*": 0, ":EC2/*": 0,
	} {
		got, err := Family(pattern)
		if len(got) != want || (err == nil) != (want > 0) {
			t.Errorf("Family(%q) has %d types, %v; want %d", pattern, len(got), err, want)
		}
	}
}
