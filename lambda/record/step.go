package record

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"tourniquet/lambda/network"
)

// A Step is one reversible change to one AWS resource. Steps are data: adapters
// apply them, package ledger stores them.
type Step interface {
	// ID names the step within its incident. It is the same on every attempt,
	// so a retried invocation recognizes its own work.
	ID() string
	// Kind is the kind of the step.
	Kind() Kind
	// appendID appends the id to text. A record with hundreds of steps is searched for each
	// of them, with room for one id. Only this package defines steps.
	appendID(text []byte) []byte
}

// Kind is the kind of a step, as answers and records name it.
type Kind string

// The kinds of step.
const (
	KindQuarantine Kind = "quarantine" // all groups of a network interface are replaced by the quarantine group
	KindDenial     Kind = "denial"     // a network ACL gets a deny entry
	KindTracking   Kind = "tracking"   // the connection-tracking timeouts of a network interface are lowered
	KindIsolation  Kind = "isolation"  // a subnet gets a network ACL without entries
	KindHost       Kind = "host"       // the host is told to let nothing pass
	KindFlowLog    Kind = "flow-log"   // the traffic of a network interface is logged
	KindStandby    Kind = "standby"    // an Auto Scaling group has the instance in standby
	KindChecks     Kind = "checks"     // application status checks of the instance are suppressed
	KindProtection Kind = "protection" // an attribute of the instance keeps it from being terminated, or its volumes from being deleted
	KindSnapshot   Kind = "snapshot"   // the volumes of the instance are copied
	KindProfile    Kind = "profile"    // the instance profile is replaced by one that denies everything
	KindMetadata   Kind = "metadata"   // the metadata endpoint of the instance is switched off
)

// A shape is what a kind of step does to its resource.
type shape int

const (
	replaces shape = iota // an attribute's value: a Replacement
	creates               // something new: a Creation
	denies                // an entry of a network ACL: a Denial
)

// kinds are what the ledger and the rounds have to know of each kind of step.
var kinds = map[Kind]struct {
	shape   shape
	decides bool // see Decides
	byTags  bool // see HeldByTags
}{
	KindQuarantine: {replaces, true, true},
	KindDenial:     {denies, true, true},
	KindIsolation:  {shape: replaces, decides: true},
	KindTracking:   {shape: replaces},
	KindHost:       {shape: creates, byTags: true},
	KindFlowLog:    {shape: creates},
	KindStandby:    {shape: replaces},
	KindChecks:     {shape: replaces},
	KindProtection: {shape: replaces},
	KindSnapshot:   {shape: creates},
	KindProfile:    {shape: replaces},
	KindMetadata:   {shape: replaces},
}

// Known reports whether this program knows the kind.
func (k Kind) Known() bool { _, known := kinds[k]; return known }

// Replaces reports whether steps of this kind are a Replacement.
func (k Kind) Replaces() bool { return k.Known() && kinds[k].shape == replaces }

// Creates reports whether steps of this kind are a Creation.
func (k Kind) Creates() bool { return k.Known() && kinds[k].shape == creates }

// Decides reports whether a containment is complete only with the steps of this
// kind. A step of another kind comes beside the cut and can fail without lessening it.
func (k Kind) Decides() bool { return kinds[k].decides }

// HeldByTags reports whether a step of this kind can be taken back without the
// ledger: from the tags of the instance and its interfaces, or because it has no
// earlier value.
func (k Kind) HeldByTags() bool { return kinds[k].byTags }

// A Replacement replaces the value of one attribute of one AWS resource. Most kinds
// of step have this shape.
type Replacement struct {
	Of       Kind
	Resource string   // the id of the resource
	Name     string   // which attribute of the resource, where the kind has several; otherwise empty
	Before   []string // the value to restore on release; empty when nobody knows it
	After    []string // the value to set; empty in a preview of a value that does not exist yet

	// At is EC2's handle of the attribute as it is now, where the call wants one: the id of
	// an association. It is of the last observation, and not recorded.
	At string
}

// MaxGroups is how many groups an interface can have.
// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups
const MaxGroups = 16

// QuarantineOf is the step that replaces all security groups of a network interface
// by the quarantine group of its VPC. The groups before are sorted; the quarantine
// group is empty in a preview of a VPC that has none yet.
func QuarantineOf(eni string, before []string, group string) Replacement {
	r := Replacement{Of: KindQuarantine, Resource: eni, Before: before}
	if group != "" {
		r.After = []string{group}
	}
	return r
}

