package ledger

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// A subject is an empty ledger to be tested.
type subject struct {
	ledger
	// age makes an item one that a later version of this program wrote.
	age func(t *testing.T, k key)
	// put stores items as a table has them.
	put func(t *testing.T, items ...Item)
}

type ledger interface {
	containment.Ledger
	containment.Book
	History(ctx context.Context, instance string) ([]record.Event, error)
	GuardCount(ctx context.Context) (int, error)
	Owed(ctx context.Context) ([]record.Owed, error)
	Delivered(ctx context.Context, told ...record.Owed) error
	Lease(ctx context.Context, name, holder string, now, until time.Time) error
	EndLease(ctx context.Context, name, holder string) error
}

// testLedger is what every ledger has to do. It keeps Memory honest: the tests of
// the other packages rely on it. What an emulator of DynamoDB is known to get
// wrong is left out by name.
func testLedger(t *testing.T, newLedger func(t *testing.T) subject, except ...string) {
	for name, test := range map[string]func(t *testing.T, l subject){
		"reads_back_what_was_written": testReadsBack,
		"version":                     testVersion,
		"version_of_nothing":          testVersionOfNothing,
		"originals":                   testOriginals,
		"one_of_many_wins":            testOneWins,
		"guard":                       testGuard,
		"guard_at_once":               testGuardAtOnce,
		"reserve":                     testReserve,
		"reserve_at_once":             testReserveAtOnce,
		"holders":                     testHolders,
		"settle":                      testSettle,
		"remove":                      testRemove,
		"generation_by_number":        testContainment,
		"many_slots":                  testManySlots,
		"many_slots_lost_race":        testManySlotsLostRace,
		"many_slots_lost_race_late":   testManySlotsLostRaceLate,
		"many_slots_refused":          testManySlotsRefused,
		"events":                      testEvents,
		"open":                        testOpen,
		"generations":                 testGenerations,
		"newer_schema":                testNewerSchema,
		"senseless_changes":           testSenseless,
		"copies":                      testCopies,
		"canceled":                    testCanceled,
		"vpcs":                        testVPCs,
		"owed":                        testOwed,
		"owed_at_once":                testOwedAtOnce,
		"owed_for_a_note":             testOwedForANote,
		"owed_bounded":                testOwedBounded,
		"owed_unreadable":             testOwedUnreadable,
		"lease":                       testLease,
		"lease_at_once":               testLeaseAtOnce,
		"damaged_slots":               testDamagedSlots,
		"damaged_history":             testDamagedHistory,
		"damaged_pointers":            testDamagedPointers,
		"damaged_containment":         testDamagedContainment,
	} {
		if !slices.Contains(except, name) {
			t.Run(name, func(t *testing.T) { test(t, newLedger(t)) })
		}
	}
	for name, items := range golden(t) {
		t.Run("earlier_version_"+name, func(t *testing.T) { testEarlierVersion(t, newLedger(t), items) })
	}
}

func TestMemory(t *testing.T) {
	testLedger(t, func(*testing.T) subject {
		m := &Memory{}
		return subject{m, func(t *testing.T, k key) { age(t, m, k) }, func(t *testing.T, items ...Item) {
			t.Helper()
			if err := m.Put(items...); err != nil {
				t.Fatal(err)
			}
		}}
	})
}

// Transactions that meet others, as in DynamoDB, end as those that don't.
func TestMemoryWithConflicts(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, l subject){
		"one_of_many_wins": testOneWins, "guard_at_once": testGuardAtOnce, "reserve_at_once": testReserveAtOnce, "many_slots": testManySlots,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, subject{ledger: &Memory{Takes: 10 * time.Millisecond}}) })
		})
	}
}

// Of two transactions with an item in common, the second one waits for the first one's
// end; one that is kept from it for too long is a conflict.
func TestMemoryTriesAgain(t *testing.T) {
	for takes, want := range map[time.Duration]error{20 * time.Millisecond: nil, time.Hour: record.ErrConflict} {
		synctest.Test(t, func(t *testing.T) {
			m := &Memory{Takes: takes}
			first, second := change(aRecord("i-1")), change(aRecord("i-2"))
			first.Count, first.Limit, second.Count, second.Limit = 1, 25, 1, 25
			go func() { _ = m.Commit(t.Context(), first) }()
			synctest.Wait()
			if err := m.Commit(t.Context(), second); !errors.Is(err, want) {
				t.Errorf("transactions of %v: got %v, want %v", takes, err, want)
			}
			time.Sleep(2 * takes)
			if n, _ := m.GuardCount(t.Context()); want == nil && n != 2 || want != nil && n != 1 {
				t.Errorf("transactions of %v: the guard counts %d", takes, n)
			}
		})
	}
}

func age(t *testing.T, m *Memory, k key) {
	t.Helper()
	if i, ok := m.containments[k]; ok {
		i.Schema = schemaVersion + 1
		m.containments[k] = i
	} else if i, ok := m.slots[k]; ok {
		i.Schema = schemaVersion + 1
		m.slots[k] = i
	} else if i, ok := m.pointers[k]; ok {
		i.Schema = schemaVersion + 1
		m.pointers[k] = i
	} else if i, ok := m.owed[k]; ok {
		i.Schema = schemaVersion + 1
		m.owed[k] = i
	} else if k == guardKey {
		m.guard.Schema = schemaVersion + 1
	} else {
		t.Fatalf("there is no item %s", k)
	}
}

var (
	noon     = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	comparer = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})
)

