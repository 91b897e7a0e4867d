package containment

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"tourniquet/lambda/guardduty"
)

// Status is how a containment stands.
type Status string

// The statuses of a containment.
const (
	Containing         Status = "containing"
	Contained          Status = "contained"
	PartiallyContained Status = "partially-contained"
	Releasing          Status = "releasing"
	Released           Status = "released"
	Closed             Status = "closed"   // the instance is gone
	Observed           Status = "observed" // observe mode: open to nothing, holds nothing
)

// Open reports whether a containment of this status restrains its instance.
func (s Status) Open() bool {
	switch s {
	case Containing, Contained, PartiallyContained, Releasing:
		return true
	default:
		return false
	}
}

// A Record is the ledger's account of one containment of one instance.
type Record struct {
	Instance   string
	Generation int // 1 for an instance's first containment
	Version    int // 0 until the ledger has it; each write adds one
	Status     Status
	ByPerson   bool // the blast-radius guard doesn't count it
	Adopted    bool // made from tags, after a containment without the ledger
	Reason     string
	Findings   []FindingRef
	Peers      []guardduty.Peer
	Unreadable []string
	Steps      []StepState // sorted by the step's id
	Exposure   []Exposure

	Opened    time.Time
	Updated   time.Time
	Contained time.Time // when it was first seen to be complete; zero before
	Released  time.Time // when its release was asked for
}

// Holder is the name under which the containment holds slots.
func (r Record) Holder() string { return fmt.Sprintf("%s#%d", r.Instance, r.Generation) }

// step finds a step by its id.
func (r Record) step(id string) (StepState, bool) {
	i := slices.IndexFunc(r.Steps, func(s StepState) bool { return s.Step.ID() == id })
	if i < 0 {
		return StepState{}, false
	}
	return r.Steps[i], true
}

// denialIn is the index of the step that fills a slot; -1 when there is none.
func (r Record) denialIn(slot SlotKey) int {
	return slices.IndexFunc(r.Steps, func(s StepState) bool {
		d, ok := s.Step.(Denial)
		return ok && d.Slot() == slot
	})
}

// Pending are the steps that are recorded and not yet seen in the network.
func (r Record) Pending() []Step {
	var steps []Step
	for _, s := range r.Steps {
		if s.State == Pending {
			steps = append(steps, s.Step)
		}
	}
	return steps
}

// says reports whether both records say the same of the world, whenever they
// were written.
func (r Record) says(o Record) bool {
	return r.Generation == o.Generation && r.Status == o.Status &&
		slices.EqualFunc(r.Steps, o.Steps, StepState.equal) &&
		slices.Equal(r.Peers, o.Peers) && slices.Equal(r.Unreadable, o.Unreadable) &&
		slices.Equal(r.Exposure, o.Exposure) && slices.EqualFunc(r.Findings, o.Findings, sameFinding)
}

func sameFinding(a, b FindingRef) bool { return a.ID == b.ID }

// SlotKey is a place for one entry in a network ACL.
type SlotKey struct {
	VPC       string
	ACL       string
	Direction Direction
	Number    int
}

// A Slot is a place in a network ACL that is ours, and who needs the denial in it.
type Slot struct {
	SlotKey
	Prefix  netip.Prefix
	Holders []string // containments, as Record.Holder names them; sorted
	State   SlotState
	Since   time.Time // when it came to its state
}

// SlotState says whether the slot's entry has been seen in the ACL.
type SlotState string

// The states of a slot.
const (
	SlotReserved SlotState = "reserved"
	SlotApplied  SlotState = "applied"
	SlotRemoving SlotState = "removing" // a release is about to remove the entry: nobody can come to hold it any more
)

// heldBy reports whether a containment holds the slot.
func (s Slot) heldBy(holder string) bool { return slices.Contains(s.Holders, holder) }

// entry is the ACL entry that belongs in the slot.
func (s Slot) entry() Entry {
	return Entry{Number: s.Number, Direction: s.Direction, Prefix: s.Prefix, AllTraffic: true}
}

// Known is what the ledger has of an instance and its VPCs.
type Known struct {
	Record *Record // the instance's latest containment; nil when it never had one
	Slots  []Slot  // of the instance's VPCs
}

// open is the record when it is of an open containment.
func (k Known) open() *Record {
	if k.Record != nil && k.Record.Status.Open() {
		return k.Record
	}
	return nil
}

// A SlotChange is one change to the reservations of ACL slots.
type SlotChange struct {
	Slot Slot
	Op   SlotOp
}

// SlotOp is what happens to a slot.
type SlotOp string

// The changes to a slot. Each is conditional: when the slot has meanwhile come
// into another state than the plan saw, the whole change is refused.
const (
	Reserve SlotOp = "reserve" // take a slot that nobody has
	Hold    SlotOp = "hold"    // become one more holder of a slot with the same prefix
	Settle  SlotOp = "settle"  // its entry has been seen in the ACL
	Remove  SlotOp = "remove"  // its only holder is about to remove the entry
	GiveUp  SlotOp = "give-up" // stop holding it; with no holder left, the slot is free
)

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
