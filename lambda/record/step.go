package record

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"tourniquet/lambda/network"
)

// A Tracking lowers the connection-tracking timeouts of one network interface.
// Where no peer is known there is nobody to deny: what stays connected then lives
// only as long as it isn't idle for a minute, instead of five days. It comes after
// the cut, and can fail without lessening it.
type Tracking struct {
	Interface string           // the network interface's id
	Before    network.Timeouts // as they were set; restored on release
	After     network.Timeouts
}

// ID is "tracking/" and the interface.
func (t Tracking) ID() string { return "tracking/" + t.Interface }

func (Tracking) step() {}

// The kinds of step, as answers and records name them.
const (
	KindQuarantine = "quarantine"
	KindDenial     = "denial"
	KindTracking   = "tracking"
)

// Denial is the step that fills the slot.
func (s Slot) Denial() Denial {
	return Denial{VPC: s.VPC, ACL: s.ACL, Direction: s.Direction, Number: s.Number, Prefix: s.Prefix}
}

// A Step is one reversible change to one AWS resource. Steps are data: package
// vpc applies them, package ledger stores them.
type Step interface {
	// ID names the step within its incident. It is the same on every attempt,
	// so a retried invocation recognizes its own work.
	ID() string
	step() // only this package defines steps
}

// A Quarantine replaces all security groups of one network interface by the
// quarantine security group of its VPC.
type Quarantine struct {
	Interface string   // the network interface's id
	Before    []string // the groups to restore on release, sorted; empty when nobody knows them
	Group     string   // the quarantine security group; empty in a preview of a VPC that has none yet
}

// A Denial adds one deny entry for all protocols to a network ACL.
type Denial struct {
	VPC       string // the VPC of the ACL
	ACL       string
	Direction network.Direction
	Number    int // the entry's rule number
	Prefix    netip.Prefix
}

// ID is "quarantine/" and the interface.
func (q Quarantine) ID() string { return "quarantine/" + q.Interface }

// ID names the ACL, the direction and the prefix, and leaves out the number: a
// denial that had to move to another number is still the same step.
func (d Denial) ID() string {
	return fmt.Sprintf("denial/%s/%s/%s", d.ACL, d.Direction, d.Prefix)
}

func (Quarantine) step() {}

func (Denial) step() {}

// Entry is the network ACL entry that the denial adds.
func (d Denial) Entry() network.Entry {
	return network.Entry{Number: d.Number, Direction: d.Direction, Prefix: d.Prefix, AllTraffic: true}
}

// Slot is the place in the network ACL that the denial takes.
func (d Denial) Slot() SlotKey {
	return SlotKey{VPC: d.VPC, ACL: d.ACL, Direction: d.Direction, Number: d.Number}
}

// State says how far a step has come.
type State string

// The states of a step. A planned one is only shown (observe mode, dry run); a
// pending one is recorded and not yet seen in the network.
const (
	Planned          State = "planned"
	Pending          State = "pending"
	Applied          State = "applied"
	Failed           State = "failed"
	Lingering        State = "lingering"
	Restored         State = "restored"
	Removed          State = "removed"
	ChangedElsewhere State = "changed-by-someone-else"
	Gone             State = "gone"
)

// Final reports whether a release has nothing left to do for a step of this state.
func (s State) Final() bool {
	switch s {
	case Restored, Removed, ChangedElsewhere, Gone:
		return true
	default:
		return false
	}
}

// A StepState is a step and how far it has come.
type StepState struct {
	Step  Step
	State State
	Note  string    // why, where the state needs a reason: a refusal of EC2, for one
	Until time.Time // when a lingering step can be settled; zero where nothing lingers
}

// equal reports whether both say the same of the same step.
func (s StepState) equal(o StepState) bool {
	if s.State != o.State || s.Note != o.Note || !s.Until.Equal(o.Until) {
		return false
	}
	switch a := s.Step.(type) {
	case Quarantine:
		b, ok := o.Step.(Quarantine)
		return ok && a.Interface == b.Interface && a.Group == b.Group && slices.Equal(a.Before, b.Before)
	default:
		return s.Step == o.Step
	}
}

// Attempt tells a denial that moved to another number from its first try.
func Attempt(s Step) string {
	if d, ok := s.(Denial); ok {
		return fmt.Sprintf("%s at %d", d.ID(), d.Number)
	}
	return s.ID()
}