// record is a containment's first version, with something in every field.
func aRecord(instance string) record.Record {
	return record.Record{
		Instance: instance, Generation: 1, Status: record.Containing, Reason: "Backdoor:EC2/C&CActivity.B, severity 8.0",
		Findings: []record.FindingRef{
			{ID: "f-1", Type: "Backdoor:EC2/C&CActivity.B", Severity: 8, Seen: noon.Truncate(time.Second)},
			{ID: "f-2", Type: "Trojan:EC2/DropPoint", Severity: 5.5},
		},
		Peers: []guardduty.Peer{
			{Addr: netip.MustParseAddr("198.51.100.7"), Direction: guardduty.Outbound, Protocol: "TCP", LocalPort: 49152, RemotePort: 443, Interface: "eni-1"},
			{Addr: netip.MustParseAddr("2001:db8::7")},
		},
		Unreadable: []string{"not an address"},
		Steps: []record.StepState{
			{Step: record.Denial{VPC: "vpc-1", ACL: "acl-1", Direction: network.In, Number: 90, Prefix: netip.MustParsePrefix("198.51.100.7/32")}, State: record.Pending},
			{Step: quarantineOf("eni-1", "sg-ssh", "sg-web"), State: record.Pending},
			{Step: record.QuarantineOf("eni-2", nil, ""), State: record.Failed, Note: "EC2 refuses"},
		},
		Exposure: []record.Exposure{{Kind: record.ResolverDNS, Detail: "DNS goes on"}},
		Opened:   noon, Updated: noon.Add(time.Second), Contained: noon.Add(2 * time.Second), Released: noon.Add(3 * time.Second),
	}
}

func quarantineOf(eni string, before ...string) record.Replacement {
	return record.QuarantineOf(eni, before, "sg-quarantine")
}

// change is a change to a record and slots, with an event of its own.
func change(r record.Record, slots ...record.SlotChange) record.Change {
	return record.Change{Record: r, Slots: slots, Event: event(r.Instance, fmt.Sprintf("g%d-v%d", r.Generation, r.Version+1))}
}

func event(instance, id string) record.Event {
	return record.Event{
		Instance: instance, Time: noon, ID: id, Verdict: record.Contain, Reason: "because", Finding: "f-1", Request: "r-1",
		Changes: []string{"quarantine/eni-1 pending"},
	}
}

func slot(number int, names ...string) record.Slot {
	holders, err := convert(names, record.ParseHolder)
	if err != nil {
		panic(err)
	}
	return record.Slot{
		SlotKey: record.SlotKey{VPC: "vpc-1", ACL: "acl-1", Direction: network.In, Number: number},
		Prefix:  netip.MustParsePrefix("198.51.100.7/32"), Holders: holders, State: record.SlotReserved, Since: noon,
	}
}

func op(o record.SlotOp, s record.Slot) record.SlotChange {
	return record.SlotChange{Slot: s, Op: o}
}

