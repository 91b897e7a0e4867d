package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/record"
)

func runCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func drillJSON(t *testing.T, wantCode int, args ...string) report {
	t.Helper()
	code, out, errs := runCommand(t, append([]string{"drill", "--json"}, args...)...)
	if code != wantCode {
		t.Fatalf("exit status %d, want %d: %s", code, wantCode, errs)
	}
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// The drill's claim: the usual group swap leaves the peers' connections alive,
// Tourniquet cuts them, and the neighbour notices nothing.
func TestBuiltinDrill(t *testing.T) {
	t.Parallel()
	r := drillJSON(t, 0)
	if got := r.Answer.Incidents[0].Status; got != record.Contained {
		t.Errorf("status %s, want %s", got, record.Contained)
	}
	established, others := 0, 0
	for _, f := range r.Flows {
		switch {
		case f.Peer && f.After:
			t.Errorf("%s still passes: %s", f.Flow, f.Why)
		case f.Peer && !f.New && f.Before && f.Naive:
			established++
		case !f.Peer && f.Before && f.After:
			others++
		case !f.Peer:
			t.Errorf("%s is not with a peer and was cut: %s", f.Flow, f.Why)
		}
	}
	if established != 3 || others != 2 {
		t.Errorf("got %d connections that survive a group swap and %d of the neighbour's, want 3 and 2", established, others)
	}
}

// Released, the groups are back at once and the peers stay cut; in the end nothing
// is left of the containment.
func TestDrillReleases(t *testing.T) {
	t.Parallel()
	r := drillJSON(t, 0)
	if got := r.Release.Answer.Incidents[0].Status; got != record.Released {
		t.Errorf("status %s, want %s", got, record.Released)
	}
	states := map[record.State]int{}
	for _, s := range r.Release.Answer.Incidents[0].Steps {
		states[s.State]++
	}
	if states[record.Restored] != 2 || states[record.Lingering] != 6 {
		t.Errorf("steps after the release: %v, want 2 restored and 6 lingering", states)
	}
	for i, f := range r.Release.Flows {
		if f.Peer && f.Released {
			t.Errorf("%s passes once released, while it may still be tracked", f.Flow)
		}
		if before := r.Flows[i].Before; f.Expired != before {
			t.Errorf("%s: passes %t in the end, %t before", f.Flow, f.Expired, before)
		}
	}
	if len(r.Release.Left) > 0 {
		t.Errorf("left behind: %v", r.Release.Left)
	}
}

func TestDrillPrintsATimeline(t *testing.T) {
	t.Parallel()
	code, out, errs := runCommand(t, "drill")
	if code != 0 {
		t.Fatalf("exit status %d: %s", code, errs)
	}
	for _, want := range []string{"1. The finding", "Backdoor:EC2/C&CActivity.B", "5. What still passes", "group swap alone", "Contained."} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
}

// A peer inside the subnet can't be cut by an ACL: the drill says so with its
// exit status.
func TestDrillFailsWhenAPeersFlowPasses(t *testing.T) {
	t.Parallel()
	world := filepath.Join(t.TempDir(), "world.txt")
	text := strings.ReplaceAll(builtinWorld, "198.51.100.7", "10.0.1.99")
	finding := filepath.Join(t.TempDir(), "finding.json")
	write(t, world, text)
	write(t, finding, strings.ReplaceAll(string(builtinFinding), "198.51.100.7", "10.0.1.99"))
	code, out, errs := runCommand(t, "drill", finding, "--world", world)
	if code != exitOpen || !strings.Contains(out, "NOT contained") || !strings.Contains(out, "same-subnet-peer") {
		t.Errorf("exit status %d (%s), want %d:\n%s", code, errs, exitOpen, out)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Every finding of the parser's corpus that names an instance can be rehearsed.
func TestDrillOnTheCorpus(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../guardduty/testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		findings, err := guardduty.ParseEvent(raw)
		if err != nil || len(findings[0].Instances) == 0 {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			if r := drillJSON(t, 0, file); r.Finding.Instance != findings[0].Instances[0].ID {
				t.Errorf("drilled on %s, want %s", r.Finding.Instance, findings[0].Instances[0].ID)
			}
		})
	}
}

func TestBadUse(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad.json")
	write(t, bad, `{"detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":{"id":1}}`)
	broken := filepath.Join(t.TempDir(), "world.txt")
	write(t, broken, "subnet subnet-1 vpc-9 10.0.0.0/24\n")
	tests := map[string]struct {
		args []string
		says string
	}{
		"no such file":      {[]string{"drill", "nowhere.json"}, "nowhere.json"},
		"malformed finding": {[]string{"drill", bad}, "detail"},
		"malformed world":   {[]string{"drill", "--world", broken}, "line 1"},
		"no such command":   {[]string{"undo"}, "undo"},
		"a public address":  {[]string{"simulate", "--listen", "0.0.0.0:0", broken}, "line 1"},
	}
	for name, tc := range tests {
		code, _, errs := runCommand(t, tc.args...)
		if code != exitUsage || !strings.Contains(errs, tc.says) {
			t.Errorf("%s: exit status %d, %q; want %d, …%s…", name, code, errs, exitUsage, tc.says)
		}
	}
	if code, out, _ := runCommand(t, "--help"); code != 0 || !strings.Contains(out, "drill") {
		t.Errorf("--help: exit status %d, %q", code, out)
	}
}

func TestSimulateRefusesPublicAddresses(t *testing.T) {
	t.Parallel()
	code, _, errs := runCommand(t, "simulate", "world.txt", "--listen", "0.0.0.0:4510")
	if code != exitUsage || !strings.Contains(errs, "loopback") {
		t.Errorf("exit status %d, %q; want %d and why", code, errs, exitUsage)
	}
}
