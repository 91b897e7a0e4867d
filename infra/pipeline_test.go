//go:build integration

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// peerAddress is the remote peer of the findings here.
const peerAddress = "198.51.100.7"

// A world is what moto's EC2 has: a subnet with two instances, one of two
// interfaces and one that is left alone.
type world struct {
	vpc, subnet, acl  string
	groups            []string // of each interface
	compromised       string
	other             string
	compromisedBefore map[string][]string
	otherBefore       map[string][]string
}

func newWorld(t *testing.T, d *deployment) *world {
	t.Helper()
	ctx := t.Context()
	vpc, err := d.ec2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	must(t, err)
	w := &world{vpc: *vpc.Vpc.VpcId}
	subnet, err := d.ec2.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &w.vpc, CidrBlock: aws.String("10.0.1.0/24")})
	must(t, err)
	w.subnet = *subnet.Subnet.SubnetId
	for _, name := range []string{"ssh", "web"} {
		g, err := d.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &w.vpc, GroupName: &name, Description: &name})
		must(t, err)
		w.groups = append(w.groups, *g.GroupId)
	}
	slices.Sort(w.groups)
	w.compromised = w.launch(t, d, 2)
	w.other = w.launch(t, d, 1)
	w.compromisedBefore, w.otherBefore = d.groupsOf(t, w.compromised), d.groupsOf(t, w.other)
	acls, err := d.ec2.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{
		Filters: []ec2types.Filter{{Name: aws.String("association.subnet-id"), Values: []string{w.subnet}}},
	})
	must(t, err)
	w.acl = *acls.NetworkAcls[0].NetworkAclId
	// An empty inbox, subscribed before anything happens.
	inbox, err := d.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("inbox")})
	must(t, err)
	d.inbox = *inbox.QueueUrl
	_, err = d.sns.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &d.outputs.TopicArn, Protocol: aws.String("sqs"),
		Endpoint: aws.String("arn:aws:sqs:" + emulatedRegion + ":" + emulatedAccount + ":inbox"),
	})
	must(t, err)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// launch makes the interfaces first and the instance with them: moto gives other
// interfaces back old and new groups after a swap.
func (w *world) launch(t *testing.T, d *deployment, interfaces int) string {
	t.Helper()
	run := &ec2.RunInstancesInput{
		ImageId: aws.String("ami-12c6146b"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), InstanceType: ec2types.InstanceTypeM5Large,
	}
	for i := range interfaces {
		n, err := d.ec2.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: &w.subnet, Groups: w.groups})
		must(t, err)
		run.NetworkInterfaces = append(run.NetworkInterfaces, ec2types.InstanceNetworkInterfaceSpecification{
			DeviceIndex: aws.Int32(int32(i)), NetworkInterfaceId: n.NetworkInterface.NetworkInterfaceId,
		})
	}
	out, err := d.ec2.RunInstances(t.Context(), run)
	must(t, err)
	return *out.Instances[0].InstanceId
}

// groupsOf are the groups of each interface of an instance, sorted.
func (d *deployment) groupsOf(t *testing.T, instance string) map[string][]string {
	t.Helper()
	out, err := d.ec2.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{
		Filters: []ec2types.Filter{{Name: aws.String("attachment.instance-id"), Values: []string{instance}}},
	})
	must(t, err)
	all := map[string][]string{}
	for _, n := range out.NetworkInterfaces {
		var ids []string
		for _, g := range n.Groups {
			ids = append(ids, *g.GroupId)
		}
		slices.Sort(ids)
		all[*n.NetworkInterfaceId] = ids
	}
	return all
}

// quarantined reports whether each interface of an instance is in a quarantine group and no other.
func (d *deployment) quarantined(t *testing.T, instance string) bool {
	t.Helper()
	interfaces := d.groupsOf(t, instance)
	for _, groups := range interfaces {
		if len(groups) != 1 {
			return false
		}
		out, err := d.ec2.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: groups})
		must(t, err)
		g := out.SecurityGroups[0]
		tagged := slices.ContainsFunc(g.Tags, func(tag ec2types.Tag) bool {
			return *tag.Key == network.RoleTag && *tag.Value == network.RoleValue
		})
		if !tagged || len(g.IpPermissions)+len(g.IpPermissionsEgress) > 0 {
			return false
		}
	}
	return len(interfaces) > 0
}