// TrackingOf is the step that sets the connection-tracking timeouts of a network
// interface.
func TrackingOf(eni string, before, after network.Timeouts) Replacement {
	return Replacement{Of: KindTracking, Resource: eni, Before: before.Texts(), After: after.Texts()}
}

// IsolationOf is the step that gives a subnet a network ACL without entries.
func IsolationOf(subnet, before, after string) Replacement {
	return Replacement{Of: KindIsolation, Resource: subnet, Before: []string{before}, After: []string{after}}
}

// AsQuarantine is the replacement of an interface's groups that a step is; false for
// any other step.
func AsQuarantine(s Step) (Replacement, bool) {
	r, ok := s.(Replacement)
	return r, ok && r.Of == KindQuarantine
}

// ID is the kind and the resource, and the attribute's name where the kind has several.
func (r Replacement) ID() string { return string(r.appendID(nil)) }

// Kind is the kind of the attribute that is replaced.
func (r Replacement) Kind() Kind { return r.Of }

func (r Replacement) appendID(text []byte) []byte {
	text = joined(text, string(r.Of), r.Resource)
	if r.Name != "" {
		text = joined(text, "", r.Name)
	}
	return text
}

// joined appends words with slashes between them.
func joined(text []byte, words ...string) []byte {
	for n, word := range words {
		if n > 0 {
			text = append(text, '/')
		}
		text = append(text, word...)
	}
	return text
}

// Check is why a replacement makes no sense, or nil.
func (r Replacement) Check() error {
	switch {
	case r.Resource == "":
		return fmt.Errorf("a step of kind %s without a resource", r.Of)
	case r.Of == KindQuarantine && len(r.After) > MaxGroups:
		return fmt.Errorf("step %s has %d groups, want one quarantine group and those that are admitted", r.ID(), len(r.After))
	case r.Of == KindTracking:
		for _, value := range [][]string{r.Before, r.After} {
			if _, err := network.ParseTimeouts(value); err != nil {
				return fmt.Errorf("step %s: %w", r.ID(), err)
			}
		}
	}
	return nil
}

// A Creation makes something for a resource: a flow log, a set of snapshots, a command
// to its host.
type Creation struct {
	Of       Kind
	Resource string   // the id of the resource that it is made for
	Made     []string // the ids of what was made; empty until somebody has seen it

	// Tags are what it carries once it is made, where it is found again by them. They
	// follow from the record, which does not keep them.
	Tags map[string]string
}

// HostOf is the step that tells a host to let nothing pass. What it makes are the
// commands to the host.
func HostOf(instance string) Creation { return Creation{Of: KindHost, Resource: instance} }

// ID is the kind and the resource: an incident makes one of a kind for a resource.
func (c Creation) ID() string { return string(c.appendID(nil)) }

// Kind is the kind of what is made.
func (c Creation) Kind() Kind { return c.Of }

func (c Creation) appendID(text []byte) []byte { return joined(text, string(c.Of), c.Resource) }

// A Denial adds one deny entry for all protocols to a network ACL.
type Denial struct {
	VPC       string // the VPC of the ACL
	ACL       string
	Direction network.Direction
	Number    int // the entry's rule number
	Prefix    netip.Prefix
}

// ID names the ACL, the direction and the prefix, and leaves out the number: a
// denial that had to move to another number is still the same step.
func (d Denial) ID() string { return string(d.appendID(nil)) }

// Kind is KindDenial.
func (Denial) Kind() Kind { return KindDenial }

func (d Denial) appendID(text []byte) []byte {
	return d.Prefix.AppendTo(joined(text, string(KindDenial), d.ACL, string(d.Direction), ""))
}

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
	return s.State == o.State && s.Note == o.Note && s.Until.Equal(o.Until) && sameStep(s.Step, o.Step)
}

func sameStep(a, b Step) bool {
	switch x := a.(type) {
	case Replacement:
		y, ok := b.(Replacement)
		return ok && x.ID() == y.ID() && slices.Equal(x.Before, y.Before) && slices.Equal(x.After, y.After)
	case Creation:
		y, ok := b.(Creation)
		return ok && x.ID() == y.ID() && slices.Equal(x.Made, y.Made)
	default:
		return a == b
	}
}

// Attempt tells a denial that moved to another number from its first try.
func Attempt(s Step) string {
	if d, ok := s.(Denial); ok {
		return fmt.Sprintf("%s at %d", d.ID(), d.Number)
	}
	return s.ID()
}
