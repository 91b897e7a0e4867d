package guardduty

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// minimal is the least that is accepted.
const minimal = `{"id":"abc","accountId":"111122223333","type":"Backdoor:EC2/C&CActivity.B","severity":8,
	"resource":{"resourceType":"Instance","instanceDetails":{"instanceId":"i-0123456789abcdef0"}}}`

// with is minimal with a field set.
func with(field, value string) string { return set(minimal, field, value) }

func set(object, field, value string) string {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(object), &fields); err != nil {
		panic(err)
	}
	fields[field] = json.RawMessage(value)
	out, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(out)
}

func withInstance(details string) string {
	return with("resource", `{"resourceType":"Instance","instanceDetails":`+details+`}`)
}

func guardDutyEvent(detail string) string {
	return `{"source":"aws.guardduty","detail-type":"GuardDuty Finding","detail":` + detail + `}`
}

func securityHubEvent(detail string) string {
	return `{"source":"aws.securityhub","detail-type":"Security Hub Findings - Custom Action","detail":` + detail + `}`
}

const minimalASFF = `{"Id":"arn:aws:guardduty:eu-central-1:111122223333:detector/d/finding/abc","AwsAccountId":"111122223333",
	"ProductArn":"arn:aws:securityhub:eu-central-1::product/aws/guardduty",
	"Types":["TTPs/Command and Control/Backdoor:EC2-C&CActivity.B"],"Severity":{"Product":8},
	"Resources":[{"Type":"AwsEc2Instance","Id":"arn:aws:ec2:eu-central-1:111122223333:instance/i-0123456789abcdef0"}]}`

// asffWith is a custom action on minimalASFF with a field set.
func asffWith(field, value string) string {
	return securityHubEvent(`{"findings":[` + set(minimalASFF, field, value) + `]}`)
}

