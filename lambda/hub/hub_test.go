package hub

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
)

// wire is a Security Hub that keeps what it is told.
type wire struct {
	path   string
	bodies []map[string]any
	answer string
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	var body map[string]any
	_ = json.Unmarshal(raw, &body)
	w.path, w.bodies = r.Method+" "+r.URL.Path, append(w.bodies, body)
	_, _ = io.WriteString(rw, w.answer)
}

func serve(t *testing.T, answer string) (*Hub, *wire) {
	t.Helper()
	w := &wire{answer: answer}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	return New(aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
	}), w
}

const findingARN = "arn:aws:guardduty:eu-west-1:111122223333:detector/d/finding/f"

// The call sets the workflow's status and the note, and no other field.
func TestNoteSetsTwoFields(t *testing.T) {
	t.Parallel()
	h, w := serve(t, `{"ProcessedFindings":[],"UnprocessedFindings":[]}`)
	from := FromEvent([]byte(`{"source":"aws.securityhub","detail":{"findings":[
		{"Id":"` + findingARN + `","ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/guardduty"},
		{"Id":"other","ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/inspector"},
		{"Id":"","ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/guardduty"}]}}`))
	if err := h.Note(t.Context(), from, "contained\x1b "+strings.Repeat("x", 2*maxNote)); err != nil {
		t.Fatal(err)
	}
	if w.path != "PATCH /findings/batchupdate" || len(w.bodies) != 1 {
		t.Fatalf("%d calls, the last is %s", len(w.bodies), w.path)
	}
	note, _ := w.bodies[0]["Note"].(map[string]any)
	if text, _ := note["Text"].(string); len(text) > maxNote || strings.Contains(text, "\x1b") || !strings.HasPrefix(text, "contained") {
		t.Errorf("the note is %q", note["Text"])
	}
	w.bodies[0]["Note"] = "seen above"
	want := map[string]any{
		"FindingIdentifiers": []any{map[string]any{"Id": findingARN, "ProductArn": "arn:aws:securityhub:eu-west-1::product/aws/guardduty"}},
		"Note":               "seen above", "Workflow": map[string]any{"Status": Notified},
	}
	if d := cmp.Diff(want, w.bodies[0]); d != "" {
		t.Errorf("the call (-want +got):\n%s", d)
	}
}

// A finding that Security Hub did not take is an error, though the call succeeded.
func TestUnprocessedIsAnError(t *testing.T) {
	t.Parallel()
	h, _ := serve(t, `{"ProcessedFindings":[],"UnprocessedFindings":[
		{"FindingIdentifier":{"Id":"f-1","ProductArn":"p"},"ErrorCode":"FindingNotFound","ErrorMessage":"no such finding"}]}`)
	err := h.Note(t.Context(), []Finding{{"f-1", "p"}}, "contained")
	if err == nil || !strings.Contains(err.Error(), "f-1: FindingNotFound") {
		t.Errorf("got %v", err)
	}
}

// Findings beyond what a call takes go in others; without any, there is no call.
func TestManyAndNone(t *testing.T) {
	t.Parallel()
	h, w := serve(t, `{"ProcessedFindings":[],"UnprocessedFindings":[]}`)
	if err := h.Note(t.Context(), nil, "contained"); err != nil || len(w.bodies) != 0 {
		t.Errorf("%d calls and %v for no finding", len(w.bodies), err)
	}
	if err := h.Note(t.Context(), make([]Finding, maxFindings+1), "contained"); err != nil || len(w.bodies) != 2 {
		t.Errorf("%d calls and %v, want 2", len(w.bodies), err)
	}
}

// The identifiers are those of the findings that Security Hub really sends, and events
// from elsewhere have none.
func TestFromEventOnTheCorpus(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../guardduty/testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	fromHub := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := FromEvent(raw)
		if !strings.Contains(filepath.Base(file), "securityhub") {
			if len(got) > 0 {
				t.Errorf("%s: %v", file, got)
			}
			continue
		}
		for _, f := range got {
			fromHub++
			if !strings.HasPrefix(f.ID, "arn:aws:guardduty:") || !strings.HasPrefix(f.ProductARN, "arn:aws:securityhub:") {
				t.Errorf("%s: %+v", file, f)
			}
		}
	}
	if fromHub < 4 {
		t.Errorf("only %d findings in the corpus came from Security Hub", fromHub)
	}
}

// FuzzFromEvent: whatever the event, what comes out is bounded.
func FuzzFromEvent(f *testing.F) {
	f.Add([]byte(`{"source":"aws.securityhub","detail":{"findings":[{"Id":"a","ProductArn":"::product/aws/guardduty"},{"Id":1}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, found := range FromEvent(raw) {
			if found.ID == "" || len(found.ID) > maxID || len(found.ProductARN) > maxID {
				t.Fatalf("%q", found)
			}
		}
	})
}
