package containment_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tourniquet/lambda/plan"
	"tourniquet/lambda/simvpc/world"
)

// everyRung has all measures on that a record of an earlier version does not know.
var everyRung = plan.Rules{OnHost: plan.OnHostAlways, Survivors: plan.SurvivorsDeny, Isolate: plan.IsolateTagged, KeepAlive: true, Protect: true, Snapshots: true, DenyProfile: denyProfile}

// kindsOfRungs begin the ids of the steps that an earlier version does not have.
var kindsOfRungs = []string{
	"host/", "flow-log/", "isolation/", "standby/", "checks/", "protection/", "snapshot/", "profile/", "metadata/",
}

// rungsOf are the steps of the latest record that an earlier version does not have.
func rungsOf(t *testing.T, s *stage) (ids []string) {
	t.Helper()
	k, err := s.book.Load(t.Context(), victim, nil)
	if err != nil || k.Record == nil {
		t.Fatal(k.Record, err)
	}
	for _, step := range k.Record.Steps {
		id := step.Step.ID()
		if slices.ContainsFunc(kindsOfRungs, func(kind string) bool { return strings.HasPrefix(id, kind) }) {
			ids = append(ids, id)
		}
	}
	return ids
}

// What an earlier version has contained gets no measure that it did not have, however
// often it is reconciled or its finding repeated. Something new about the instance, or
// a person, gives it.
func TestEarlierContainmentsGetNoRungs(t *testing.T) {
	t.Parallel()
	w := goldenWorld(t)
	byPerson := func(ctx context.Context, p *process) error {
		in := incidentWith(w, "f1")
		in.Findings, in.Trigger, in.Asked = nil, plan.ByPerson, time.Now()
		return p.contain(ctx, in)
	}
	for _, name := range []string{
		"contained", "contained-no-peer", "containing", "applied-and-unmarked", "by-person", "drifted", "partially-contained", "shared-slots", "expired-denials",
	} {
		for first, do := range map[string]func(t *testing.T, s *stage){
			"a new finding": func(t *testing.T, s *stage) { again(w, "f-new", "203.0.113.77")(t, s) },
			"a person":      func(t *testing.T, s *stage) { s.must(t, byPerson) },
		} {
			t.Run(name+"/"+first, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := goldenStage(t, name)
					s.rungs = everyRung
					s.server.Edit(func(w *world.World) {
						w.Instance(victim).Managed, w.LogGroups = true, []string{"flows"}
						isolable(w)
					})
					s.must(t, reconciling)
					if name != "by-person" { // it has no finding
						s.must(t, containing(w, threePeers...))
					}
					s.must(t, reconciling)
					if got := rungsOf(t, s); len(got) > 0 || s.server.World().Instance(victim).Isolated {
						t.Errorf("it has got %v by itself", got)
					}
					time.Sleep(time.Hour)
					do(t, s)
					if got := rungsOf(t, s); len(got) == 0 {
						t.Error("something new has given it no measure")
					}
				})
			})
		}
	}
}
