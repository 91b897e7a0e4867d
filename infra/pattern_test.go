package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"tourniquet/lambda/config"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/record"
)

const ourAction = "arn:aws:securityhub:" + testRegion + ":" + testAccount + ":action/custom/Tourniquet"

// object is a JSON object.
type object = map[string]any

// A patternCase is an event, and whether a rule should match it.
type patternCase struct {
	name  string
	event object
	want  bool
}

// finding is a GuardDuty event, changed in some of its detail's fields.
func finding(kind string, severity any, changes ...object) object {
	detail := object{
		"schemaVersion": "2.0", "accountId": testAccount, "region": testRegion, "id": "0123456789abcdef0123456789abcdef",
		"type": kind, "severity": severity,
		"resource": object{"resourceType": "Instance", "instanceDetails": object{"instanceId": "i-0123456789abcdef0"}},
		"service": object{
			"serviceName": "guardduty", "archived": false, "count": 1, "resourceRole": "ACTOR", "eventLastSeen": "2026-11-01T10:00:00.000Z",
			"action": object{"actionType": "NETWORK_CONNECTION", "networkConnectionAction": object{
				"connectionDirection": "OUTBOUND", "remoteIpDetails": object{"ipAddressV4": "198.51.100.7"},
			}},
		},
	}
	for _, change := range changes {
		for key, value := range change {
			if name, ok := strings.CutPrefix(key, "service."); ok {
				set(detail["service"].(object), name, value)
			} else {
				set(detail, key, value)
			}
		}
	}
	return envelope(guardduty.SourceGuardDuty, guardduty.DetailTypeGuardDuty, detail)
}

// on is a change that makes a finding one on something that is no instance.
func on(resourceType string) object { return object{"resource": object{"resourceType": resourceType}} }

// set sets a field, or takes it away.
func set(in object, name string, value any) {
	if value == nil {
		delete(in, name)
		return
	}
	in[name] = value
}

func envelope(source, detailType string, detail object) object {
	return object{
		"version": "0", "id": "c8c4daa7-a20c-2f03-0070-b7393dd542ad", "source": source, "detail-type": detailType,
		"account": testAccount, "region": testRegion, "time": "2026-11-01T10:00:00Z", "resources": []any{}, "detail": detail,
	}
}

// from is an event with another field of its envelope.
func from(event object, name string, value any) object {
	event = maps.Clone(event)
	event[name] = value
	return event
}

func fromSecurityHub(detailType string, resources ...any) object {
	e := envelope(guardduty.SourceSecurityHub, detailType, object{"actionName": "Contain", "findings": []any{object{"ProductName": "GuardDuty"}}})
	return from(e, "resources", resources)
}

const c2 = "Backdoor:EC2/C&CActivity.B"

