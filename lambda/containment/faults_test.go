package containment_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// undisturbed is the world after a containment that nothing got in the way of.
func undisturbed(t *testing.T, w *world.World, in plan.Incident) *world.World {
	t.Helper()
	server := simvpc.Start(t, w, simvpc.Options{})
	if _, err := responder(server, &ledger.Memory{}).Contain(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return server.World()
}

// Cut off after any EC2 call and run again: the end is that of an undisturbed run,
// and the originals are as they were.
func TestCutOffAfterAnyCall(t *testing.T) {
	t.Parallel()
	w := wide(t, 2, 2, false)
	in := incidentOf(w, 2)
	want := undisturbed(t, w, in)
	for n := range 40 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			server := simvpc.Start(t, w, simvpc.Options{})
			book := &ledger.Memory{}
			ctx, die := context.WithCancel(t.Context())
			server.Before(func(c simvpc.Call) simvpc.Fault {
				if c.Seq > n {
					die()
					return simvpc.Fault{Kind: simvpc.LostBefore}
				}
				return simvpc.Fault{}
			})
			_, _ = responder(server, book).Contain(ctx, in) // what it says before it dies, nobody hears
			die()
			server.Heal()
			out, err := responder(server, book).Contain(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if d := world.Diff(want, server.World()); d != "" {
				t.Errorf("the world differs from the undisturbed one:\n%s", d)
			}
			checkBefore(t, out, "sg-web")
		})
	}
}

func checkBefore(t *testing.T, out containment.Outcome, groups ...string) {
	t.Helper()
	if out.Record.Status != record.Contained {
		t.Errorf("status %s", out.Record.Status)
	}
	for _, s := range out.Record.Steps {
		if q, ok := record.AsQuarantine(s.Step); ok && !slices.Equal(q.Before, groups) {
			t.Errorf("%s: recorded %v, had %v", q.Resource, q.Before, groups)
		}
	}
}

