package containment_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

const denyProfile = "arn:aws:iam::111122223333:instance-profile/tourniquet-deny"

// everyKeep is with all on that keeps an instance and its evidence.
var everyKeep = plan.Rules{KeepAlive: true, Protect: true, Snapshots: true, DenyProfile: denyProfile}

// keepWorld is crashWorld, and its instance is in an Auto Scaling group that has a load
// balancer and an application status check look at it. It has a profile and volumes.
func keepWorld(t *testing.T) *world.World {
	t.Helper()
	text := strings.NewReplacer(
		"instance "+victim+" type m5.large state running", "instance "+victim+" type m5.large state running shutdown terminate profile web "+
			"autoscaling web health-port 443 status-check",
	).Replace(crashWorld(t).String()) + `autoscaling-group web min 1 max 4 desired 2 health ELB
volume vol-0 ` + victim + ` /dev/xvda root
volume vol-1 ` + victim + ` /dev/xvdb keep
`
	w, err := simvpc.ParseWorld(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if w.Instance(victim).AutoScaling != "web" {
		t.Fatalf("the instance is in no group:\n%s", text)
	}
	return w
}

// scaled is containing, and the finding has the tag of the group.
func scaled(w *world.World, peers ...string) deed {
	return func(ctx context.Context, p *process) error {
		in := incidentWith(w, "f1", peers...)
		in.Scaled = true
		return p.contain(ctx, in)
	}
}

// keeping is a stage on which all rungs are on.
func keeping(w *world.World) *stage {
	s := newStage(w)
	s.rungs = everyKeep
	return s
}

func (s *stage) record(t *testing.T) record.Record {
	t.Helper()
	k, err := s.book.Load(t.Context(), victim, nil)
	if err != nil || k.Record == nil {
		t.Fatalf("no record: %v", err)
	}
	return *k.Record
}

// states are those of the record's steps that keep the instance.
func keptStates(r record.Record) string {
	var all []string
	for _, s := range r.Steps {
		if s.Step.Kind().Keeps() {
			all = append(all, strings.ReplaceAll(s.Step.ID(), "/"+victim, "")+" "+string(s.State))
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

const allApplied = "checks applied, metadata applied, profile applied, protection/blockDeviceMapping applied, " +
	"protection/disableApiTermination applied, protection/instanceInitiatedShutdownBehavior applied, snapshot applied, standby applied"

// With all on, the instance and its evidence outlast its Auto Scaling group's patience.
// Without, it is gone within minutes. A release leaves everything as it was, except the
// snapshots.
func TestEvidenceIsKept(t *testing.T) {
	t.Parallel()
	w := keepWorld(t)
	synctest.Test(t, func(t *testing.T) {
		off := newStage(w)
		off.must(t, scaled(w, threePeers...))
		off.server.Advance(10 * time.Minute)
		if got := off.server.World(); got.Instance(victim).State != "terminated" || len(got.Volumes) != 1 {
			t.Errorf("without the rungs: %s, volumes %v; the test shows nothing", got.Instance(victim).State, len(got.Volumes))
		}

		on := keeping(w)
		on.must(t, scaled(w, threePeers...))
		r := on.record(t)
		if got := keptStates(r); got != allApplied || r.Status != record.Contained {
			t.Errorf("%s: %s", r.Status, got)
		}
		on.server.Advance(10 * time.Minute)
		got := on.server.World()
		i := got.Instance(victim)
		if i.State != "running" || i.Lifecycle != "Standby" || !i.Suppressed || !i.Protected || i.Shutdown != "stop" ||
			i.Profile != "tourniquet-deny" || !i.MetadataOff || len(got.Snapshots) != 2 {
			t.Errorf("got %+v, %d snapshots", i, len(got.Snapshots))
		}
		for _, v := range got.Volumes {
			if !v.Keep {
				t.Errorf("%s goes with the instance", v.ID)
			}
		}
		for _, s := range got.Snapshots {
			if s.Tags[network.IncidentTag] != victim+"#1" || s.Tags[network.FindingTag] != "f1" {
				t.Errorf("%s has the tags %v", s.ID, s.Tags)
			}
		}

		time.Sleep(network.DefaultTracking + time.Hour)
		on.must(t, releasing)
		on.server.Edit(func(w *world.World) { w.Snapshots = nil })
		want := *w.Instance(victim)
		after := on.server.World()
		if diff := world.Diff(withoutQuarantine(w), withoutQuarantine(after)); diff != "" {
			t.Errorf("after the release, the world differs from %s:\n%s", want.ID, diff)
		}
		if got := on.record(t); got.Status != record.Released {
			t.Errorf("status %s: %s", got.Status, keptStates(got))
		}
	})
}

// withoutQuarantine is a world without what a containment leaves: the quarantine group,
// and the capacity that the group has launched instead.
func withoutQuarantine(w *world.World) *world.World {
	c := w.Clone()
	for i, g := range c.Groups {
		if g.Tags[network.RoleTag] == network.RoleValue {
			c.Groups = append(c.Groups[:i], c.Groups[i+1:]...)
			break
		}
	}
	for _, g := range c.AutoScaling {
		g.Desired = 2
	}
	return c
}

// keepingJobs are those of an instance that is kept, with all rungs on.
func keepingJobs(t *testing.T) map[string]job {
	t.Helper()
	w := keepWorld(t)
	w.Instance(victim).Managed = true
	contained := func(t *testing.T, s *stage) { s.must(t, scaled(w, threePeers...)) }
	later := func(do func(*testing.T, *stage)) func(*testing.T, *stage) {
		return func(t *testing.T, s *stage) { do(t, s); time.Sleep(network.DefaultTracking + time.Hour) }
	}
	return map[string]job{
		"contain and keep": {before: func(*testing.T, *stage) {}, do: scaled(w, threePeers...), on: w, rules: everyRung},
		"contain and keep by command": {
			before: func(*testing.T, *stage) {}, do: containing(w, threePeers...), on: w, rules: everyRung,
		},
		"release what is kept":   {before: later(contained), do: releasingWholly, on: w, rules: everyRung},
		"reconcile what is kept": {before: drifted(contained), do: reconciling, on: w, rules: everyRung},
	}
}
