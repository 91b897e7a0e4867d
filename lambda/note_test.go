package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"tourniquet/lambda/config"
	"tourniquet/lambda/hub"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
)

// securityHub is a Security Hub that keeps the notes it gets, or refuses them.
func securityHub(t *testing.T, refuse bool) (*hub.Hub, *[]string) {
	t.Helper()
	var notes []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		if refuse {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		notes = append(notes, string(raw))
		_, _ = io.WriteString(w, `{"ProcessedFindings":[],"UnprocessedFindings":[]}`)
	}))
	t.Cleanup(server.Close)
	cfg := awsConfig(server.URL)
	cfg.RetryMaxAttempts = 1
	return hub.New(cfg), &notes
}

// With the setting, a finding that an analyst sent is noted in Security Hub once its
// instance is contained. A note that fails lessens nothing; in observe mode, and for a
// finding that came from GuardDuty, there is none.
func TestNoteInSecurityHub(t *testing.T) {
	t.Parallel()
	w, fromGuardDuty := reverseShell(t)
	raw, err := os.ReadFile("guardduty/testdata/securityhub-c2.json")
	if err != nil {
		t.Fatal(err)
	}
	sent := json.RawMessage(strings.ReplaceAll(string(raw), "i-0123456789abcdef0", "i-0aaaaaaaaaaaaaaa1"))
	for name, c := range map[string]struct {
		event  json.RawMessage
		mode   string
		refuse bool
		notes  int
	}{
		"sent by an analyst": {sent, "enforce", false, 1},
		"refused":            {sent, "enforce", true, 0},
		"observe mode":       {sent, "observe", false, 0},
		"from GuardDuty":     {fromGuardDuty, "enforce", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newTestHandler(t, simvpc.Start(t, w.Clone(), simvpc.Options{}), map[string]string{config.Mode: c.mode})
			var notes *[]string
			h.Hub, notes = securityHub(t, c.refuse)
			answer, err := h.Contain(lambdaContext(t.Context(), w), c.event)
			if err != nil {
				t.Fatal(err)
			}
			i := answer.Incidents[0]
			if c.mode == "enforce" && i.Status != record.Contained {
				t.Errorf("status %s, %s", i.Status, i.Reason)
			}
			if len(*notes) != c.notes || c.notes > 0 && !strings.Contains((*notes)[0], "i-0aaaaaaaaaaaaaaa1 is contained") {
				t.Errorf("notes %q, want %d", *notes, c.notes)
			}
			if c.refuse != strings.Contains(strings.Join(i.Warnings, " "), "Security Hub") {
				t.Errorf("warnings %q", i.Warnings)
			}
		})
	}
}
