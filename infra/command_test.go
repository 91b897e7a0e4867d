//go:build integration

package main

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"tourniquet/lambda/notice"
)

// buildCommand builds the operator's command, for as long as the test takes.
func (d *deployment) buildCommand(t *testing.T) {
	t.Helper()
	d.tourniquet = filepath.Join(t.TempDir(), "tourniquet")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", d.tourniquet, "../lambda/tourniquet").CombinedOutput(); err != nil {
		t.Fatalf("building the command: %v\n%s", err, out)
	}
}

// command runs the operator's command against the deployed stack.
func (d *deployment) command(t *testing.T, args ...string) (stdout string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), d.tourniquet, args...)
	var said strings.Builder
	cmd.Env, cmd.Stderr = d.env, &said
	out, err := cmd.Output()
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case failed:
		t.Logf("tourniquet %s: %s", strings.Join(args, " "), said.String())
		return string(out), exit.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	return string(out), 0
}

// testCommand: the operator's command finds the stack by its outputs, and shows and plans
// through it.
func testCommand(t *testing.T, d *deployment, w *world) {
	out, code := d.command(t, "list", "--json")
	var list struct {
		Instances []struct{ Instance, Status string }
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 {
		t.Fatalf("list: exit status %d, %v: %s", code, err, out)
	}
	if len(list.Instances) != 1 || list.Instances[0].Instance != w.compromised || list.Instances[0].Status != "contained" {
		t.Errorf("list: got %s", out)
	}
	out, code = d.command(t, "show", w.compromised)
	if code != 0 || !strings.Contains(out, peerAddress+" is denied both ways") || !strings.Contains(out, "tourniquet release") {
		t.Errorf("show: exit status %d: %s", code, out)
	}
	denials := d.denials(t, w)
	out, code = d.command(t, "plan", w.other, "--peer", "203.0.113.9")
	if code != 0 || !strings.Contains(out, "denial of 203.0.113.9") || len(d.denials(t, w)) != len(denials) {
		t.Errorf("plan: exit status %d: %s", code, out)
	}
	if out, code = d.command(t, "contain", "i-0aaaaaaaaaaaaaaaa", "--reason", "typo", "--yes"); code != 2 {
		t.Errorf("an unknown instance: exit status %d: %s", code, out)
	}
	if out, code = d.command(t, "list", "--stack", "Other"); code != 3 {
		t.Errorf("no such stack: exit status %d: %s", code, out)
	}
}

// heard is the name of the test's rule and queue.
const heard = "heard"

// listen has our events sent to a queue, and gives its URL.
func (d *deployment) listen(t *testing.T) string {
	t.Helper()
	queue, err := d.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(heard)})
	must(t, err)
	_, err = d.events.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String(heard), EventPattern: aws.String(`{"source":["` + notice.Source + `"]}`)})
	must(t, err)
	_, err = d.events.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String(heard), Targets: []eventtypes.Target{
		{Id: aws.String(heard), Arn: aws.String("arn:aws:sqs:" + emulatedRegion + ":" + emulatedAccount + ":" + heard)},
	}})
	must(t, err)
	return *queue.QueueUrl
}

// testEvents: a rule of one's own hears of the containment on the default bus.
func testEvents(t *testing.T, d *deployment, w *world) {
	var got []string
	eventually(t, "the event", func() bool {
		got = append(got, d.receive(t, d.heard)...)
		return len(got) > 0
	})
	var event struct {
		DetailType string `json:"detail-type"`
		Resources  []string
		Detail     struct {
			Version  string
			Incident struct{ Instance, Status string }
		}
	}
	if err := json.Unmarshal([]byte(got[0]), &event); err != nil || len(got) != 1 {
		t.Fatalf("%d events, %v: %v", len(got), err, got)
	}
	if event.DetailType != notice.InstanceContained || event.Detail.Version != "1" || event.Detail.Incident.Instance != w.compromised ||
		len(event.Resources) != 1 || !strings.HasSuffix(event.Resources[0], "instance/"+w.compromised) {
		t.Errorf("got %s", got[0])
	}
}
