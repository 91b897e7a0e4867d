package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/record"
)

func owing(instance, id string, to record.Channel) record.Owed {
	return record.Owed{
		Time: noon.Truncate(time.Second), Instance: instance, ID: id, To: to, Generation: 1, Verdict: record.Contain,
		Was: record.Containing, Status: record.Contained, Reason: "because", Finding: "f-1", Request: "r-1",
		Applied: []string{"quarantine/eni-1", "denial/acl-1/in/198.51.100.7/32"},
	}
}

func (l subject) wantOwed(t *testing.T, want ...record.Owed) {
	t.Helper()
	got, err := l.Owed(t.Context())
	if err != nil {
		t.Errorf("Owed: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("owed (-want +got):\n%s", diff)
	}
}

func (l subject) deliver(t *testing.T, told ...record.Owed) {
	t.Helper()
	if err := l.Delivered(t.Context(), told...); err != nil {
		t.Errorf("Delivered: %v", err)
	}
}

// What is owed is written with the change that it tells of, or not at all, and each
// entry stays until it is delivered.
func testOwed(t *testing.T, l subject) {
	l.wantOwed(t)
	people, bus := owing("i-1", "g1-v1", record.ToPeople), owing("i-1", "g1-v1", record.ToBus)
	c := change(aRecord("i-1"))
	c.Owed = []record.Owed{people, bus}
	l.commit(t, c)
	l.wantOwed(t, bus, people)

	refused := change(aRecord("i-1"))
	refused.Owed = []record.Owed{owing("i-1", "g1-v9", record.ToPeople)}
	l.refuse(t, refused, record.ErrConflict)
	l.wantOwed(t, bus, people)

	l.deliver(t, bus) // the other channel fails
	l.wantOwed(t, people)
	later, other := owing("i-1", "g1-v2", record.ToPeople), owing("i-2", "g1-v1", record.ToPeople)
	later.Time = later.Time.Add(time.Hour).In(time.FixedZone("", 3600))
	later.Applied, later.Was = nil, ""
	c = change(aRecord("i-2"))
	c.Owed = []record.Owed{other}
	l.commit(t, c)
	c = change(record.Record{Instance: "i-1", Generation: 1, Version: 1, Status: record.Contained})
	c.Owed = []record.Owed{later, people} // the latter once more
	l.commit(t, c)
	later.Time = later.Time.UTC()
	l.wantOwed(t, people, other, later)
	for range 2 {
		l.deliver(t, people)
		l.deliver(t, other)
		l.deliver(t, later)
	}
	l.wantOwed(t)
}

// What is told together is removed together: entries that are gone already are no error,
// and one that a later version has written stays.
func testOwedAtOnce(t *testing.T, l subject) {
	people, bus, other := owing("i-1", "f-1", record.ToPeople), owing("i-1", "f-1", record.ToBus), owing("i-1", "f-2", record.ToBus)
	note := func(id string, owed ...record.Owed) {
		t.Helper()
		if err := l.Note(t.Context(), event("i-1", id), owed...); err != nil {
			t.Fatalf("Note: %v", err)
		}
	}
	note("f-1", people, bus)
	note("f-2", other)
	l.deliver(t, people, bus)
	l.wantOwed(t, other)
	l.deliver(t, people, other, bus)
	l.wantOwed(t)
	l.deliver(t)

	people, bus = owing("i-1", "f-3", record.ToPeople), owing("i-1", "f-3", record.ToBus)
	note("f-3", people, bus)
	l.age(t, owedKey(bus))
	l.deliver(t, people, bus)
	got, err := l.Owed(t.Context())
	if !slices.Equal(unreadable(t, err), []string{owedKey(bus).String()}) || len(got) != 0 {
		t.Errorf("owed: %v, %v; want that of the later version alone", got, err)
	}
}

// A held finding has no record: what is owed for it goes with its note, once.
func testOwedForANote(t *testing.T, l subject) {
	e := event("i-1", "f-1")
	people, bus := owing("i-1", "f-1", record.ToPeople), owing("i-1", "f-1", record.ToBus)
	for range 2 {
		if err := l.Note(t.Context(), e, people, bus); err != nil {
			t.Fatalf("Note: %v", err)
		}
		l.wantOwed(t, bus, people)
	}
	l.deliver(t, people)
	l.deliver(t, bus)
	if err := l.Note(t.Context(), e, people, bus); err != nil { // the finding again, told already
		t.Fatalf("Note: %v", err)
	}
	l.wantOwed(t)
	if got := l.history(t, "i-1"); len(got) != 1 {
		t.Errorf("history: %v", got)
	}
	for name, o := range map[string]record.Owed{
		"other's": owing("i-2", "a", record.ToBus), "no id": owing("i-1", "", record.ToBus), "no channel": owing("i-1", "a", "pigeon"),
	} {
		c := change(aRecord("i-1"))
		c.Owed = []record.Owed{o}
		if err := errors.Join(l.Note(t.Context(), event("i-1", "other"), o)); err == nil {
			t.Errorf("%s: noted", name)
		}
		if err := l.Commit(t.Context(), c); err == nil || record.Decided(err) {
			t.Errorf("%s: committed, %v", name, err)
		}
	}
	l.wantOwed(t)
}

func testOwedBounded(t *testing.T, l subject) {
	o := owing("i-1", "g1-v1", record.ToBus)
	o.Reason, o.Finding = strings.Repeat("a\x00ä", 10_000), strings.Repeat("f", 10_000)
	o.Applied = nil
	for n := range 5000 {
		o.Applied = append(o.Applied, fmt.Sprintf("denial/acl-1/in/%d%s", n, strings.Repeat("x", 1000)))
	}
	c := change(aRecord("i-1"))
	c.Owed = []record.Owed{o}
	l.commit(t, c)
	got, err := l.Owed(t.Context())
	if err != nil || len(got) != 1 {
		t.Fatalf("Owed: %v, %v", got, err)
	}
	g := got[0]
	if len(g.Reason) > 1024 || strings.ContainsRune(g.Reason, 0) || len(g.Finding) > 512 || len(g.Applied) != 100 || g.Applied[99] != "and 4901 more steps" {
		t.Errorf("reason of %d bytes, finding of %d, %d steps, the last %q", len(g.Reason), len(g.Finding), len(g.Applied), g.Applied[len(g.Applied)-1])
	}
	l.deliver(t, g)
	l.wantOwed(t)
}

func testOwedUnreadable(t *testing.T, l subject) {
	o := owing("i-1", "a", record.ToBus)
	if err := l.Note(t.Context(), event("i-1", "a"), o); err != nil {
		t.Fatal(err)
	}
	for _, item := range damaged(key{pkOwed, "2026-03-01T12:00:00Z#i-0#a#bus"}) {
		l.put(t, item)
		got, err := l.Owed(t.Context())
		if !slices.Equal(unreadable(t, err), []string{"OWED 2026-03-01T12:00:00Z#i-0#a#bus"}) || len(got) != 1 || got[0].Instance != "i-1" {
			t.Errorf("%v: got %v, %v", item, got, err)
		}
	}
}

func testLease(t *testing.T, l subject) {
	lease := func(holder string, now, until time.Duration) error {
		return l.Lease(t.Context(), "acl-1", holder, noon.Add(now), noon.Add(until))
	}
	end := func(holder string) {
		t.Helper()
		if err := l.EndLease(t.Context(), "acl-1", holder); err != nil {
			t.Errorf("EndLease: %v", err)
		}
	}
	want := func(err error, holder string, until time.Duration) {
		t.Helper()
		leased, ok := errors.AsType[*record.LeasedError](err)
		if !ok || leased.Name != "acl-1" || leased.Holder != holder || !leased.Until.Equal(noon.Add(until).Truncate(time.Millisecond)) {
			t.Errorf("got %v, want a lease of %s until %v", err, holder, until)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Errorf("Lease: %v", err)
		}
	}
	end("one") // of nothing
	must(lease("one", 0, time.Minute))
	want(lease("two", time.Second, time.Minute), "one", time.Minute)
	must(lease("one", 30*time.Second, 2*time.Minute)) // its own, longer
	end("two")                                        // not its own
	want(lease("two", time.Minute+time.Second, 3*time.Minute), "one", 2*time.Minute)
	must(lease("two", 2*time.Minute, 3*time.Minute)) // the first one is over
	end("one")
	want(lease("one", 2*time.Minute, 4*time.Minute), "two", 3*time.Minute)
	must(l.Lease(t.Context(), "acl-2", "one", noon, noon.Add(time.Minute))) // another one
	end("two")
	must(lease("one", 2*time.Minute, 4*time.Minute))
	for name, err := range map[string]error{
		"no holder": lease("", 0, time.Hour), "over already": lease("one", time.Minute, time.Minute),
		"no name": l.Lease(t.Context(), "", "one", noon, noon.Add(time.Minute)),
	} {
		if _, leased := errors.AsType[*record.LeasedError](err); err == nil || leased {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Of many who want the same lease at the same time, one gets it.
func testLeaseAtOnce(t *testing.T, l subject) {
	for round := range 3 {
		now := noon.Add(time.Duration(round) * time.Hour)
		results := make(chan error, 12)
		for n := range 12 {
			go func() {
				results <- l.Lease(t.Context(), "acl-1", fmt.Sprint("holder ", round, n), now, now.Add(time.Hour))
			}()
		}
		got := 0
		for range 12 {
			err := <-results
			if _, leased := errors.AsType[*record.LeasedError](err); err == nil {
				got++
			} else if !leased {
				t.Errorf("Lease: %v", err)
			}
		}
		if got != 1 {
			t.Errorf("%d got the lease", got)
		}
	}
}
