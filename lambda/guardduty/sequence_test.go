package guardduty

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The parts of the sequences below.
const (
	host       = `{"resourceType":"EC2_INSTANCE","uid":"arn:aws:ec2:eu-central-1:111122223333:instance/i-0123abcd","data":{"ec2Instance":{"ec2NetworkInterfaceUids":["eni-1"]}}}`
	profile    = `{"resourceType":"IAM_INSTANCE_PROFILE","uid":"arn:aws:iam::111122223333:instance-profile/web","data":{"iamInstanceProfile":{"ec2InstanceUids":["i-0123abcd"]}}}`
	hostARN    = `arn:aws:ec2:eu-central-1:111122223333:instance/i-0123abcd`
	profileARN = `arn:aws:iam::111122223333:instance-profile/web`
	out        = `,"connection":{"direction":"OUTBOUND"}`
	in         = `,"connection":{"direction":"INBOUND"}`
)

// seen is a sequence with one endpoint, 198.51.100.7, and the given signals.
func seen(connection string, signals ...string) string {
	return withSequence(`{"resources":[` + host + `,` + profile + `],"endpoints":[{"id":"e","ip":"198.51.100.7"` + connection + `}],"signals":[` +
		strings.Join(signals, ",") + `]}`)
}

// sig ties the endpoint to a resource.
func sig(source, name, resource string) string {
	return fmt.Sprintf(`{"type":%q,"name":%q,"resourceUids":[%q],"endpointIds":["e"]}`, source, name, resource)
}

// An endpoint of a sequence is a peer, or a caller, or reported. It is
// never lost without a word.
func TestSequenceEndpoints(t *testing.T) {
	t.Parallel()
	const peer, caller, reported = "peer", "caller", "reported"
	const c2, keys = "Backdoor:EC2/C&CActivity.B", "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS"
	for name, test := range map[string]struct {
		event string
		want  string
	}{
		"flow logs":                             {seen(out, sig("FLOW_LOGS", "flow", hostARN)), peer},
		"flow logs, inbound":                    {seen(in, sig("FLOW_LOGS", "flow", hostARN)), peer},
		"flow logs, without connection":         {seen("", sig("FLOW_LOGS", "flow", hostARN)), peer},
		"flow logs, of the interface":           {seen("", sig("FLOW_LOGS", "flow", "eni-1")), peer},
		"runtime monitoring":                    {seen("", sig("RUNTIME_MONITORING", "Execution:Runtime/ReverseShell", hostARN)), peer},
		"a finding on an instance":              {seen("", sig("FINDING", c2, hostARN)), peer},
		"tied by a profile":                     {seen(out, sig("FINDING", c2, profileARN)), peer},
		"tied by a profile, without connection": {seen("", sig("FLOW_LOGS", "flow", profileARN)), peer},

		"API calls":                         {seen("", sig("CLOUD_TRAIL", "AssumeRole", hostARN)), caller},
		"API calls, with a connection":      {seen(in, sig("CLOUD_TRAIL", "AssumeRole", hostARN)), caller},
		"API calls, outbound":               {seen(out, sig("S3_DATA_EVENTS", "GetObject", hostARN)), caller},
		"Kubernetes calls":                  {seen(in, sig("EKS_AUDIT_LOGS", "exec", hostARN)), caller},
		"a finding on credentials":          {seen(in, sig("FINDING", keys, hostARN)), caller},
		"a finding on credentials, profile": {seen(in, sig("FINDING", keys, profileARN)), caller},
		"a finding on API calls on EC2":     {seen(in, sig("FINDING", "DefenseImpairment:EC2/DisableOrModifyTools", hostARN)), caller},
		"a new finding on credentials":      {seen(out, sig("FINDING", "Discovery:IAMUser/Tomorrow", hostARN)), caller},
		"a finding on a bucket":             {seen("", sig("FINDING", "Exfiltration:S3/AnomalousBehavior", hostARN)), caller},
		"a finding on a database":           {seen(in, sig("FINDING", "CredentialAccess:RDS/AnomalousBehavior.SuccessfulLogin", hostARN)), caller},

		"caller and remote side, with a connection":    {seen(out, sig("CLOUD_TRAIL", "AssumeRole", hostARN), sig("FINDING", c2, hostARN)), peer},
		"caller and remote side, without a connection": {seen("", sig("CLOUD_TRAIL", "AssumeRole", hostARN), sig("FINDING", c2, hostARN)), reported},

		"a new source, outbound":            {seen(out, sig("TOMORROW", "x", hostARN)), peer},
		"a new source, inbound":             {seen(in, sig("TOMORROW", "x", hostARN)), reported},
		"a new source, without connection":  {seen("", sig("TOMORROW", "x", hostARN)), reported},
		"a finding without type, outbound":  {seen(out, sig("FINDING", "", hostARN)), peer},
		"a finding without type, inbound":   {seen(in, sig("FINDING", "Something", hostARN)), reported},
		"DNS logs":                          {seen("", sig("DNS_LOGS", "c2.example.com", hostARN)), reported},
		"no signal":                         {seen(out), reported},
		"a signal on nothing":               {seen(out, `{"type":"FLOW_LOGS","endpointIds":["e"]}`), reported},
		"a signal on something else":        {seen(out, sig("FLOW_LOGS", "flow", "arn:aws:ecs:eu-central-1:111122223333:task/x")), reported},
		"a role of the same name":           {seen(out, sig("FLOW_LOGS", "flow", "arn:aws:iam::111122223333:role/web")), reported},
		"an interface of no known instance": {seen(out, sig("FLOW_LOGS", "flow", "eni-2")), reported},
	} {
		got, err := ParseEvent([]byte(test.event))
		if err != nil || len(got) != 1 || len(got[0].Instances) != 1 {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		is := caller
		switch peers, unread := len(got[0].Instances[0].Peers), strings.Join(got[0].UnreadableFields, " "); {
		case peers == 1 && unread == "":
			is = peer
		case peers == 0 && unread == "service.detection.sequence.endpoints[0]":
			is = reported
		case peers != 0 || unread != "":
			t.Errorf("%s: %d peers, unreadable %s", name, peers, unread)
		}
		if is != test.want {
			t.Errorf("%s: the endpoint is %s, want %s", name, is, test.want)
		}
	}
}

// Security Hub ties endpoints to resources in the same way.
func TestSecurityHubSequenceEndpoints(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		signal string
		peers  int
		unread []string
	}{
		"flow logs": {`{"Type":"FLOW_LOGS","ResourceIds":["i-0123456789abcdef0"],"EndpointIds":["e"]}`, 1, nil},
		"API calls": {`{"Type":"CLOUD_TRAIL","ResourceIds":["i-0123456789abcdef0"],"EndpointIds":["e"]}`, 0, nil},
		"a profile": {`{"Type":"FLOW_LOGS","ResourceIds":["arn:aws:iam::111122223333:instance-profile/web"],"EndpointIds":["e"]}`, 0, []string{"Detection.Sequence.Endpoints[0]"}},
		"elsewhere": {`{"Type":"FLOW_LOGS","ResourceIds":["i-0123456789abcdef0"],"EndpointIds":["e","f"]}`, 1, []string{"Detection.Sequence.Signals[0].EndpointIds[1]"}},
	} {
		got, err := ParseEvent([]byte(asffWith("Detection", `{"Sequence":{"Endpoints":[{"Id":"e","Ip":"198.51.100.7"}],"Signals":[`+test.signal+`]}}`)))
		if err != nil || len(got[0].Instances[0].Peers) != test.peers {
			t.Errorf("%s: %+v, %v; want %d peers", name, got, err, test.peers)
			continue
		}
		if diff := cmp.Diff(test.unread, got[0].UnreadableFields); diff != "" {
			t.Errorf("%s: unreadable fields (-want +got):\n%s", name, diff)
		}
	}
}

