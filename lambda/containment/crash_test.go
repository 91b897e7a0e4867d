package containment_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// A disturbance befalls the n-th of the calls of a process that it is about.
type disturbance struct {
	name  string
	about func(call) bool
	fate  fate
	dies  bool // the process does nothing more after it
}

var disturbances = []disturbance{
	{"cut off before", func(call) bool { return true }, neverMade, true},
	{"cut off after", func(call) bool { return true }, lost, true},
	{"answer lost", func(c call) bool { return c.mutating }, lost, false},
	{"answer empty", func(c call) bool { return !c.mutating && !c.ledger && !c.elsewhere }, empty, false},
}

// disturbed is a gate that lets the n-th call meet its disturbance, counted from 1.
// It reports whether there was such a call.
func disturbed(d disturbance, n int, die context.CancelFunc) (g gate, met func() bool) {
	var mu sync.Mutex
	seen, dead := 0, false
	g = func(_ context.Context, c call) fate {
		mu.Lock()
		defer mu.Unlock()
		if dead {
			return neverMade
		}
		if !d.about(c) {
			return passes
		}
		if seen++; seen != n {
			return passes
		}
		if d.dies {
			dead = true
			die()
		}
		return d.fate
	}
	return g, func() bool { mu.Lock(); defer mu.Unlock(); return seen >= n }
}

// A deed is what a process does.
type deed = func(ctx context.Context, p *process) error

func containing(w *world.World, peers ...string) deed {
	return func(ctx context.Context, p *process) error { return p.contain(ctx, incidentWith(w, "f1", peers...)) }
}

func releasing(ctx context.Context, p *process) error   { return p.release(ctx, victim) }
func reconciling(ctx context.Context, p *process) error { return p.reconcile(ctx) }
func expiring(ctx context.Context, p *process) error    { return p.expire(ctx) }

// A job is what a process does, and what has happened before.
type job struct {
	before func(t *testing.T, s *stage)
	do     deed
	on     *world.World // nil: crashWorld
	rules  plan.Rules
}

// A stage is a world, a ledger and a clock. In its bubble, waiting takes no time.
type stage struct {
	server *simvpc.Server
	book   *ledger.Memory
	busy   bool       // EC2 throttles the first call of each process
	rungs  plan.Rules // which measures are turned on
	lifts  bool       // a person has the host's own rules lifted, in quarantine
}

func newStage(w *world.World) *stage {
	return &stage{server: simvpc.New(w, simvpc.Options{}), book: &ledger.Memory{}}
}

func (s *stage) process(g gate) *process {
	p := &process{server: s.server, book: s.book, gate: g, now: time.Now, rungs: s.rungs}
	p.busy.Store(s.busy)
	return p
}

// must runs undisturbed, as often as a retry would.
func (s *stage) must(t *testing.T, do deed) {
	t.Helper()
	var err error
	for range 4 {
		if err = do(t.Context(), s.process(always)); err == nil {
			return
		}
		time.Sleep(plan.MaxInvocation)
	}
	t.Fatal(err)
}

var threePeers = []string{"198.51.100.7", "198.51.100.8", "2001:db8:ffff::7"}

func incidentWith(w *world.World, finding string, peers ...string) plan.Incident {
	in := incidentOf(w, 0)
	in.Findings[0].ID = finding
	for _, a := range peers {
		in.Peers = append(in.Peers, guardduty.Peer{Addr: netip.MustParseAddr(a)})
	}
	return in
}