func (l subject) commit(t *testing.T, c record.Change) {
	t.Helper()
	if err := l.Commit(t.Context(), c); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

// refuse commits a change that must be refused and leave everything as it is.
func (l subject) refuse(t *testing.T, c record.Change, want error) {
	t.Helper()
	before := l.all(t)
	err := l.Commit(t.Context(), c)
	if !errors.Is(err, want) {
		t.Errorf("Commit: got %v, want %v", err, want)
	}
	if diff := cmp.Diff(before, l.all(t), comparer); diff != "" {
		t.Errorf("a refused change was made (-before +after):\n%s", diff)
	}
}

func (l subject) load(t *testing.T, instance string) record.Known {
	t.Helper()
	k, err := l.Load(t.Context(), instance, []string{"vpc-1", "vpc-2", "vpc-1"})
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return k
}

func (l subject) slots(t *testing.T) []record.Slot {
	t.Helper()
	slots, err := l.Slots(t.Context(), []string{"vpc-1", "vpc-2", "vpc-1"})
	if err != nil {
		t.Fatalf("Slots: %v", err)
	}
	if diff := cmp.Diff(l.load(t, "i-none").Slots, slots, comparer); diff != "" {
		t.Errorf("Slots is not what Load reads (-Load +Slots):\n%s", diff)
	}
	return slots
}

func (l subject) wantSlots(t *testing.T, want ...record.Slot) {
	t.Helper()
	if diff := cmp.Diff(want, l.slots(t), comparer); diff != "" {
		t.Errorf("slots (-want +got):\n%s", diff)
	}
}

func (l subject) guarded(t *testing.T) int {
	t.Helper()
	n, err := l.GuardCount(t.Context())
	if err != nil {
		t.Fatalf("GuardCount: %v", err)
	}
	return n
}

func (l subject) open(t *testing.T) []string {
	t.Helper()
	open, err := l.Open(t.Context())
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return open
}

func (l subject) history(t *testing.T, instance string) []record.Event {
	t.Helper()
	events, err := l.History(t.Context(), instance)
	if err != nil {
		t.Fatalf("History: %v", err)
	}
	return events
}

// all is what can be read without meeting a newer item.
func (l subject) all(t *testing.T) any {
	t.Helper()
	known, loadErr := l.Load(t.Context(), "i-1", []string{"vpc-1"})
	open, openErr := l.Open(t.Context())
	count, countErr := l.GuardCount(t.Context())
	return []any{
		known, open, count, l.history(t, "i-1"),
		errors.Is(loadErr, record.ErrNewerRecord), errors.Is(openErr, record.ErrNewerRecord), errors.Is(countErr, record.ErrNewerRecord),
	}
}

func testReadsBack(t *testing.T, l subject) {
	if diff := cmp.Diff(record.Known{}, l.load(t, "i-1")); diff != "" {
		t.Errorf("an empty ledger (-want +got):\n%s", diff)
	}
	first := aRecord("i-1")
	c := change(first,
		op(record.Reserve, slot(90, "i-1#1")),
		op(record.Reserve, slot(100, "i-1#1")), // before 90 as text
		op(record.Reserve, record.Slot{
			SlotKey: record.SlotKey{VPC: "vpc-2", ACL: "acl-2", Direction: network.Out, Number: 7},
			Prefix:  netip.MustParsePrefix("2001:db8::/64"), Holders: []record.Holder{{Instance: "i-1", Generation: 1}}, State: record.SlotReserved, Since: noon,
		}))
	l.commit(t, c)
	want := record.Known{Record: &first, Slots: []record.Slot{c.Slots[0].Slot, c.Slots[1].Slot, c.Slots[2].Slot}}
	want.Record.Version = 1
	if diff := cmp.Diff(want, l.load(t, "i-1"), comparer); diff != "" {
		t.Errorf("the first version (-want +got):\n%s", diff)
	}

	second := record.Record{ // with as little as possible
		Instance: "i-1", Generation: 1, Version: 1, Status: record.Contained,
		Steps: []record.StepState{{Step: quarantineOf("eni-1", "sg-ssh", "sg-web"), State: record.Applied}},
	}
	l.commit(t, change(second))
	want.Record = &second
	want.Record.Version = 2
	if diff := cmp.Diff(want, l.load(t, "i-1"), comparer); diff != "" {
		t.Errorf("the second version (-want +got):\n%s", diff)
	}

	elsewhere, err := l.Load(t.Context(), "i-1", []string{"vpc-2"})
	if err != nil || len(elsewhere.Slots) != 1 || elsewhere.Slots[0].VPC != "vpc-2" {
		t.Errorf("Load of one VPC: got %v, %v", elsewhere.Slots, err)
	}
}

func testVersion(t *testing.T, l subject) {
	r := aRecord("i-1")
	l.commit(t, change(r))
	again := change(r, op(record.Reserve, slot(90, "i-1#1")))
	again.Event.ID, again.Count, again.Limit = "another", 1, 25
	l.refuse(t, again, record.ErrConflict)
	r.Version = 1
	l.commit(t, change(r))
	again.Record = r
	l.refuse(t, again, record.ErrConflict)
	again.Record.Version = 3
	l.refuse(t, again, record.ErrConflict)
	if got := l.load(t, "i-1").Record.Version; got != 2 {
		t.Errorf("got version %d, want 2", got)
	}
}

func testVersionOfNothing(t *testing.T, l subject) {
	r := aRecord("i-1")
	r.Version = 1
	l.refuse(t, change(r), record.ErrConflict)
}

func testOriginals(t *testing.T, l subject) {
	step := func(eni string, before ...string) record.StepState {
		return record.StepState{Step: quarantineOf(eni, before...), State: record.Pending}
	}
	next := func(version int, steps ...record.StepState) record.Change {
		return change(record.Record{Instance: "i-1", Generation: 1, Version: version, Status: record.Containing, Steps: steps})
	}
	refuse := func(c record.Change) {
		t.Helper()
		before := l.all(t)
		err := l.Commit(t.Context(), c)
		if err == nil || errors.Is(err, record.ErrConflict) || !strings.Contains(err.Error(), "eni-1") {
			t.Errorf("got %v, want an error that names the interface and is no conflict", err)
		}
		if diff := cmp.Diff(before, l.all(t), comparer); diff != "" {
			t.Errorf("a refused change was made (-before +after):\n%s", diff)
		}
	}
	l.commit(t, next(0, step("eni-1", "sg-1", "sg-2")))
	refuse(next(1, step("eni-1", "sg-quarantine")))
	refuse(next(1, step("eni-1", "sg-1")))
	refuse(next(1, step("eni-1")))
	l.commit(t, next(1, step("eni-1", "sg-1", "sg-2"), step("eni-2", "sg-3"), step("eni-3")))
	l.commit(t, next(2, step("eni-2", "sg-3")))
	refuse(next(3, step("eni-1", "sg-quarantine"), step("eni-2", "sg-3")))
	l.commit(t, next(3, step("eni-1", "sg-1", "sg-2"), step("eni-2", "sg-3")))
	l.refuse(t, next(3, step("eni-1", "sg-quarantine")), record.ErrConflict) // late, and wrong
}

// atOnce calls n functions at the same time and counts their answers: nil, lost
// races and refusals of the guard.
func atOnce(t *testing.T, n int, call func(n int) error) (done, conflicts, refusals int) {
	t.Helper()
	errs := make([]error, n)
	start := make(chan struct{})
	var g sync.WaitGroup
	for n := range n {
		g.Go(func() {
			<-start
			errs[n] = call(n)
		})
	}
	close(start)
	g.Wait()
	for _, err := range errs {
		switch {
		case err == nil:
			done++
		case errors.Is(err, record.ErrConflict):
			conflicts++
		case errors.Is(err, record.ErrGuard):
			refusals++
		default:
			t.Errorf("Commit: %v", err)
		}
	}
	return done, conflicts, refusals
}

func testOneWins(t *testing.T, l subject) {
	for version := range 3 {
		const writers = 12
		done, conflicts, _ := atOnce(t, writers, func(n int) error {
			r := aRecord("i-1")
			r.Version, r.Reason = version, fmt.Sprint("writer ", n)
			c := change(r)
			c.Event.ID = fmt.Sprintf("v%d-%d", version, n)
			return l.Commit(t.Context(), c)
		})
		if done != 1 || conflicts != writers-1 {
			t.Errorf("version %d: %d done and %d conflicts, want 1 and %d", version, done, conflicts, writers-1)
		}
		if got := len(l.history(t, "i-1")); got != version+1 {
			t.Errorf("version %d: %d events", version, got)
		}
	}
}

func testGuard(t *testing.T, l subject) {
	count := func(instance string, version, n, limit int) record.Change {
		c := change(record.Record{Instance: instance, Generation: 1, Version: version, Status: record.Containing})
		c.Count, c.Limit = n, limit
		return c
	}
	l.commit(t, count("i-1", 0, -1, 0)) // from nothing
	if got := l.guarded(t); got != 0 {
		t.Errorf("counted down from nothing: got %d", got)
	}
	l.refuse(t, count("i-0", 0, 1, 0), record.ErrGuard)
	l.commit(t, count("i-2", 0, 1, 2))
	l.commit(t, count("i-3", 0, 1, 2))
	l.refuse(t, count("i-4", 0, 1, 2), record.ErrGuard)
	l.refuse(t, count("i-3", 0, 1, 2), record.ErrConflict) // both: the conflict comes first
	l.commit(t, count("i-5", 0, 0, 2))
	if got := l.guarded(t); got != 2 {
		t.Errorf("got %d, want 2", got)
	}
	l.commit(t, count("i-2", 1, -1, 0))
	l.commit(t, count("i-3", 1, -1, 0))
	l.commit(t, count("i-5", 1, -1, 0)) // from zero
	if got := l.guarded(t); got != 0 {
		t.Errorf("counted down: got %d, want 0", got)
	}
	l.refuse(t, count("i-0", 0, 1, 0), record.ErrGuard)
	l.commit(t, count("i-4", 0, 1, 1))
}

func testGuardAtOnce(t *testing.T, l subject) {
	const instances, limit = 30, 25
	done, _, refusals := atOnce(t, instances, func(n int) error {
		c := change(aRecord(fmt.Sprintf("i-%d", n)))
		c.Count, c.Limit = 1, limit
		for {
			// A look and another try is what the responder does about a conflict.
			if err := l.Commit(t.Context(), c); !errors.Is(err, record.ErrConflict) {
				return err
			}
		}
	})
	if done != limit || refusals != instances-limit {
		t.Errorf("%d done and %d refused, want %d and %d", done, refusals, limit, instances-limit)
	}
	if got := l.guarded(t); got != limit {
		t.Errorf("the guard counts %d, want %d", got, limit)
	}
	if got := len(l.open(t)); got != limit {
		t.Errorf("%d are open, want %d", got, limit)
	}
}

func testReserve(t *testing.T, l subject) {
	one, two := aRecord("i-1"), aRecord("i-2")
	l.commit(t, change(one, op(record.Reserve, slot(90, "i-1#1"))))
	l.refuse(t, change(two, op(record.Reserve, slot(90, "i-2#1")), op(record.Reserve, slot(91, "i-2#1"))), record.ErrConflict)
	l.wantSlots(t, slot(90, "i-1#1"))

	one.Version = 1
	other := slot(90, "i-1#1")
	other.Prefix = netip.MustParsePrefix("203.0.113.9/32")
	l.refuse(t, change(one, op(record.Reserve, other)), record.ErrConflict)
	l.commit(t, change(one, op(record.Reserve, slot(90, "i-1#1")))) // its own, once more
	l.commit(t, change(two, op(record.Reserve, slot(91, "i-2#1"))))
	l.wantSlots(t, slot(90, "i-1#1"), slot(91, "i-2#1"))
}

func testReserveAtOnce(t *testing.T, l subject) {
	const writers = 12
	done, conflicts, _ := atOnce(t, writers, func(n int) error {
		r := aRecord(fmt.Sprintf("i-%d", n))
		return l.Commit(t.Context(), change(r, op(record.Reserve, slot(90, r.Holder().String()))))
	})
	if done != 1 || conflicts != writers-1 {
		t.Errorf("%d done and %d conflicts, want 1 and %d", done, conflicts, writers-1)
	}
	open := l.open(t)
	if len(open) != 1 {
		t.Fatalf("open: got %v, want one", open)
	}
	l.wantSlots(t, slot(90, open[0]+"#1"))
}

func testHolders(t *testing.T, l subject) {
	one, two, three := aRecord("i-1"), aRecord("i-2"), aRecord("i-3")
	applied := func(holders ...string) record.Slot {
		s := slot(90, holders...)
		s.State, s.Since = record.SlotApplied, noon.Add(time.Minute)
		return s
	}
	l.refuse(t, change(two, op(record.Hold, slot(90, "i-2#1"))), record.ErrConflict) // nobody has it
	l.commit(t, change(one, op(record.Reserve, slot(90, "i-1#1"))))
	other := slot(90, "i-1#1", "i-2#1")
	other.Prefix = netip.MustParsePrefix("198.51.100.0/24")
	l.refuse(t, change(two, op(record.Hold, other)), record.ErrConflict)
	l.commit(t, change(two, op(record.Hold, applied("i-1#1", "i-2#1"))))
	l.wantSlots(t, applied("i-1#1", "i-2#1"))
	l.commit(t, change(three, op(record.Hold, applied("i-1#1", "i-3#1")))) // not having seen the second
	l.wantSlots(t, applied("i-1#1", "i-2#1", "i-3#1"))

	one.Version, two.Version, three.Version = 1, 1, 1
	l.refuse(t, change(one, op(record.GiveUp, applied("i-1#1"))), record.ErrConflict) // the others hold it
	l.refuse(t, change(one, op(record.GiveUp, applied("i-1#1", "i-2#1"))), record.ErrConflict)
	l.commit(t, change(one, op(record.GiveUp, slot(90, "i-3#1", "i-1#1", "i-2#1")))) // a set: order and state don't matter
	l.wantSlots(t, applied("i-2#1", "i-3#1"))
	one.Version = 2
	l.refuse(t, change(one, op(record.GiveUp, applied("i-1#1", "i-2#1", "i-3#1"))), record.ErrConflict)
	l.commit(t, change(two, op(record.GiveUp, applied("i-2#1", "i-3#1"))))
	l.commit(t, change(three, op(record.GiveUp, applied("i-3#1"))))
	l.wantSlots(t)
	l.commit(t, change(one, op(record.Reserve, slot(90, "i-1#1"))))
	l.wantSlots(t, slot(90, "i-1#1"))
}

func testSettle(t *testing.T, l subject) {
	one, two := aRecord("i-1"), aRecord("i-2")
	l.refuse(t, change(one, op(record.Settle, slot(90, "i-1#1"))), record.ErrConflict)
	l.commit(t, change(one, op(record.Reserve, slot(90, "i-1#1"))))
	settled := slot(90, "i-1#1")
	settled.State, settled.Since = record.SlotApplied, noon.Add(time.Hour)
	l.refuse(t, change(two, op(record.Settle, settled)), record.ErrConflict) // doesn't hold it
	one.Version = 1
	l.commit(t, change(one, op(record.Settle, settled)))
	l.wantSlots(t, settled)
}

func testRemove(t *testing.T, l subject) {
	one, two := aRecord("i-1"), aRecord("i-2")
	removing := func(holders ...string) record.Slot {
		s := slot(90, holders...)
		s.State, s.Since = record.SlotRemoving, noon.Add(time.Hour)
		return s
	}
	l.refuse(t, change(one, op(record.Remove, removing("i-1#1"))), record.ErrConflict) // nobody has it
	l.commit(t, change(one, op(record.Reserve, slot(90, "i-1#1"))))
	l.refuse(t, change(two, op(record.Remove, removing("i-2#1"))), record.ErrConflict) // doesn't hold it
	l.commit(t, change(two, op(record.Hold, slot(90, "i-1#1", "i-2#1"))))
	one.Version, two.Version = 1, 1
	l.refuse(t, change(one, op(record.Remove, removing("i-1#1"))), record.ErrConflict) // another holds it too
	l.commit(t, change(two, op(record.GiveUp, slot(90, "i-1#1", "i-2#1"))))
	l.commit(t, change(one, op(record.Remove, removing("i-1#1"))))
	l.wantSlots(t, removing("i-1#1"))

	one.Version, two.Version = 2, 2
	for _, o := range []record.SlotOp{record.Hold, record.Reserve, record.Settle} { // too late for anybody
		l.refuse(t, change(two, op(o, slot(90, "i-1#1", "i-2#1"))), record.ErrConflict)
		l.refuse(t, change(one, op(o, slot(90, "i-1#1"))), record.ErrConflict)
	}
	l.commit(t, change(one, op(record.Remove, removing("i-1#1")))) // once more
	one.Version = 3
	l.commit(t, change(one, op(record.GiveUp, removing("i-1#1"))))
	l.wantSlots(t)
}

func testContainment(t *testing.T, l subject) {
	first := aRecord("i-1")
	l.commit(t, change(first))
	second := first
	second.Generation, second.Reason = 2, "the second one"
	first.Version, first.Status = 1, record.Released
	l.commit(t, change(first))
	l.commit(t, change(second))
	for generation, reason := range map[int]string{1: first.Reason, 2: second.Reason} {
		got, err := l.Containment(t.Context(), "i-1", generation)
		if err != nil || got == nil || got.Generation != generation || got.Reason != reason {
			t.Errorf("generation %d: got %+v, %v", generation, got, err)
		}
	}
	if got, err := l.Containment(t.Context(), "i-1", 3); err != nil || got != nil {
		t.Errorf("generation 3: got %+v, %v, want none", got, err)
	}
}

func manySlots(holder string, from, n int, o record.SlotOp) []record.SlotChange {
	var changes []record.SlotChange
	for i := range n {
		changes = append(changes, op(o, slot(from+i, holder)))
	}
	return changes
}

func testManySlots(t *testing.T, l subject) {
	const many = 128
	r := aRecord("i-1")
	c := change(r, manySlots("i-1#1", 1, many, record.Reserve)...)
	c.Count, c.Limit = 1, 1
	l.commit(t, c)
	if got := len(l.slots(t)); got != many {
		t.Errorf("got %d slots, want %d", got, many)
	}
	r.Version = 1
	l.commit(t, change(r, manySlots("i-1#1", 1, many, record.GiveUp)...))
	l.wantSlots(t)
	if got := len(l.history(t, "i-1")); got != 2 {
		t.Errorf("got %d events, want 2", got)
	}
}

// A plan that doesn't fit into one transaction and loses a race with its first part
// leaves nothing.
func testManySlotsLostRace(t *testing.T, l subject) {
	const many = 120
	one, two := aRecord("i-1"), aRecord("i-2")
	l.commit(t, change(one, op(record.Reserve, slot(1, "i-1#1"))))
	c := change(two, manySlots("i-2#1", 1, many, record.Reserve)...)
	l.refuse(t, c, record.ErrConflict)
	if got := l.load(t, "i-2").Record; got != nil {
		t.Errorf("the record was written: %v", got)
	}
	l.wantSlots(t, slot(1, "i-1#1"))
	c.Slots = manySlots("i-2#1", 2, many, record.Reserve)
	l.commit(t, c)
	if got := len(l.slots(t)); got != many+1 {
		t.Errorf("got %d slots, want %d", got, many+1)
	}
}

// When it loses with a later part, its record is there, and open: the next look goes
// on from it, and takes the slots that are its own already.
func testManySlotsLostRaceLate(t *testing.T, l subject) {
	const many = 120
	one, two := aRecord("i-1"), aRecord("i-2")
	l.commit(t, change(one, op(record.Reserve, slot(many, "i-1#1"))))
	c := change(two, manySlots("i-2#1", 1, many, record.Reserve)...)
	if err := l.Commit(t.Context(), c); !errors.Is(err, record.ErrConflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
	got := l.load(t, "i-2").Record
	if got == nil || got.Version != 1 || !slices.Equal(l.open(t), []string{"i-1", "i-2"}) {
		t.Fatalf("the record is %v, open %v: nobody would go on", got, l.open(t))
	}
	c.Record.Version, c.Event.ID = 1, "g1-v2"
	c.Slots = append(c.Slots[:many-1], op(record.Reserve, slot(many+1, "i-2#1")))
	l.commit(t, c)
	if got := len(l.slots(t)); got != many+1 {
		t.Errorf("got %d slots, want %d", got, many+1)
	}
}

// A plan that the guard refuses leaves no reservation behind: there may be no next run
// to give it up.
func testManySlotsRefused(t *testing.T, l subject) {
	c := change(aRecord("i-1"), manySlots("i-1#1", 1, 250, record.Reserve)...)
	c.Count, c.Limit = 1, 0
	l.refuse(t, c, record.ErrGuard)
	l.wantSlots(t)
}

func testEvents(t *testing.T, l subject) {
	note := func(e record.Event) {
		t.Helper()
		if err := l.Note(t.Context(), e); err != nil {
			t.Errorf("Note: %v", err)
		}
	}
	early, late := event("i-1", "b"), event("i-1", "a")
	early.Time = noon.Add(-time.Minute)
	late.Time, late.Changes, late.Finding, late.Request = noon.In(time.FixedZone("", -3600)).Add(time.Second), nil, "", ""
	note(late)
	note(early)
	note(early)
	again := early
	again.Reason = "the same line, told differently"
	note(again)
	l.commit(t, change(aRecord("i-1")))
	want := []record.Event{early, event("i-1", "g1-v1"), late}
	if diff := cmp.Diff(want, l.history(t, "i-1")); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}

	r := aRecord("i-1")
	r.Version = 1
	c := change(r)
	c.Event = early
	c.Event.Reason = "rewritten"
	l.refuse(t, c, record.ErrConflict)
	if got := l.history(t, "i-2"); got != nil {
		t.Errorf("another instance's history: %v", got)
	}
}

func testOpen(t *testing.T, l subject) {
	write := func(instance string, generation, version int, s record.Status) {
		t.Helper()
		l.commit(t, change(record.Record{Instance: instance, Generation: generation, Version: version, Status: s}))
	}
	want := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, l.open(t)); diff != "" {
			t.Errorf("open (-want +got):\n%s", diff)
		}
	}
	want()
	write("i-2", 1, 0, record.Containing)
	write("i-1", 1, 0, record.PartiallyContained)
	write("i-3", 1, 0, record.Observed)
	want("i-1", "i-2")
	write("i-2", 1, 1, record.Contained)
	write("i-3", 1, 1, record.Observed)
	write("i-1", 1, 1, record.Releasing)
	want("i-1", "i-2")
	write("i-1", 1, 2, record.Released)
	write("i-2", 1, 2, record.Closed)
	want()

	write("i-1", 2, 0, record.Contained)
	write("i-1", 1, 3, record.Released) // a denial of the first one has lingered until now
	write("i-1", 3, 0, record.Observed)
	want("i-1")
	stale := change(record.Record{Instance: "i-1", Generation: 1, Version: 4, Status: record.Contained})
	l.refuse(t, stale, record.ErrConflict) // two open ones
	write("i-1", 2, 1, record.Closed)
	want()
}

