package record

import (
	"errors"
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
	return Known{Record: &rec, Slots: slots}
}

// Known is what the ledger has of an instance and its VPCs.
type Known struct {
	Record *Record // the instance's latest containment; nil when it never had one
	Slots  []Slot  // of the instance's VPCs
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

	// Count is what the change adds to the number of instances contained by
	// events: 1, 0 or -1. Adding is refused when it would exceed Limit.
	Count int
	Limit int
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

func Clock(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

// Changes are the steps of a record that another one has not had in this state.
func Changes(was, rec Record) []string {
	var changed []string
	for _, s := range rec.Steps {
		if old, ok := was.Step(s.Step.ID()); !ok || !old.equal(s) {
			changed = append(changed, s.Step.ID()+" "+string(s.State))
		}
	}
	return changed
}

// What a Ledger's errors say to its caller.
var (
	ErrConflict    = errors.New("the ledger has moved on")
	ErrGuard       = errors.New("the blast-radius guard is reached")
	ErrNewerRecord = errors.New("the record was written by a newer version of tourniquet")
)
