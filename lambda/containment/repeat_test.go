package containment_test

import (
	"context"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc/world"
)

// counted is a gate that counts calls.
func counted(n *atomic.Int64) gate {
	return func(context.Context, call) fate { n.Add(1); return passes }
}

// A repeat with nothing new costs four calls at most, the ledger's among them, in a
// process that knows nothing of the first.
func TestRepeatCostsFourCalls(t *testing.T) {
	t.Parallel()
	for name, peers := range map[string][]string{"peers": threePeers, "no peer": nil} {
		synctest.Test(t, func(t *testing.T) {
			w := crashWorld(t)
			s := newStage(w)
			s.must(t, containing(w, peers...))
			var calls atomic.Int64
			in := incidentWith(w, "f1", peers...)
			in.Repeated = true
			before, history := s.server.World(), len(s.book.Events())
			first, _ := s.book.Load(t.Context(), victim, nil)
			out, err := s.process(counted(&calls)).responder().Contain(t.Context(), in)
			if err != nil || out.Verdict != record.Contain || !out.Record.Says(*first.Record) {
				t.Errorf("%s: got %+v, %v", name, out, err)
			}
			if calls.Load() > 4 {
				t.Errorf("%s: a repeat costs %d calls, want 4 at most", name, calls.Load())
			}
			if d := world.Diff(before, s.server.World()); d != "" || len(s.book.Events()) != history {
				t.Errorf("%s: a repeat changed something:\n%s", name, d)
			}
		})
	}
}

// A repeat finds whatever a containment has lost, and makes up for it; it takes in what
// is new as if it were the first.
func TestRepeatRepairsDrift(t *testing.T) {
	t.Parallel()
	for name, drift := range map[string]func(w *world.World){
		"groups put back": func(w *world.World) { w.Interface("eni-0").Groups = []string{"sg-web"} },
		"one group more":  func(w *world.World) { w.Interface("eni-0").Groups = append(w.Interface("eni-0").Groups, "sg-web") },
		"an entry removed": func(w *world.World) {
			acl := w.ACL("acl-1")
			i := slices.IndexFunc(acl.Entries, func(e world.Entry) bool { return !e.Allow })
			acl.Entries = slices.Delete(acl.Entries, i, i+1)
		},
		"an interface more": func(w *world.World) { attachThird(w) },
		"a rule in the quarantine group": func(w *world.World) {
			g := w.Group(w.Interface("eni-0").Groups[0])
			g.In = append(g.In, w.Group("sg-web").In...)
		},
		"another ACL before the subnet": func(w *world.World) {
			w.ACLs = append(w.ACLs, &world.NetworkACL{ID: "acl-9", VPC: "vpc-1", Owner: w.Account, Quota: world.DefaultACLQuota, Entries: []world.Entry{
				{Number: 100, Protocol: world.All, Allow: true, CIDR: netip.MustParsePrefix("0.0.0.0/0")},
				{Number: 101, Protocol: world.All, Allow: true, CIDR: netip.MustParsePrefix("::/0")},
				{Number: 100, Egress: true, Protocol: world.All, Allow: true, CIDR: netip.MustParsePrefix("0.0.0.0/0")},
				{Number: 101, Egress: true, Protocol: world.All, Allow: true, CIDR: netip.MustParsePrefix("::/0")},
			}})
			w.Subnet("subnet-0").ACL = "acl-9"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := crashWorld(t)
				s := newStage(w)
				s.must(t, containing(w, threePeers...))
				s.server.Edit(drift)
				in := incidentWith(w, "f1", threePeers...)
				in.Repeated = true
				if err := s.process(always).contain(t.Context(), in); err != nil {
					t.Fatal(err)
				}
				contained(victim)(t, s)
				for _, i := range s.server.World().Interfaces {
					g := s.server.World().Group(i.Groups[0])
					if i.Instance == victim && (len(i.Groups) != 1 || len(g.Rules(true))+len(g.Rules(false)) > 0) {
						t.Errorf("%s has the groups %v, or they have rules", i.ID, i.Groups)
					}
				}
			})
		})
	}
}