// crashWorld has two interfaces behind two ACLs, IPv6, foreign entries, and no
// quarantine group yet.
func crashWorld(t *testing.T) *world.World {
	t.Helper()
	w, err := simvpc.ParseWorld(`account 111122223333
region eu-central-1
vpc vpc-1 10.0.0.0/16 2001:db8:1::/56
subnet subnet-0 vpc-1 10.0.0.0/24 2001:db8:1:0::/64
subnet subnet-1 vpc-1 10.0.1.0/24 2001:db8:1:1::/64
group sg-web vpc-1
  in tcp 443 0.0.0.0/0
  out all 0.0.0.0/0
group sg-ssh vpc-1
acl acl-0 vpc-1 subnets subnet-0
  1 in deny tcp 22 203.0.113.9/32
  100 in allow all 0.0.0.0/0
  101 in allow all ::/0
  100 out allow all 0.0.0.0/0
  101 out allow all ::/0
acl acl-1 vpc-1 subnets subnet-1
  100 in allow all 0.0.0.0/0
  101 in allow all ::/0
  100 out allow all 0.0.0.0/0
  101 out allow all ::/0
instance ` + victim + `
interface eni-0 ` + victim + ` subnet-0 10.0.0.10 2001:db8:1:0::10 groups sg-ssh sg-web
interface eni-1 ` + victim + ` subnet-1 10.0.1.10 2001:db8:1:1::10 groups sg-web
`)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func jobs(t *testing.T, w *world.World) map[string]job {
	contained := func(t *testing.T, s *stage) {
		s.must(t, containing(w, threePeers...))
	}
	after := func(d time.Duration, do deed) func(t *testing.T, s *stage) {
		return func(t *testing.T, s *stage) {
			contained(t, s)
			time.Sleep(time.Hour)
			if do != nil {
				s.must(t, do)
			}
			time.Sleep(d)
		}
	}
	all := rungJobs(w)
	maps.Copy(all, keepingJobs(t))
	maps.Copy(all, admitJobs(t))
	maps.Copy(all, map[string]job{
		"contain":                            {before: func(*testing.T, *stage) {}, do: containing(w, threePeers...)},
		"release while flows are tracked":    {before: after(0, nil), do: releasing},
		"release when none is tracked":       {before: after(network.DefaultTracking, nil), do: releasing},
		"expire what lingers":                {before: after(network.DefaultTracking, releasing), do: expiring},
		"reconcile what has drifted":         {before: drifted(contained), do: reconciling},
		"reconcile an instance that is gone": {before: gone(contained), do: reconciling},
		"contain without a peer":             {before: func(*testing.T, *stage) {}, do: containing(w)},
		"release without a peer":             {before: func(t *testing.T, s *stage) { s.must(t, containing(w)) }, do: releasing},
		"expire the denials of one that is gone": {before: func(t *testing.T, s *stage) {
			gone(contained)(t, s)
			s.must(t, reconciling)
			time.Sleep(network.DefaultTracking)
		}, do: expiring},
	})
	return all
}

// drifted: somebody puts groups back, removes an entry and attaches an interface.
func drifted(before func(*testing.T, *stage)) func(*testing.T, *stage) {
	return func(t *testing.T, s *stage) {
		before(t, s)
		s.server.Edit(func(w *world.World) {
			w.Interface("eni-0").Groups = []string{"sg-web"}
			acl := w.ACL("acl-1")
			for i, e := range acl.Entries {
				if !e.Allow {
					acl.Entries = append(acl.Entries[:i], acl.Entries[i+1:]...)
					break
				}
			}
			attachThird(w)
		})
	}
}

// attachThird attaches an interface that no plan has seen.
func attachThird(w *world.World) {
	w.Interfaces = append(w.Interfaces, &world.Interface{
		ID: "eni-2", Instance: victim, Device: 2, Subnet: "subnet-1", Private: []netip.Addr{netip.MustParseAddr("10.0.1.11")},
		Groups: []string{"sg-ssh"}, Type: "interface", Owner: w.Account,
	})
}

func gone(before func(*testing.T, *stage)) func(*testing.T, *stage) {
	return func(t *testing.T, s *stage) {
		before(t, s)
		s.server.Edit(func(w *world.World) {
			w.Instance(victim).State = "terminated"
			w.Interfaces = nil
		})
	}
}

// Cut off before and after every call, with the answer of every changing call lost,
// and with that of every read empty: run again, each job ends as if nothing had happened, in the network and in
// what the ledger means.
func TestCrashes(t *testing.T) {
	t.Parallel()
	w := crashWorld(t)
	for name, j := range jobs(t, w) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want *stage
			synctest.Test(t, func(t *testing.T) { want = end(t.Context(), t, w, j, false, always) })
			step := 1
			if testing.Short() { // with the race detector, which has enough of them
				step = 13
			}
			for _, d := range disturbances {
				points := 0
				for n, met := 1, true; met; n += step {
					synctest.Test(t, func(t *testing.T) {
						ctx, die := context.WithCancel(t.Context())
						defer die()
						g, reached := disturbed(d, n, die)
						got := end(ctx, t, w, j, n%2 == 0, g)
						if met = reached(); met {
							points++
						}
						where := fmt.Sprintf("%s call %d", d.name, n)
						if diff := world.Diff(want.server.World(), got.server.World()); diff != "" {
							t.Errorf("%s: the world differs from the undisturbed one:\n%s", where, diff)
						}
						if diff := cmp.Diff(meaning(want.book), meaning(got.book)); diff != "" {
							t.Errorf("%s: the ledger differs from the undisturbed one (-undisturbed +got):\n%s", where, diff)
						}
					})
				}
				if points == 0 {
					t.Errorf("%s: no call was disturbed", d.name)
				}
				t.Logf("%s: %d points", d.name, points)
			}
		})
	}
}

// end is the stage after a job was disturbed, and done again after a while.
func end(ctx context.Context, t *testing.T, w *world.World, j job, busy bool, g gate) *stage {
	t.Helper()
	if j.on != nil {
		w = j.on
	}
	s := newStage(w)
	s.rungs = j.rules
	j.before(t, s)
	s.busy = busy
	_ = j.do(ctx, s.process(g)) // what it says before it dies, nobody hears
	time.Sleep(plan.MaxInvocation + time.Second)
	s.must(t, j.do)
	s.server.Advance(time.Hour) // what has begun there ends
	// Who did not hear from the ledger has written the peers into a tag too, which a
	// release takes away.
	s.server.Edit(func(w *world.World) {
		delete(w.Instance(victim).Tags, network.PeersTag)
		for _, f := range w.FlowLogs { // which of two is made first is not the same twice
			f.ID = "fl-" + f.Resource
		}
	})
	return s
}