// patternCases are events, and whether a rule should send them to the function.
var patternCases = []patternCase{
	{"command and control", finding(c2, 8), true},
	{"command and control, decimal severity", finding(c2, 8.0), true},
	{"command and control by DNS", finding("Backdoor:EC2/C&CActivity.B!DNS", 8), true},
	{"denial of service", finding("Backdoor:EC2/DenialOfService.Dns", 8), true},
	{"mining", finding("CryptoCurrency:EC2/BitcoinTool.B", 8), true},
	{"mining, runtime", finding("CryptoCurrency:Runtime/BitcoinTool.B", 8), true},
	{"reverse shell, runtime", finding("Execution:Runtime/ReverseShell", 8), true},
	{"miner executed, runtime", finding("Impact:Runtime/CryptoMinerExecuted", 8), true},
	{"malicious domain", finding("Impact:EC2/MaliciousDomainRequest.Reputation", 8), true},
	{"generated domains", finding("Trojan:EC2/DGADomainRequest.B", 8), true},
	{"exfiltration by DNS", finding("Trojan:EC2/DNSDataExfiltration", 8), true},
	{"drive-by, runtime", finding("Trojan:Runtime/DriveBySourceTraffic!DNS", 8), true},
	{"Tor relay", finding("UnauthorizedAccess:EC2/TorRelay", 8), true},
	{"Tor client, runtime", finding("UnauthorizedAccess:Runtime/TorClient", 8), true},
	{"brute force as actor", finding("UnauthorizedAccess:EC2/SSHBruteForce", 8), true},
	{"brute force as target, for the function to decline", finding("UnauthorizedAccess:EC2/SSHBruteForce", 8, object{"service.resourceRole": "TARGET"}), true},
	{"attack sequence", finding("AttackSequence:EC2/CompromisedInstanceGroup", 9.5, object{
		"resource": object{"resourceType": "AttackSequence"}, "service.action": nil,
	}), true},

	{"severity at the floor", finding(c2, 7), true},
	{"severity at the floor, decimal", finding(c2, 7.0), true},
	{"severity just below", finding(c2, 6.9), false},
	{"severity just above", finding(c2, 7.1), true},
	{"severity at the top", finding(c2, 10), true},
	{"medium severity", finding(c2, 5), false},
	{"low severity", finding(c2, 2), false},
	{"severity as text, for the function to read", finding(c2, "8"), true},
	{"no severity, as GuardDuty never sends it", finding(c2, nil), false},
	{"severity as a list, for the function to refuse", finding(c2, []any{"High"}), true},

	{"archived by a person", finding(c2, 8, object{"service.archived": true}), false},
	{"without the archived field", finding(c2, 8, object{"service.archived": nil}), true},
	{"without a service", finding(c2, 8, object{"service": nil}), true},
	{"archived as text", finding(c2, 8, object{"service.archived": "true"}), false},
	{"sample, for the function to report", finding(c2, 8, object{"service.additionalInfo": object{"sample": true}}), true},
	{"sample, newer form", finding(c2, 8, object{"service.additionalInfo": object{"value": `{"sample":true}`, "type": "default"}}), true},
	{"sample of low severity", finding(c2, 2, object{"service.additionalInfo": object{"sample": true}}), false},
	{"repeat with a higher count", finding(c2, 8, object{"service.count": 17}), true},
	{"another account's, seen by the administrator, for the function to decline", finding(c2, 8, object{"accountId": "444455556666"}), true},

	{"port probe", finding("Recon:EC2/PortProbeUnprotectedPort", 8), false},
	{"port probe of EMR", finding("Recon:EC2/PortProbeEMRUnprotectedPort", 8), false},
	{"port scan", finding("Recon:EC2/Portscan", 8), false},
	{"unusual port", finding("Behavior:EC2/NetworkPortUnusual", 8), false},
	{"unusual resolver", finding("DefenseEvasion:EC2/UnusualDNSResolver", 8), false},
	{"our own hardening", finding("DefenseImpairment:EC2/DisableOrModifyTools", 8), false},
	{"opened group", finding("Persistence:EC2/ExternalRemoteServices", 8), false},
	{"custom detection rule", finding("LateralMovement:EC2/RemoteServices", 8), false},
	{"malware on a volume", finding("Execution:EC2/MaliciousFile", 8), false},
	{"exfiltrated credentials", finding("UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS", 8), false},
	{"console login", finding("UnauthorizedAccess:IAMUser/ConsoleLoginSuccess.B", 8, on("AccessKey")), false},
	{"bucket", finding("Policy:S3/BucketPublicAccessGranted", 8, on("S3Bucket")), false},
	{"Kubernetes", finding("Execution:Kubernetes/ExecInKubeSystemPod", 8, on("EKSCluster")), false},
	{"database", finding("CredentialAccess:RDS/AnomalousBehavior.SuccessfulLogin", 8, on("RDSDBInstance")), false},
	{"attack sequence on credentials", finding("AttackSequence:IAM/CompromisedCredentials", 9.5), false},
	{"a new type of a known family, for the function to decline", finding("Trojan:EC2/Novel", 8), true},
	{"no type", finding(c2, 8, object{"type": nil}), false},

	{"another source", from(finding(c2, 8), "source", "aws.inspector2"), false},
	{"a source of ours", from(finding(c2, 8), "source", "custom.guardduty"), false},
	{"an API call to GuardDuty", from(finding(c2, 8), "detail-type", "AWS API Call via CloudTrail"), false},
	{"a malware scan of a bucket", from(finding(c2, 8), "detail-type", "GuardDuty Malware Protection Object Scan Result"), false},
	{"agent unhealthy", from(finding(c2, 8), "detail-type", "GuardDuty Runtime Protection Unhealthy"), false},
	{"no detail", from(finding(c2, 8), "detail", object{}), false},

	{"our custom action", fromSecurityHub(guardduty.DetailTypeSecurityHub, ourAction), true},
	{"our custom action among resources", fromSecurityHub(guardduty.DetailTypeSecurityHub, "arn:aws:securityhub:x", ourAction), true},
	{"another custom action", fromSecurityHub(guardduty.DetailTypeSecurityHub, strings.Replace(ourAction, "Tourniquet", "OpenTicket", 1)), false},
	{"a custom action whose id begins like ours", fromSecurityHub(guardduty.DetailTypeSecurityHub, ourAction+"2"), false},
	{"our custom action in another Region", fromSecurityHub(guardduty.DetailTypeSecurityHub, strings.Replace(ourAction, testRegion, "us-east-1", 1)), false},
	{"a custom action without resources", fromSecurityHub(guardduty.DetailTypeSecurityHub), false},
	{"an imported Security Hub finding", fromSecurityHub("Security Hub Findings - Imported", ourAction), false},
	{"an insight", fromSecurityHub("Security Hub Insight Results", ourAction), false},
	{"our custom action from another source", from(fromSecurityHub(guardduty.DetailTypeSecurityHub, ourAction), "source", "custom"), false},
}

