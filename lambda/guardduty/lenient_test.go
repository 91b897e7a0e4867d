package guardduty

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// essential are the fields that a finding on an instance can't do without.
var essential = []string{
	".source", ".detail-type", ".detail", ".detail.id", ".detail.type", ".detail.severity", ".detail.accountId", ".detail.service",
	".detail.resource", ".detail.resource.instanceDetails", ".detail.resource.instanceDetails.instanceId",
}

// Whatever stands in any other field, the instance is found.
func TestParseEventLenient(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"c2-ipv4", "port-probe", "runtime-reverse-shell", "sample-new"} {
		var event any
		if err := json.Unmarshal(read(t, name), &event); err != nil {
			t.Fatal(err)
		}
		was, err := ParseEvent(read(t, name))
		if err != nil {
			t.Fatal(err)
		}
		each(event, "", func(path string, _ any, replace func(any)) {
			if slices.Contains(essential, path) {
				return
			}
			for _, odd := range []any{nil, 7, -1.5, "x", true, []any{}, []any{nil, "x", []any{}, map[string]any{}}, map[string]any{"x": 1}} {
				replace(odd)
				raw, err := json.Marshal(event)
				if err != nil {
					t.Fatal(err)
				}
				got, err := ParseEvent(raw)
				if err != nil || len(got) != 1 || len(got[0].Instances) != 1 || got[0].Instances[0].ID != was[0].Instances[0].ID {
					t.Errorf("%s with %s = %v: %d findings, %v", name, path, odd, len(got), err)
				}
			}
		})
	}
}

// A field of a wrong JSON type is never lost in silence. When what is read of the event
// is less than before, either an error or an unreadable field says so. An unreadable
// field is named by its path.
func TestNothingIsLostInSilence(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"c2-ipv4", "c2-ipv4-and-ipv6", "port-probe", "multiple-interfaces", "sample-new", "sample-old", "attack-sequence",
		"securityhub-c2", "securityhub-probe-and-tor", "securityhub-attack-sequence",
	} {
		var event any
		if err := json.Unmarshal(read(t, name), &event); err != nil {
			t.Fatal(err)
		}
		was, err := ParseEvent(read(t, name))
		if err != nil {
			t.Fatal(err)
		}
		each(event, "", func(path string, value any, replace func(any)) {
			for _, odd := range []any{7, "x", true, []any{}, []any{[]any{}, "x"}, map[string]any{"x": 1}, map[string]any{"x": map[string]any{}}} {
				if value == nil || jsonKind(value) == jsonKind(odd) {
					continue
				}
				replace(odd)
				raw, err := json.Marshal(event)
				if err != nil {
					t.Fatal(err)
				}
				got, err := ParseEvent(raw)
				if err != nil {
					continue
				}
				for n := range got {
					unread := got[n].UnreadableFields
					before := was[n]
					got[n].UnreadableFields, before.UnreadableFields = nil, nil
					if reflect.DeepEqual(got[n], before) {
						continue
					}
					if !slices.ContainsFunc(unread, func(field string) bool {
						return strings.Contains(strings.ToLower(flatIndex.ReplaceAllString(path, ":$1")), strings.ToLower(field))
					}) {
						t.Errorf("%s with %s = %v: the finding changes, and the unreadable fields are %q (-was +got):\n%s",
							name, path, odd, unread, cmp.Diff(before, got[n], equateAddrs))
					}
				}
			}
		})
	}
}

// flatIndex is the second of the two ways to write a list's index in a flat field.
var flatIndex = regexp.MustCompile(`\.(\d+)_`)

// jsonKind is what a decoded JSON value is.
func jsonKind(v any) string {
	switch v.(type) {
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case nil:
		return "null"
	default:
		return "scalar"
	}
}