// denials are the deny entries of the world's ACL, the "*" entry left out.
func (d *deployment) denials(t *testing.T, w *world) []string {
	t.Helper()
	out, err := d.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{w.acl}})
	must(t, err)
	var all []string
	for _, e := range out.NetworkAcls[0].Entries {
		if e.RuleAction == ec2types.RuleActionDeny && *e.RuleNumber <= network.MaxRuleNumber {
			all = append(all, fmt.Sprintf("%d egress=%v %s", *e.RuleNumber, *e.Egress, *e.CidrBlock))
		}
	}
	slices.Sort(all)
	return all
}

// items are what the ledger has under a partition key, by sort key.
func (d *deployment) items(t *testing.T, partition string) map[string]map[string]ddbtypes.AttributeValue {
	t.Helper()
	out, err := d.dynamodb.Query(t.Context(), &dynamodb.QueryInput{
		TableName: &d.outputs.TableName, KeyConditionExpression: aws.String("#pk = :pk"),
		ExpressionAttributeNames:  map[string]string{"#pk": ledger.PartitionKey},
		ExpressionAttributeValues: map[string]ddbtypes.AttributeValue{":pk": &ddbtypes.AttributeValueMemberS{Value: partition}},
	})
	must(t, err)
	all := map[string]map[string]ddbtypes.AttributeValue{}
	for _, item := range out.Items {
		all[item[ledger.SortKey].(*ddbtypes.AttributeValueMemberS).Value] = item
	}
	return all
}

// finding is what GuardDuty sends about an instance.
func (w *world) finding(instance string, severity any, changes ...object) object {
	event := finding(c2, severity, append([]object{{
		"accountId": emulatedAccount, "region": emulatedRegion, "id": fmt.Sprintf("%032x", len(instance)) + instance,
		"resource": object{"resourceType": "Instance", "instanceDetails": object{
			"instanceId":        instance,
			"networkInterfaces": []any{object{"subnetId": w.subnet, "vpcId": w.vpc}},
		}},
	}}, changes...)...)
	return event["detail"].(object)
}

// publish puts a finding onto the event bus, as GuardDuty does.
func (d *deployment) publish(t *testing.T, detail object) {
	t.Helper()
	d.put(t, guardduty.SourceGuardDuty, guardduty.DetailTypeGuardDuty, marshal(detail))
}

func (d *deployment) put(t *testing.T, source, detailType, detail string, resources ...string) {
	t.Helper()
	out, err := d.events.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []eventtypes.PutEventsRequestEntry{{
		Source: &source, DetailType: &detailType, Detail: &detail, Resources: resources,
	}}})
	must(t, err)
	if out.FailedEntryCount > 0 {
		t.Fatalf("PutEvents: %v", out.Entries)
	}
}

// testFinding: from the event to groups, entries and record, with nothing invoked
// by hand. A finding below the floor, sent before, has changed nothing by then.
func testFinding(t *testing.T, d *deployment, w *world) {
	d.publish(t, w.finding(w.other, 2.0))
	d.publish(t, w.finding(w.compromised, 8.0))
	eventually(t, "the quarantine of "+w.compromised, func() bool { return d.quarantined(t, w.compromised) })
	want := []string{"1 egress=false " + peerAddress + "/32", "1 egress=true " + peerAddress + "/32"}
	eventually(t, "the denials", func() bool { return slices.Equal(d.denials(t, w), want) })
	var item map[string]ddbtypes.AttributeValue
	eventually(t, "the record", func() bool {
		item = d.items(t, "INSTANCE#"+w.compromised)["CONTAINMENT#1"]
		status, _ := item["status"].(*ddbtypes.AttributeValueMemberS)
		return status != nil && status.Value == string(record.Contained)
	})
	if said := fmt.Sprint(attributes(item)); !strings.Contains(said, w.groups[0]) || !strings.Contains(said, w.groups[1]) {
		t.Errorf("the record doesn't hold the original groups %v: %s", w.groups, said)
	}
	if after := d.groupsOf(t, w.other); fmt.Sprint(after) != fmt.Sprint(w.otherBefore) {
		t.Errorf("a finding of severity 2 changed %s from %v to %v", w.other, w.otherBefore, after)
	}
	if items := d.items(t, "INSTANCE#"+w.other); len(items) > 0 {
		t.Errorf("a finding of severity 2 started the function: %v", items)
	}
}

