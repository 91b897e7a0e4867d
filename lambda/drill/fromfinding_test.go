package drill

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tourniquet/lambda/drill/internal/draw"
	"tourniquet/lambda/drill/scene"
	"tourniquet/lambda/record"
)

// established lists the peers' connections of a drill that stood before.
func established(r report) []flowReport {
	return slices.DeleteFunc(slices.Clone(r.Flows), func(f flowReport) bool { return !f.Peer || f.New })
}

// checkDrill wants the peers' connections to be those given, to stand before, to
// survive the group swap, and to be cut.
func checkDrill(t *testing.T, r report, want ...string) {
	t.Helper()
	var got []string
	for _, f := range established(r) {
		got = append(got, f.Flow)
		if !f.Before || f.After {
			t.Errorf("%s: passes before %t, after %t; want it cut", f.Flow, f.Before, f.After)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("rehearsed %q, want %q", got, want)
	}
	if got := r.Answer.Incidents[0].Status; got != record.Contained {
		t.Errorf("status %s, want %s", got, record.Contained)
	}
}

// GuardDuty's generated samples have several interfaces in several VPCs, which
// repeat groups and addresses, and no EC2 id has their form.
func TestDrillOnASample(t *testing.T) {
	t.Parallel()
	r := drillJSON(t, "testdata/findings/sample.json")
	checkDrill(t, r, "tcp 10.0.0.1:40000 -> 198.51.100.7:9001")
	if r.Decision.Verdict != record.Sample {
		t.Errorf("verdict %s, want %s: the function would change nothing", r.Decision.Verdict, record.Sample)
	}
	if len(r.Observed) != 2 {
		t.Errorf("observed %q, want both interfaces", r.Observed)
	}
	if differs := strings.Join(r.Differs, "\n"); !strings.Contains(differs, "eni-abcdef01") || !strings.Contains(differs, "10.0.0.2") {
		t.Errorf("%q: want the repeated address named", r.Differs)
	}
	_, out, _ := runCommand(t, "drill", "testdata/findings/sample.json")
	for _, want := range []string{"decision: sample", "as if a person had asked", "not as in the finding", "Contained."} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
}

func TestDrillOnAPlaceholder(t *testing.T) {
	t.Parallel()
	r := drillJSON(t, "testdata/findings/placeholder-subnet.json")
	checkDrill(t, r, "tcp 10.0.1.10:40000 -> 198.51.100.7:443")
	if !slices.ContainsFunc(r.Differs, func(d string) bool { return strings.Contains(d, `"Replace with valid SubnetID"`) }) {
		t.Errorf("%q: want the placeholder named", r.Differs)
	}
}

func TestDrillOnUDP(t *testing.T) {
	t.Parallel()
	r := drillJSON(t, "testdata/findings/udp.json")
	checkDrill(t, r, "udp 10.0.1.10:40000 -> 198.51.100.7:443")
	if len(r.Differs) != 0 {
		t.Errorf("%q: the world is as in the finding", r.Differs)
	}
}

// changed writes the UDP finding with one part of it replaced.
func changed(t *testing.T, path string, value any) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/findings/udp.json")
	if err != nil {
		t.Fatal(err)
	}
	var finding map[string]any
	if err := json.Unmarshal(raw, &finding); err != nil {
		t.Fatal(err)
	}
	var at any = finding
	keys := strings.Split(path, ".")
	for _, key := range keys[:len(keys)-1] {
		if list, ok := at.([]any); ok {
			at = list[0]
		}
		at = at.(map[string]any)[key]
	}
	if list, ok := at.([]any); ok {
		at = list[0]
	}
	at.(map[string]any)[keys[len(keys)-1]] = value
	if raw, err = json.Marshal(finding); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "finding.json")
	write(t, file, string(raw))
	return file
}