// A repeat that names a new peer has it denied.
func TestRepeatWithANewPeer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		s := newStage(w)
		s.must(t, containing(w, "198.51.100.7"))
		in := incidentWith(w, "f1", "198.51.100.7", "203.0.113.10")
		in.Repeated = true
		if err := s.process(always).contain(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		contained(victim)(t, s)
		for _, id := range []string{"acl-0", "acl-1"} {
			denied := slices.ContainsFunc(s.server.World().ACL(id).Entries, func(e world.Entry) bool {
				return !e.Allow && e.CIDR == network.Host(incidentWith(w, "f", "203.0.113.10").Peers[0].Addr)
			})
			if !denied {
				t.Errorf("%s does not deny the new peer", id)
			}
		}
	})
}

// In a burst, a finding on a contained instance whose peer others have just had denied
// changes the ledger only. What comes of it is what comes of it at any other time, and a
// release of the others leaves the denial to the instance.
func TestJoinIsLikeContaining(t *testing.T) {
	t.Parallel()
	const first, other = "198.51.100.7", "198.51.100.8"
	var ends []string
	for _, busy := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := pairWorld(t)
			s := newStage(w)
			s.must(t, finds(w, victim, "f1", first, other))
			s.must(t, finds(w, second, "f2", first))
			world1 := s.server.World()
			s.busy = busy
			var calls atomic.Int64
			p := s.process(counted(&calls))
			p.busy.Store(false)
			r := p.responder()
			if busy { // the first call is throttled
				p.busy.Store(true)
				if _, err := r.Fleet.Quarantined(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			calls.Store(0)
			in := plan.Incident{
				Instance: second, Reason: "test", VPCs: []string{"vpc-1"}, Findings: []record.FindingRef{{ID: "f3", Severity: 8}},
				Peers: []guardduty.Peer{{Addr: netip.MustParseAddr(other)}},
			}
			out, err := r.Contain(t.Context(), in)
			if err != nil || out.Record.Status != record.Contained {
				t.Fatalf("got %+v, %v", out, err)
			}
			if most := int64(4); busy && calls.Load() > most { // the ledger twice, and owners of the address
				t.Errorf("joining costs %d calls, want %d at most", calls.Load(), most)
			}
			if d := world.Diff(world1, s.server.World()); d != "" {
				t.Errorf("joining changes:\n%s", d)
			}
			ends = append(ends, meaning(s.book))
			time.Sleep(network.DefaultTracking + time.Hour)
			s.busy = false
			s.must(t, releasing)
			contained(second)(t, s)
		})
	}
	if len(ends) == 2 && ends[0] != ends[1] {
		t.Errorf("joined, the ledger means\n%s\nwant\n%s", ends[1], ends[0])
	}
}

// Nothing is joined on evidence that is a minute old, or for a peer that nobody has denied.
func TestNothingToJoin(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		later time.Duration
		peer  string
	}{"a minute later": {time.Minute + time.Second, "198.51.100.8"}, "another peer": {0, "203.0.113.44"}} {
		synctest.Test(t, func(t *testing.T) {
			w := pairWorld(t)
			s := newStage(w)
			s.must(t, finds(w, victim, "f1", "198.51.100.7", "198.51.100.8"))
			s.must(t, finds(w, second, "f2", "198.51.100.7"))
			time.Sleep(tc.later)
			s.server.Edit(func(w *world.World) { w.InterfacesOf(second)[0].Groups = []string{"sg-web"} })
			s.busy = true
			s.must(t, finds(w, second, "f3", tc.peer))
			contained(second)(t, s)
			if t.Failed() {
				t.Log(name)
			}
		})
	}
}

// finds contains an instance for a finding.
func finds(w *world.World, instance, finding string, peers ...string) deed {
	return func(ctx context.Context, p *process) error {
		in := incidentWith(w, finding, peers...)
		in.Instance = instance
		return p.contain(ctx, in)
	}
}
