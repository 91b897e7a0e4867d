package containment_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc/world"
)

var (
	seeds = flag.Int("seeds", 30, "how many interleavings of each pair TestInterleavings tries")
	seed  = flag.Uint64("seed", 0, "the only interleaving to try: replays a failure")
)

// A scheduler decides, from a seed, in which order the calls of several processes
// are carried out: whenever all processes wait, it lets one call pass. Now and then
// it loses an answer of EC2's. One of the ledger's is never lost: DynamoDB knows a
// transaction that is sent once more, and the SDK sends it.
type scheduler struct {
	mu      sync.Mutex
	rng     *rand.Rand
	arrived []turn // since the last call passed
	waiting []turn
	passed  int
	trace   []string
}

// A turn is a call that waits for its own.
type turn struct {
	call
	process string
	due     int             // the call with the least passes next
	records []record.Record // as they were when it was sent
	pass    chan fate
}

// gate is that of one process.
func (s *scheduler) gate(name string) gate {
	return func(_ context.Context, c call) fate {
		mine := turn{call: c, process: name, pass: make(chan fate)}
		s.mu.Lock()
		s.arrived = append(s.arrived, mine)
		s.mu.Unlock()
		return <-mine.pass
	}
}

// run lets calls pass until all processes have ended, and has a witness look after each.
// It runs in a bubble: what synctest.Wait waits for is that every process waits for its
// turn, or for time to pass.
func (s *scheduler) run(ended <-chan struct{}, v *witness) {
	for {
		synctest.Wait()
		v.look()
		select {
		case <-ended:
			return
		default:
		}
		next, ok := s.next(v.now)
		if !ok {
			time.Sleep(5 * time.Millisecond) // they sleep: so does the scheduler
			continue
		}
		f := passes
		if !next.ledger && s.rng.IntN(40) == 0 {
			f = lost
		}
		v.sent, v.made = next.records, fmt.Sprintf("%s %s %d", next.process, next.op, f)
		s.trace = append(s.trace, v.made)
		next.pass <- f
	}
}

// next is the call whose turn it is. Calls made at the same time are put in an
// order of their own first, so that a seed always does the same.
func (s *scheduler) next(records []record.Record) (turn, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortStableFunc(s.arrived, func(a, b turn) int {
		return cmp.Or(cmp.Compare(a.process, b.process), cmp.Compare(a.op, b.op), cmp.Compare(a.params, b.params))
	})
	for _, a := range s.arrived {
		// Most calls pass soon, some only after much else has: even turns hardly ever
		// show a race with one slow call.
		a.records = records
		a.due = s.passed + s.rng.IntN(1<<s.rng.IntN(9))
		s.waiting = append(s.waiting, a)
	}
	s.arrived = nil
	if len(s.waiting) == 0 {
		return turn{}, false
	}
	i := 0
	for n, w := range s.waiting {
		if w.due < s.waiting[i].due {
			i = n
		}
	}
	next := s.waiting[i]
	s.waiting = slices.Delete(s.waiting, i, i+1)
	s.passed++
	return next, true
}

// A pair is what runs at the same time, what was before, and what must hold in the end.
type pair struct {
	before func(t *testing.T, s *stage)
	runs   []deed
	check  func(t *testing.T, s *stage)
	on     *world.World // nil: pairWorld
	rungs  plan.Rules   // which measures are turned on
}

const second = "i-0bbbbbbbbbbbbbbb2"

// pairWorld is crashWorld with a second instance in the first subnet.
func pairWorld(t *testing.T) *world.World {
	w := crashWorld(t)
	w.Instances = append(w.Instances, &world.Instance{ID: second, Type: "m5.large", State: "running"})
	w.Interfaces = append(w.Interfaces, &world.Interface{
		ID: "eni-9", Instance: second, Subnet: "subnet-0", Private: []netip.Addr{netip.MustParseAddr("10.0.0.99")},
		Groups: []string{"sg-web"}, Type: "interface", Owner: w.Account,
	})
	return w
}

// after does what comes before two processes meet, and waits.
func after(d time.Duration, steps ...deed) func(*testing.T, *stage) {
	return func(t *testing.T, s *stage) {
		for _, f := range steps {
			s.must(t, f)
		}
		time.Sleep(d)
	}
}