func testGenerations(t *testing.T, l subject) {
	for generation := range 12 {
		r := aRecord("i-1")
		r.Generation, r.Status = generation+1, record.Released
		r.Steps = []record.StepState{{Step: quarantineOf("eni-1", fmt.Sprint("sg-", generation)), State: record.Restored}}
		l.commit(t, change(r))
		if got := l.load(t, "i-1").Record; got.Generation != generation+1 {
			t.Errorf("of %d generations: got %d", generation+1, got.Generation)
		}
	}
	l.commit(t, change(aRecord("i-11")))
	if got := l.load(t, "i-1").Record; got.Generation != 12 || got.Version != 1 || got.Instance != "i-1" {
		t.Errorf("got generation %d of %s", got.Generation, got.Instance)
	}
}

func testNewerSchema(t *testing.T, l subject) {
	r := aRecord("i-1")
	c := change(r, op(record.Reserve, slot(90, "i-1#1")))
	c.Count, c.Limit = 1, 25
	l.commit(t, c)
	r.Version = 1

	l.age(t, pointerKey("i-1"))
	l.refuse(t, change(r), record.ErrNewerRecord)
	released := r
	released.Status = record.Released
	l.refuse(t, change(released), record.ErrNewerRecord)

	l.age(t, guardKey)
	two := change(aRecord("i-2"))
	for _, two.Count = range []int{1, -1} {
		two.Limit = 25
		l.refuse(t, two, record.ErrNewerRecord)
	}
	two.Count = 0

	l.age(t, slotKey(slot(90).SlotKey))
	for _, o := range []record.SlotOp{record.Reserve, record.Hold, record.Settle, record.GiveUp} {
		two.Slots = []record.SlotChange{op(o, slot(90, "i-2#1"))}
		l.refuse(t, two, record.ErrNewerRecord)
	}
	if k, err := l.Load(t.Context(), "i-2", []string{"vpc-1"}); err == nil || !errors.Is(err, record.ErrNewerRecord) {
		t.Errorf("Load under a newer guard: got %v, %v", k, err)
	}

	l.age(t, containmentKey("i-1", 1))
	if _, err := l.Load(t.Context(), "i-1", nil); !errors.Is(err, record.ErrNewerRecord) {
		t.Errorf("Load of a newer containment: got %v", err)
	}
	if _, err := l.Containment(t.Context(), "i-1", 1); !errors.Is(err, record.ErrNewerRecord) || !strings.Contains(err.Error(), "INSTANCE#i-1 CONTAINMENT#1") {
		t.Errorf("reading a newer containment: got %v, want an error that names the item", err)
	}
	l.refuse(t, change(aRecord("i-1")), record.ErrNewerRecord)
	l.refuse(t, change(r), record.ErrNewerRecord)
	r.Version = 5
	l.refuse(t, change(r), record.ErrNewerRecord)
}

