package containment_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// The owner exempts an instance after it was contained. Reconcile leaves it alone, says
// nothing about it, and adds nothing to its history, however often it runs.
func TestReconcileSaysNothingOfAnExemptInstance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		s := newStage(w)
		s.must(t, containing(w, threePeers...))
		s.server.Edit(func(w *world.World) { w.Instance(victim).Tags["tourniquet:exempt"] = "true" })
		history, before := len(s.book.Events()), s.server.World()
		for range 3 {
			p := s.process(always)
			r := &containment.Reconciler{Responder: p.responder(), Book: p}
			r.Responder.Policy.ExemptTag.Key = "tourniquet:exempt"
			outcomes, err := r.Reconcile(t.Context(), "r")
			if err != nil || len(outcomes) > 0 {
				t.Errorf("got %+v, %v", outcomes, err)
			}
		}
		if got := len(s.book.Events()); got != history {
			t.Errorf("the history grew from %d lines to %d", history, got)
		}
		if d := world.Diff(before, s.server.World()); d != "" {
			t.Errorf("changed:\n%s", d)
		}
	})
}

// A finding that the guard holds back makes no changing call of EC2's, repeated or not.
func TestHeldChangesNothing(t *testing.T) {
	t.Parallel()
	w, incidents := crowd(t, 3)
	server := simvpc.Start(t, w, simvpc.Options{})
	r := responder(server, &ledger.Memory{})
	r.Policy.MaxContained = 1
	if _, err := r.Contain(t.Context(), incidents[0]); err != nil {
		t.Fatal(err)
	}
	server.ClearLog()
	for _, in := range []plan.Incident{incidents[1], incidents[2], incidents[1]} {
		out, err := r.Contain(t.Context(), in)
		if err != nil || out.Verdict != record.Held {
			t.Fatalf("got %s, %v", out.Verdict, err)
		}
	}
	for _, c := range server.Mutations() {
		t.Errorf("a held finding made the call %+v", c)
	}
}

// contested is a ledger that somebody else always gets ahead of.
type contested struct{ *ledger.Memory }

func (contested) Commit(context.Context, record.Change) error { return record.ErrConflict }

// A preview that loses every race ends, with an error that says what it was doing.
func TestPreviewIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		r := newStage(w).process(always).responder()
		r.Ledger = contested{&ledger.Memory{}}
		_, err := r.Preview(t.Context(), incidentWith(w, "f1", threePeers...))
		if _, ok := errors.AsType[*containment.PartialError](err); !ok {
			t.Errorf("got %v, want a PartialError", err)
		}
	})
}

// A dry run beside an open containment that has drifted sets no tag either.
func TestPreviewChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		s := newStage(w)
		s.must(t, containing(w, threePeers...))
		s.server.Edit(func(w *world.World) {
			delete(w.Instance(victim).Tags, "tourniquet:status")
			w.Interface("eni-0").Groups = []string{"sg-web"}
		})
		before := s.server.World()
		if _, err := s.process(always).responder().Preview(t.Context(), incidentWith(w, "f2", threePeers...)); err != nil {
			t.Fatal(err)
		}
		if d := world.Diff(before, s.server.World()); d != "" {
			t.Errorf("a preview changed:\n%s", d)
		}
	})
}

// A single empty answer of EC2's neither closes a record nor ends a release: the
// instance and its interfaces are looked for once more.
func TestOneEmptyAnswerIsNotBelieved(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"DescribeInstances", "DescribeNetworkInterfaces"} {
		for name, do := range map[string]deed{"reconcile": reconciling, "release": releasing} {
			t.Run(op+"/"+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := crashWorld(t)
					s, undisturbed := newStage(w), newStage(w)
					for _, s := range []*stage{s, undisturbed} {
						s.must(t, containing(w, threePeers...))
					}
					undisturbed.must(t, do)
					var mu sync.Mutex
					looks := 0
					blind := func(_ context.Context, c call) fate { // the first observation sees nothing of it
						mu.Lock()
						defer mu.Unlock()
						if c.op == "DescribeInstances" {
							looks++
						}
						if c.op == op && looks <= 1 {
							return empty
						}
						return passes
					}
					if err := do(t.Context(), s.process(blind)); err != nil {
						t.Fatal(err)
					}
					s.must(t, do)
					if d := world.Diff(undisturbed.server.World(), s.server.World()); d != "" {
						t.Errorf("the world differs:\n%s", d)
					}
					if got, want := meaning(s.book), meaning(undisturbed.book); got != want {
						t.Errorf("the ledger has\n%s\nwant\n%s", got, want)
					}
				})
			})
		}
	}
}

