package containment_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc/world"
)

// states are a record's states by step.
func states(t *testing.T, s *stage, instance string) map[string]record.State {
	t.Helper()
	k, err := s.book.Load(t.Context(), instance, nil)
	if err != nil || k.Record == nil {
		t.Fatalf("%s: %+v, %v", instance, k.Record, err)
	}
	all := map[string]record.State{}
	for _, st := range k.Record.Steps {
		all[st.Step.ID()] = st.State
	}
	return all
}

// What somebody has changed since the containment is reported and left alone; the
// rest is undone.
func TestReleaseComparesBeforeItChanges(t *testing.T) {
	t.Parallel()
	const in, out = "denial/acl-0/in/198.51.100.7/32", "denial/acl-0/out/198.51.100.7/32"
	ours := func(w *world.World, egress bool) *world.Entry {
		for i, e := range w.ACL("acl-0").Entries {
			if !e.Allow && e.Egress == egress && e.CIDR == netip.MustParsePrefix("198.51.100.7/32") {
				return &w.ACL("acl-0").Entries[i]
			}
		}
		return nil
	}
	tests := map[string]struct {
		edit  func(w *world.World)
		want  map[string]record.State // where it isn't restored or removed
		check func(t *testing.T, w *world.World)
	}{
		"nothing": {func(*world.World) {}, nil, func(t *testing.T, w *world.World) {
			if got := w.Interface("eni-0").Groups; !slices.Equal(got, []string{"sg-ssh", "sg-web"}) {
				t.Errorf("eni-0 has %v", got)
			}
		}},
		"groups set by somebody": {
			func(w *world.World) { w.Interface("eni-0").Groups = []string{"sg-ssh"} },
			map[string]record.State{"quarantine/eni-0": record.ChangedElsewhere},
			func(t *testing.T, w *world.World) {
				if got := w.Interface("eni-0").Groups; !slices.Equal(got, []string{"sg-ssh"}) {
					t.Errorf("eni-0 has %v", got)
				}
			},
		},
		"groups put back by somebody": {
			func(w *world.World) { w.Interface("eni-0").Groups = []string{"sg-ssh", "sg-web"} }, nil, func(*testing.T, *world.World) {},
		},
		"a group deleted": {
			func(w *world.World) {
				w.Groups = slices.DeleteFunc(w.Groups, func(g *world.SecurityGroup) bool { return g.ID == "sg-ssh" })
			}, nil,
			func(t *testing.T, w *world.World) {
				if got := w.Interface("eni-0").Groups; !slices.Equal(got, []string{"sg-web"}) {
					t.Errorf("eni-0 has %v", got)
				}
			},
		},
		"all groups deleted": {
			func(w *world.World) {
				w.Groups = slices.DeleteFunc(w.Groups, func(g *world.SecurityGroup) bool { return g.ID == "sg-web" })
			},
			map[string]record.State{"quarantine/eni-1": record.Failed},
			func(t *testing.T, w *world.World) {
				if got := w.Interface("eni-1").Groups; len(got) != 1 || w.Group(got[0]).Tags[network.RoleTag] == "" {
					t.Errorf("eni-1 has %v, and should be in quarantine still", got)
				}
			},
		},
		"an interface detached": {
			func(w *world.World) { w.Interface("eni-1").Instance = "" }, nil,
			func(t *testing.T, w *world.World) {
				if got := w.Interface("eni-1").Groups; !slices.Equal(got, []string{"sg-web"}) {
					t.Errorf("the detached interface has %v", got)
				}
			},
		},
		"an interface deleted": {
			func(w *world.World) {
				w.Interfaces = slices.DeleteFunc(w.Interfaces, func(i *world.Interface) bool { return i.ID == "eni-1" })
			},
			map[string]record.State{"quarantine/eni-1": record.Gone},
			func(*testing.T, *world.World) {},
		},
		"an entry replaced": {
			func(w *world.World) { ours(w, false).CIDR = netip.MustParsePrefix("198.51.100.0/24") },
			map[string]record.State{in: record.ChangedElsewhere},
			func(t *testing.T, w *world.World) {
				if !slices.ContainsFunc(w.ACL("acl-0").Entries, func(e world.Entry) bool {
					return e.CIDR == netip.MustParsePrefix("198.51.100.0/24") && !e.Allow
				}) {
					t.Error("somebody's entry is gone")
				}
			},
		},
		"an entry removed": {
			func(w *world.World) {
				acl := w.ACL("acl-0")
				acl.Entries = slices.DeleteFunc(acl.Entries, func(e world.Entry) bool {
					return !e.Allow && e.Egress && e.CIDR == netip.MustParsePrefix("198.51.100.7/32")
				})
			},
			map[string]record.State{out: record.Gone},
			func(*testing.T, *world.World) {},
		},
		"a subnet behind another ACL": {
			func(w *world.World) { w.Subnet("subnet-0").ACL = "acl-1" }, nil,
			func(t *testing.T, w *world.World) {
				if e := ours(w, false); e != nil {
					t.Errorf("acl-0 still has %+v", *e)
				}
			},
		},
		"an ACL deleted": {
			func(w *world.World) {
				w.Subnet("subnet-0").ACL = "acl-1"
				w.ACLs = slices.DeleteFunc(w.ACLs, func(a *world.NetworkACL) bool { return a.ID == "acl-0" })
			},
			map[string]record.State{in: record.Gone, out: record.Gone},
			func(*testing.T, *world.World) {},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := crashWorld(t)
				s := newStage(w)
				s.must(t, containing(w, "198.51.100.7"))
				time.Sleep(network.DefaultTracking)
				s.server.Edit(tc.edit)
				s.must(t, releasing)
				for id, got := range states(t, s, victim) {
					want := record.Removed
					if strings.HasPrefix(id, "quarantine/") {
						want = record.Restored
					}
					if other, ok := tc.want[id]; ok {
						want = other
					}
					if got != want {
						t.Errorf("%s is %s, want %s", id, got, want)
					}
				}
				if slots := s.book.AllSlots(); len(slots) > 0 {
					t.Errorf("slots are left: %+v", slots)
				}
				tc.check(t, s.server.World())
			})
		})
	}
}

