//go:build integration

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/config"
	"tourniquet/lambda/emulator"
	"tourniquet/lambda/host"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// The real binary with the measures that cut what no finding names, on emulators that
// others have written: moto for EC2, Systems Manager and CloudWatch Logs, MiniStack for
// the ledger.
//
// What they don't carry: moto runs no command, knows a command by the document's action
// and not by the step's name, and takes an unknown document and an instance that no agent
// manages; so the result is never there, and "not managed" is MiniStack's answer in
// TestNotManagedOnMiniStack. moto's flow logs record nothing; the test writes the records.
// moto ignores the prefix of a stream's name. MiniStack has no flow log with a tag, and
// makes a second one of the same interface.
func TestMeasuresOnEmulators(t *testing.T) {
	moto := emulator.Moto(t)
	e := environment{account: "123456789012", region: "us-east-1", table: "ledger", ec2: emulator.MotoEC2(t, moto), dynamo: emulator.MiniStack(t)}
	e.createTable(t)
	v := launch(t, ec2.NewFromConfig(e.aws(e.ec2)))
	commands, logs := ssm.NewFromConfig(e.aws(moto)), cloudwatchlogs.NewFromConfig(e.aws(moto))
	role := deliverer(t, moto)
	must(logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("flows")}))(t)
	for name, document := range map[string]map[string]any{host.IsolateName: host.IsolateDocument(), host.RestoreName: host.RestoreDocument()} {
		content, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		must(commands.CreateDocument(t.Context(), &ssm.CreateDocumentInput{
			Name: aws.String(name), Content: aws.String(string(content)), DocumentType: ssmtypes.DocumentTypeCommand, DocumentFormat: ssmtypes.DocumentFormatJson,
		}))(t)
	}
	vars := []string{
		config.Protect + "=false", config.OnHost + "=always", config.IsolateDocument + "=" + host.IsolateName, config.RestoreDocument + "=" + host.RestoreName,
		config.Survivors + "=report", config.FlowLogGroup + "=flows", config.FlowLogRole + "=" + role,
		"AWS_ENDPOINT_URL_SSM=" + moto, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=" + moto,
	}
	contain := e.start(t, vars...)
	if i := invoke(t, contain, v.finding(t)).Incidents[0]; i.Status != record.Contained {
		t.Fatalf("not contained: %+v", i)
	}
	v.checkGroups(t)
	v.checkDenials(t)
	if got := v.documents(t, commands); !slices.Equal(got, []string{host.IsolateName}) {
		t.Errorf("sent to the host: %v", got)
	}
	v.checkFlowLogs(t, role, len(v.enis))

	v.survives(t, logs, "203.0.113.66")
	i := invoke(t, contain, []byte(`{"command":"watch"}`)).Incidents[0]
	if !slices.ContainsFunc(i.Exposure, func(x answer.ExposureAnswer) bool {
		return x.Kind == record.SurvivingPeer && strings.Contains(x.Detail, "203.0.113.66")
	}) {
		t.Errorf("the watch does not name the survivor: %+v", i.Exposure)
	}

	release := e.startAs(t, strings.Replace(e.arn(), "contain", "release", 1), append(vars, "_HANDLER=release")...)
	if i := invoke(t, release, []byte(fmt.Sprintf(`{"command":"release","instanceId":%q,"reason":"test"}`, v.instance))).Incidents[0]; i.Status != record.Released {
		t.Fatalf("not released: %+v", i)
	}
	if got := v.documents(t, commands); !slices.Equal(got, []string{host.IsolateName, host.RestoreName}) {
		t.Errorf("sent to the host by the end: %v", got)
	}
	v.checkFlowLogs(t, role, 0)
}

