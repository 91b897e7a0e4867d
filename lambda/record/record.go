package record

import (
	"net/netip"
	"slices"
	"time"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
)

// A FindingRef is a finding as the record keeps it.
type FindingRef struct {
	ID       string
	Type     string
	Severity float64
	Seen     time.Time // when the activity was last seen
}

// Has reports whether the record lists a peer.
func (r Record) Has(a netip.Addr) bool {
	return slices.ContainsFunc(r.Peers, func(p guardduty.Peer) bool { return p.Addr == a })
}

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
	Name       string // the instance's Name tag, clean; empty when it has none
	Generation int    // 1 for an instance's first containment
	Version    int    // 0 until the ledger has it; each write adds one
	Status     Status
	ByPerson   bool // the blast-radius guard doesn't count it
	Adopted    bool // made from tags, after a containment without the ledger
	Reason     string
	Findings   []FindingRef
	Peers      []guardduty.Peer
	Unreadable []string
	Steps      []StepState // sorted by the step's id
	Exposure   []Exposure

	// Rungs says that measures beyond quarantine and denials may be taken: the record
	// was opened, or was told something new, while one of them was turned on. A record
	// of an earlier version gets none by itself.
	Rungs bool

	// Admitted are the owner's groups, sorted, that a person has let in beside the
	// quarantine group, for forensics.
	Admitted []string

	// Host and Restore are the last commands to the host, and what came of them: the one
	// that isolates it, and the one of a release that takes its rules away. What the
	// host says in them is evidence, and proves nothing.
	Host, Restore network.HostReport
	Asked         int // how often the host was asked to take its rules away

	// Contested is until when a release of the containment before may still be at work,
	// and undo on the host, or to a flow log, what this one has made there; zero: there was
	// none. Retaken says that those measures were taken once more since.
	Contested time.Time
	Retaken   bool

	// ReleasedTo are the groups that a person has chosen to release the instance to, in
	// the place of the original ones, which stay recorded with the steps; sorted.
	ReleasedTo []ReleaseGroup

	// Watches are how far the flow logs were read, Watched when that was, Survivors who
	// exchanged packets with the instance after its cut. QuietSince is since when
	// nobody does, proven by the flow logs; zero: that is not proven.
	Watches    []Watch // sorted by the interface
	Watched    time.Time
	Survivors  []Survivor // the most recent one first
	QuietSince time.Time

	Opened    time.Time
	Updated   time.Time
	Contained time.Time // when it was first seen to be complete; zero before
	Released  time.Time // when its release was asked for
}

// Holder is what the containment is among the holders of slots.
func (r Record) Holder() Holder { return Holder{r.Instance, r.Generation} }

// Step finds a step by its id.
func (r Record) Step(id string) (StepState, bool) {
	var text []byte
	i := slices.IndexFunc(r.Steps, func(s StepState) bool {
		text = s.Step.appendID(text[:0])
		return string(text) == id
	})
	if i < 0 {
		return StepState{}, false
	}
	return r.Steps[i], true
}

// DenialIn is the index of the step that fills a slot; -1 when there is none.
func (r Record) DenialIn(slot SlotKey) int {
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

// Says reports whether both records say the same of the world, whenever they
// were written.
func (r Record) Says(o Record) bool {
	return r.Generation == o.Generation && r.Status == o.Status &&
		slices.EqualFunc(r.Steps, o.Steps, StepState.equal) &&
		slices.Equal(r.Peers, o.Peers) && slices.Equal(r.Unreadable, o.Unreadable) &&
		slices.Equal(r.Exposure, o.Exposure) && slices.EqualFunc(r.Findings, o.Findings, sameFinding) && r.saysOfRungs(o)
}

// A ReleaseGroup is a group to release the interfaces in its VPC to.
type ReleaseGroup struct{ VPC, Group string }

// ReleaseGroups are those in a VPC, sorted.
func (r Record) ReleaseGroups(vpc string) (groups []string) {
	for _, g := range r.ReleasedTo {
		if g.VPC == vpc {
			groups = append(groups, g.Group)
		}
	}
	slices.Sort(groups)
	return groups
}

func (r Record) saysOfRungs(o Record) bool {
	return slices.Equal(r.ReleasedTo, o.ReleasedTo) && r.Rungs == o.Rungs && slices.Equal(r.Admitted, o.Admitted) &&
		r.Asked == o.Asked && r.Host.Equal(o.Host) && r.Restore.Equal(o.Restore) &&
		r.Contested.Equal(o.Contested) && r.Retaken == o.Retaken && r.saysOfFlows(o)
}

// Awaits reports whether something is to be learned yet of what was done beside the cut,
// or to be done once more.
func (r Record) Awaits() bool { return r.Host.Command != "" && !r.Host.Ended() || r.IsContested() }

// IsContested reports whether a release of the containment before may have undone some of
// what was made beside the cut, and nobody has made it once more since.
func (r Record) IsContested() bool { return !r.Contested.IsZero() && !r.Retaken }

// Isolated are the subnets that the record has isolated, and not opened since.
func (r Record) Isolated() (subnets []string) {
	for _, s := range r.Steps {
		if i, ok := s.Step.(Replacement); ok && i.Of == KindIsolation && !s.State.Final() {
			subnets = append(subnets, i.Resource)
		}
	}
	return subnets
}

// Unsettled reports whether something is still to be done for the containment: it is
// open, or its host's own rules or flow logs of ours may still be there, or the instance
// is still on standby because of them.
func (r Record) Unsettled() bool {
	return r.Status.Open() || (r.Status == Released || r.Status == Closed) && slices.ContainsFunc(r.Steps, func(s StepState) bool {
		kind := s.Step.Kind()
		waits := kind == KindHost || kind == KindStandby || kind == KindChecks
		return r.Status == Closed && kind == KindIsolation && !s.State.Final() || waits && s.State == Lingering || kind == KindFlowLog && !s.State.Final()
	})
}

// HostLingers reports whether the host's own rules may still be there after a release.
func (r Record) HostLingers() bool {
	host, told := r.Step(HostOf(r.Instance).ID())
	return told && host.State == Lingering
}

func sameFinding(a, b FindingRef) bool { return a.ID == b.ID }

// Target is everything that the record names, without the attributes that are gone.
func (r Record) Target() network.Target {
	t := network.Target{Instance: r.Instance}
	for _, s := range r.Steps {
		switch step := s.Step.(type) {
		case Replacement:
			if s.State == Gone {
				continue
			}
			if step.Of == KindQuarantine {
				t.Groups = append(t.Groups, step.Before...)
			}
			if step.Of == KindQuarantine || step.Of == KindTracking {
				t.Interfaces = append(t.Interfaces, step.Resource)
			}
		case Denial: // its slot may be held, and its entry in effect, though the ACL has left the instance
			t.ACLs = append(t.ACLs, step.ACL)
		}
	}
	for _, list := range []*[]string{&t.Interfaces, &t.Groups, &t.ACLs} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return t
}

// VPCs are those in which the record has denials.
func (r Record) VPCs() []string {
	var vpcs []string
	for _, s := range r.Steps {
		if d, ok := s.Step.(Denial); ok && !slices.Contains(vpcs, d.VPC) {
			vpcs = append(vpcs, d.VPC)
		}
	}
	return vpcs
}
