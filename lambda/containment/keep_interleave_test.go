package containment_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc/world"
)

// keepingPairs are of an instance that is kept, with all rungs on, and of one that
// forensics are let into.
func keepingPairs(t *testing.T) map[string]pair {
	t.Helper()
	kept, let := keepWorld(t), admitWorld(t)
	at := func(w *world.World, seen time.Duration, finding string, peers ...string) deed {
		return func(ctx context.Context, p *process) error {
			in := incidentWith(w, finding, peers...)
			in.Scaled, in.Findings[0].Seen = true, bubbleStart.Add(seen)
			return p.contain(ctx, in)
		}
	}
	const never, long, future = 0, network.DefaultTracking + time.Hour, 1000 * time.Hour
	return map[string]pair{
		"two findings for one instance that is kept": {
			after(0), []deed{at(kept, never, "f1", "198.51.100.7"), at(kept, never, "f2", "198.51.100.8")}, keptCheck, kept, everyKeep,
		},
		"a reconcile beside a containment that keeps": {
			after(0), []deed{at(kept, never, "f1", "198.51.100.7"), onceOnRecord(reconciling)}, keptCheck, kept, everyKeep,
		},
		"a newer finding beside a release of what is kept": {
			after(long, at(kept, never, "f1", "198.51.100.7")), []deed{at(kept, future, "f2", "203.0.113.77"), releasing}, keptCheck, kept, everyKeep,
		},
		"a reconcile beside a release of what is kept": {
			after(long, at(kept, never, "f1", "198.51.100.7")), []deed{reconciling, releasing}, givenBackCheck, kept, everyKeep,
		},
		"forensics beside a reconcile": {
			after(time.Minute, at(let, never, "f1", "198.51.100.7")), []deed{admitting("a1", "sg-forensics"), reconciling}, admittedCheck, let, everyKeep,
		},
		"forensics beside a release": {
			after(long, at(let, never, "f1", "198.51.100.7")), []deed{ifOpen(admitting("a1", "sg-forensics")), releasing}, givenBackCheck, let, everyKeep,
		},
		"the end of forensics beside a finding": {
			after(time.Minute, at(let, never, "f1", "198.51.100.7"), admitting("a1", "sg-forensics")),
			[]deed{admitting("a2"), at(let, never, "f2", "203.0.113.77")},
			contained(victim), let, everyKeep,
		},
	}
}

// ifOpen admits, unless the containment is not open any more.
func ifOpen(f deed) deed {
	return func(ctx context.Context, p *process) error {
		err := f(ctx, p)
		if refused, ok := errors.AsType[*containment.AdmissionError](err); ok && refused.Field == "instanceId" {
			return nil
		}
		return err
	}
}

// keptCheck: the instance is contained and kept, by one set of snapshots, and the record
// says what was there before.
func keptCheck(t *testing.T, s *stage) {
	t.Helper()
	contained(victim)(t, s)
	s.must(t, reconciling) // what a dying process has claimed
	r := s.record(t)
	if got := unapplied(r); got != "" {
		t.Errorf("not applied: %s", got)
	}
	w := s.server.World()
	if i := w.Instance(victim); i.Lifecycle != world.Standby || !i.Suppressed || i.Profile != "tourniquet-deny" || !i.MetadataOff || len(w.Snapshots) != 2*r.Generation {
		t.Errorf("got %+v with %d snapshots in generation %d", i, len(w.Snapshots), r.Generation)
	}
	for id, want := range map[string]string{"standby/": world.InService, "checks/": "active", "metadata/": "enabled"} {
		st, _ := r.Step(id + victim)
		if before := st.Step.(record.Replacement).Before; !slices.Equal(before, []string{want}) {
			t.Errorf("%s is recorded as %v before, it was %s", id, before, want)
		}
	}
}

// givenBackCheck: the instance is released, and all that kept it is as it was.
func givenBackCheck(t *testing.T, s *stage) {
	t.Helper()
	k := s.record(t)
	w := s.server.World()
	i := w.Instance(victim)
	if k.Status != record.Released || i.MetadataOff || i.Suppressed || i.Protected || i.Lifecycle == world.Standby || i.Profile == "tourniquet-deny" {
		t.Errorf("%s: %+v: %s", k.Status, i, keptStates(k))
	}
	if got := w.Interface("eni-0").Groups; !slices.Equal(got, []string{"sg-ssh", "sg-web"}) {
		t.Errorf("eni-0 has %v", got)
	}
}

// admittedCheck: the instance is contained, and the groups are let in on every interface
// that had not drifted.
func admittedCheck(t *testing.T, s *stage) {
	t.Helper()
	r := s.record(t)
	if r.Status != record.Contained || !slices.Equal(r.Admitted, []string{"sg-forensics"}) {
		t.Errorf("%s, admitted %v", r.Status, r.Admitted)
	}
	for _, i := range s.server.World().InterfacesOf(victim) {
		if !slices.Contains(i.Groups, "sg-forensics") || len(i.Groups) != 2 {
			t.Errorf("%s has %v", i.ID, i.Groups)
		}
	}
}