func testSenseless(t *testing.T, l subject) {
	edit := func(f func(*record.Change)) record.Change {
		c := change(aRecord("i-1"), op(record.Reserve, slot(90, "i-1#1")))
		f(&c)
		return c
	}
	for name, c := range map[string]record.Change{
		"no instance":       edit(func(c *record.Change) { c.Record.Instance = "" }),
		"no generation":     edit(func(c *record.Change) { c.Record.Generation = 0 }),
		"other's event":     edit(func(c *record.Change) { c.Event.Instance = "i-2" }),
		"counts twice":      edit(func(c *record.Change) { c.Count = 2 }),
		"same slot twice":   edit(func(c *record.Change) { c.Slots = append(c.Slots, c.Slots[0]) }),
		"no prefix":         edit(func(c *record.Change) { c.Slots[0].Slot.Prefix = netip.Prefix{} }),
		"unknown operation": edit(func(c *record.Change) { c.Slots[0].Op = "take" }),
		"gives up other's":  edit(func(c *record.Change) { c.Slots[0] = op(record.GiveUp, slot(90, "i-2#1")) }),
		"no step":           edit(func(c *record.Change) { c.Record.Steps = []record.StepState{{}} }),
		"step, no prefix":   edit(func(c *record.Change) { c.Record.Steps = []record.StepState{{Step: record.Denial{}}} }),
		"step, no interface": edit(func(c *record.Change) {
			c.Record.Steps = []record.StepState{{Step: record.QuarantineOf("", nil, "")}}
		}),
		"peer, no address": edit(func(c *record.Change) { c.Record.Peers = []guardduty.Peer{{}} }),
	} {
		err := l.Commit(t.Context(), c)
		if err == nil || errors.Is(err, record.ErrConflict) || errors.Is(err, record.ErrGuard) {
			t.Errorf("%s: got %v, want an error that is nothing to retry", name, err)
		}
	}
	if got := l.history(t, "i-1"); got != nil || l.slots(t) != nil {
		t.Errorf("something was written: %v", got)
	}
}

