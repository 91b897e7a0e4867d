package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"tourniquet/lambda/bus"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/notice"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/topic"
)

// people is an SNS topic that takes messages, or refuses them as long as refuse says so.
func people(t *testing.T, refuse *bool) (*topic.Topic, *[]url.Values) {
	t.Helper()
	var mu sync.Mutex
	var got []url.Values
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if *refuse {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `<ErrorResponse><Error><Code>AuthorizationError</Code><Message>no</Message></Error></ErrorResponse>`)
			return
		}
		_ = r.ParseForm()
		got = append(got, r.PostForm)
		_, _ = io.WriteString(w, `<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>`)
	}))
	t.Cleanup(server.Close)
	return topic.New(awsConfig(server.URL), "arn:aws:sns:eu-central-1:111122223333:tourniquet"), &got
}

// events is an event bus that keeps the detail types it was given.
func events(t *testing.T) (*bus.Bus, *[]string) {
	t.Helper()
	var mu sync.Mutex
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Entries []struct{ DetailType string } }
		_ = json.NewDecoder(r.Body).Decode(&in)
		mu.Lock()
		defer mu.Unlock()
		for _, e := range in.Entries {
			got = append(got, e.DetailType)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		fmt.Fprintf(w, `{"FailedEntryCount":0,"Entries":[%s]}`, strings.TrimSuffix(strings.Repeat(`{"EventId":"1"},`, len(in.Entries)), ","))
	}))
	t.Cleanup(server.Close)
	return bus.New(awsConfig(server.URL)), &got
}

// People and the bus are told once of a containment, however often GuardDuty repeats
// itself, and nothing stays owed.
func TestToldOnce(t *testing.T) {
	t.Parallel()
	w, event := reverseShell(t)
	h := newTestHandler(t, simvpc.Start(t, w, simvpc.Options{}), map[string]string{})
	var messages *[]url.Values
	var entries *[]string
	h.Outbox.People, messages = people(t, new(bool))
	h.Outbox.Bus, entries = events(t)
	for range 2 {
		if _, err := h.Contain(lambdaContext(t.Context(), w), event); err != nil {
			t.Fatal(err)
		}
	}
	if len(*messages) != 1 || len(*entries) != 1 || (*entries)[0] != notice.InstanceContained {
		t.Fatalf("%d messages and the events %q, want one of each", len(*messages), *entries)
	}
	m := (*messages)[0]
	if s := m.Get("Subject"); s != "Contained: i-0aaaaaaaaaaaaaaa1 (web)" || m.Get("MessageStructure") != "json" {
		t.Errorf("subject %q, structure %q", s, m.Get("MessageStructure"))
	}
	for _, want := range []string{`Backdoor:EC2/C\u0026CActivity.B`, "198.51.100.7 is denied both ways in acl-1", "tourniquet release i-0aaaaaaaaaaaaaaa1"} {
		if !strings.Contains(m.Get("Message"), want) {
			t.Errorf("the message lacks %q:\n%s", want, m.Get("Message"))
		}
	}
	if owed, err := h.Outbox.Ledger.Owed(t.Context()); err != nil || len(owed) > 0 {
		t.Errorf("still owed: %v, %v", owed, err)
	}
}

// A message that can't be delivered lessens no containment. It stays owed, and the next
// reconcile delivers it.
func TestOwedUntilDelivered(t *testing.T) {
	t.Parallel()
	w, event := reverseShell(t)
	server := simvpc.Start(t, w, simvpc.Options{})
	h := newTestHandler(t, server, map[string]string{})
	var log bytes.Buffer
	h.Log = slog.New(slog.NewJSONHandler(&log, nil))
	refuse := true
	var messages *[]url.Values
	h.Outbox.People, messages = people(t, &refuse)
	answer, err := h.Contain(lambdaContext(t.Context(), w), event)
	if err != nil {
		t.Fatal(err)
	}
	i := answer.Incidents[0]
	if i.Status != record.Contained || len(i.Warnings) != 1 || !strings.Contains(i.Warnings[0], "notifying") {
		t.Errorf("status %s, warnings %q; want contained and one about the notification", i.Status, i.Warnings)
	}
	if !strings.Contains(log.String(), `"notification failed"`) {
		t.Errorf("the log lacks the line that alarms:\n%s", log.String())
	}
	refuse = false
	reconcile := func() {
		t.Helper()
		ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "another-request"})
		if _, err := h.Contain(ctx, json.RawMessage(`{"command":"reconcile"}`)); err != nil {
			t.Fatal(err)
		}
	}
	reconcile()
	if len(*messages) != 0 {
		t.Errorf("reconcile delivered what an invocation that may still run owes")
	}
	h.Outbox.Now = func() time.Time { return time.Now().Add(2 * overdue) }
	reconcile()
	reconcile()
	if len(*messages) != 1 || !strings.Contains((*messages)[0].Get("Subject"), "Contained") {
		t.Errorf("%d messages after the reconciles, want the one that was owed", len(*messages))
	}
	if !strings.Contains(log.String(), `"notifications owed","owed":0`) {
		t.Errorf("the log lacks the gauge:\n%s", log.String())
	}
}

// Without the ledger nothing can be owed: people and the bus are told at once.
func TestToldWithoutLedger(t *testing.T) {
	t.Parallel()
	w, event := reverseShell(t)
	h := newTestHandler(t, simvpc.Start(t, w, simvpc.Options{}), map[string]string{})
	cfg := awsConfig("http://127.0.0.1:1") // nobody listens there
	cfg.RetryMaxAttempts = 1
	dead := &ledger.Table{Client: dynamodb.NewFromConfig(cfg), Name: "ledger"}
	h.Responder.Ledger, h.Outbox.Ledger = dead, dead
	var messages *[]url.Values
	h.Outbox.People, messages = people(t, new(bool))
	if _, err := h.Contain(lambdaContext(t.Context(), w), event); err != nil {
		t.Fatal(err)
	}
	if len(*messages) != 1 || !strings.HasPrefix((*messages)[0].Get("Subject"), "UNRECORDED Contained") {
		t.Errorf("%d messages: %v", len(*messages), *messages)
	}
}

// A sample is told to people, so that they see that the pipeline works, and not to the bus.
func TestSampleIsTold(t *testing.T) {
	t.Parallel()
	w, event := reverseShell(t)
	h := newTestHandler(t, simvpc.Start(t, w, simvpc.Options{}), map[string]string{})
	var messages *[]url.Values
	var entries *[]string
	h.Outbox.People, messages = people(t, new(bool))
	h.Outbox.Bus, entries = events(t)
	event = json.RawMessage(strings.Replace(string(event), `"service":{`, `"service":{"additionalInfo":{"sample":true},`, 1))
	answer, err := h.Contain(lambdaContext(t.Context(), w), event)
	if err != nil || answer.Verdict != record.Sample {
		t.Fatalf("%v, %+v", err, answer)
	}
	if len(*messages) != 1 || !strings.HasPrefix((*messages)[0].Get("Subject"), "Sample finding") || len(*entries) != 0 {
		t.Errorf("messages %v, events %v", *messages, *entries)
	}
}