// What a finding may hold that no VPC can, or that a rehearsal must follow.
func TestDrillOnOddFindings(t *testing.T) {
	t.Parallel()
	const connection, nic = "service.action.networkConnectionAction.", "resource.instanceDetails.networkInterfaces."
	var groups []any
	for n := range 6 {
		groups = append(groups, map[string]any{"groupId": fmt.Sprintf("sg-%d", n)})
	}
	for name, test := range map[string]struct {
		path    string
		value   any
		want    string // the connection
		differs string // a note that must be there; "" when there is none
	}{
		"ICMP":                 {connection + "protocol", "ICMP", "icmp 10.0.1.10 -> 198.51.100.7", ""},
		"a protocol by number": {connection + "protocol", "47", "47 10.0.1.10 -> 198.51.100.7", ""},
		"a protocol by name":   {connection + "protocol", "GRE", "47 10.0.1.10 -> 198.51.100.7", ""},
		"an unknown protocol":  {connection + "protocol", "carrier pigeon", "tcp 10.0.1.10:40000 -> 198.51.100.7:443", `"carrier pigeon"`},
		"only an IPv6 peer": {
			connection + "remoteIpDetails",
			map[string]any{"ipAddressV6": "2001:db8:ffff::7"},
			"udp [fd64:7269:6c6c::a]:40000 -> [2001:db8:ffff::7]:443", "IPv6",
		},
		"six groups":                     {nic + "securityGroups", groups, "udp 10.0.1.10:40000 -> 198.51.100.7:443", ""},
		"public is private":              {nic + "publicIp", "10.0.1.10", "udp 10.0.1.10:40000 -> 198.51.100.7:443", "public address 10.0.1.10"},
		"public is the peer":             {nic + "publicIp", "198.51.100.7", "udp 10.0.1.10:40000 -> 198.51.100.7:443", "public address 198.51.100.7"},
		"an address of no interface":     {nic + "privateIpAddress", "127.0.0.1", "udp 10.0.0.4:40000 -> 198.51.100.7:443", "127.0.0.1"},
		"blanks for a group":             {nic + "securityGroups", []any{map[string]any{"groupId": "  "}}, "udp 10.0.1.10:40000 -> 198.51.100.7:443", "is rehearsed as sg-drill"},
		"a sentence for an instancetype": {"resource.instanceDetails.instanceType", "Replace me", "udp 10.0.1.10:40000 -> 198.51.100.7:443", `"Replace me"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := drillJSON(t, changed(t, test.path, test.value))
			checkDrill(t, r, test.want)
			if differs := strings.Join(r.Differs, "\n"); !strings.Contains(differs, test.differs) || test.differs == "" && differs != "" {
				t.Errorf("notes %q, want %q", r.Differs, test.differs)
			}
			if len(r.Release.Left) > 1 { // the quarantine group stays
				t.Errorf("left behind: %v", r.Release.Left)
			}
		})
	}
}

// A peer that is the instance itself leaves nothing to rehearse, and the drill
// doesn't call that contained.
func TestDrillWithoutAConnection(t *testing.T) {
	t.Parallel()
	file := changed(t, "service.action.networkConnectionAction.remoteIpDetails", map[string]any{"ipAddressV4": "10.0.1.10"})
	if r := drillJSON(t, file); !strings.Contains(strings.Join(r.Differs, "\n"), "10.0.1.10") {
		t.Errorf("%q: want the peer named", r.Differs)
	}
}

// For a finding that names no peer, a connection stands in for the one that it can't
// name, and it is cut on the host.
func TestDrillWithoutAPeer(t *testing.T) {
	t.Parallel()
	file := changed(t, "service.action", map[string]any{"actionType": "DNS_REQUEST", "dnsRequestAction": map[string]any{"domain": "example.com"}})
	r := drillJSON(t, file)
	checkDrill(t, r, "tcp 10.0.1.10:40000 -> 198.51.100.66:443")
	if !r.NoPeer || !strings.Contains(strings.Join(r.Differs, "\n"), "stands in") {
		t.Errorf("%q: want the connection named that stands in", r.Differs)
	}
}

// A member of an Auto Scaling group, as its tags say, is rehearsed as one, and the group
// has it back in the end.
func TestDrillOnAMemberOfAGroup(t *testing.T) {
	t.Parallel()
	file := changed(t, "resource.instanceDetails.tags", []any{map[string]any{"key": "aws:autoscaling:groupName", "value": "web"}})
	r := drillJSON(t, file)
	if r.Evidence == nil || r.Evidence.Kept.Member != "Standby" || !slices.Equal(r.Release.Grown, []string{r.Evidence.Group}) {
		t.Errorf("got %+v, groups that want one more %v", r.Evidence, r.Release.Grown)
	}
}

// Whatever a finding holds, its containment can be rehearsed and undone.
func TestAnyFindingCanBeRehearsed(t *testing.T) {
	t.Parallel()
	for seed := range 15 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			f := rapid.Custom(draw.Finding).Example(seed)
			w, _, err := scene.Of(f)
			if err != nil {
				t.Fatal(err)
			}
			r, err := rehearse(t.Context(), script{finding: f, world: w}, silent(), false)
			if err != nil {
				t.Fatalf("%s\n%s", err, w)
			}
			for _, d := range r.disagreements {
				t.Error(d)
			}
			if len(r.Answer.Incidents) != 1 || len(r.Release.Answer.Incidents) != 1 {
				t.Errorf("%+v", r.Answer)
			}
		})
	}
}