func testCopies(t *testing.T, l subject) {
	r := aRecord("i-1")
	c := change(r, op(record.Reserve, slot(90, "i-1#1")))
	l.commit(t, c)
	first := aRecord("i-1")
	first.Version = 1
	want := record.Known{Record: &first, Slots: []record.Slot{slot(90, "i-1#1")}}
	deface := func(k record.Known) {
		k.Record.Steps[1].Step.(record.Replacement).Before[0] = "sg-defaced"
		k.Record.Steps[0].State = "defaced"
		k.Record.Unreadable[0] = "defaced"
		k.Slots[0].Holders[0].Instance = "defaced"
	}
	deface(record.Known{Record: &c.Record, Slots: []record.Slot{c.Slots[0].Slot}})
	deface(l.load(t, "i-1"))
	c.Event.Changes[0] = "defaced"
	l.history(t, "i-1")[0].Changes[0] = "defaced"
	if diff := cmp.Diff(want, l.load(t, "i-1"), comparer); diff != "" {
		t.Errorf("the ledger shares memory with its callers (-want +got):\n%s", diff)
	}
	if got := l.history(t, "i-1")[0].Changes; !slices.Equal(got, []string{"quarantine/eni-1 pending"}) {
		t.Errorf("the history shares memory with its callers: %v", got)
	}
}