// unknownCases are events, and whether the rule for findings of unknown types should
// keep them. None goes to the function.
var unknownCases = []patternCase{
	{"a family that nobody knows", finding("Novel:EC2/Thing", 9), true},
	{"an unknown family, severity at the floor", finding("Novel:EC2/Thing", 7), true},
	{"an unknown family, severity below the floor", finding("Novel:EC2/Thing", 6.9), false},
	{"an unknown family, archived", finding("Novel:EC2/Thing", 9, object{"service.archived": true}), false},
	{"an unknown family, on no instance", finding("Novel:S3/Thing", 9, on("S3Bucket")), false},
	{"an unknown family, on credentials, an instance for context", finding("Novel:IAMUser/Thing", 9, object{"resource": object{
		"resourceType": "AccessKey", "instanceDetails": object{"instanceId": "i-0123456789abcdef0"},
	}}), false},
	{"an unknown family, on a container's host", finding("Novel:Runtime/Thing", 9, object{"resource": object{
		"resourceType": "ECSCluster", "instanceDetails": object{"instanceId": "i-0123456789abcdef0"},
	}}), true},
	{"a new type of a family that is never contained", finding("Recon:EC2/Novel", 8), true},
	{"a new type of a family that is contained only when configured", finding("DefenseEvasion:Runtime/Novel", 8), true},
	{"a family's name in another place", finding("Novel:Backdoor:EC2/C&CActivity.B", 8), true},
	{"another case", finding("backdoor:ec2/C&CActivity.B", 8), true},
	{"an unknown family from another source", from(finding("Novel:EC2/Thing", 9), "source", "custom.guardduty"), false},
}

// TestPatterns: the truth table was made by EventBridge's matcher for exactly the
// patterns that the stack has and these events, and says what a person expects.
func TestPatterns(t *testing.T) {
	tpl := plain(t).template
	patterns := object{}
	for name, rule := range map[string]string{"findings": "Findings", "unknown": "UnknownFindings", "customAction": "CustomAction"} {
		_, r := tpl.one(t, "AWS::Events::Rule", rule)
		patterns[name] = tpl.resolve(r.Properties["EventPattern"])
	}
	golden(t, "patterns.json", marshal(patterns)+"\n")
	golden(t, "events.json", events())
	var truth struct {
		Matcher, Patterns, Events string
		Rows                      []struct {
			Name                            string
			Findings, Unknown, CustomAction bool
		}
	}
	read(t, "testdata/pattern-truth.json", &truth)
	if truth.Patterns != sum(t, "testdata/patterns.json") || truth.Events != sum(t, "testdata/events.json") ||
		len(truth.Rows) != len(patternCases)+len(unknownCases) {
		t.Fatal("pattern-truth.json is of other patterns or events; make it anew: " + makeTruth)
	}
	for i, row := range truth.Rows {
		toFunction := row.Findings || row.CustomAction
		c, got, other := allCases()[i], toFunction, row.Unknown
		if i >= len(patternCases) {
			got, other = row.Unknown, toFunction
		}
		if row.Name != c.name || got != c.want || other {
			t.Errorf("%s: %s says %+v, want %v", c.name, truth.Matcher, row, c.want)
		}
		if row.Findings && row.CustomAction {
			t.Errorf("%s: both rules match", c.name)
		}
	}
}

