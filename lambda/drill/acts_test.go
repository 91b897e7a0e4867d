package drill

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tourniquet/lambda/record"
)

// The second act: nobody to deny, and the intruder outlasts the swap. The host's own
// rules cut every connection of the instance, and no neighbour loses one.
func TestSecondAct(t *testing.T) {
	t.Parallel()
	r := drillJSON(t)
	if r.Unnamed == nil || len(r.Unnamed.Finding.Peers) != 0 {
		t.Fatalf("no second act without a peer: %+v", r.Unnamed)
	}
	if got := r.Unnamed.Answer.Incidents[0].Status; got != record.Contained {
		t.Errorf("status %s, want %s", got, record.Contained)
	}
	cut, others := 0, 0
	for _, f := range r.Flows {
		switch {
		case f.Peer && f.Before && f.Naive && !f.Unnamed:
			cut++
		case f.Peer && !f.New || f.Peer && f.Unnamed:
			t.Errorf("%s: passes %t before, %t after the swap alone, %t in the end (%s)", f.Flow, f.Before, f.Naive, f.Unnamed, f.UnnamedWhy)
		case !f.Peer && f.Before && f.Unnamed:
			others++
		case !f.Peer:
			t.Errorf("%s is the neighbour's and was cut: %s", f.Flow, f.UnnamedWhy)
		}
	}
	if cut != 3 || others != 3 {
		t.Errorf("%d of the instance's connections cut and %d of the neighbour's alive, want 3 and 3", cut, others)
	}
	said := map[string]promptReport{}
	for _, p := range r.Prompts {
		said[p.When] = p
	}
	if got := said[whenUnnamedSwapped]; got.Answer != "root" {
		t.Errorf("with the groups swapped: %+v, want an answer", got)
	}
	if got := said[whenUnnamedContained]; got.Answer != "" || !strings.Contains(got.Silence, "own rules") {
		t.Errorf("contained: %+v, want silence by the host's own rules", got)
	}
}

// EC2 refuses to delete a group that is in use, so deleting it is no way to cut anything.
func TestGroupsInUseAreNotDeleted(t *testing.T) {
	t.Parallel()
	want := []deletionReport{{"sg-web", "DependencyViolation"}, {"sg-admin", "DependencyViolation"}}
	if got := drillJSON(t).Deletion; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Without Tourniquet the Auto Scaling group terminates the quarantined instance, with its
// disk. With it, both are there.
func TestEvidenceOutlastsTheGroup(t *testing.T) {
	t.Parallel()
	want := evidenceReport{Group: "web", Volumes: 1, Alone: fate{State: "terminated"}, Kept: fate{"running", "Standby", 1}}
	r := drillJSON(t)
	if r.Evidence == nil || *r.Evidence != want {
		t.Errorf("got %+v, want %+v", r.Evidence, want)
	}
	if want := []string{"web"}; !slices.Equal(r.Release.Grown, want) {
		t.Errorf("groups that want one more: %v, want %v", r.Release.Grown, want)
	}
}

// Who is admitted reaches the instance, the neighbour doesn't, and neither does the
// intruder. The release takes the admission away.
func TestForensicsAreLetIn(t *testing.T) {
	t.Parallel()
	r := drillJSON(t)
	f := r.Forensics
	if f == nil {
		t.Fatal("nobody was admitted")
	}
	if want := []string{"10.0.2.50 -> 10.0.2.10", "10.0.2.50 -> 10.0.1.10"}; !sameSet(f.Opened, want) {
		t.Errorf("opened %v, want %v", f.Opened, want)
	}
	if want := []string{"10.0.1.20 -> 10.0.2.10", "10.0.1.20 -> 10.0.1.10"}; !sameSet(f.Shut, want) {
		t.Errorf("shut %v, want %v", f.Shut, want)
	}
	if len(f.Intrude) > 0 {
		t.Errorf("the admission lets the intruder in: %v", f.Intrude)
	}
	if len(r.Release.Left) > 0 {
		t.Errorf("left after the release: %v", r.Release.Left)
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// Where Systems Manager doesn't manage the instance, a finding without a peer leaves the
// intruder connected. The drill says so, and why.
func TestUnmanagedHost(t *testing.T) {
	t.Parallel()
	world, finding := filepath.Join(t.TempDir(), "world.txt"), filepath.Join(t.TempDir(), "finding.json")
	write(t, world, strings.ReplaceAll(BuiltinWorld, " running ssm ", " running "))
	write(t, finding, string(unnamedFinding))
	code, out, errs := runCommand(t, "drill", finding, "--world", world)
	if code != exitOpen || !strings.Contains(out, "NOT contained") || !strings.Contains(out, "host-not-managed") {
		t.Errorf("exit status %d (%s), want %d:\n%s", code, errs, exitOpen, out)
	}
	write(t, world, BuiltinWorld)
	if code, out, errs = runCommand(t, "drill", finding, "--world", world); code != 0 || !strings.Contains(out, "Contained. The finding names no peer") {
		t.Errorf("managed: exit status %d (%s):\n%s", code, errs, out)
	}
}