// MiniStack's Systems Manager manages no instance: that is said, and holds up nothing.
func TestNotManagedOnMiniStack(t *testing.T) {
	mini := emulator.MiniStack(t)
	e := environment{account: "123456789012", region: "us-east-1", table: "ledger", ec2: emulator.MotoEC2(t, emulator.Moto(t)), dynamo: mini}
	e.createTable(t)
	v := launch(t, ec2.NewFromConfig(e.aws(e.ec2)))
	f := e.start(t, config.Protect+"=false", config.OnHost+"=always", config.IsolateDocument+"="+host.IsolateName, "AWS_ENDPOINT_URL_SSM="+mini)
	i := invoke(t, f, v.finding(t)).Incidents[0]
	unmanaged := slices.ContainsFunc(i.Exposure, func(x answer.ExposureAnswer) bool { return x.Kind == record.HostNotManaged })
	if i.Status != record.Contained || !unmanaged {
		t.Errorf("%s, %+v; want it contained, and named as not managed", i.Status, i.Exposure)
	}
	v.checkGroups(t)
	v.checkDenials(t)
}

// deliverer makes the role that delivers flow logs: moto asks for one that there is. One
// call is not worth a module; moto goes by the service that a call is signed for.
func deliverer(t *testing.T, moto string) string {
	t.Helper()
	form := url.Values{"Action": {"CreateRole"}, "Version": {"2010-05-08"}, "RoleName": {"deliver"}, "AssumeRolePolicyDocument": {"{}"}}
	r := must(http.NewRequestWithContext(t.Context(), http.MethodPost, moto, strings.NewReader(form.Encode())))(t)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20261126/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=none")
	answer := must(http.DefaultClient.Do(r))(t)
	defer func() { _ = answer.Body.Close() }()
	if body := must(io.ReadAll(answer.Body))(t); answer.StatusCode != http.StatusOK {
		t.Fatalf("making a role in moto: %s", body)
	}
	return "arn:aws:iam::123456789012:role/deliver"
}

// documents are those that were sent to the instance, the first one first.
func (v *victim) documents(t *testing.T, c *ssm.Client) (names []string) {
	t.Helper()
	sent := must(c.ListCommands(t.Context(), &ssm.ListCommandsInput{InstanceId: &v.instance}))(t).Commands
	slices.SortStableFunc(sent, func(a, b ssmtypes.Command) int { return a.RequestedDateTime.Compare(*b.RequestedDateTime) })
	for _, c := range sent {
		names = append(names, aws.ToString(c.DocumentName))
	}
	return names
}

// checkFlowLogs: so many of the interfaces have a flow log, of ours, to the stack's group.
func (v *victim) checkFlowLogs(t *testing.T, role string, want int) {
	t.Helper()
	of := map[string]int{}
	for _, f := range must(v.ec2.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{}))(t).FlowLogs {
		of[*f.ResourceId]++
		ours := slices.ContainsFunc(f.Tags, func(tag types.Tag) bool { return *tag.Key == network.RoleTag })
		if !ours || aws.ToString(f.LogGroupName) != "flows" || aws.ToString(f.DeliverLogsPermissionArn) != role ||
			aws.ToInt32(f.MaxAggregationInterval) != 60 || f.TrafficType != types.TrafficTypeAll || !strings.Contains(aws.ToString(f.LogFormat), "${pkt-srcaddr}") {
			t.Errorf("%s: %+v", *f.ResourceId, f)
		}
	}
	found := 0
	for _, eni := range v.enis {
		found += min(1, of[eni])
	}
	if found != want || len(of) != want {
		t.Errorf("flow logs: %v, want one for %d interfaces", of, want)
	}
}

// survives writes what a flow log would say of somebody who still exchanges packets, in a
// window that begins more than a minute after the cut.
func (v *victim) survives(t *testing.T, c *cloudwatchlogs.Client, address string) {
	t.Helper()
	start := time.Now().Add(2 * time.Minute)
	stream := v.enis[0] + "-all"
	must(c.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String("flows"), LogStreamName: &stream}))(t)
	line := fmt.Sprintf("5 %s %d %d OK 10.0.0.4 44321 %s 443 6 egress ACCEPT 16 840", v.enis[0], start.Unix(), start.Unix()+60, address)
	must(c.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{
		LogGroupName: aws.String("flows"), LogStreamName: &stream, LogEvents: []logtypes.InputLogEvent{{Timestamp: aws.Int64(start.UnixMilli()), Message: &line}},
	}))(t)
}
