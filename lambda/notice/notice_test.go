package notice

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/record"
)

var update = flag.Bool("update", false, "rewrite the golden texts")

// Each kind of outcome has a golden subject, text and chat notification.
func TestGoldenTexts(t *testing.T) {
	t.Parallel()
	for _, o := range outcomes() {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			n := o.news("web-1")
			if want := o.name; o.name != "unrecorded" && string(n.Kind) != want {
				t.Errorf("kind %q, want %q", n.Kind, want)
			}
			m, err := n.Message()
			if err != nil {
				t.Fatal(err)
			}
			parts := parse(t, m)
			if parts["email"] != parts["default"] {
				t.Error("email and default differ")
			}
			golden(t, o.name+".txt", fmt.Sprintf("Subject: %s\n\n%s\n--- chat\n%s\n", m.Subject, parts["email"], indented(t, parts["https"])))
		})
	}
}

func parse(t rapid.TB, m Message) map[string]string {
	t.Helper()
	var parts map[string]string
	if err := json.Unmarshal([]byte(m.Body), &parts); err != nil {
		t.Fatalf("the body is not a JSON object of texts: %v", err)
	}
	return parts
}

func indented(t *testing.T, doc string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(doc), "", "  "); err != nil {
		t.Fatalf("the chat notification is not JSON: %v", err)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// Whatever texts a finding, a tag or a host supplied: the subject is one that SNS
// takes, the chat has no markup of theirs, no part is invisible, and all of it is
// short enough.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	hostile := rapid.StringOf(rapid.RuneFrom([]rune("ab*_`~<>@|[]\r\n\t\x00\x1b\u202e\u2066\u200bé漢😀&\"'://")))
	rapid.Check(t, func(t *rapid.T) {
		o := rapid.SampledFrom(outcomes()).Draw(t, "outcome")
		o.incident.Reason = strings.Repeat(hostile.Draw(t, "reason"), rapid.IntRange(1, 200).Draw(t, "times"))
		for range rapid.IntRange(0, 400).Draw(t, "exposures") {
			o.incident.Exposure = append(o.incident.Exposure, answer.ExposureAnswer{Kind: record.SameSubnetPeer, Detail: o.incident.Reason})
		}
		o.incident.Warnings = []string{hostile.Draw(t, "warning")}
		n := o.news(hostile.Draw(t, "name"))
		m, err := n.Message()
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Subject) == 0 || len(m.Subject) > 100 || strings.ContainsFunc(m.Subject, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("SNS refuses the subject %q", m.Subject)
		}
		if !strings.Contains(m.Subject, instance) {
			t.Fatalf("the subject %q lacks the instance", m.Subject)
		}
		parts := parse(t, m)
		if strings.ContainsAny(strings.ReplaceAll(parts["email"], "\n", ""), "\r\x00\x1b\u202e\u2066\u200b") {
			t.Fatalf("the text has invisible characters: %q", parts["email"])
		}
		var c chat
		if err := json.Unmarshal([]byte(parts["https"]), &c); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(c.Content.Title, "*`<>@|[]\n") || strings.ContainsAny(c.Content.Description, "`<>@|[]\r\x1b\u202e") {
			t.Fatalf("the chat has markup of others: %q %q", c.Content.Title, c.Content.Description)
		}
		if len(c.Content.Title) > maxTitle || len(c.Content.Description) > maxDescription {
			t.Fatalf("the chat has %d and %d bytes", len(c.Content.Title), len(c.Content.Description))
		}
	})
}

//go:embed event.schema.json
var schemaText []byte

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaText))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("event.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("event.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asSeen is an event as a rule sees it.
func asSeen(t *testing.T, e Event) map[string]any {
	t.Helper()
	var d any
	if err := json.Unmarshal([]byte(e.Detail), &d); err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"version": "0", "id": "c8c4daa7-a20c-2f03-0070-b7393dd542ad", "source": Source, "detail-type": e.DetailType,
		"account": here.Account, "region": here.Region, "time": "2026-11-26T03:00:00Z",
		"resources": []any{e.Resources[0]}, "detail": d,
	}
}