// each calls visit for every value inside v, with a function that replaces it,
// and puts the value back afterwards.
func each(v any, path string, visit func(path string, value any, replace func(any))) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			visit(path+"."+key, value, func(other any) { v[key] = other })
			v[key] = value
			each(value, path+"."+key, visit)
		}
	case []any:
		for i, value := range v {
			at := fmt.Sprintf("%s[%d]", path, i)
			visit(at, value, func(other any) { v[i] = other })
			v[i] = value
			each(value, at, visit)
		}
	}
}

func TestParseEventFillsIn(t *testing.T) {
	t.Parallel()
	const arn = `"arn:aws:guardduty:eu-central-1:444455556666:detector/d/finding/def"`
	tests := []struct {
		name  string
		event string
		want  Finding
	}{
		{
			"nothing but the least", minimal,
			Finding{ID: "abc", AccountID: "111122223333"},
		},
		{
			"from the ARN", set(set(with("arn", arn), "id", `null`), "accountId", `""`),
			Finding{ID: "def", AccountID: "444455556666", Region: "eu-central-1"},
		},
		{
			"not from a broken ARN", set(with("arn", `"arn:aws:guardduty"`), "id", `null`),
			Finding{AccountID: "111122223333"},
		},
		{
			"the finding's own before the ARN's", with("arn", arn),
			Finding{ID: "abc", AccountID: "111122223333", Region: "eu-central-1"},
		},
		{
			"security hub naming an instance twice",
			asffWith("Resources", `[{"Type":"AwsEc2Instance","Id":"i-0123456789abcdef0"},{"Type":"AwsEc2Instance","Id":"i-0123456789abcdef0"}]`),
			Finding{
				ID: "abc", AccountID: "111122223333", Region: "eu-central-1", Origin: SecurityHub,
			},
		},
		{
			"security hub naming one interface",
			asffWith("Resources", `[{"Type":"AwsEc2Instance","Id":"i-0123456789abcdef0","Details":{"AwsEc2Instance":
				{"SubnetId":"subnet-1","IpV4Addresses":["10.0.0.1","x"],"NetworkInterfaces":[{"NetworkInterfaceId":"eni-1"}]}}}]`),
			Finding{
				ID: "abc", AccountID: "111122223333", Region: "eu-central-1", Origin: SecurityHub,
				Instances: []Instance{{
					ID:         "i-0123456789abcdef0",
					Interfaces: []Interface{{ID: "eni-1", Subnet: "subnet-1", PrivateIPs: addrs("10.0.0.1")}},
				}},
				UnreadableFields: []string{"Resources[0].Details.AwsEc2Instance.IpV4Addresses[1]"},
			},
		},
		{
			"security hub's flat lists", asffWith("ProductFields", `{
				"aws/guardduty/service/action/portProbeAction/portProbeDetails.10_/remoteIpDetails/ipAddressV4":"198.51.100.10",
				"aws/guardduty/service/action/portProbeAction/portProbeDetails.9_/remoteIpDetails/ipAddressV4":"198.51.100.9",
				"aws/guardduty/service/action/portProbeAction/portProbeDetails.x/remoteIpDetails/ipAddressV4":"198.51.100.11",
				"aws/guardduty/service/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a":"too deep",
				"aws/inspector/service/count":"7"}`),
			Finding{
				ID: "abc", AccountID: "111122223333", Region: "eu-central-1", Origin: SecurityHub,
				Instances: []Instance{{ID: "i-0123456789abcdef0", Peers: []Peer{probe("198.51.100.9", 0), probe("198.51.100.10", 0)}}},
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want := test.want
			want.Type, want.Severity, want.ResourceType = "Backdoor:EC2/C&CActivity.B", 8, "Instance"
			if want.Origin == "" {
				want.Origin = GuardDuty
			}
			if want.Instances == nil {
				want.Instances = []Instance{{ID: "i-0123456789abcdef0"}}
			}
			want.weigh()
			got, err := ParseEvent([]byte(test.event))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]Finding{want}, got, equateAddrs); diff != "" {
				t.Errorf("ParseEvent (-want +got):\n%s", diff)
			}
		})
	}
}