func TestParseEventMalformed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		event string
		field string
		says  string
	}{
		{"empty", ``, "event", "invalid JSON at byte 0"},
		{"broken", `{"source": `, "event", "invalid JSON at byte 11"},
		{"trailing garbage", `{} x`, "event", "invalid JSON at byte 4"},
		{"two objects", `{}{}`, "event", "invalid JSON at byte 3"},
		{"too deep", strings.Repeat(`{"a":`, 10001), "event", "exceeded max depth"},
		{"too large", strings.Repeat(" ", MaxEventSize+1), "event", "want at most 6291456"},
		{"null", `null`, "event", "get-findings"},
		{"string", `"finding"`, "event", "got JSON of type string"},
		{"empty object", `{}`, "event", "get-findings"},
		{"command", `{"command":"contain","instanceId":"i-0123456789abcdef0"}`, "event", "get-findings"},

		{"other source", `{"source":"aws.ec2","detail-type":"GuardDuty Finding","detail":{}}`, "source", `got "aws.ec2", want "aws.guardduty" or "aws.securityhub"`},
		{"no source", `{"detail-type":"GuardDuty Finding","detail":{}}`, "source", "missing"},
		{"source of wrong type", `{"source":["aws.guardduty"]}`, "source", "got an array"},
		{"other detail type", `{"source":"aws.guardduty","detail-type":"GuardDuty Runtime Protection Unhealthy","detail":{}}`, "detail-type", `want "GuardDuty Finding" from aws.guardduty`},
		{"no detail type", `{"source":"aws.guardduty","detail":{}}`, "detail-type", "missing"},
		{"security hub import", `{"source":"aws.securityhub","detail-type":"Security Hub Findings - Imported","detail":{}}`, "detail-type", `want "Security Hub Findings - Custom Action"`},
		{"no detail", `{"source":"aws.guardduty","detail-type":"GuardDuty Finding"}`, "detail", "holds no finding"},
		{"null detail", guardDutyEvent(`null`), "detail", "holds no finding"},
		{"empty detail", guardDutyEvent(`{}`), "detail", "holds no finding"},
		{"detail of wrong type", guardDutyEvent(`"finding"`), "detail", "holds no finding"},

		{"no findings", `{"Findings":[]}`, "Findings", "at least one"},
		{"null findings", `{"Findings":null}`, "Findings", "at least one"},
		{"findings of wrong type", `{"Findings":{}}`, "Findings", "at least one"},
		{"finding of wrong type", `{"Findings":[7]}`, "Findings[0]", "holds no finding"},

		{"no resource", `{"id":"abc","type":"Backdoor:EC2/C&CActivity.B"}`, "resource", "missing"},
		{"resource of wrong type", with("resource", `"i-0123456789abcdef0"`), "resource", "got a string, want what the finding is on"},
		{"empty resource", with("resource", `{}`), "resource.resourceType", "missing"},
		{"no details", with("resource", `{"resourceType":"Instance"}`), "resource.instanceDetails.instanceId", "missing"},
		{"no instance id", withInstance(`{}`), "resource.instanceDetails.instanceId", "missing"},
		{"null instance id", withInstance(`{"instanceId":null}`), "resource.instanceDetails.instanceId", "missing"},
		{"instance id of wrong type", withInstance(`{"instanceId":{}}`), "resource.instanceDetails.instanceId", "got an object"},
		{"short instance id", withInstance(`{"instanceId":"i-0123"}`), "resource.instanceDetails.instanceId", `got "i-0123"`},
		{"upper case instance id", withInstance(`{"instanceId":"i-0123456789ABCDEF0"}`), "resource.instanceDetails.instanceId", "i-0123456789ABCDEF0"},
		{"padded instance id", withInstance(`{"instanceId":"i-0123456789abcdef0\n"}`), "resource.instanceDetails.instanceId", "i-0123456789abcdef0\ufffd"},
		{"instance id of a container's host", with("resource", `{"resourceType":"Container","instanceDetails":{"instanceId":"host"}}`), "resource.instanceDetails.instanceId", `got "host"`},

		{"no type", with("type", `null`), "type", "missing"},
		{"type of wrong type", with("type", `{}`), "type", "got an object"},
		{"type without family", with("type", `"Backdoor:EC2"`), "type", `got "Backdoor:EC2"`},
		{"type with a line break", with("type", `"Backdoor:EC2/\nX"`), "type", "want a finding type"},
		{"no severity", with("severity", `null`), "severity", "missing"},
		{"severity in words", with("severity", `"HIGH"`), "severity", `got "HIGH", want a number above 0 and at most 10`},
		{"severity of wrong type", with("severity", `[8]`), "severity", "got an array"},
		{"severity 0", with("severity", `0`), "severity", `got "0"`},
		{"severity below 0", with("severity", `-1`), "severity", `got "-1"`},
		{"severity above 10", with("severity", `10.1`), "severity", `got "10.1"`},
		{"severity too large", with("severity", `1e999`), "severity", `got "1e999"`},
		{"severity NaN", with("severity", `"NaN"`), "severity", `got "NaN"`},
		{"severity in hexadecimal", with("severity", `"0x8p0"`), "severity", `got "0x8p0"`},
		{"no account", with("accountId", `null`), "accountId", "missing"},
		{"short account", with("accountId", `"1111"`), "accountId", `got "1111"`},
		{"account of wrong type", with("accountId", `{}`), "accountId", "got an object"},
		{"id of wrong type", with("id", `{}`), "id", "got an object"},
		{"id with the separator of the ledger's keys", with("id", `"a#b"`), "id", `got "a#b"`},
		{"id with spaces", with("id", `"a b"`), "id", `got "a b"`},

		{"service of wrong type", with("service", `"x"`), "service", "got a string, want an object: without it a sample"},
		{"service as a list", guardDutyEvent(with("service", `[{"archived":true}]`)), "detail.service", "got an array"},
		{"service of wrong type, on no instance", `{"id":"abc","resource":{"resourceType":"S3Bucket"},"service":7}`, "service", "got a number"},
		{"service twice", strings.Replace(minimal, `{"id"`, `{"service":{},"service":{},"id"`, 1), "service", "got the key several times"},
		{"resource type of wrong type", with("resource", `{"resourceType":{}}`), "resource.resourceType", "got an object"},
		{"details of wrong type", with("resource", `{"resourceType":"EKSCluster","instanceDetails":["i-0123456789abcdef0"]}`), "resource.instanceDetails", "got an array"},

		{"in an envelope", guardDutyEvent(with("severity", `"x"`)), "detail.severity", `got "x"`},
		{"in a list", `{"Findings":[` + with("severity", `"x"`) + `]}`, "Findings[0].severity", `got "x"`},

		{"sequence without instance id", sequenceEvent(`{"resourceType":"EC2_INSTANCE","uid":"arn:aws:ec2:::instance/x"}`), "detail.service.detection.sequence.resources[0].uid", "instance/x"},
		{"group without instance id", sequenceEvent(`{"resourceType":"EC2_VPC","uid":"v","data":{"ec2Vpc":{"ec2InstanceUids":["x"]}}}`), "detail.service.detection.sequence.resources[0].data.ec2Vpc.ec2InstanceUids[0]", `got "x"`},
		{"sequence that names no instance", sequenceEvent(`{"resourceType":"EC2_VPC","uid":"v","data":{"ec2Vpc":{}}}`), resourcesField, "names no instance"},
		{"sequence without resources", sequenceEvent(``), resourcesField, "names no instance"},
		{"sequence with resources of wrong type", withSequence(`{"resources":"x"}`), resourcesField, "got a string"},
		{"sequence of wrong type", withSequence(`"x"`), resourcesField, "service.detection.sequence is a string"},
		{"no sequence", withSequence(`null`), resourcesField, "names no instance"},
		{"detection of wrong type", strings.Replace(withSequence(`null`), `{"sequence":null}`, `[]`, 1), resourcesField, "service.detection is an array"},
		{"sequence without a type", strings.Replace(sequenceEvent(``), `"AttackSequence:EC2/CompromisedInstanceGroup"`, `{}`, 1), resourcesField, "names no instance"},
		{"sequence on a cluster, unreadable", strings.Replace(withSequence(`7`), `AttackSequence:EC2/CompromisedInstanceGroup`, `AttackSequence:EKS/CompromisedCluster`, 1), resourcesField, "service.detection.sequence is a number"},
		{"resource of wrong type in a sequence", sequenceEvent(`"i-0123456789abcdef0"`), resourcesField + "[0]", "got a string"},
		{"resource type of wrong type in a sequence", sequenceEvent(`{"resourceType":[]}`), resourcesField + "[0].resourceType", "got an array"},
		{"data of wrong type in a sequence", sequenceEvent(`{"resourceType":"EC2_VPC","data":[]}`), resourcesField + "[0].data", "got an array"},
		{"group of wrong type in a sequence", sequenceEvent(`{"resourceType":"EC2_VPC","data":{"ec2Vpc":[]}}`), resourcesField + "[0].data.ec2Vpc", "got an array"},
		{"instances of wrong type in a group", sequenceEvent(`{"resourceType":"EC2_VPC","data":{"ec2Vpc":{"ec2InstanceUids":"i-0123456789abcdef0"}}}`), resourcesField + "[0].data.ec2Vpc.ec2InstanceUids", "got a string"},

		{"security hub without detail", `{"source":"aws.securityhub","detail-type":"Security Hub Findings - Custom Action"}`, "detail.findings", "at least one"},
		{"security hub without findings", securityHubEvent(`{}`), "detail.findings", "at least one"},
		{"security hub finding of wrong type", securityHubEvent(`{"findings":["x"]}`), "detail.findings[0]", "AWS Security Finding Format"},
		{"security hub finding without product", securityHubEvent(`{"findings":[{}]}`), "detail.findings[0].ProductArn", "missing"},
		{"security hub instance id", asffWith("Resources", `[{"Type":"AwsEc2Instance","Id":"arn:aws:ec2:::instance/x"}]`), "detail.findings[0].Resources[0].Id", "instance/x"},
		{"security hub product of wrong type", asffWith("ProductArn", `["x"]`), "detail.findings[0].ProductArn", "got an array"},
		{"security hub resources", asffWith("Resources", `{}`), "detail.findings[0].Resources", "got an object"},
		{"security hub resource", asffWith("Resources", `["i-0123456789abcdef0"]`), "detail.findings[0].Resources[0]", "got a string"},
		{"security hub resource type", asffWith("Resources", `[{"Type":{}}]`), "detail.findings[0].Resources[0].Type", "got an object"},
		{"security hub sequence without instances", securityHubEvent(`{"findings":[` + set(set(minimalASFF, "Types", `["TTPs/AttackSequence:EC2/CompromisedInstanceGroup"]`), "Resources", `[]`) + `]}`), "detail.findings[0].Resources", "names no instance"},
		{"security hub severity", asffWith("Severity", `{"Label":"HIGH"}`), "detail.findings[0].Severity", "missing"},
		{"security hub account", asffWith("AwsAccountId", `"x"`), "detail.findings[0].AwsAccountId", `got "x"`},
		{"security hub id", asffWith("Id", `"a b"`), "detail.findings[0].Id", `got "a b"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseEvent([]byte(test.event))
			if len(got) != 0 {
				t.Errorf("ParseEvent returned %d findings, want none", len(got))
			}
			bad, ok := err.(*EventError) //nolint:errorlint // Lambda reports the type of the error itself.
			if !ok {
				t.Fatalf("ParseEvent error is %T (%v), want *EventError", err, err)
			}
			if bad.Field != test.field || !strings.Contains(bad.Error(), test.says) {
				t.Errorf("ParseEvent error:\n got %v\nwant field %s, text %q", bad, test.field, test.says)
			}
			if bad.Error() != bad.Field+": "+errors.Unwrap(bad).Error() {
				t.Errorf("Error() = %q doesn't consist of field and reason", bad.Error())
			}
		})
	}
}

const resourcesField = "detail.service.detection.sequence.resources"

func sequenceEvent(resources string) string { return withSequence(`{"resources":[` + resources + `]}`) }

// withSequence is an attack sequence on instances with the given body.
func withSequence(body string) string {
	return guardDutyEvent(`{"id":"abc","accountId":"111122223333","severity":9,"type":"AttackSequence:EC2/CompromisedInstanceGroup",
		"resource":{"resourceType":"AttackSequence"},"service":{"detection":{"sequence":` + body + `}}}`)
}

// A finding that is wrong in one place spares neither its neighbours nor the
// other instances of a sequence.
func TestParseEventPartly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		event     string
		instances []string
		fields    []string
	}{
		{
			"findings", `{"Findings":[` + with("severity", `0`) + `,` + minimal + `,` + with("type", `""`) + `]}`,
			[]string{"i-0123456789abcdef0"},
			[]string{"Findings[0].severity", "Findings[2].type"},
		},
		{
			"instances", sequenceEvent(`{"resourceType":"EC2_INSTANCE","uid":"x"},{"resourceType":"EC2_INSTANCE","uid":"i-0123abcd"},
				{"resourceType":"AUTOSCALING_AUTO_SCALING_GROUP","data":{"autoscalingAutoScalingGroup":{"ec2InstanceUids":["y","i-0123abcd","i-4567abcd"]}}}`),
			[]string{"i-0123abcd", "i-4567abcd"},
			[]string{"detail.service.detection.sequence.resources[0].uid", "detail.service.detection.sequence.resources[2].data.autoscalingAutoScalingGroup.ec2InstanceUids[0]"},
		},
		{
			"too many", sequenceEvent(`{"resourceType":"EC2_INSTANCE","uid":"i-0123abcd"}` + strings.Repeat(`,{}`, maxList)),
			[]string{"i-0123abcd"},
			[]string{"detail.service.detection.sequence.resources"},
		},
		{
			"too many from security hub",
			asffWith("Resources", `[{"Type":"AwsEc2Instance","Id":"i-0123abcd"}`+strings.Repeat(`,{}`, maxList)+`]`),
			[]string{"i-0123abcd"},
			[]string{"detail.findings[0].Resources"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseEvent([]byte(test.event))
			var instances []string
			for _, f := range got {
				for _, i := range f.Instances {
					instances = append(instances, i.ID)
				}
			}
			if diff := cmp.Diff(test.instances, instances); diff != "" {
				t.Errorf("instances (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.fields, errorFields(err)); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func errorFields(err error) []string {
	problems := []error{err}
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		problems = all.Unwrap()
	}
	var fields []string
	for _, problem := range problems {
		if bad, ok := errors.AsType[*EventError](problem); ok {
			fields = append(fields, bad.Field)
		}
	}
	return fields
}

// The CLI's casing means the same as the wire's, in every file.
func TestParseEventCasing(t *testing.T) {
	t.Parallel()
	for _, file := range corpus(t) {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".json")
		raw := read(t, name)
		want, wantErr := ParseEvent(raw)
		got, err := ParseEvent(recase(t, raw))
		if diff := cmp.Diff(want, got, equateAddrs); diff != "" || errorText(err) != errorText(wantErr) {
			t.Errorf("%s in the other casing: error %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestSeen(t *testing.T) {
	t.Parallel()
	last, updated := at("2026-03-02T09:10:42Z"), at("2026-03-02T09:12:00Z")
	for _, test := range []struct {
		finding Finding
		want    time.Time
	}{
		{Finding{LastSeen: last, UpdatedAt: updated}, last},
		{Finding{UpdatedAt: updated}, updated},
		{Finding{}, time.Time{}},
	} {
		if got := test.finding.Seen(); !got.Equal(test.want) {
			t.Errorf("Seen() = %v, want %v", got, test.want)
		}
	}
}

// Whatever a finding claims, its activity was not seen later than the finding arrived.
func TestSeenBy(t *testing.T) {
	t.Parallel()
	arrival := at("2026-03-02T09:12:03Z")
	for claimed, want := range map[string]time.Time{
		`"2026-03-02T09:10:42Z"`: at("2026-03-02T09:10:42Z"),
		`"2036-03-02T09:10:42Z"`: arrival,
		`4102444800`:             arrival,
		`null`:                   {},
	} {
		for _, event := range []string{
			guardDutyEvent(set(with("updatedAt", claimed), "service", `{"action":{"networkConnectionAction":{"remoteIpDetails":{"ipAddressV4":"198.51.100.7"}}}}`)),
			guardDutyEvent(with("service", `{"eventLastSeen":`+claimed+`,"action":{"networkConnectionAction":{"remoteIpDetails":{"ipAddressV4":"198.51.100.7"}}}}`)),
		} {
			findings, err := ParseEvent([]byte(event))
			if err != nil {
				t.Fatal(err)
			}
			before := findings[0].Instances[0].Peers[0].Seen
			got := findings[0].SeenBy(arrival)
			if peer := got.Instances[0].Peers[0]; !got.Seen().Equal(want) || !peer.Seen.Equal(want) {
				t.Errorf("last seen %s: finding %v, peer %v; want %v", claimed, got.Seen(), peer.Seen, want)
			}
			if after := findings[0].Instances[0].Peers[0].Seen; !after.Equal(before) {
				t.Errorf("last seen %s: SeenBy changed the finding it was called on", claimed)
			}
		}
	}
}

func TestDirection(t *testing.T) {
	t.Parallel()
	for d, want := range map[Direction]string{Inbound: "inbound", Outbound: "outbound", UnknownDirection: "unknown", 9: "unknown"} {
		if got := d.String(); got != want {
			t.Errorf("Direction(%d) = %q, want %q", d, got, want)
		}
	}
}
