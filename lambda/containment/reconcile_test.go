package containment_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc/world"
)

// Groups put back, an entry removed and an interface attached: one reconcile
// tightens all of it again, says so, and knows the new interface's originals.
func TestReconcileRepairsDrift(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		s := newStage(w)
		drifted(func(t *testing.T, s *stage) {
			s.must(t, containing(w, threePeers...))
		})(t, s)
		p := s.process(always)
		r := &containment.Reconciler{Responder: p.responder(), Book: p}
		outcomes, err := r.Reconcile(t.Context(), "r1")
		if err != nil || len(outcomes) != 1 {
			t.Fatalf("got %+v, %v", outcomes, err)
		}
		for _, want := range []string{"had drifted", "quarantine/eni-0", "quarantine/eni-2", "denial/acl-1/in/"} {
			if !strings.Contains(outcomes[0].Reason, want) {
				t.Errorf("the reason %q lacks %q", outcomes[0].Reason, want)
			}
		}
		contained(victim)(t, s)
		for _, st := range outcomes[0].Record.Steps {
			q, ok := record.AsQuarantine(st.Step)
			if want := map[string][]string{"eni-0": {"sg-ssh", "sg-web"}, "eni-1": {"sg-web"}, "eni-2": {"sg-ssh"}}[q.Resource]; ok && !slices.Equal(q.Before, want) {
				t.Errorf("%s: the originals are %v, want %v", q.Resource, q.Before, want)
			}
		}
		after := s.server.World()
		s.must(t, reconciling)
		if d := world.Diff(after, s.server.World()); d != "" {
			t.Errorf("a second reconcile changed:\n%s", d)
		}
	})
}

// An instance that is gone: its record is closed, the guard counts one less, its
// denials linger until nobody's flow can be tracked, and expire removes them.
func TestReconcileClosesWhatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		s := newStage(w)
		before := s.server.World()
		gone(func(t *testing.T, s *stage) {
			s.must(t, containing(w, threePeers...))
		})(t, s)
		s.must(t, reconciling)
		k, _ := s.book.Load(t.Context(), victim, nil)
		if k.Record.Status != record.Closed {
			t.Fatalf("status %s", k.Record.Status)
		}
		if open, _ := s.book.Open(t.Context()); len(open) > 0 {
			t.Errorf("open: %v", open)
		}
		if n, _ := s.book.GuardCount(t.Context()); n != 0 {
			t.Errorf("the guard counts %d", n)
		}
		s.must(t, expiring)
		if got := len(s.book.AllSlots()); got != 12 {
			t.Errorf("%d slots right after, want 12", got)
		}
		time.Sleep(network.DefaultTracking)
		s.must(t, expiring)
		if got := s.book.AllSlots(); len(got) != 0 {
			t.Errorf("slots are left: %v", got)
		}
		for _, acl := range before.ACLs {
			if got := s.server.World().ACL(acl.ID).Entries; !slices.Equal(got, acl.Entries) {
				t.Errorf("%s has %v, had %v", acl.ID, got, acl.Entries)
			}
		}
	})
}

// Whatever state an instance is in, it is contained as long as it has interfaces.
func TestInstanceStates(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"pending", "running", "stopping", "stopped", "shutting-down"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := crashWorld(t)
				w.Instance(victim).State = state
				s := newStage(w)
				s.must(t, containing(w, "198.51.100.7"))
				contained(victim)(t, s)
			})
		})
	}
}

// at edits the world right before the first call of an operation.
func at(s *stage, op string, edit func(w *world.World)) gate {
	var once sync.Once
	return func(_ context.Context, c call) fate {
		if c.op == op {
			once.Do(func() { s.server.Edit(edit) })
		}
		return passes
	}
}

// An interface is detached after the look and before the swap: the other one is
// contained, and the record says what is gone.
func TestInterfaceDetachedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		s := newStage(w)
		g := at(s, "Commit", func(w *world.World) {
			w.Interfaces = slices.DeleteFunc(w.Interfaces, func(i *world.Interface) bool { return i.ID == "eni-1" })
		})
		if err := s.process(g).contain(t.Context(), incidentWith(w, "f1", "198.51.100.7")); err != nil {
			t.Fatal(err)
		}
		contained(victim)(t, s)
		if got := states(t, s, victim)["quarantine/eni-1"]; got != record.Gone {
			t.Errorf("quarantine/eni-1 is %s, want %s", got, record.Gone)
		}
	})
}

// A subnet comes behind another ACL between plan and apply: the look after shows
// it, and the peer is denied where it counts.
func TestSubnetReassociatedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		w.ACLs = append(w.ACLs, &world.NetworkACL{ID: "acl-9", VPC: "vpc-1", Owner: w.Account, Quota: world.DefaultACLQuota, Entries: []world.Entry{
			{Number: 100, Allow: true, Protocol: world.All, CIDR: netip.MustParsePrefix("0.0.0.0/0")},
			{Number: 100, Egress: true, Allow: true, Protocol: world.All, CIDR: netip.MustParsePrefix("0.0.0.0/0")},
		}})
		s := newStage(w)
		g := at(s, "Commit", func(w *world.World) { w.Subnet("subnet-0").ACL = "acl-9" })
		if err := s.process(g).contain(t.Context(), incidentWith(w, "f1", "198.51.100.7")); err != nil {
			t.Fatal(err)
		}
		contained(victim)(t, s)
		time.Sleep(network.DefaultTracking)
		s.must(t, releasing)
		for _, acl := range s.server.World().ACLs {
			for _, e := range acl.Entries {
				if !e.Allow && e.CIDR == netip.MustParsePrefix("198.51.100.7/32") {
					t.Errorf("%s keeps %+v after the release", acl.ID, e)
				}
			}
		}
	})
}