// attributes are an item's values as JSON would have them.
func attributes(item map[string]ddbtypes.AttributeValue) any {
	b, _ := json.Marshal(item) // for people to read
	return string(b)
}

// testLog: the metric filters, which the emulator doesn't have, would find their
// lines and fields.
func testLog(t *testing.T, d *deployment) {
	var incident, invocation object
	eventually(t, "the log", func() bool {
		for _, line := range d.log(t) {
			var fields object
			if json.Unmarshal([]byte(line), &fields) != nil {
				continue
			}
			switch fields["message"] {
			case lineIncident:
				incident = fields
			case lineInvocation:
				invocation = fields
			}
		}
		return incident != nil && invocation != nil
	})
	for key, want := range map[string]any{"verdict": "contain", "status": "contained", "unrecorded": false, "aclRoom": 17.0} {
		if incident[key] != want {
			t.Errorf("%s: %s is %v, want %v", lineIncident, key, incident[key], want)
		}
	}
	if millis, _ := invocation["containedMillis"].(float64); millis <= 0 {
		t.Errorf("%s: got %v", lineInvocation, invocation)
	}
}

// log is what the contain function has logged.
func (d *deployment) log(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, group := range d.logGroups(t) {
		if !strings.Contains(group, "ContainLog") {
			continue
		}
		streams, err := d.logs.DescribeLogStreams(t.Context(), &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: &group})
		must(t, err)
		for _, s := range streams.LogStreams {
			out, err := d.logs.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{
				LogGroupName: &group, LogStreamName: s.LogStreamName, StartFromHead: aws.Bool(true),
			})
			must(t, err)
			for _, e := range out.Events {
				lines = append(lines, strings.Split(*e.Message, "\n")...)
			}
		}
	}
	return lines
}

func (d *deployment) logGroups(t *testing.T) []string {
	t.Helper()
	out, err := d.logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{})
	must(t, err)
	var names []string
	for _, g := range out.LogGroups {
		names = append(names, *g.LogGroupName)
	}
	return names
}

// testNotification: people hear of the containment, and only of that.
func testNotification(t *testing.T, d *deployment, w *world) {
	var messages []string
	eventually(t, "the notification", func() bool {
		messages = append(messages, d.receive(t, d.inbox)...)
		return len(messages) > 0
	})
	var note struct{ Subject, Message string }
	if err := json.Unmarshal([]byte(messages[0]), &note); err != nil || len(messages) != 1 ||
		note.Subject != "Tourniquet: "+w.compromised+" contained" || !strings.Contains(note.Message, "quarantine/eni-") {
		t.Errorf("got %d messages, the first %s (%v)", len(messages), messages[0], err)
	}
}

// receive takes what is in a queue.
func (d *deployment) receive(t *testing.T, queue string) []string {
	t.Helper()
	out, err := d.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 10})
	must(t, err)
	var bodies []string
	for _, m := range out.Messages {
		bodies = append(bodies, *m.Body)
	}
	return bodies
}

