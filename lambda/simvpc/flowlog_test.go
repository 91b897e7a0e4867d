package simvpc_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/flowlog"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

const (
	logGroup  = "/tourniquet/flows"
	logRole   = "arn:aws:iam::111122223333:role/flow-logs"
	logFormat = "${interface-id} ${srcaddr} ${srcport} ${dstaddr} ${dstport} ${protocol} ${flow-direction} ${action} ${tcp-flags} ${log-status}"
)

func logsClient(s *simvpc.Server) *cloudwatchlogs.Client {
	return cloudwatchlogs.New(cloudwatchlogs.Options{
		BaseEndpoint: aws.String(s.URL), Region: "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""), RetryMaxAttempts: 1,
	})
}

func flowLogInput(enis ...string) *ec2.CreateFlowLogsInput {
	return &ec2.CreateFlowLogsInput{
		ResourceType: types.FlowLogsResourceTypeNetworkInterface, ResourceIds: enis, TrafficType: types.TrafficTypeAll,
		LogGroupName: aws.String(logGroup), DeliverLogsPermissionArn: aws.String(logRole), LogFormat: aws.String(logFormat),
		MaxAggregationInterval: aws.Int32(60),
		TagSpecifications: []types.TagSpecification{{
			ResourceType: types.ResourceTypeVpcFlowLog, Tags: []types.Tag{{Key: aws.String("tourniquet:role"), Value: aws.String("watch")}},
		}},
	}
}

// wall is a clock that stands at a whole minute.
func wall() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) }

// events are the messages in the log group, each with its minute since the clock's start.
func events(t *testing.T, s *simvpc.Server, stream string) []string {
	t.Helper()
	out, err := logsClient(s).FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: aws.String(logGroup), LogStreamNamePrefix: aws.String(stream),
	})
	permit(t, err)
	var all []string
	for _, e := range out.Events {
		minute := time.UnixMilli(*e.Timestamp).Sub(wall()).Truncate(time.Minute).String()
		all = append(all, strings.TrimSuffix(minute, "0s")+" "+*e.Message)
	}
	return all
}

// The flow logs say what the swap leaves alive, what a denial cuts, and that in the
// end there is nothing.
func TestFlowLogsFollowTheFlows(t *testing.T) {
	t.Parallel()
	s, c := start(t, hosts, simvpc.Options{Clock: wall})
	s.Edit(func(w *world.World) {
		w.Flows = slices.DeleteFunc(w.Flows, func(f *world.Flow) bool { return f.String() != shell })
	})
	s.Advance(2 * time.Minute) // it is an old one by now
	out, err := c.CreateFlowLogs(t.Context(), flowLogInput("eni-web"))
	permit(t, err)
	if len(out.FlowLogIds) != 1 || len(out.Unsuccessful) != 0 {
		t.Fatalf("%+v", out)
	}
	permit(t, swap("eni-web", "sg-quarantine")(t.Context(), c))
	s.Advance(time.Minute)
	if got := events(t, s, "eni-web"); got != nil {
		t.Errorf("delivered at once: %q", got)
	}
	s.Advance(time.Minute)
	for _, egress := range []bool{false, true} {
		permit(t, addEntry(entry("acl-default-1", 1, egress, types.RuleActionDeny, "-1", "198.51.100.7/32"))(t.Context(), c))
	}
	s.Advance(25 * time.Minute)
	all := events(t, s, "eni-web-all")
	alive := []string{
		"2m eni-web 10.0.1.10 44321 198.51.100.7 443 6 egress ACCEPT 0 OK",
		"2m eni-web 198.51.100.7 443 10.0.1.10 44321 6 ingress ACCEPT 0 OK",
		"3m eni-web 10.0.1.10 44321 198.51.100.7 443 6 egress ACCEPT 0 OK",
		"3m eni-web 198.51.100.7 443 10.0.1.10 44321 6 ingress ACCEPT 0 OK",
		"4m eni-web 10.0.1.10 44321 198.51.100.7 443 6 egress REJECT 0 OK",
		"4m eni-web 198.51.100.7 443 10.0.1.10 44321 6 ingress REJECT 0 OK",
	}
	if diff := cmp.Diff(alive, all[:len(alive)]); diff != "" {
		t.Error(diff)
	}
	if last := all[len(all)-1]; last != "23m eni-web - - - - - - - - NODATA" {
		t.Errorf("in the end: %q", last) // the ends gave up after a quarter of an hour
	}
}