// The answer of any changing call may be lost after the change was made, or EC2 may
// fail or throttle for a while: the end is the same.
func TestTroubleWithAnyChange(t *testing.T) {
	t.Parallel()
	w := wide(t, 2, 2, false)
	in := incidentOf(w, 2)
	want := undisturbed(t, w, in)
	ops := []string{"CreateSecurityGroup", "RevokeSecurityGroupEgress", "CreateTags", "ModifyNetworkInterfaceAttribute", "CreateNetworkAclEntry"}
	kinds := map[string]simvpc.FaultKind{
		"lost after": simvpc.LostAfter, "lost before": simvpc.LostBefore, "internal": simvpc.Internal, "throttled": simvpc.Throttle,
	}
	for _, op := range ops {
		for name, kind := range kinds {
			t.Run(op+" "+name, func(t *testing.T) {
				t.Parallel()
				server := simvpc.Start(t, w, simvpc.Options{})
				server.Inject(simvpc.Fault{Op: op, Kind: kind, Count: 2})
				out, err := responder(server, &ledger.Memory{}).Contain(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				if d := world.Diff(want, server.World()); d != "" {
					t.Errorf("the world differs from the undisturbed one:\n%s", d)
				}
				checkBefore(t, out, "sg-web")
			})
		}
	}
}

// EC2 shows changes late, and a new group can't be used at once.
func TestEventualConsistency(t *testing.T) {
	t.Parallel()
	w := wide(t, 2, 2, false)
	in := incidentOf(w, 2)
	want := undisturbed(t, w, in)
	server := simvpc.Start(t, w, simvpc.Options{Lag: simvpc.Lag{Reads: 4}, GroupLag: simvpc.Lag{For: 100 * time.Millisecond}})
	out, err := responder(server, &ledger.Memory{}).Contain(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if d := world.Diff(want, server.World()); d != "" {
		t.Errorf("the world differs from the undisturbed one:\n%s", d)
	}
	checkBefore(t, out, "sg-web")
}

// Somebody takes the number that the plan has chosen, after the look and before
// the entry: another number is used, and theirs is untouched.
func TestNumberTakenMeanwhile(t *testing.T) {
	t.Parallel()
	w := wide(t, 1, 1, true)
	server := simvpc.Start(t, w, simvpc.Options{})
	theirs := world.Entry{Number: 1, Allow: true, Protocol: world.All, CIDR: netip.MustParsePrefix("192.0.2.0/24")}
	var once sync.Once
	server.Before(func(c simvpc.Call) simvpc.Fault {
		if c.Op == "CreateNetworkAclEntry" {
			once.Do(func() {
				server.Edit(func(w *world.World) { w.ACL("acl-0").Entries = append(w.ACL("acl-0").Entries, theirs) })
			})
		}
		return simvpc.Fault{}
	})
	out, err := responder(server, &ledger.Memory{}).Contain(t.Context(), incidentOf(w, 1))
	if err != nil {
		t.Fatal(err)
	}
	checkBefore(t, out, "sg-web")
	after := server.World()
	if !slices.Contains(after.ACL("acl-0").Entries, theirs) {
		t.Error("their entry is gone")
	}
	for _, s := range out.Record.Steps {
		if d, ok := s.Step.(record.Denial); ok && d.Direction == network.In && d.Number != 2 {
			t.Errorf("the incoming denial is at %d, want 2", d.Number)
		}
	}
}

// Two findings for one instance, and two instances behind one ACL with a peer in
// common, all at the same time: the end is that of one after the other.
func TestAtTheSameTime(t *testing.T) {
	t.Parallel()
	for range 10 {
		w := wide(t, 2, 1, false)
		second := "i-0bbbbbbbbbbbbbbb2"
		w.Instances = append(w.Instances, &world.Instance{ID: second, Type: "m5.large", State: "running"})
		w.Interfaces = append(w.Interfaces, &world.Interface{
			ID: "eni-9", Instance: second, Subnet: "subnet-0", Private: []netip.Addr{netip.MustParseAddr("10.0.0.99")},
			Groups: []string{"sg-web"}, Type: "interface", Owner: w.Account,
		})
		server := simvpc.Start(t, w, simvpc.Options{})
		book := &ledger.Memory{}
		one, two, other := incidentOf(w, 1), incidentOf(w, 0), incidentOf(w, 1)
		two.Findings[0].ID = "f2"
		two.Peers = []guardduty.Peer{{Addr: netip.MustParseAddr("203.0.113.9")}}
		other.Instance, other.Findings[0].ID = second, "f3"
		var wg sync.WaitGroup
		for _, in := range []plan.Incident{one, two, other} {
			wg.Go(func() {
				if _, err := responder(server, book).Contain(t.Context(), in); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		checkTogether(t, server.World(), book)
	}
}

func checkTogether(t *testing.T, after *world.World, book *ledger.Memory) {
	t.Helper()
	groups := 0
	for _, g := range after.Groups {
		if g.Tags[network.RoleTag] == network.RoleValue {
			groups++
		}
	}
	if groups != 1 {
		t.Errorf("%d quarantine groups, want 1", groups)
	}
	denials := map[string]int{}
	for _, e := range after.ACL("acl-0").Entries {
		if !e.Allow {
			denials[e.CIDR.String()]++
		}
	}
	if len(denials) != 2 || denials["198.51.100.1/32"] != 2 || denials["203.0.113.9/32"] != 2 {
		t.Errorf("denials by prefix: %v, want two of each peer", denials)
	}
	for _, s := range book.AllSlots() {
		if want := map[string]int{"198.51.100.1/32": 2, "203.0.113.9/32": 1}[s.Prefix.String()]; len(s.Holders) != want {
			t.Errorf("slot of %s is held by %v, want %d holders", s.Prefix, s.Holders, want)
		}
	}
	for _, r := range book.Records() {
		checkBefore(t, containment.Outcome{Record: r}, "sg-web")
	}
}

// down is a ledger that fails.
type down struct {
	containment.Ledger
	load, commit bool
}

var errDown = errors.New("the ledger is down")

func (d down) Load(ctx context.Context, instance string, vpcs []string) (record.Known, error) {
	if d.load {
		return record.Known{}, errDown
	}
	return d.Ledger.Load(ctx, instance, vpcs)
}

func (d down) Commit(ctx context.Context, c record.Change) error {
	if d.commit {
		return errDown
	}
	return d.Ledger.Commit(ctx, c)
}

// Without the ledger the instance is contained all the same, and the interfaces'
// tags hold the originals.
func TestLedgerDown(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]down{
		"reading": {&ledger.Memory{}, true, true}, "writing": {&ledger.Memory{}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wide(t, 2, 2, true)
			in := incidentOf(w, 2)
			want := undisturbed(t, w, in)
			server := simvpc.Start(t, w, simvpc.Options{})
			out, err := responder(server, l).Contain(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if !out.Unrecorded {
				t.Error("the answer doesn't say unrecorded")
			}
			got := server.World()
			if tag := got.Instance(victim).Tags[network.PeersTag]; tag != "198.51.100.1 198.51.100.2" {
				t.Errorf("the instance's tag holds the peers %q", tag)
			}
			delete(got.Instance(victim).Tags, network.PeersTag)
			if d := world.Diff(want, got); d != "" {
				t.Errorf("the world differs from the undisturbed one:\n%s", d)
			}
			checkBefore(t, out, "sg-web")
			if tag := server.World().Interface("eni-0").Tags[network.OriginalsTag]; tag != "sg-web" {
				t.Errorf("the tag holds %q", tag)
			}
		})
	}
}

// With neither ledger nor tags nothing may be changed: nobody could undo it.
func TestNoRecordNoChange(t *testing.T) {
	t.Parallel()
	w := wide(t, 1, 1, true)
	server := simvpc.Start(t, w, simvpc.Options{})
	server.Inject(simvpc.Fault{Op: "CreateTags", Kind: simvpc.ErrorCode, Code: "UnauthorizedOperation", Count: -1})
	_, err := responder(server, down{&ledger.Memory{}, true, true}).Contain(t.Context(), incidentOf(w, 1))
	if err == nil {
		t.Error("no error")
	}
	if d := world.Diff(w, server.World()); d != "" {
		t.Errorf("changed:\n%s", d)
	}
}