// Every event fits the schema, and the schema refuses what is not such an event.
func TestEventsFitTheSchema(t *testing.T) {
	t.Parallel()
	s := schema(t)
	findings := []Finding{{ID: "f-1", Type: "Backdoor:EC2/C&CActivity.B", Severity: 8}}
	for _, o := range outcomes() {
		for _, kind := range DetailTypes {
			n := News{Place: here, Name: "web-1", Incident: o.incident, Findings: findings}
			e, err := n.Event(kind)
			if err != nil {
				t.Fatal(err)
			}
			seen := asSeen(t, e)
			if err := s.Validate(seen); err != nil {
				t.Errorf("%s, %s: %v", o.name, kind, err)
			}
			delete(seen["detail"].(map[string]any)["incident"].(map[string]any), "steps")
			if s.Validate(seen) == nil {
				t.Errorf("%s, %s: the schema takes an incident without steps", o.name, kind)
			}
		}
	}
	e, err := News{Place: here, Incident: outcomes()[0].incident}.Event("Instance Exploded")
	if err != nil {
		t.Fatal(err)
	}
	if s.Validate(asSeen(t, e)) == nil {
		t.Error("the schema takes a detail type that the contract does not have")
	}
}

// An event that would be too long leaves out its steps, and says so.
func TestLongEvent(t *testing.T) {
	t.Parallel()
	i := outcomes()[0].incident
	for n := range 3000 {
		i.Steps = append(i.Steps, denials(fmt.Sprintf("acl-%d", n), "198.51.100.7/32", record.Applied, "")...)
	}
	e, err := News{Place: here, Incident: i}.Event(InstanceContained)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Detail) > MaxDetail || !strings.Contains(e.Detail, "steps are left out") {
		t.Errorf("%d bytes, without a word on the missing steps", len(e.Detail))
	}
}

// Each change of status has the detail type of the contract.
func TestDetailType(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]record.Owed{
		InstanceContained:          {Verdict: record.Contain, Was: record.Containing, Status: record.Contained},
		InstancePartiallyContained: {Verdict: record.Contain, Status: record.PartiallyContained},
		InstanceHeld:               {Verdict: record.Held},
		InstanceReleased:           {Verdict: record.Release, Was: record.Contained, Status: record.Released},
		ExposureChanged:            {Verdict: "watch", Was: record.Contained, Status: record.Contained},
		"":                         {Verdict: record.Reconcile, Was: record.Contained, Status: record.Closed},
	} {
		if got := DetailType(o); got != want {
			t.Errorf("%+v: got %q, want %q", o, got, want)
		}
	}
}

// News of what is owed has the steps of the record and the status that it tells of.
func TestOf(t *testing.T) {
	t.Parallel()
	rec := &record.Record{Instance: instance, Generation: 2, Status: record.Released, Findings: []record.FindingRef{{ID: "f-1"}}, Steps: []record.StepState{
		{State: record.Restored, Step: record.QuarantineOf("eni-1", []string{"sg-1"}, "sg-q")},
	}}
	n := Of(record.Owed{Instance: instance, Generation: 2, Verdict: record.Contain, Status: record.Contained, Reason: why, Applied: []string{"quarantine/eni-1"}}, rec, here)
	if n.Kind != Contained || n.Incident.Status != record.Contained || len(n.Incident.Steps) != 1 || n.Thread() != instance+"#2" || n.Findings[0].ID != "f-1" {
		t.Errorf("got %+v", n)
	}
	n = Of(record.Owed{Instance: instance, Generation: 2, Verdict: record.Watched, Was: record.PartiallyContained, Status: record.Contained}, rec, here)
	if n.Kind != Contained {
		t.Errorf("a watch without a survivor became %s", n.Kind)
	}
	n = Of(record.Owed{Instance: instance, Verdict: record.Held, Reason: "25 are"}, nil, here)
	if n.Kind != Held || n.Incident.Instance != instance || len(n.Incident.Steps) != 0 {
		t.Errorf("got %+v", n)
	}
}

func TestPlaceOf(t *testing.T) {
	t.Parallel()
	got := PlaceOf("arn:aws-cn:lambda:cn-north-1:111122223333:function:tourniquet-contain")
	if want := (Place{Partition: "aws-cn", Account: "111122223333", Region: "cn-north-1"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := PlaceOf("nonsense"); got != (Place{}) {
		t.Errorf("got %+v", got)
	}
}