// A record that a later version wrote is not touched, and neither is the world.
func TestReleaseOfANewerRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		s := newStage(w)
		s.must(t, containing(w, "198.51.100.7"))
		before := s.server.World()
		p := s.process(always)
		r := p.releaser()
		r.Book = newer{p}
		_, err := r.Release(t.Context(), containment.Ask{Instance: victim})
		if !errors.Is(err, record.ErrNewerRecord) {
			t.Errorf("got %v, want %v", err, record.ErrNewerRecord)
		}
		if d := world.Diff(before, s.server.World()); d != "" {
			t.Errorf("changed:\n%s", d)
		}
	})
}

type newer struct{ *process }

func (newer) Containment(context.Context, string, int) (*record.Record, error) {
	return nil, fmt.Errorf("item: %w", record.ErrNewerRecord)
}

// Without the ledger, then with it again: what was contained is adopted, keeps its
// originals, and can be released. Entries that nothing proves to be ours are named.
func TestAdoptAndRelease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		s := newStage(w)
		before := s.server.World()
		r := s.process(always).responder()
		r.Ledger = down{s.book, true, true}
		out, err := r.Contain(t.Context(), incidentWith(w, "f1", threePeers...))
		if err != nil || !out.Unrecorded {
			t.Fatalf("contained without the ledger: %+v, %v", out, err)
		}
		if open, _ := s.book.Open(t.Context()); len(open) > 0 {
			t.Fatalf("on record: %v", open)
		}
		cut := s.server.World()
		s.must(t, reconciling)
		if d := world.Diff(cut, s.server.World()); d != "" {
			t.Errorf("adopting changed the world:\n%s", d)
		}
		contained(victim)(t, s)
		k, _ := s.book.Load(t.Context(), victim, nil)
		unclaimed := 0
		for _, e := range k.Record.Exposure {
			if e.Kind == record.UnclaimedDenial {
				unclaimed++
			}
		}
		if !k.Record.Adopted || unclaimed != 12 { // three peers, two directions, two ACLs
			t.Errorf("adopted %t, %d entries named that may be ours, want 12", k.Record.Adopted, unclaimed)
		}
		s.must(t, releasing)
		after := s.server.World()
		for _, i := range before.Interfaces {
			if got := after.Interface(i.ID); !slices.Equal(got.Groups, i.Groups) || len(got.Tags) > 0 {
				t.Errorf("%s has %v and the tags %v, had %v", i.ID, got.Groups, got.Tags, i.Groups)
			}
		}
		if tags := after.Instance(victim).Tags; len(tags) > 0 {
			t.Errorf("the instance keeps the tags %v", tags)
		}
	})
}

// The record is lost: tags restore the groups, and the entries are named and left.
func TestReleaseFromTags(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		s := newStage(w)
		before := s.server.World()
		r := s.process(always).responder()
		r.Ledger = down{s.book, true, true}
		if _, err := r.Contain(t.Context(), incidentWith(w, "f1", "198.51.100.7")); err != nil {
			t.Fatal(err)
		}
		cut := s.server.World()
		out, err := s.process(always).releaser().Release(t.Context(), containment.Ask{Instance: victim, Reason: "lost", Request: "r1"})
		if err != nil || !out.Unrecorded {
			t.Fatalf("released from tags: %+v, %v", out, err)
		}
		after := s.server.World()
		for _, i := range before.Interfaces {
			if got := after.Interface(i.ID).Groups; !slices.Equal(got, i.Groups) {
				t.Errorf("%s has %v, had %v", i.ID, got, i.Groups)
			}
		}
		for _, acl := range cut.ACLs {
			if !slices.Equal(acl.Entries, after.ACL(acl.ID).Entries) {
				t.Errorf("%s: entries changed without a record that says whose they are", acl.ID)
			}
		}
		if len(out.Record.Exposure) != 4 {
			t.Errorf("named %v, want the four entries", out.Record.Exposure)
		}
		history, _ := s.book.History(t.Context(), victim)
		if len(history) != 1 || !strings.Contains(history[0].Reason, "from tags") {
			t.Errorf("the history says %+v", history)
		}
	})
}

// With neither a record nor tags there is nothing to release.
func TestReleaseOfWhatWasNeverContained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(crashWorld(t))
		before := s.server.World()
		for _, instance := range []string{victim, "i-0cccccccccccccccc"} {
			if err := s.process(always).release(t.Context(), instance); !errors.Is(err, containment.ErrNotContained) {
				t.Errorf("%s: got %v", instance, err)
			}
		}
		if d := world.Diff(before, s.server.World()); d != "" || s.book.String() != (&ledger.Memory{}).String() {
			t.Errorf("something changed:\n%s%s", d, s.book)
		}
	})
}

// While the ledger can't be read nothing is released: the next reconcile would find
// the record, and contain again.
func TestReleaseWithoutTheLedger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		s := newStage(w)
		s.must(t, containing(w, "198.51.100.7"))
		before := s.server.World()
		r := s.process(always).releaser()
		r.Ledger = down{s.book, true, true}
		if _, err := r.Release(t.Context(), containment.Ask{Instance: victim}); !errors.Is(err, errDown) {
			t.Errorf("got %v, want %v", err, errDown)
		}
		if d := world.Diff(before, s.server.World()); d != "" {
			t.Errorf("changed:\n%s", d)
		}
	})
}