func testCanceled(t *testing.T, l subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Load(ctx, "i-1", []string{"vpc-1"})
	for name, err := range map[string]error{
		"Load": err, "Commit": l.Commit(ctx, change(aRecord("i-1"))), "Note": l.Note(ctx, event("i-1", "a")),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want canceled", name, err)
		}
	}
	if got := l.history(t, "i-1"); got != nil {
		t.Errorf("something was written: %v", got)
	}
}

// damaged are items that nobody can read, under a key.
func damaged(k key) []Item {
	with := func(more Item) Item {
		more[PartitionKey], more[SortKey] = &types.AttributeValueMemberS{Value: k.PK}, &types.AttributeValueMemberS{Value: k.SK}
		return more
	}
	return []Item{
		with(Item{}),
		with(Item{"schema": &types.AttributeValueMemberL{}}),
		with(Item{"schema": &types.AttributeValueMemberN{Value: "1"}, "number": &types.AttributeValueMemberS{Value: "x"}, "instance": &types.AttributeValueMemberL{}}),
		with(Item{"schema": &types.AttributeValueMemberN{Value: "99"}, "holders": &types.AttributeValueMemberL{}, "generation": &types.AttributeValueMemberS{}}),
	}
}

// unreadable are the keys of the items that a read reports besides what it reads.
func unreadable(t *testing.T, err error) (keys []string) {
	t.Helper()
	items, partly := record.Unreadable(err)
	if !partly {
		t.Errorf("got %v, want an error of single items", err)
	}
	for _, i := range items {
		keys = append(keys, i.Item)
	}
	return keys
}