// testDeclined: what the function itself declines, invoked as the README says.
func testDeclined(t *testing.T, d *deployment, w *world) {
	denials := d.denials(t, w)
	for verdict, detail := range map[string]object{
		string(record.NotActionable): w.finding(w.other, 2.0),
		string(record.Sample):        w.finding(w.other, 8.0, object{"service.additionalInfo": object{"sample": true}}),
		string(record.OtherAccount):  w.finding(w.other, 8.0, object{"accountId": otherAccount}),
	} {
		got, err := d.invoke(t, d.outputs.ContainFunctionName, detail)
		if err != nil || got.Verdict != verdict {
			t.Errorf("got %+v (%v), want the verdict %s", got, err, verdict)
		}
	}
	got, err := d.invoke(t, d.outputs.ContainFunctionName, object{
		"command": "contain", "instanceId": w.other, "peers": []string{"203.0.113.9"}, "reason": "drill", "dryRun": true,
	})
	if err != nil || got.Verdict != string(record.ObservedOnly) || len(got.Incidents) != 1 || len(got.Incidents[0].Steps) != 3 {
		t.Errorf("dry run: got %+v (%v)", got, err)
	}
	if after := d.groupsOf(t, w.other); fmt.Sprint(after) != fmt.Sprint(w.otherBefore) || !slices.Equal(denials, d.denials(t, w)) {
		t.Errorf("%s was changed from %v to %v", w.other, w.otherBefore, after)
	}
}

// testMalformed: an event that the function can't read ends, after three attempts,
// in the queue of failures, with all that it held. It is invoked asynchronously, as
// EventBridge does; MiniStack's EventBridge tries once and tells nobody.
func testMalformed(t *testing.T, d *deployment) {
	event := finding(c2, "High", object{"id": "malformed"})
	payload, err := json.Marshal(event)
	must(t, err)
	_, err = d.lambda.Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName: &d.outputs.ContainFunctionName, Payload: payload, InvocationType: lambdatypes.InvocationTypeEvent,
	})
	must(t, err)
	var failures []string
	eventually(t, "the failed event", func() bool {
		failures = append(failures, d.receive(t, d.outputs.FailedEventsURL)...)
		return len(failures) > 0
	})
	var doc struct {
		RequestContext  struct{ Condition string }
		RequestPayload  object
		ResponsePayload functionError
	}
	must(t, json.Unmarshal([]byte(failures[0]), &doc))
	if doc.RequestContext.Condition != "RetriesExhausted" || doc.ResponsePayload.ErrorType != "EventError" ||
		!strings.Contains(doc.ResponsePayload.ErrorMessage, "severity") {
		t.Errorf("got %s", failures[0])
	}
	if got := marshal(doc.RequestPayload); got != marshal(event) || len(failures) != 1 {
		t.Errorf("got %d messages, the event %s, want %s", len(failures), got, marshal(event))
	}
	attempts := 0
	for _, line := range d.log(t) {
		var fields object
		if json.Unmarshal([]byte(line), &fields) == nil && fields["message"] == "invocation failed" {
			attempts++
		}
	}
	if attempts != 3 {
		t.Errorf("%d attempts, want 3", attempts)
	}
}

// testCustomAction: an analyst's click in Security Hub contains the other instance,
// which has the same peer; another custom action does nothing.
func testCustomAction(t *testing.T, d *deployment, w *world) {
	denials := d.denials(t, w)
	var event struct{ Detail object }
	read(t, "../lambda/guardduty/testdata/securityhub-c2.json", &event)
	detail := strings.NewReplacer(testAccount, emulatedAccount, testRegion, emulatedRegion, "i-0123456789abcdef0", w.other,
		"vpc-0123456789abcdef0", w.vpc, "subnet-0a1b2c3d4e5f60718", w.subnet).Replace(marshal(event.Detail))
	action := "arn:aws:securityhub:" + emulatedRegion + ":" + emulatedAccount + ":action/custom/"
	d.put(t, guardduty.SourceSecurityHub, guardduty.DetailTypeSecurityHub, detail, action+"OpenTicket")
	if got := d.groupsOf(t, w.other); d.quarantined(t, w.other) {
		t.Errorf("another custom action contained %s: %v", w.other, got)
	}
	d.put(t, guardduty.SourceSecurityHub, guardduty.DetailTypeSecurityHub, detail, action+"Tourniquet")
	eventually(t, "the quarantine of "+w.other, func() bool { return d.quarantined(t, w.other) })
	eventually(t, "the record", func() bool { // the first generation was the dry run's
		status, _ := d.items(t, "INSTANCE#"+w.other)["CONTAINMENT#2"]["status"].(*ddbtypes.AttributeValueMemberS)
		return status != nil && status.Value == string(record.Contained)
	})
	if got := d.denials(t, w); !slices.Equal(got, denials) {
		t.Errorf("a second incident with the same peer: denials %v, want %v", got, denials)
	}
}