// A resource without a type is an instance when its id or its data says so.
func TestSequenceResourceWithoutType(t *testing.T) {
	t.Parallel()
	for _, resource := range []string{
		`{"uid":"i-0123abcd"}`, `{"resourceType":null,"uid":"arn:aws:ec2:::instance/i-0123abcd"}`,
		`{"resourceType":[],"uid":"i-0123abcd"}`, `{"name":"i-0123abcd","data":{"ec2Instance":{}}}`,
	} {
		got, err := ParseEvent([]byte(sequenceEvent(resource)))
		if err != nil || len(got) != 1 || len(got[0].Instances) != 1 || got[0].Instances[0].ID != "i-0123abcd" {
			t.Errorf("%s: %+v, %v", resource, got, err)
		}
	}
}

// A sequence on something else than instances need not name any.
func TestSequenceOnSomethingElse(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ECS/CompromisedCluster", "EKS/CompromisedCluster", "IAM/CompromisedCredentials", "S3/CompromisedData", "Tomorrow/New"} {
		got, err := ParseEvent([]byte(strings.Replace(sequenceEvent(`{"resourceType":"S3_BUCKET"}`), "EC2/CompromisedInstanceGroup", kind, 1)))
		if err != nil || len(got) != 1 || len(got[0].Instances) != 0 {
			t.Errorf("%s: %+v, %v", kind, got, err)
		}
	}
}