// One slot that can't be read hides no other, and its place is known to be taken.
func testDamagedSlots(t *testing.T, l subject) {
	l.commit(t, change(aRecord("i-1"), op(record.Reserve, slot(90, "i-1#1")), op(record.Reserve, slot(92, "i-1#1"))))
	place := slot(91, "i-1#1").SlotKey
	for _, item := range damaged(slotKey(place)) {
		l.put(t, item)
		got, err := l.Slots(t.Context(), []string{"vpc-1", "vpc-2"})
		if len(got) != 2 || got[0].Number != 90 || got[1].Number != 92 {
			t.Errorf("%v: got the slots %v", item, got)
		}
		if keys := unreadable(t, err); !slices.Equal(keys, []string{"VPC#vpc-1 SLOT#acl-1#in#91"}) {
			t.Errorf("%v: reported as unreadable: %v", item, keys)
		}
		k, err := l.Load(t.Context(), "i-1", []string{"vpc-1"})
		if err != nil || len(k.Slots) != 2 || !slices.Equal(k.Unreadable, []record.SlotKey{place}) {
			t.Errorf("%v: loaded %v, unreadable %v, %v", item, k.Slots, k.Unreadable, err)
		}
		two := change(aRecord("i-2"), op(record.Reserve, slot(91, "i-2#1")))
		if err := l.Commit(t.Context(), two); err == nil {
			t.Errorf("%v: the place was given away", item)
		}
	}
	l.put(t, Item{
		PartitionKey: &types.AttributeValueMemberS{Value: "VPC#vpc-1"}, SortKey: &types.AttributeValueMemberS{Value: "SLOT#of nothing"},
	})
	if got, err := l.Slots(t.Context(), []string{"vpc-1"}); len(got) != 2 || len(unreadable(t, err)) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	if k, err := l.Load(t.Context(), "i-1", []string{"vpc-1"}); err != nil || len(k.Unreadable) != 1 {
		t.Errorf("loaded %v, unreadable %v, %v", k.Slots, k.Unreadable, err)
	}
}

func testDamagedPointers(t *testing.T, l subject) {
	for _, instance := range []string{"i-1", "i-2", "i-3"} {
		l.commit(t, change(aRecord(instance)))
	}
	for _, item := range damaged(pointerKey("i-2")) {
		l.put(t, item)
		open, err := l.Open(t.Context())
		if !slices.Equal(open, []string{"i-1", "i-3"}) {
			t.Errorf("%v: open are %v", item, open)
		}
		if keys := unreadable(t, err); !slices.Equal(keys, []string{"OPEN i-2"}) {
			t.Errorf("%v: reported as unreadable: %v", item, keys)
		}
	}
}

// A containment that can't be read is no reason to begin a new one.
func testDamagedContainment(t *testing.T, l subject) {
	first, second := aRecord("i-1"), aRecord("i-1")
	first.Status, second.Generation = record.Released, 2
	l.commit(t, change(first))
	l.commit(t, change(second))
	for _, item := range damaged(containmentKey("i-1", 2)) {
		l.put(t, item)
		if k, err := l.Load(t.Context(), "i-1", nil); err == nil {
			t.Errorf("%v: loaded %+v", item, k.Record)
		}
		if r, err := l.Containment(t.Context(), "i-1", 2); err == nil {
			t.Errorf("%v: read as %+v", item, r)
		}
		if r, err := l.Containment(t.Context(), "i-1", 1); err != nil || r == nil {
			t.Errorf("%v: the one before: %v, %v", item, r, err)
		}
		if err := l.Commit(t.Context(), change(second)); err == nil {
			t.Errorf("%v: it was written over", item)
		}
	}
}

// A VPC is marked by hand, and with a record that is not open any more and has denials
// to wait for.
func testVPCs(t *testing.T, l subject) {
	want := func(want ...string) {
		t.Helper()
		if got, err := l.VPCs(t.Context()); err != nil || !slices.Equal(got, want) {
			t.Errorf("marked: %v, %v, want %v", got, err, want)
		}
	}
	mark := func(vpc string, used bool) {
		t.Helper()
		if err := l.MarkVPC(t.Context(), vpc, used); err != nil {
			t.Errorf("MarkVPC: %v", err)
		}
	}
	want()
	mark("vpc-3", true)
	mark("vpc-2", true)
	mark("vpc-2", true)
	mark("vpc-4", false)
	want("vpc-2", "vpc-3")
	mark("vpc-3", false)

	denial := func(vpc string, s record.State) record.StepState {
		d := slot(90).Denial()
		d.VPC = vpc
		return record.StepState{Step: d, State: s}
	}
	r := aRecord("i-1")
	r.Steps = []record.StepState{denial("vpc-1", record.Applied)}
	l.commit(t, change(r)) // open
	want("vpc-2")
	r.Version, r.Status = 1, record.Closed
	r.Steps = []record.StepState{denial("vpc-1", record.Lingering), denial("vpc-5", record.Removed), {Step: quarantineOf("eni-1"), State: record.Gone}}
	l.commit(t, change(r))
	want("vpc-1", "vpc-2")
	r.Version = 2
	l.commit(t, change(r))
	want("vpc-1", "vpc-2")
}

func testDamagedHistory(t *testing.T, l subject) {
	for _, id := range []string{"a", "b"} {
		if err := l.Note(t.Context(), event("i-1", id)); err != nil {
			t.Fatal(err)
		}
	}
	k := eventKey(event("i-1", "c"))
	for _, item := range damaged(k)[1:] { // an empty line is a line
		l.put(t, item)
		got, err := l.History(t.Context(), "i-1")
		if keys := unreadable(t, err); len(got) != 2 || got[0].ID != "a" || got[1].ID != "b" || !slices.Equal(keys, []string{k.String()}) {
			t.Errorf("%v: got %v, unreadable %v", item, got, keys)
		}
	}
}
