//go:build integration

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/record"
)

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

// testNotification: people hear of the containment, and only of that.
func testNotification(t *testing.T, d *deployment, w *world) {
	var messages []string
	eventually(t, "the notification", func() bool {
		messages = append(messages, d.receive(t, d.inbox)...)
		return len(messages) > 0
	})
	var note struct{ Subject, Message string }
	if err := json.Unmarshal([]byte(messages[0]), &note); err != nil || len(messages) != 1 ||
		note.Subject != "Contained: "+w.compromised || !strings.Contains(note.Message, peerAddress+" is denied both ways in "+w.acl) ||
		!strings.Contains(note.Message, "tourniquet release "+w.compromised) {
		t.Errorf("got %d messages, the first %s (%v)", len(messages), messages[0], err)
	}
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
	if err != nil || got.Verdict != string(record.ObservedOnly) || len(got.Incidents) != 1 {
		t.Fatalf("dry run: got %+v (%v)", got, err)
	}
	planned := map[string]int{} // by the kind of step
	for _, s := range got.Incidents[0].Steps {
		if s.State != string(record.Planned) {
			t.Errorf("dry run: %+v", s)
		}
		kind, _, _ := strings.Cut(s.ID, "/")
		planned[kind]++
	}
	if planned["quarantine"] != 1 || planned["denial"] != 2 || planned["protection"] != 2 {
		t.Errorf("dry run: planned %v", planned)
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

// testUnknown: a finding of a type that nobody knows waits in its queue, and starts no
// function. One of a known type, sent at the same time, doesn't come there.
func testUnknown(t *testing.T, d *deployment, w *world) {
	d.publish(t, w.finding(w.other, 8.0, object{"type": "Recon:EC2/PortProbeUnprotectedPort"}))
	d.publish(t, w.finding(w.other, 8.0, object{"type": "Recon:EC2/Novel"}))
	var kept []string
	eventually(t, "the finding of an unknown type", func() bool {
		kept = append(kept, d.receive(t, d.outputs.UnknownFindingTypesURL)...)
		return len(kept) > 0
	})
	var event struct{ Detail struct{ Type string } }
	must(t, json.Unmarshal([]byte(kept[0]), &event))
	if event.Detail.Type != "Recon:EC2/Novel" || len(kept) != 1 {
		t.Errorf("got %d messages, the first of type %s", len(kept), event.Detail.Type)
	}
	for _, line := range d.log(t) {
		if strings.Contains(line, "Recon:EC2/") {
			t.Errorf("the function got a finding of a type that it can't contain on: %s", line)
		}
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

// release releases an instance with the operator's command, its denials at once.
func (d *deployment) release(t *testing.T, instance string) error {
	t.Helper()
	out, code := d.command(t, "release", instance, "--reason", "false alarm", "--force", "--yes", "--json")
	var got answer
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		return fmt.Errorf("exit status %d: %w: %s", code, err, out)
	}
	if code != 0 || got.Verdict != "release" || len(got.Incidents) != 1 || got.Incidents[0].Status != "released" {
		t.Errorf("exit status %d, got %+v", code, got)
	}
	return nil
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
		if *r.Name != heard { // the test's
			left = append(left, "rule "+*r.Name)
		}
	}
	queues, err := d.sqs.ListQueues(ctx, &sqs.ListQueuesInput{})
	must(t, err)
	for _, url := range queues.QueueUrls {
		if name := url[strings.LastIndexByte(url, '/')+1:]; name != "inbox" && name != heard { // the test's
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
	groups := d.logGroups(t)
	for _, id := range []string{"ContainLog", "FlowLogs", "ReleaseLog"} {
		if !slices.ContainsFunc(groups, func(name string) bool { return strings.Contains(name, id) }) || len(groups) != 3 {
			t.Errorf("log groups: got %v, want the two functions' and the flow logs'", groups)
		}
	}
}
