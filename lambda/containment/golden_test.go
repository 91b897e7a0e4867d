package containment_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/internal/dynamojson"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// golden holds tables and worlds as a released version left them, one file of each
// for every state that a containment can be in. They stay as they were written: a
// later version has to go on from them.
const golden = "../ledger/testdata/schema-1"

var writeGolden = flag.Bool("write-golden", false, "write the tables of "+golden+" that are missing; those that are there stay")

const neighbour = "i-0bbbbbbbbbbbbbbb2"

// goldenWorld is crashWorld with a second instance beside the first one.
func goldenWorld(t *testing.T) *world.World {
	t.Helper()
	text := crashWorld(t).String() + "instance " + neighbour + "\ninterface eni-8 " + neighbour + " subnet-0 10.0.0.18 groups sg-web\n"
	w, err := simvpc.ParseWorld(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A moment is a table and a world as they are on disk.
type moment struct {
	Now   time.Time       `json:"now"`
	Items json.RawMessage `json:"items"`
}

// makers bring a stage into each state.
func makers(w *world.World) map[string]func(t *testing.T, s *stage) {
	contained := func(peers ...string) func(*testing.T, *stage) {
		return func(t *testing.T, s *stage) { s.must(t, containing(w, peers...)) }
	}
	then := func(deeds ...any) func(*testing.T, *stage) {
		return func(t *testing.T, s *stage) {
			for _, d := range deeds {
				switch d := d.(type) {
				case func(*testing.T, *stage):
					d(t, s)
				case deed:
					s.must(t, d)
				case time.Duration:
					time.Sleep(d)
				}
			}
		}
	}
	return map[string]func(t *testing.T, s *stage){
		"containing": func(t *testing.T, s *stage) { s.cutOffAfter(t, "Commit", 1, containing(w, threePeers...)) },
		"applied-and-unmarked": func(t *testing.T, s *stage) {
			s.cutOffAfter(t, "ModifyNetworkInterfaceAttribute", 2, containing(w, threePeers...))
		},
		"contained":         contained(threePeers...),
		"contained-no-peer": contained(),
		"by-person": func(t *testing.T, s *stage) {
			in := incidentWith(w, "f1", threePeers...)
			in.Findings, in.Trigger, in.Asked = nil, plan.ByPerson, time.Now()
			s.must(t, func(ctx context.Context, p *process) error { return p.contain(ctx, in) })
		},
		"partially-contained": then(narrow, contained(threePeers...)),
		"shared-slots":        then(contained(threePeers...), besideIt(w, threePeers...)),
		"releasing":           then(contained(threePeers...), time.Hour, func(t *testing.T, s *stage) { s.cutOffAfter(t, "Commit", 1, releasing) }),
		"removing": then(contained(threePeers...), network.DefaultTracking, func(t *testing.T, s *stage) {
			s.cutOffAfter(t, "Commit", 1, releasing)
		}),
		"lingering":       then(contained(threePeers...), time.Hour, releasing),
		"released":        then(contained(threePeers...), network.DefaultTracking, releasing),
		"closed":          then(gone(contained(threePeers...)), reconciling),
		"drifted":         drifted(contained(threePeers...)),
		"expired-denials": then(contained(threePeers...), 6*network.DefaultTracking, expiringOld),
		"observed": func(t *testing.T, s *stage) {
			if _, err := s.process(always).responder().Preview(t.Context(), incidentWith(w, "f1", threePeers...)); err != nil {
				t.Fatal(err)
			}
		},
		"adopted": then(withoutLedger(w, threePeers...), reconciling),
		"held": then(contained(threePeers...), func(t *testing.T, s *stage) {
			r := s.process(always).responder()
			r.Policy.MaxContained = 1
			out, err := r.Contain(t.Context(), beside(w, threePeers...))
			if err != nil || out.Verdict != record.Held {
				t.Fatalf("got %s, %v", out.Verdict, err)
			}
		}),
		"two-generations": then(contained(threePeers...), time.Hour, releasing, time.Hour, again(w, "f2", threePeers...)),
		"eleven-generations": func(t *testing.T, s *stage) {
			for n := range 11 {
				then(again(w, fmt.Sprint("f", n+1), "198.51.100.7"), network.DefaultTracking, releasing, time.Hour)(t, s)
			}
			again(w, "f12", "198.51.100.7")(t, s)
		},
	}
}

// narrow leaves one of the ACLs a single place in each direction.
func narrow(_ *testing.T, s *stage) {
	s.server.Edit(func(w *world.World) { w.ACL("acl-0").Quota = 3 })
}

// again contains the instance for a finding of now.
func again(w *world.World, finding string, peers ...string) func(*testing.T, *stage) {
	return func(t *testing.T, s *stage) {
		in := incidentWith(w, finding, peers...)
		in.Findings[0].Seen = time.Now()
		s.must(t, func(ctx context.Context, p *process) error { return p.contain(ctx, in) })
	}
}

func beside(w *world.World, peers ...string) plan.Incident {
	in := incidentWith(w, "f9", peers...)
	in.Instance, in.Subnets = neighbour, []string{"subnet-0"}
	return in
}

func besideIt(w *world.World, peers ...string) func(*testing.T, *stage) {
	return func(t *testing.T, s *stage) {
		s.must(t, func(ctx context.Context, p *process) error { return p.contain(ctx, beside(w, peers...)) })
	}
}

func withoutLedger(w *world.World, peers ...string) func(*testing.T, *stage) {
	return func(t *testing.T, s *stage) {
		g := func(_ context.Context, c call) fate {
			if c.ledger {
				return neverMade
			}
			return passes
		}
		if err := s.process(g).contain(t.Context(), incidentWith(w, "f1", peers...)); err != nil {
			t.Fatal(err)
		}
	}
}

// expiringOld removes denials that are more than five days old.
func expiringOld(ctx context.Context, p *process) error {
	r := p.releaser()
	r.DenialTTL = network.DefaultTracking
	_, err := r.Expire(ctx, "expire")
	return err
}

// cutOffAfter ends a process after its n-th call of an operation.
func (s *stage) cutOffAfter(t *testing.T, op string, n int, do deed) {
	t.Helper()
	ctx, die := context.WithCancel(t.Context())
	defer die()
	dead := make(chan struct{})
	g := func(_ context.Context, c call) fate {
		select {
		case <-dead:
			return neverMade
		default:
		}
		if c.op == op {
			if n--; n == 0 {
				close(dead)
				die()
				return lost
			}
		}
		return passes
	}
	_ = do(ctx, s.process(serially(g))) // what it says before it dies, nobody hears
	if n > 0 {
		t.Fatalf("%s was not called often enough", op)
	}
	time.Sleep(plan.MaxInvocation)
}

// serially lets one call at a time through a gate.
func serially(g gate) gate {
	turn := make(chan struct{}, 1)
	return func(ctx context.Context, c call) fate {
		turn <- struct{}{}
		defer func() { <-turn }()
		return g(ctx, c)
	}
}

// TestWriteGolden writes what is missing. It never replaces what is there.
func TestWriteGolden(t *testing.T) {
	if !*writeGolden {
		t.Skip("only with -write-golden")
	}
	w := goldenWorld(t)
	for name, maker := range makers(w) {
		file := filepath.Join(golden, name)
		if _, err := os.Stat(file + ".json"); err == nil {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			s := newStage(w)
			time.Sleep(time.Hour)
			maker(t, s)
			items, err := s.book.Items()
			if err != nil {
				t.Fatal(err)
			}
			text, err := dynamojson.Marshal(items)
			if err != nil {
				t.Fatal(err)
			}
			table := fmt.Sprintf("{\"now\":%q,\"items\":%s}\n", time.Now().UTC().Format(time.RFC3339Nano), text)
			for ending, text := range map[string][]byte{".json": []byte(table), ".txt": []byte(s.server.World().String())} {
				if err := errors.Join(os.MkdirAll(golden, 0o750), os.WriteFile(file+ending, text, 0o600)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// goldenStage is a stage that an earlier version left. Its clock is the bubble's.
func goldenStage(t *testing.T, name string) *stage {
	t.Helper()
	table, err := os.ReadFile(filepath.Join(golden, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(golden, name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var m moment
	if err := json.Unmarshal(table, &m); err != nil {
		t.Fatal(err)
	}
	items, err := dynamojson.Unmarshal(m.Items)
	if err != nil {
		t.Fatal(err)
	}
	w, err := simvpc.ParseWorld(string(text))
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(w)
	if err := s.book.Put(items...); err != nil {
		t.Fatal(err)
	}
	if d := time.Until(m.Now); d > 0 {
		time.Sleep(d)
	}
	return s
}

func goldenNames(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(golden, "*.json"))
	if err != nil || len(files) < 19 {
		t.Fatalf("got the tables %v, %v, want 19 or more", files, err)
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	return names
}

// What an earlier version has written is gone on with, reconciled, released and
// expired: whichever comes first, in the end nothing of it is left in the network or
// held in the ledger, and every interface has the groups that it had.
func TestContinueWhatAnEarlierVersionWrote(t *testing.T) {
	t.Parallel()
	w := goldenWorld(t)
	for _, name := range goldenNames(t) {
		for first, do := range map[string]func(t *testing.T, s *stage){
			"contain": func(t *testing.T, s *stage) {
				time.Sleep(time.Hour)
				again(w, "f-new", append(threePeers, "203.0.113.77")...)(t, s)
			},
			"reconcile": func(t *testing.T, s *stage) { s.must(t, reconciling) },
			"release":   func(*testing.T, *stage) {},
			"expire":    func(t *testing.T, s *stage) { s.must(t, expiring) },
		} {
			t.Run(name+"/"+first, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := goldenStage(t, name)
					before := len(s.book.Events())
					if first == "contain" && len(s.server.World().InterfacesOf(victim)) == 0 {
						return // its instance is gone
					}
					do(t, s)
					if first == "contain" {
						goesOn(t, s, name)
					}
					for _, instance := range []string{victim, neighbour} {
						s.must(t, func(ctx context.Context, p *process) error {
							if err := p.release(ctx, instance); !errors.Is(err, containment.ErrNotContained) {
								return err
							}
							return nil
						})
					}
					time.Sleep(network.DefaultTracking)
					s.must(t, expiring)
					checkUndone(t, w, s, name)
					if len(s.book.Events()) < before {
						t.Errorf("the history had %d lines and has %d", before, len(s.book.Events()))
					}
				})
			})
		}
	}
}

// goesOn checks that a new finding contains what an earlier version had, with the new
// peer and the first originals.
func goesOn(t *testing.T, s *stage, name string) {
	t.Helper()
	k, err := s.book.Load(t.Context(), victim, []string{"vpc-1"})
	if err != nil {
		t.Fatal(err)
	}
	want := record.Contained
	if name == "partially-contained" {
		want = record.PartiallyContained
	}
	if k.Record.Status != want || len(k.Record.Peers) != 4 {
		t.Errorf("status %s with %d peers, want %s with 4", k.Record.Status, len(k.Record.Peers), want)
	}
	for _, st := range k.Record.Steps {
		q, ok := record.AsQuarantine(st.Step)
		if groups := map[string][]string{"eni-0": {"sg-ssh", "sg-web"}, "eni-1": {"sg-web"}, "eni-2": {"sg-ssh"}}[q.Resource]; ok && !slices.Equal(q.Before, groups) {
			t.Errorf("%s: the originals are %v, want %v", q.Resource, q.Before, groups)
		}
	}
}

// checkUndone compares what a release has left with the world before all of it. Of
// one that was adopted from tags, the entries stay: nothing proves that they are ours.
// Groups that somebody has put back stay too.
func checkUndone(t *testing.T, w *world.World, s *stage, name string) {
	t.Helper()
	now := s.server.World()
	for _, i := range now.Interfaces {
		want := []string{"sg-ssh"} // of the one that was attached later
		if was := w.Interface(i.ID); was != nil {
			want = was.Groups
		}
		drifted := name == "drifted" && i.ID == "eni-0" && slices.Equal(i.Groups, []string{"sg-web"})
		if !drifted && !slices.Equal(i.Groups, want) {
			t.Errorf("%s has the groups %v, had %v", i.ID, i.Groups, want)
		}
	}
	for _, acl := range w.ACLs {
		got := slices.DeleteFunc(slices.Clone(now.ACL(acl.ID).Entries), func(e world.Entry) bool {
			return name == "adopted" && slices.Contains(threePeers, e.CIDR.Addr().String())
		})
		if !slices.Equal(got, acl.Entries) {
			t.Errorf("%s has %v, had %v", acl.ID, got, acl.Entries)
		}
	}
	if left := s.book.AllSlots(); len(left) > 0 {
		t.Errorf("slots are left: %v", left)
	}
	open, _ := s.book.Open(t.Context())
	count, _ := s.book.GuardCount(t.Context())
	if len(open) > 0 || count != 0 {
		t.Errorf("open: %v, the guard counts %d", open, count)
	}
}
