package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"tourniquet/lambda/simvpc"
)

// TestLogHasWhatMetricsAreReadFrom: the stack's metric filters, alarms and dashboard
// read these fields of these lines.
func TestLogHasWhatMetricsAreReadFrom(t *testing.T) {
	t.Parallel()
	world, event := reverseShell(t)
	h := newTestHandler(t, simvpc.Start(t, world, simvpc.Options{}), map[string]string{})
	var log bytes.Buffer
	h.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{ReplaceAttr: lambdacontext.ReplaceAttr}))
	if _, err := h.Contain(lambdaContext(t.Context(), world), event); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]any{
		"incident handled": {"instance": "i-0aaaaaaaaaaaaaaa1", "verdict": "contain", "status": "contained", "unrecorded": false, "aclRoom": 15.0},
		"invocation done":  {"verdict": "contain", "containedMillis": any(nil)},
	}
	for line := range strings.Lines(log.String()) {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		message, _ := got["message"].(string)
		for key, value := range want[message] {
			if has, ok := got[key]; !ok || value != nil && has != value {
				t.Errorf("%s: %s is %v, want %v: %s", message, key, has, value, line)
			}
		}
		delete(want, message)
	}
	for message := range want {
		t.Errorf("no line %q:\n%s", message, &log)
	}
}
