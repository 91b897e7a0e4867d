package notice

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/record"
)

//go:embed rules.json
var rulesText []byte

// A rule is one of the template's, as far as it decides and transforms.
type rule struct {
	Type       string
	Properties struct {
		EventPattern json.RawMessage
		Targets      []struct {
			InputTransformer struct {
				InputPathsMap map[string]string
				InputTemplate json.RawMessage
			}
		}
	}
}

func rules(t *testing.T) map[string]rule {
	t.Helper()
	var template struct{ Resources map[string]json.RawMessage }
	if err := json.Unmarshal(rulesText, &template); err != nil {
		t.Fatal(err)
	}
	all := map[string]rule{}
	for name, raw := range template.Resources {
		var r rule
		if strings.Contains(string(raw), `"AWS::Events::Rule"`) {
			if err := json.Unmarshal(raw, &r); err != nil {
				t.Fatal(err)
			}
			all[name] = r
		}
	}
	if len(all) != 5 {
		t.Fatalf("the template has %d rules", len(all))
	}
	return all
}

// A ruleCase is an event of ours, and the rules that a person expects to match it.
type ruleCase struct {
	name  string
	event map[string]any
	want  []string
}

// ruleCases are an event of each type, of each kind of outcome.
func ruleCases(t *testing.T) []ruleCase {
	t.Helper()
	survivor := answer.ExposureAnswer{Kind: record.SurvivingPeer, Detail: "203.0.113.9 still exchanges packets"}
	event := func(detailType string, i answer.IncidentAnswer) map[string]any {
		e, err := News{Place: here, Name: "web-1", Incident: i}.Event(detailType)
		if err != nil {
			t.Fatal(err)
		}
		return asSeen(t, e)
	}
	contained := with(incident(record.Contain, record.Contained, why), dns)
	bare := incident(record.Contain, record.Contained, why)
	released := incident(record.Release, record.Released, why)
	all := []ruleCase{
		{"contained", event(InstanceContained, contained), []string{"SlackRule", "JiraRule", "ForensicsRule"}},
		{"contained, nothing left open", event(InstanceContained, bare), []string{"SlackRule", "JiraRule", "ForensicsRule"}},
		{"contained in part", event(InstancePartiallyContained, contained), []string{"SlackRule", "JiraRule", "ForensicsRule", "PagerDutyRule"}},
		{"held", event(InstanceHeld, incident(record.Held, "", why)), []string{"SlackRule", "JiraRule", "PagerDutyRule"}},
		{"released", event(InstanceReleased, released), []string{"SlackRule", "PagerDutyResolveRule"}},
		{"a survivor", event(ExposureChanged, with(contained, survivor)), []string{"SlackRule", "PagerDutyRule"}},
		{"a leak", event(ExposureChanged, with(contained, answer.ExposureAnswer{Kind: record.QuarantineLeaks})), []string{"SlackRule", "PagerDutyRule"}},
		{"another exposure", event(ExposureChanged, contained), []string{"SlackRule"}},
		{"contained, with a survivor alone", event(InstanceContained, with(bare, survivor)), []string{"SlackRule", "JiraRule", "ForensicsRule", "PagerDutyRule"}},
	}
	for name, source := range map[string]string{"of another source": "custom", "of a source that begins like ours": "tourniquet.other"} {
		e := event(InstanceContained, contained)
		e["source"] = source
		all = append(all, ruleCase{name, e, nil})
	}
	slices.SortStableFunc(all, func(a, b ruleCase) int { return strings.Compare(a.name, b.name) })
	return all
}

const makeTruth = "go test ./lambda/notice -run TestRules -update; mvn -q -f infra/_tools/ruler compile exec:java -Dexec.args=lambda/notice/testdata/rules"

// TestRules: the truth table was made by EventBridge's own matcher for exactly the
// template's patterns and these events, and says what a person expects.
func TestRules(t *testing.T) {
	t.Parallel()
	patterns := map[string]json.RawMessage{}
	for name, r := range rules(t) {
		patterns[name] = r.Properties.EventPattern
	}
	cases := ruleCases(t)
	var lines []string
	for _, c := range cases {
		lines = append(lines, line(t, map[string]any{"name": c.name, "event": c.event}))
	}
	golden(t, "rules/patterns.json", line(t, patterns)+"\n")
	golden(t, "rules/events.json", "[\n"+strings.Join(lines, ",\n")+"\n]\n")
	var truth struct {
		Matcher, Patterns, Events string
		Rows                      []map[string]any
	}
	raw, err := os.ReadFile("testdata/rules/pattern-truth.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &truth); err != nil {
		t.Fatal(err)
	}
	if truth.Patterns != sum(t, "testdata/rules/patterns.json") || truth.Events != sum(t, "testdata/rules/events.json") || len(truth.Rows) != len(cases) {
		t.Fatal("pattern-truth.json is of other patterns or events; make it anew: " + makeTruth)
	}
	for i, row := range truth.Rows {
		var got []string
		for _, name := range slices.Sorted(maps.Keys(patterns)) {
			if row[name] == true {
				got = append(got, name)
			}
		}
		slices.Sort(cases[i].want)
		if row["name"] != cases[i].name || !slices.Equal(got, cases[i].want) {
			t.Errorf("%s: %s says that %v match, want %v", cases[i].name, truth.Matcher, got, cases[i].want)
		}
	}
}

func line(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func sum(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256(raw)
	return hex.EncodeToString(s[:])
}

var placeholder = regexp.MustCompile(`<(\w+)>`)

// What a rule sends is JSON, made of fields that every event has, and none of them holds
// a text that a finding or a tag supplied.
func TestRulesSendOnlyOurWords(t *testing.T) {
	t.Parallel()
	ours := []string{"$.detail-type", "$.detail.incident.instance", "$.detail.account", "$.detail.region"}
	for name, r := range rules(t) {
		transformer := r.Properties.Targets[0].InputTransformer
		template := templateText(t, transformer.InputTemplate)
		if !json.Valid([]byte(template)) {
			t.Errorf("%s sends what is not JSON: %s", name, template)
		}
		for _, m := range placeholder.FindAllStringSubmatch(template, -1) {
			if !slices.Contains(ours, transformer.InputPathsMap[m[1]]) {
				t.Errorf("%s sends <%s>, which is %q", name, m[1], transformer.InputPathsMap[m[1]])
			}
		}
		for key := range transformer.InputPathsMap {
			if !strings.Contains(template, "<"+key+">") {
				t.Errorf("%s has a path %s that it does not use", name, key)
			}
		}
	}
}

// templateText is a template, also where CloudFormation puts a parameter into it.
func templateText(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var sub struct {
		Text string `json:"Fn::Sub"`
	}
	if err := json.Unmarshal(raw, &sub); err != nil {
		t.Fatal(err)
	}
	return sub.Text
}
