package record

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// After is what is known once a change has been made.
func (k Known) After(c Change) Known {
	rec := c.Record
	rec.Version++
	slots := slices.Clone(k.Slots)
	for _, ch := range c.Slots {
		slots = slices.DeleteFunc(slots, func(s Slot) bool { return s.SlotKey == ch.Slot.SlotKey })
		if ch.Op != GiveUp {
			slots = append(slots, ch.Slot)
		} else if left := ch.Slot.Without(rec.Holder()); len(left.Holders) > 0 {
			slots = append(slots, left)
		}
	}
	return Known{Record: &rec, Slots: slots, Unreadable: k.Unreadable, Contained: k.Contained + c.Count}
}

// Known is what the ledger has of an instance and its VPCs.
type Known struct {
	Record *Record // the instance's latest containment; nil when it never had one
	Slots  []Slot  // of the instance's VPCs

	// Unreadable are places in ACLs of these VPCs whose items can't be read. Nobody may
	// use them.
	Unreadable []SlotKey

	// Contained is how many instances events have contained by now: what the
	// blast-radius guard counts.
	Contained int
}

// Open is the record when it is of an open containment.
func (k Known) Open() *Record {
	if k.Record != nil && k.Record.Status.Open() {
		return k.Record
	}
	return nil
}

// A Change is one step forward of a containment's record: all of it is written,
// or nothing.
type Change struct {
	// Record is as it is to be, with the version it was loaded at (0: there is
	// none yet). The ledger refuses it when the version has moved on, and
	// stores it with the next one.
	Record Record
	Slots  []SlotChange
	Event  Event
	Owed   []Owed // what must be told of it; written with it

	// Count is what the change adds to the number of instances contained by
	// events: 1, 0 or -1. Adding is refused when it would exceed Limit.
	Count int
	Limit int
}

// NewChange is the change that writes rec in the place of was, at a moment. It keeps
// the times of the record and counts the instance for the blast-radius guard: one more
// when events have it contained, one less when it is not restrained any more. The
// event says what has changed since.
func NewChange(was *Record, rec Record, slots []SlotChange, now time.Time, event Event) Change {
	now = now.UTC()
	var before Record
	if was != nil {
		before = *was
	}
	opens := rec.Version == 0 && rec.Status.Open()
	if rec.Version == 0 {
		rec.Opened = now
	}
	if rec.Contained.IsZero() && (rec.Status == Contained || rec.Status == PartiallyContained) {
		rec.Contained = now
	}
	rec.Updated = now
	rec.rewatch(before, now)
	c := Change{Record: rec, Slots: slots}
	for i := range c.Slots {
		c.Slots[i].Slot.Since = now
	}
	switch {
	case rec.ByPerson:
	case opens:
		c.Count = 1
	case before.Status.Open() && !rec.Status.Open():
		c.Count = -1
	}
	event.Instance, event.Time = rec.Instance, now
	event.ID = fmt.Sprintf("g%d-v%d", rec.Generation, rec.Version+1)
	event.Changes = Changes(before, rec)
	c.Event = event
	return c
}

// An Event is one line of an instance's history.
type Event struct {
	Instance string
	Time     time.Time
	ID       string // tells events of the same second apart, and a repeat from a new one
	Verdict  Verdict
	Reason   string
	Finding  string // its id, when a finding asked
	Request  string // the invocation's request id
	Changes  []string
}

// Clock writes a moment as answers and notes have it: RFC 3339, UTC, to the second.
func Clock(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

// Changes are the steps of a record that another one has not had in this state. A last
// line counts those beyond the two hundredth.
func Changes(was, rec Record) []string {
	var changed []string
	for _, s := range rec.Steps {
		if old, ok := was.Step(s.Step.ID()); !ok || !old.equal(s) {
			changed = append(changed, s.Step.ID()+" "+string(s.State))
		}
	}
	return AtMost(changed, maxChanges, "steps")
}

// maxChanges is how many changes one line of history lists.
const maxChanges = 200

// Decided reports whether an error is the ledger's own answer, and no failure to reach it.
func Decided(err error) bool {
	return errors.Is(err, ErrConflict) || errors.Is(err, ErrGuard) || errors.Is(err, ErrNewerRecord)
}

// What a Ledger's errors say to its caller.
var (
	ErrConflict    = errors.New("the ledger has moved on")
	ErrGuard       = errors.New("the blast-radius guard is reached")
	ErrNewerRecord = errors.New("the record was written by a newer version of tourniquet")
)