func pairs(w *world.World) map[string]pair {
	at := func(seen time.Duration, instance, finding string, peers ...string) deed {
		return func(ctx context.Context, p *process) error {
			in := incidentWith(w, finding, peers...)
			in.Instance, in.Findings[0].Seen = instance, bubbleStart.Add(seen)
			return p.contain(ctx, in)
		}
	}
	const never, long, future = 0, network.DefaultTracking + time.Hour, 1000 * time.Hour
	return map[string]pair{
		"two findings for one instance": {
			before: after(0),
			runs:   []deed{at(never, victim, "f1", "198.51.100.7"), at(never, victim, "f2", "198.51.100.8")},
			check:  contained(victim),
		},
		"two instances share an ACL and a peer": {
			before: after(0),
			runs:   []deed{at(never, victim, "f1", "198.51.100.7"), at(never, second, "f2", "198.51.100.7")},
			check:  contained(victim, second),
		},
		"an older finding beside a release": {
			before: after(long, at(never, victim, "f1", threePeers...)),
			runs:   []deed{at(time.Minute, victim, "f2", "203.0.113.77"), releasing},
			check:  released(victim),
		},
		"a newer finding beside a release": {
			before: after(long, at(never, victim, "f1", threePeers...)),
			runs:   []deed{at(future, victim, "f2", "203.0.113.77"), releasing},
			check:  contained(victim),
		},
		"a release beside one who comes to share": {
			before: after(long, at(never, victim, "f1", "198.51.100.7")),
			runs:   []deed{at(future, second, "f2", "198.51.100.7"), releasing},
			check:  contained(second),
		},
		"a release beside a new peer": {
			before: after(long, at(never, victim, "f1", "198.51.100.7"), at(never, second, "f2", "203.0.113.77")),
			runs:   []deed{at(future, second, "f3", "198.51.100.7"), releasing},
			check:  contained(second),
		},
		"a release beside a containment under way": {
			before: after(0),
			runs:   []deed{at(-time.Minute, victim, "f1", "198.51.100.7"), onceOnRecord(releasing)},
			check:  released(victim),
		},
		"reconcile beside a release": {
			before: after(long, at(never, victim, "f1", threePeers...)),
			runs:   []deed{reconciling, releasing},
			check:  released(victim),
		},
		"expire beside a finding": {
			before: after(network.DefaultTracking+time.Hour, at(never, victim, "f1", "198.51.100.7"), releasing),
			runs:   []deed{expiring, at(future, second, "f2", "198.51.100.7")},
			check:  contained(second),
		},
	}
}

// bubbleStart is the time at which every bubble begins.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// onceOnRecord begins once the victim's containment is on record.
func onceOnRecord(f deed) deed {
	return func(ctx context.Context, p *process) error {
		for {
			if k, _ := p.book.Load(ctx, victim, nil); k.Record != nil {
				return f(ctx, p)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// Every interleaving of the calls of two invocations keeps the laws. A failure names
// its seed: go test ./lambda/containment -run Interleavings -seed N replays it.
func TestInterleavings(t *testing.T) {
	t.Parallel()
	w := pairWorld(t)
	all := pairs(w)
	maps.Copy(all, keepingPairs(t))
	maps.Copy(all, cuttingPairs(t))
	for name, p := range all {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			tries := *seeds
			if testing.Short() { // with the race detector, which has enough of them
				tries = min(tries, 5)
			}
			for n := range uint64(tries) {
				if *seed != 0 {
					n = *seed - 1
				}
				synctest.Test(t, func(t *testing.T) { interleave(t, w, p, n+1) })
				if t.Failed() || *seed != 0 {
					break
				}
			}
		})
	}
}

func interleave(t *testing.T, w *world.World, p pair, seed uint64) {
	if p.on != nil {
		w = p.on
	}
	s := newStage(w)
	s.rungs = p.rungs
	before := s.server.World()
	p.before(t, s)
	s.busy = seed%2 == 0
	sched := &scheduler{rng: rand.New(rand.NewPCG(seed, 0))}
	var wg sync.WaitGroup
	failed := make([]bool, len(p.runs))
	for i, run := range p.runs {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), plan.MaxInvocation)
			defer cancel()
			failed[i] = run(ctx, s.process(sched.gate(fmt.Sprint(i)))) != nil
		})
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	v := s.witness(before)
	sched.run(ended, v)
	for _, wrong := range v.seen {
		t.Error(wrong)
	}
	for i, run := range p.runs { // Lambda tries again what has failed
		if failed[i] {
			time.Sleep(plan.MaxInvocation)
			s.must(t, run)
		}
	}
	time.Sleep(plan.MaxInvocation) // what was cut off lets go
	// The schedule goes on with releases. A reconcile would hide what went wrong.
	s.must(t, expiring)
	checkLaws(t, s, before)
	p.check(t, s)
	if t.Failed() {
		t.Logf("seed %d\n%s\n%s\n%s", seed, strings.Join(sched.trace, "\n"), s.server.World(), s.book)
	}
}

