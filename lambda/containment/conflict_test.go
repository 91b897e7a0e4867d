package containment_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
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

// Thirty findings at once have the guard's item in common and nothing else. That their
// transactions meet costs them no other look.
func TestMeetingAtTheGuardCostsNoLook(t *testing.T) {
	t.Parallel()
	looks := map[time.Duration]int{}
	for _, takes := range []time.Duration{0, transaction} {
		synctest.Test(t, func(t *testing.T) {
			w, incidents := crowd(t, 30)
			for n := range incidents {
				incidents[n].Peers = nil
			}
			server := simvpc.New(w, simvpc.Options{Latency: inRegion})
			book := &ledger.Memory{Takes: takes}
			verdicts := allAtOnce(t, func() *containment.Responder { return loaded(server, book) }, incidents)
			if n, _ := book.GuardCount(t.Context()); verdicts[record.Contain] != 30 || n != 30 {
				t.Errorf("verdicts %v, the guard counts %d", verdicts, n)
			}
			for _, c := range server.Calls() {
				if c.Op == "DescribeInstances" {
					looks[takes]++
				}
			}
		})
	}
	if looks[0] == 0 || looks[transaction] > looks[0]*11/10 { // waits are thrown with dice
		t.Errorf("%d looks, and %d when transactions meet", looks[0], looks[transaction])
	}
}

func TestGuardIsExactWhenTransactionsMeet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { testGuard(t, &ledger.Memory{Takes: transaction}) })
}

// A halfBook is cut off within its first change of many slots: the record and the
// first slots are written, and nobody hears of it.
type halfBook struct {
	*ledger.Memory
	die context.CancelFunc
}

func (h halfBook) Commit(ctx context.Context, c record.Change) error {
	const first = 60
	if len(c.Slots) > first {
		c.Slots = c.Slots[:first]
		defer h.die()
		return errors.Join(h.Memory.Commit(ctx, c), errLostAnswer)
	}
	return h.Memory.Commit(ctx, c)
}

// manyPeers is a world and an incident whose plan has more items than a transaction.
func manyPeers(t *testing.T) (*world.World, plan.Incident) {
	t.Helper()
	w := crashWorld(t)
	for _, acl := range w.ACLs {
		acl.Quota = 40
	}
	in := incidentWith(w, "f1")
	for n := range 30 {
		in.Peers = append(in.Peers, guardduty.Peer{Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(n + 1)})})
	}
	return w, in
}

// containMany contains with rules that know of the ACLs' higher quota.
func (p *process) containMany(ctx context.Context, in plan.Incident) error {
	r := p.responder()
	r.Rules.ACLQuota = 40
	_, err := r.Contain(ctx, in)
	return err
}

// An invocation that dies within a change of more than a hundred items leaves an open
// record. Whoever comes next goes on with it, and in the end nothing is left over.
func TestCutOffWithinAChange(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(ctx context.Context, p *process, in plan.Incident) error{
		"the finding again": func(ctx context.Context, p *process, in plan.Incident) error { return p.containMany(ctx, in) },
		"reconcile":         func(ctx context.Context, p *process, _ plan.Incident) error { return p.reconcile(ctx) },
		"release":           func(ctx context.Context, p *process, _ plan.Incident) error { return p.release(ctx, victim) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, in := manyPeers(t)
				s := newStage(w)
				ctx, die := context.WithCancel(t.Context())
				r := s.process(always).responder()
				r.Ledger, r.Rules.ACLQuota = halfBook{s.book, die}, 40
				_, _ = r.Contain(ctx, in)
				if got := len(s.book.AllSlots()); got != 60 {
					t.Fatalf("%d slots are reserved", got)
				}
				time.Sleep(plan.MaxInvocation + time.Second)
				s.must(t, func(ctx context.Context, p *process) error { return next(ctx, p, in) })
				if name == "the finding again" {
					contained(victim)(t, s)
					if got := len(s.book.AllSlots()); got != 120 {
						t.Errorf("%d slots are held, want 120", got)
					}
				}
				s.must(t, releasing)
				time.Sleep(network.DefaultTracking)
				s.must(t, expiring)
				checkUndone(t, w, s, name)
			})
		})
	}
}

// A finding that is held in a race at the guard leaves nothing in the ledger but its note.
func TestHeldLeavesNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, in := manyPeers(t)
		s := newStage(w)
		r := s.process(always).responder()
		r.Rules.ACLQuota, r.Policy.MaxContained = 40, 0
		out, err := r.Contain(t.Context(), in)
		if err != nil || out.Verdict != record.Held {
			t.Fatalf("got %s, %v", out.Verdict, err)
		}
		if slots, events := s.book.AllSlots(), s.book.Events(); len(slots) > 0 || len(events) != 1 {
			t.Errorf("slots %v, events %v", slots, fmt.Sprint(events))
		}
	})
}