// testSchedules: what the schedules start has something to do it, and leaves a
// containment that is in order as it is.
func testSchedules(t *testing.T, d *deployment, w *world) {
	groups, denials := d.groupsOf(t, w.compromised), d.denials(t, w)
	for function, command := range map[string]string{d.outputs.ContainFunctionName: "reconcile", d.outputs.ReleaseFunctionName: "expire"} {
		got, err := d.invoke(t, function, object{"command": command})
		if err != nil || got.Verdict != command {
			t.Errorf("%s: got %+v (%v)", command, got, err)
		}
	}
	if now := d.groupsOf(t, w.compromised); fmt.Sprint(now) != fmt.Sprint(groups) || !slices.Equal(d.denials(t, w), denials) {
		t.Errorf("got %v and %v, want %v and %v", now, d.denials(t, w), groups, denials)
	}
}

// testRelease: a person's release gives every interface its groups back. The
// entries stay while another incident holds them, and go with it.
func testRelease(t *testing.T, d *deployment, w *world) {
	held := d.denials(t, w)
	must(t, d.release(t, w.compromised))
	if now := d.groupsOf(t, w.compromised); fmt.Sprint(now) != fmt.Sprint(w.compromisedBefore) {
		t.Errorf("groups: got %v, want %v", now, w.compromisedBefore)
	}
	if now := d.denials(t, w); !slices.Equal(now, held) {
		t.Errorf("denials that %s holds: got %v, want %v", w.other, now, held)
	}
	must(t, d.release(t, w.other))
	if now := d.groupsOf(t, w.other); fmt.Sprint(now) != fmt.Sprint(w.otherBefore) {
		t.Errorf("groups: got %v, want %v", now, w.otherBefore)
	}
	if left := d.denials(t, w); len(left) > 0 {
		t.Errorf("denials that nobody holds: %v", left)
	}
}

// release releases an instance by hand, its denials at once.
func (d *deployment) release(t *testing.T, instance string) error {
	t.Helper()
	got, err := d.invoke(t, d.outputs.ReleaseFunctionName, object{
		"command": "release", "instanceId": instance, "reason": "false alarm", "force": true,
	})
	if err == nil && (got.Verdict != "release" || len(got.Incidents) != 1 || got.Incidents[0].Status != "released") {
		t.Errorf("got %+v", got)
	}
	return err
}

// testDestroy: what remains is what the README says, with what was written to it.
func testDestroy(t *testing.T, d *deployment) {
	ctx := t.Context()
	d.cdk(t, "destroy", "--force", "--app", d.out)
	var left []string
	functions, err := d.lambda.ListFunctions(ctx, &lambda.ListFunctionsInput{})
	must(t, err)
	for _, f := range functions.Functions {
		left = append(left, "function "+*f.FunctionName)
	}
	rules, err := d.events.ListRules(ctx, &eventbridge.ListRulesInput{})
	must(t, err)
	for _, r := range rules.Rules {
		left = append(left, "rule "+*r.Name)
	}
	queues, err := d.sqs.ListQueues(ctx, &sqs.ListQueuesInput{})
	must(t, err)
	for _, url := range queues.QueueUrls {
		if url[strings.LastIndexByte(url, '/')+1:] != "inbox" { // the test's
			left = append(left, "queue "+url)
		}
	}
	topics, err := d.sns.ListTopics(ctx, &sns.ListTopicsInput{})
	must(t, err)
	for _, topic := range topics.Topics {
		left = append(left, "topic "+*topic.TopicArn)
	}
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	tables, err := d.dynamodb.ListTables(ctx, &dynamodb.ListTablesInput{})
	must(t, err)
	if !slices.Equal(tables.TableNames, []string{d.outputs.TableName}) {
		t.Errorf("tables: got %v, want %s", tables.TableNames, d.outputs.TableName)
	}
	if groups := d.logGroups(t); len(groups) != 2 {
		t.Errorf("log groups: got %v, want the two functions'", groups)
	}
}