// checkLaws: no foreign entry has changed, each entry of ours is on record and each
// slot in the ACL, the originals on record are those that were.
func checkLaws(t *testing.T, s *stage, before *world.World) {
	t.Helper()
	after := s.server.World()
	slots := s.book.AllSlots()
	for _, acl := range before.ACLs {
		now := after.ACL(acl.ID).Entries
		for _, e := range acl.Entries {
			if !slices.Contains(now, e) {
				t.Errorf("%s lost the foreign entry %+v", acl.ID, e)
			}
		}
		for _, e := range now {
			if !slices.Contains(acl.Entries, e) && !onRecord(slots, acl.ID, e) {
				t.Errorf("%s has the entry %+v, which the ledger doesn't know", acl.ID, e)
			}
		}
	}
	for _, slot := range slots {
		e := world.Entry{Number: slot.Number, Egress: slot.Direction == network.Out, Protocol: world.All, CIDR: slot.Prefix}
		if !slices.Contains(after.ACL(slot.ACL).Entries, e) {
			t.Errorf("the ledger has %s %s %d for %s, the ACL has not", slot.ACL, slot.Direction, slot.Number, slot.Prefix)
		}
	}
	for _, r := range s.book.Records() {
		for _, st := range r.Steps {
			if q, ok := record.AsQuarantine(st.Step); ok {
				if want := before.Interface(q.Resource).Groups; !slices.Equal(q.Before, want) {
					t.Errorf("%s: the originals of %s are recorded as %v, they were %v", r.Holder(), q.Resource, q.Before, want)
				}
			}
		}
	}
	listed, _ := s.book.Open(t.Context())
	open := slices.DeleteFunc(listed, func(instance string) bool { // released, and its host has not confirmed it yet
		k, err := s.book.Load(t.Context(), instance, nil)
		return err == nil && k.Open() == nil && k.Record.Unsettled()
	})
	if n, _ := s.book.GuardCount(t.Context()); n != len(open) {
		t.Errorf("the guard counts %d, open are %v", n, open)
	}
}

func onRecord(slots []record.Slot, acl string, e world.Entry) bool {
	isOf := slotOfEntry(acl, e)
	return slices.ContainsFunc(slots, func(s record.Slot) bool { return isOf(s) && len(s.Holders) > 0 })
}

// contained: the instances' records are complete, their interfaces in quarantine,
// and each of their peers is denied both ways in each ACL of theirs.
func contained(instances ...string) func(*testing.T, *stage) {
	return func(t *testing.T, s *stage) {
		t.Helper()
		w := s.server.World()
		for _, instance := range instances {
			k, err := s.book.Load(t.Context(), instance, nil)
			if err != nil || k.Record == nil || k.Record.Status != record.Contained {
				t.Errorf("%s: not contained: %+v, %v", instance, k.Record, err)
				continue
			}
			for _, i := range w.InterfacesOf(instance) {
				if len(i.Groups) != 1 || w.Group(i.Groups[0]).Tags[network.RoleTag] == "" {
					t.Errorf("%s has the groups %v", i.ID, i.Groups)
				}
				for _, peer := range k.Record.Peers {
					deniedIn(t, w, i, peer.Addr)
				}
			}
		}
	}
}

func deniedIn(t *testing.T, w *world.World, i *world.Interface, peer netip.Addr) {
	t.Helper()
	deniedBehind(t, w, w.Subnet(i.Subnet).ACL, peer)
}

// released: the instance's interfaces have their groups, and nothing is left open
// on record but what lingers.
func released(instance string) func(*testing.T, *stage) {
	return func(t *testing.T, s *stage) {
		t.Helper()
		k, err := s.book.Load(t.Context(), instance, nil)
		if err != nil || k.Record == nil || k.Record.Status != record.Released {
			t.Fatalf("not released: %+v, %v", k.Record, err)
		}
		for _, st := range k.Record.Steps {
			q, ok := record.AsQuarantine(st.Step)
			if ok && !slices.Equal(s.server.World().Interface(q.Resource).Groups, q.Before) {
				t.Errorf("%s has %v, had %v", q.Resource, s.server.World().Interface(q.Resource).Groups, q.Before)
			}
			if st.State == record.Pending || st.State == record.Applied {
				t.Errorf("%s is %s", st.Step.ID(), st.State)
			}
		}
	}
}