// What an action's type announces and the action lacks is reported.
func TestActionWithoutItsBlock(t *testing.T) {
	t.Parallel()
	const at = "service.action."
	for action, want := range map[string][]string{
		``:                             nil,
		`{}`:                           nil,
		`{"actionType":null}`:          nil,
		`{"actionType":"DNS_REQUEST"}`: nil,
		`{"actionType":"AWS_API_CALL","awsApiCallAction":{"remoteIpDetails":{"ipAddressV4":"198.51.100.7"}}}`: nil,
		`{"actionType":"KUBERNETES_API_CALL"}`:                                             nil,
		`{"actionType":"RDS_LOGIN_ATTEMPT"}`:                                               nil,
		`"NETWORK_CONNECTION"`:                                                             {"service.action"},
		`{"actionType":[]}`:                                                                {at + "actionType"},
		`{"actionType":"TOMORROW"}`:                                                        {at + "actionType"},
		`{"actionType":"NETWORK_CONNECTION"}`:                                              {at + "networkConnectionAction"},
		`{"actionType":"NETWORK_CONNECTION","portProbeAction":null}`:                       {at + "networkConnectionAction"},
		`{"actionType":"NETWORK_CONNECTION","networkConnectionAction":[]}`:                 {at + "networkConnectionAction"},
		`{"actionType":"NETWORK_CONNECTION","networkConnectionAction":{}}`:                 {at + "networkConnectionAction.remoteIpDetails"},
		`{"networkConnectionAction":{"remoteIpDetails":{}}}`:                               {at + "networkConnectionAction.remoteIpDetails"},
		`{"networkConnectionAction":{"remoteIpDetails":"198.51.100.7"}}`:                   {at + "networkConnectionAction.remoteIpDetails"},
		`{"networkConnectionAction":{"remoteIpDetails":{"ipAddressV4":["198.51.100.7"]}}}`: {at + "networkConnectionAction.remoteIpDetails.ipAddressV4"},
		`{"actionType":"PORT_PROBE"}`:                                                      {at + "portProbeAction.portProbeDetails"},
		`{"actionType":"PORT_PROBE","portProbeAction":{"portProbeDetails":{}}}`:            {at + "portProbeAction.portProbeDetails"},
		`{"actionType":"PORT_PROBE","portProbeAction":{"portProbeDetails":[]}}`:            {at + "portProbeAction.portProbeDetails"},
		`{"actionType":"PORT_PROBE","portProbeAction":{"portProbeDetails":[{}]}}`:          {at + "portProbeAction.portProbeDetails[0].remoteIpDetails"},
		`{"actionType":"PORT_PROBE","portProbeAction":{"portProbeDetails":["x"]}}`:         {at + "portProbeAction.portProbeDetails[0]"},
	} {
		service := `{}`
		if action != "" {
			service = `{"action":` + action + `}`
		}
		got, err := ParseEvent([]byte(with("service", service)))
		if err != nil || len(got) != 1 || len(got[0].Instances) != 1 {
			t.Errorf("%s: %+v, %v", action, got, err)
			continue
		}
		if diff := cmp.Diff(want, got[0].UnreadableFields); diff != "" {
			t.Errorf("%s: unreadable fields (-want +got):\n%s", action, diff)
		}
	}
}

// A mark of a sample that can't be read is reported: the finding may be a sample.
func TestUnreadableSampleMark(t *testing.T) {
	t.Parallel()
	for info, unread := range map[string]string{
		`{"value":"{\"sample\":true}"}`:  "",
		`{"value":"{}"}`:                 "",
		`{"value":"some text"}`:          "",
		`{"value":""}`:                   "",
		`{"value":"{\"sample\":tr"}`:     "service.additionalInfo.value",
		`{"value":"{\"sample\":\"x\"}"}`: "service.additionalInfo.value",
		`{"value":{"sample":true}}`:      "service.additionalInfo.value",
		`{"sample":"perhaps"}`:           "service.additionalInfo.sample",
		`"sample"`:                       "service.additionalInfo",
	} {
		got, err := ParseEvent([]byte(with("service", `{"additionalInfo":`+info+`}`)))
		if err != nil || strings.Join(got[0].UnreadableFields, " ") != unread {
			t.Errorf("%s: %+v, %v; want unreadable %q", info, got, err, unread)
		}
	}
}

// However much of a finding can't be read, the list stays short and says what it leaves out.
func TestUnreadableFieldsAreBounded(t *testing.T) {
	t.Parallel()
	probes := strings.TrimSuffix(strings.Repeat(`"x",`, 100), ",")
	got, err := ParseEvent([]byte(with("service", `{"action":{"portProbeAction":{"portProbeDetails":[`+probes+`]}}}`)))
	if err != nil {
		t.Fatal(err)
	}
	fields := got[0].UnreadableFields
	if len(fields) != maxUnreadableFields+1 || fields[0] != "service.action.portProbeAction.portProbeDetails[0]" || fields[maxUnreadableFields] != "and 80 more" {
		t.Errorf("%d fields: %q", len(fields), fields)
	}
}