// Somebody took the tag off the quarantine group. The record knows the group, and the
// release restores what it holds.
func TestReleaseKnowsAQuarantineGroupWithoutItsTag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		s := newStage(w)
		s.must(t, containing(w, threePeers...))
		s.server.Edit(func(w *world.World) {
			for _, g := range w.Groups {
				delete(g.Tags, "tourniquet:role")
			}
		})
		s.must(t, releasing)
		for _, i := range s.server.World().Interfaces {
			if want := w.Interface(i.ID).Groups; i.Instance == victim && !slices.Equal(i.Groups, want) {
				t.Errorf("%s has %v, had %v", i.ID, i.Groups, want)
			}
		}
	})
}

// Lambda repeats a release two minutes later under the same request id. What GuardDuty
// has seen in between is newer than the release, and stays contained.
func TestARepeatedReleaseIsAsOldAsItsFirstTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		s := newStage(w)
		s.must(t, containing(w, threePeers...))
		dead := s.process(func(_ context.Context, c call) fate {
			if c.ledger && c.op != "Commit" {
				return passes
			}
			return neverMade
		})
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		if err := dead.release(ctx, victim); err == nil {
			t.Fatal("the first try went through")
		}
		stop()
		time.Sleep(time.Minute)
		newer := incidentWith(w, "f2", threePeers...)
		newer.Findings[0].Seen = time.Now()
		s.must(t, func(ctx context.Context, p *process) error { return p.contain(ctx, newer) })
		time.Sleep(time.Minute)
		out, err := s.process(always).releaser().Release(t.Context(), containment.Ask{Instance: victim, Request: "release"})
		if err != nil || out.Verdict != record.NotActionable {
			t.Errorf("got %s, %v", out.Verdict, err)
		}
		contained(victim)(t, s)
	})
}

// A release waits for EC2 to remove an entry. Somebody removes the entry by hand, and a
// second release comes. It must not free the place: the first one's call, when it comes,
// would remove by number whatever is there by then.
func TestOneReleaseAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		s := newStage(w)
		s.must(t, containing(w, threePeers...))
		time.Sleep(network.DefaultTracking + time.Hour)
		reached, resume := make(chan struct{}), make(chan struct{})
		var once sync.Once
		slow := s.process(func(_ context.Context, c call) fate {
			if c.op == "DeleteNetworkAclEntry" {
				once.Do(func() { close(reached) })
				<-resume
			}
			return passes
		})
		done := make(chan error)
		go func() { done <- slow.release(t.Context(), victim) }()
		<-reached
		s.server.Edit(func(w *world.World) {
			for _, acl := range w.ACLs {
				acl.Entries = slices.DeleteFunc(acl.Entries, func(e world.Entry) bool { return !e.Allow })
			}
		})
		slots := len(s.book.AllSlots())
		second := s.process(always).releaser()
		_, err := second.Release(t.Context(), containment.Ask{Instance: victim, Request: "another"})
		if _, leased := errors.AsType[*record.LeasedError](err); !leased {
			t.Errorf("the second release: %v, want that the first has the lease", err)
		}
		if got := len(s.book.AllSlots()); got != slots {
			t.Errorf("%d places are ours, want %d until the first release is over", got, slots)
		}
		close(resume)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := len(s.book.AllSlots()); got != 0 {
			t.Errorf("%d places are left", got)
		}
	})
}