func allCases() []patternCase { return slices.Concat(patternCases, unknownCases) }

const makeTruth = "go test ./infra -run TestPatterns -update; mvn -q -f infra/_tools/ruler compile exec:java -Dexec.args=infra/testdata"

func events() string {
	var lines []string
	for _, c := range allCases() {
		lines = append(lines, marshal(object{"name": c.name, "event": c.event}))
	}
	return "[\n" + strings.Join(lines, ",\n") + "\n]\n"
}

func sum(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// TestPatternLosesNothing: what the function would contain, the pattern lets pass.
func TestPatternLosesNothing(t *testing.T) {
	for i, c := range allCases() {
		raw, err := json.Marshal(c.event)
		if err != nil {
			t.Fatal(err)
		}
		findings, _ := guardduty.ParseEvent(raw)
		for _, f := range findings {
			policy := policy.Policy{Account: testAccount, Region: testRegion, MinSeverity: policy.DefaultMinSeverity}
			if d := policy.Decide(f); f.Origin == guardduty.GuardDuty && d.Verdict == record.Contain && (!c.want || i >= len(patternCases)) {
				t.Errorf("%s: the function would contain, and never hears of it: %s", c.name, d.Reason)
			}
		}
	}
}

// TestPatternFamilies: each type that is contained, by default or because the
// operator listed it, is of a family in the pattern, which is short enough.
func TestPatternFamilies(t *testing.T) {
	for _, tt := range []struct {
		name  string
		types func(guardduty.Type) bool
	}{
		{"default", func(t guardduty.Type) bool { return t.Response == guardduty.Contain }},
		{"all that can be listed", func(t guardduty.Type) bool { return t.Response != guardduty.Never }},
	} {
		var names []string
		for _, known := range guardduty.Types() {
			if tt.types(known) {
				names = append(names, known.Name)
			}
		}
		s, err := readSettings(map[string]any{"tourniquet:findingTypes": strings.Join(names, ",")})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		in := containedFamilies(s.Config)
		for _, name := range names {
			if !hasPrefix(name, in) {
				t.Errorf("%s: %s is of no family in %v", tt.name, name, in)
			}
		}
		t.Logf("%s: %d families, %d characters, %d for unknown types", tt.name, len(in), len(findingsPattern(s.Config)), len(unknownPattern(s.Config)))
	}
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// TestPatternTooLong: an operator who lists more families than a pattern holds
// hears of it before EventBridge says so.
func TestPatternTooLong(t *testing.T) {
	var names []string
	for i := range 200 {
		names = append(names, "Purpose"+strings.Repeat("x", i%20)+string(rune('a'+i/20))+":EC2/Thing")
	}
	_, err := readSettings(map[string]any{"tourniquet:findingTypes": strings.Join(names, ",")})
	if err == nil || !strings.Contains(err.Error(), "tourniquet:findingTypes: the rule's pattern has") {
		t.Errorf("got %v", err)
	}
}

// TestPatternFollowsConfiguration: floor and families are the configured ones.
func TestPatternFollowsConfiguration(t *testing.T) {
	c, err := config.Parse(map[string]string{config.Table: "t", config.MinSeverity: "4.5", config.FindingTypes: "Recon:EC2/Portscan,-Execution:Runtime/ReverseShell,-Execution:Runtime/MaliciousFileExecuted"})
	if err != nil {
		t.Fatal(err)
	}
	got := findingsPattern(c)
	if !strings.Contains(got, `{"prefix":"Recon:EC2/"}`) || strings.Contains(got, "Execution:Runtime/") || !strings.Contains(got, `[">=",4.5]`) {
		t.Errorf("got %s", got)
	}
}