// A connection that comes about after the cut has its first packet in the records.
func TestFlowLogsShowNewConnections(t *testing.T) {
	t.Parallel()
	s, c := start(t, hosts, simvpc.Options{Clock: wall})
	s.Edit(func(w *world.World) { w.Flows = nil })
	_, err := c.CreateFlowLogs(t.Context(), flowLogInput("eni-web"))
	permit(t, err)
	s.Advance(time.Minute)
	s.Edit(func(w *world.World) {
		f, err := world.ParseFlow(fresh)
		permit(t, err)
		oracle.Establish(w, f)
	})
	s.ScriptFlowLog("eni-web", flowlog.Script{}, flowlog.Script{Status: flowlog.SkipData}, flowlog.Script{Lost: true}, flowlog.Script{Late: time.Hour})
	s.Advance(10 * time.Minute)
	want := []string{
		"1m eni-web 10.0.1.10 45000 203.0.113.9 80 6 egress ACCEPT 2 OK",
		"1m eni-web 203.0.113.9 80 10.0.1.10 45000 6 ingress ACCEPT 18 OK",
		"2m eni-web - - - - - - - - SKIPDATA",
	}
	got := events(t, s, "eni-web")
	if diff := cmp.Diff(want, got[1:4]); diff != "" || !strings.HasSuffix(got[0], "NODATA") {
		t.Errorf("%s\n%q", diff, got)
	}
	if slices.ContainsFunc(got, func(e string) bool { return strings.HasPrefix(e, "3m ") || strings.HasPrefix(e, "4m ") }) {
		t.Errorf("lost and late records are there: %q", got)
	}
	s.Advance(time.Hour)
	if !slices.ContainsFunc(events(t, s, "eni-web"), func(e string) bool { return strings.HasPrefix(e, "4m ") }) {
		t.Error("the late records never came")
	}
}

// A host with rules of its own sends nothing, and what is sent to it still arrives
// at its interface.
func TestFlowLogsSeeTheInterfaceNotTheHost(t *testing.T) {
	t.Parallel()
	s, c := start(t, hosts, simvpc.Options{Clock: wall})
	_, err := c.CreateFlowLogs(t.Context(), flowLogInput("eni-web"))
	permit(t, err)
	_, err = send(t, ssmClient(s), "tourniquet-isolate", "i-web")
	permit(t, err)
	s.Advance(7 * time.Minute)
	var got []string
	for _, e := range events(t, s, "eni-web") {
		if strings.HasPrefix(e, "1m ") {
			got = append(got, e)
		}
	}
	want := []string{
		"1m eni-web 10.0.1.10 40001 192.0.2.20 443 6 egress ACCEPT 0 OK",
		"1m eni-web 192.0.2.20 443 10.0.1.10 40001 6 ingress ACCEPT 0 OK",
		"1m eni-web 198.51.100.7 53 10.0.1.10 44322 17 ingress ACCEPT 0 OK",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFlowLogCalls(t *testing.T) {
	t.Parallel()
	s, c := start(t, hosts, simvpc.Options{Clock: wall})
	in := flowLogInput("eni-web", "eni-9", "eni-windows")
	in.ClientToken = aws.String("once")
	out, err := c.CreateFlowLogs(t.Context(), in)
	permit(t, err)
	if len(out.FlowLogIds) != 2 || len(out.Unsuccessful) != 1 || *out.Unsuccessful[0].ResourceId != "eni-9" ||
		*out.Unsuccessful[0].Error.Code != "InvalidNetworkInterfaceID.NotFound" {
		t.Errorf("%v, %+v", out.FlowLogIds, out.Unsuccessful)
	}
	again, err := c.CreateFlowLogs(t.Context(), in)
	if err != nil || !slices.Equal(again.FlowLogIds, out.FlowLogIds) {
		t.Errorf("with the same token: %v, %v", again, err)
	}
	twice, err := c.CreateFlowLogs(t.Context(), flowLogInput("eni-web"))
	permit(t, err)
	if len(twice.FlowLogIds) != 0 || len(twice.Unsuccessful) != 1 || *twice.Unsuccessful[0].Error.Code != "FlowLogAlreadyExists" {
		t.Errorf("a second one: %+v", twice)
	}
	found, err := c.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{Filter: []types.Filter{filter("resource-id", "eni-web"), filter("tag:tourniquet:role", "watch")}})
	permit(t, err)
	if len(found.FlowLogs) != 1 || *found.FlowLogs[0].LogGroupName != logGroup || *found.FlowLogs[0].LogFormat != logFormat || *found.FlowLogs[0].MaxAggregationInterval != 60 {
		t.Errorf("%+v", found.FlowLogs)
	}
	gone, err := c.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{out.FlowLogIds[0], "fl-9"}})
	permit(t, err)
	if len(gone.Unsuccessful) != 1 || *gone.Unsuccessful[0].Error.Code != "InvalidFlowLogId.NotFound" || len(s.World().FlowLogs) != 1 {
		t.Errorf("%+v, %v", gone.Unsuccessful, s.World().FlowLogs)
	}
	permit(t, terminate("i-windows")(t.Context(), c))
	if left := s.World().FlowLogs; len(left) != 0 {
		t.Errorf("a flow log outlives its interface: %v", left)
	}
}

func TestFlowLogRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*ec2.CreateFlowLogsInput)
		want   string
	}{
		"no role":        {func(in *ec2.CreateFlowLogsInput) { in.DeliverLogsPermissionArn = nil }, "InvalidParameter"},
		"no group":       {func(in *ec2.CreateFlowLogsInput) { in.LogGroupName = nil }, "MissingParameter"},
		"to a bucket":    {func(in *ec2.CreateFlowLogsInput) { in.LogDestinationType = "s3" }, "UnsupportedOperation"},
		"interval":       {func(in *ec2.CreateFlowLogsInput) { in.MaxAggregationInterval = aws.Int32(30) }, "InvalidParameter"},
		"unknown field":  {func(in *ec2.CreateFlowLogsInput) { in.LogFormat = aws.String("${srcaddr} ${colour}") }, "InvalidParameter"},
		"nothing":        {func(in *ec2.CreateFlowLogsInput) { in.ResourceIds = []string{} }, "InvalidParameterValue"},
		"tags of others": {func(in *ec2.CreateFlowLogsInput) { in.TagSpecifications[0].ResourceType = "instance" }, "InvalidParameterValue"},
	} {
		s, c := start(t, hosts, simvpc.Options{})
		in := flowLogInput("eni-web")
		test.change(in)
		if _, err := c.CreateFlowLogs(t.Context(), in); code(err) != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
		if logs := s.World().FlowLogs; len(logs) != 0 {
			t.Errorf("%s: made %v", name, logs)
		}
	}
}

func TestFilterLogEvents(t *testing.T) {
	t.Parallel()
	s, c := start(t, hosts+"log-group empty\n", simvpc.Options{Clock: wall})
	_, err := c.CreateFlowLogs(t.Context(), flowLogInput("eni-web", "eni-windows"))
	permit(t, err)
	s.Advance(20 * time.Minute)
	logs := logsClient(s)
	ask := func(in cloudwatchlogs.FilterLogEventsInput) (*cloudwatchlogs.FilterLogEventsOutput, error) {
		if in.LogGroupName == nil {
			in.LogGroupName = aws.String(logGroup)
		}
		return logs.FilterLogEvents(context.Background(), &in)
	}
	count := func(in cloudwatchlogs.FilterLogEventsInput) int {
		out, err := ask(in)
		permit(t, err)
		return len(out.Events)
	}
	// Three flows both ways on one interface, none on the other; 15 minutes delivered.
	if got := count(cloudwatchlogs.FilterLogEventsInput{}); got != 15*(6+1) {
		t.Errorf("%d events, want %d", got, 15*7)
	}
	minute := func(n int) *int64 { return aws.Int64(wall().Add(time.Duration(n) * time.Minute).UnixMilli()) }
	if got := count(cloudwatchlogs.FilterLogEventsInput{StartTime: minute(3), EndTime: minute(5)}); got != 2*7 {
		t.Errorf("%d events in two minutes, want 14", got)
	}
	if got := count(cloudwatchlogs.FilterLogEventsInput{LogStreamNames: []string{"eni-windows-all"}, FilterPattern: aws.String("NODATA")}); got != 15 {
		t.Errorf("%d without data, want 15", got)
	}
	if got := count(cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("empty")}); got != 0 {
		t.Errorf("%d events in an empty group", got)
	}
	pages, events := 0, 0
	p := cloudwatchlogs.NewFilterLogEventsPaginator(logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(logGroup), Limit: aws.Int32(50)})
	for p.HasMorePages() {
		out, err := p.NextPage(t.Context())
		permit(t, err)
		pages, events = pages+1, events+len(out.Events)
	}
	if pages != 3 || events != 105 {
		t.Errorf("%d events on %d pages, want 105 on 3", events, pages)
	}
	if _, err := ask(cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("nowhere")}); code(err) != "ResourceNotFoundException" {
		t.Errorf("no such group: %v", err)
	}
	if _, err := ask(cloudwatchlogs.FilterLogEventsInput{FilterPattern: aws.String("{ $.a = 1 }")}); code(err) != "InvalidParameterException" {
		t.Errorf("a pattern: %v", err)
	}
	s.Inject(simvpc.Fault{Op: "FilterLogEvents", Kind: simvpc.Throttle})
	if _, err := ask(cloudwatchlogs.FilterLogEventsInput{}); code(err) != "ThrottlingException" {
		t.Errorf("throttled: %v", err)
	}
}
