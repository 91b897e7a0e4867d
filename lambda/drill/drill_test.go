package drill

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"tourniquet/lambda/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runCommand runs a drill, given as on the command line, and returns the exit status
// that the command has.
func runCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var c struct {
		Drill Command `cmd:""`
	}
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	switch err := c.Drill.Run(t.Context(), &out, Terminal{}); {
	case err == nil:
		return 0, out.String(), ""
	case errors.Is(err, ErrStillOpen):
		return exitOpen, out.String(), err.Error()
	default:
		return 2, out.String(), err.Error()
	}
}

const exitOpen = 1

func drillJSON(t *testing.T, args ...string) report {
	t.Helper()
	code, out, errs := runCommand(t, append([]string{"drill", "--json"}, args...)...)
	if code != 0 {
		t.Fatalf("exit status %d, want 0: %s", code, errs)
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
	r := drillJSON(t)
	if got := r.Answer.Incidents[0].Status; got != record.Contained {
		t.Errorf("status %s, want %s", got, record.Contained)
	}
	established, others, collateral := 0, 0, 0
	for _, f := range r.Flows {
		switch {
		case f.Peer && f.After:
			t.Errorf("%s still passes: %s", f.Flow, f.Why)
		case f.Peer && !f.New && f.Before && f.Naive:
			established++
		case !f.Peer && f.Before && f.After:
			others++
		case f.Collateral && f.Before && f.Naive && !f.After:
			collateral++
		case !f.Peer:
			t.Errorf("%s is not with a peer and was cut: %s", f.Flow, f.Why)
		}
	}
	if established != 3 || others != 2 || collateral != 1 {
		t.Errorf("got %d connections that survive a group swap, %d of the neighbour's and %d as collateral, want 3, 2 and 1", established, others, collateral)
	}
}

// Released, the groups are back at once and the peers stay cut; in the end nothing
// is left of the containment.
func TestDrillReleases(t *testing.T) {
	t.Parallel()
	r := drillJSON(t)
	if got := r.Release.Answer.Incidents[0].Status; got != record.Released {
		t.Errorf("status %s, want %s", got, record.Released)
	}
	quarantined, lingering := 0, 0
	for _, s := range r.Release.Answer.Incidents[0].Steps {
		switch {
		case s.Kind == record.KindDenial && s.State == record.Lingering:
			lingering++
		case s.Kind == record.KindDenial || s.State != record.Restored:
			t.Errorf("after the release: %s is %s", s.ID, s.State)
		case s.Kind == record.KindQuarantine:
			quarantined++
		}
	}
	if quarantined != 2 || lingering != 6 {
		t.Errorf("after the release: %d interfaces restored and %d denials lingering, want 2 and 6", quarantined, lingering)
	}
	for i, f := range r.Release.Flows {
		if f.Peer && f.Released {
			t.Errorf("%s passes once released, while it may still be tracked", f.Flow)
		}
		switch known := r.Flows[i]; {
		case known.New && f.Expired != known.Before:
			t.Errorf("%s: passes %t in the end, %t before", f.Flow, f.Expired, known.Before)
		case f.Peer && !known.New && f.Expired:
			t.Errorf("%s has come back to life", f.Flow)
		case !f.Peer && !known.Collateral && !f.Released:
			t.Errorf("%s is not with a peer and doesn't pass once released", f.Flow)
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
	for _, want := range []string{
		"The finding", "Backdoor:EC2/C&CActivity.B", "198.51.100.7 $ whoami\n   root", "no answer: denied by acl-front entry 1", "0 arrived",
		"every one as it was sent", "What still passes", "group swap alone", "Contained.",
		"sg-web: DependencyViolation", "web: running (Standby), with its volume", "names no peer", "dropped by the own rules of i-0bad0bad0bad0bad0", "no peer named",
		"10.0.2.50 -> 10.0.1.10",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
}

// A peer inside the subnet can't be cut by an ACL, nor on a host that Systems Manager
// doesn't manage: the drill says so with its exit status.
func TestDrillFailsWhenAPeersFlowPasses(t *testing.T) {
	t.Parallel()
	world := filepath.Join(t.TempDir(), "world.txt")
	text := strings.NewReplacer("198.51.100.7", "10.0.1.99", " running ssm ", " running ").Replace(BuiltinWorld)
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

// Every finding of the parser's corpus that names an instance can be rehearsed, and
// what packets show is what the oracle says of every flow.
func TestDrillOnTheCorpus(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../guardduty/testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, file := range append(files, "") {
		p, err := (&Command{Finding: file}).read()
		if err != nil {
			continue // the parser's tests have what is malformed, or on something else
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			r, err := rehearse(t.Context(), p, silent(), false)
			if err != nil {
				t.Fatal(err)
			}
			if r.Finding.Instance != p.finding.Instances[0].ID || r.open() {
				t.Errorf("drilled on %s, want %s; still open: %t", r.Finding.Instance, p.finding.Instances[0].ID, r.open())
			}
			for _, d := range r.disagreements {
				t.Error(d)
			}
			for _, f := range r.Flows {
				if !f.Packets {
					t.Errorf("%s: no packets show it: %v", f.Flow, r.ByOracle)
				}
			}
		})
	}
}
