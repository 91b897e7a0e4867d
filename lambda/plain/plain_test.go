package plain

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

func TestAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		before time.Duration
		want   string
	}{
		{0, "just now"},
		{900 * time.Millisecond, "just now"},
		{time.Second, "1 second ago"},
		{59 * time.Second, "59 seconds ago"},
		{time.Minute, "1 minute ago"},
		{119 * time.Minute, "1 hour ago"},
		{48 * time.Hour, "2 days ago"},
		{-5 * time.Hour, "in 5 hours"},
	} {
		if got := Ago(now.Add(-c.before), now); got != c.want {
			t.Errorf("%v before: got %q, want %q", c.before, got, c.want)
		}
	}
	if got := Ago(time.Time{}, now); got != "never" {
		t.Errorf("no moment: got %q", got)
	}
}

func TestBrief(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "1 ms", 143 * time.Millisecond: "143 ms", 2500 * time.Millisecond: "2.5 s", 90 * time.Second: "1 minute",
	} {
		if got := Brief(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"198.51.100.7/32": "198.51.100.7", "198.51.100.0/24": "198.51.100.0/24",
		"2001:db8::7/128": "2001:db8::7", "2001:db8::/32": "2001:db8::/32", "sg-1": "sg-1",
	} {
		if got := Address(prefix); got != want {
			t.Errorf("%s: got %s, want %s", prefix, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	denial := func(acl, prefix string, d network.Direction, s record.State) answer.StepAnswer {
		return answer.StepAnswer{Kind: record.KindDenial, Resource: acl, Prefix: prefix, Direction: d, State: s, Number: 90}
	}
	steps := []answer.StepAnswer{
		denial("acl-1", "198.51.100.7/32", network.In, record.Applied),
		denial("acl-1", "198.51.100.7/32", network.Out, record.Applied),
		denial("acl-2", "198.51.100.7/32", network.Out, record.Applied),
		denial("acl-2", "203.0.113.9/32", network.Out, record.Lingering),
		denial("acl-2", "203.0.113.10/32", network.Out, record.Failed),
		{Kind: record.KindQuarantine, Resource: "eni-1", State: record.Applied, After: []string{"sg-q"}},
		{Kind: record.KindQuarantine, Resource: "eni-2", State: record.Failed},
	}
	want := []string{
		"eni-1 is in quarantine: no new connection, in or out",
		"198.51.100.7 is denied both ways in acl-1 and acl-2",
		"203.0.113.9 is denied outbound only in acl-2",
	}
	if d := cmp.Diff(want, Cut(steps)); d != "" {
		t.Errorf("what is cut (-want +got):\n%s", d)
	}
	if got := Denied(steps); got != 2 {
		t.Errorf("%d addresses denied, want 2", got)
	}
}

// Every kind of exposure, status and step that the record has is in plain words.
func TestKnownKinds(t *testing.T) {
	t.Parallel()
	for _, kind := range constants(t, "exposure.go", "ExposureKind") {
		if exposures[record.ExposureKind(kind)] == "" {
			t.Errorf("the exposure %s has no title", kind)
		}
	}
	for _, status := range constants(t, "record.go", "Status") {
		if statuses[record.Status(status)] == "" {
			t.Errorf("the status %s is not in words", status)
		}
	}
	for _, kind := range constants(t, "step.go", "Kind") {
		if nouns[record.Kind(kind)] == "" && kind != string(record.KindDenial) {
			t.Errorf("the step %s has no noun", kind)
		}
	}
	for kind, title := range exposures {
		if strings.Contains(title, "-") || !unicode.IsUpper(rune(title[0])) {
			t.Errorf("%s: %q is not a title in words", kind, title)
		}
		if Advice(kind) == "" {
			t.Errorf("%s: no advice", kind)
		}
	}
	if got := Exposure("something-new"); got != "Something new" {
		t.Errorf("an unknown kind: got %q", got)
	}
	if got := Status("novel"); got != "novel" {
		t.Errorf("an unknown status: got %q", got)
	}
}

// Whatever a text holds, its line is bounded, visible and without a link.
func TestLine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.RuneFrom([]rune("a:/\n\x1b\u202e\u200b<é‹"))).Draw(t, "text")
		got := Line(s, 40)
		if len(got) > 40 || strings.ContainsFunc(got, func(r rune) bool { return r != '\uFFFD' && !unicode.IsPrint(r) }) || strings.Contains(got, "://") {
			t.Fatalf("%q became %q", s, got)
		}
	})
}

// constants are the text constants of a type in a file of package record.
func constants(t *testing.T, file, kind string) []string {
	t.Helper()
	source, err := os.ReadFile("../record/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, m := range regexp.MustCompile(`(?m)^\s+\w+\s+`+kind+`\s+= "([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
		values = append(values, m[1])
	}
	if len(values) < 3 {
		t.Fatalf("found only %q of type %s in %s", values, kind, file)
	}
	return values
}
