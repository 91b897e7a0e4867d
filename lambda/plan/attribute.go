package plan

import (
	"fmt"
	"slices"
	"strings"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// An attribute is what plans have to know of one kind of step that replaces a
// value. Planning, comparing and restoring are the same for all of them.
type attribute struct {
	// value is what the network shows; false where the resource does not exist any more.
	value func(seen network.Network, r record.Replacement) ([]string, bool)

	// inForce reports whether a value is as good as the one to set. Nil: it has to
	// be that one.
	inForce func(seen network.Network, r record.Replacement) bool

	// ours reports whether a value is there because of a containment, so that a
	// release may replace it. Nil: it has to be the recorded one.
	ours func(seen network.Network, r record.Replacement) bool

	// back is the value that a release sets. Nil: the one from before.
	back func(seen network.Network, r record.Replacement) restoration

	// once says that a refusal is for good, on later invocations too: the resource
	// does not have the attribute.
	once bool

	// aside says that it takes a call of its own to read: what no value has been read of
	// is not gone.
	aside bool

	resource string // what it is an attribute of, for people
}

// A restoration is the value that a release sets.
type restoration struct {
	value  []string
	note   string // what differs from the value before
	refuse string // why it can't be set at all
}

// attributes are the kinds of step that replace a value.
var attributes = map[record.Kind]attribute{
	record.KindQuarantine: {
		value: groups, inForce: quarantined, ours: heldInQuarantine, back: groupsBefore, resource: "interface",
	},
	record.KindIsolation: {value: edgeACL, resource: "subnet"},
	record.KindTracking:  {value: timeouts, back: timeoutsBefore, once: true, resource: "interface"},

	record.KindStandby:    {value: lifecycle, aside: true, resource: "member of an Auto Scaling group"},
	record.KindChecks:     {value: looked, aside: true, resource: "instance"},
	record.KindProtection: {value: protection, inForce: kept, ours: kept, back: volumesBefore, aside: true, resource: "instance"},
	record.KindProfile:    {value: profile, resource: "association of an instance profile"},
	record.KindMetadata:   {value: metadata, resource: "instance"},
}

func (a attribute) isInForce(seen network.Network, r record.Replacement, value []string) bool {
	if a.inForce != nil {
		return a.inForce(seen, r)
	}
	return slices.Equal(value, r.After)
}

func (a attribute) isOurs(seen network.Network, r record.Replacement, value []string) bool {
	return slices.Equal(value, r.After) || a.ours != nil && a.ours(seen, r)
}

func (a attribute) restoration(seen network.Network, r record.Replacement) restoration {
	if a.back != nil {
		return a.back(seen, r)
	}
	return restoration{value: r.Before}
}

// replace plans that an attribute gets a value, and returns how far that has come.
// The value to restore stays as it is recorded, whatever the attribute has today.
func (p *planner) replace(r record.Replacement) record.StepState {
	was, recorded := p.recorded(r.ID())
	if recorded {
		r.Before = was.Step.(record.Replacement).Before
	}
	a := attributes[r.Of]
	value, _ := a.value(p.seen, r)
	if left, there := p.leftOver(r, value); !recorded && there {
		r.Before = left.Before
	}
	refusal := p.seen.Refused[r.ID()]
	s := record.StepState{Step: r, State: record.Pending, Note: p.seen.Troubled[r.ID()]}
	switch {
	case a.isInForce(p.seen, r, value):
		r.After = value
		s = record.StepState{Step: r, State: record.Applied}
	case recorded && was.State == record.Failed && a.once:
		s.State, s.Note = record.Failed, was.Note
	case refusal.Reason != "":
		s.State, s.Note = record.Failed, refusal.Reason
	}
	p.record.Steps = append(p.record.Steps, s)
	return s
}

// restore plans the return of an attribute to its value from before. What somebody
// else has changed since is left alone.
func (p *releasePlanner) restore(s record.StepState, r record.Replacement) {
	if s.State.Final() {
		p.steps = append(p.steps, s)
		return
	}
	a := attributes[r.Of]
	value, found := a.value(p.seen, r)
	if p.untouchable(s, r, found) {
		return
	}
	back := p.wanted(a, r)
	switch ours := a.isOurs(p.seen, r, value); {
	case ours && back.refuse != "":
		p.add(s, record.Failed, back.refuse)
	case ours && p.refused(r) != "":
		p.add(s, record.Failed, "not undone: "+p.refused(r))
	case slices.Equal(value, back.value) || slices.Equal(value, r.Before) && len(p.to.ReleasedTo) == 0:
		p.settled(s, record.Restored, back.note)
	case ours:
		p.giveBack(s, r, back.value)
	default:
		p.add(s, record.ChangedElsewhere, fmt.Sprintf("somebody has set %s since: left as it is", strings.Join(value, ", ")))
	}
}

// untouchable adds the step of an attribute that can't be restored, and reports whether it
// did: another containment may need it, it could not be read, or its resource is gone.
func (p *releasePlanner) untouchable(s record.StepState, r record.Replacement, found bool) bool {
	a := attributes[r.Of]
	switch {
	case r.Of.Keeps() && !p.was.Status.Open() && !p.terms.Latest:
		p.steps = append(p.steps, s)
	case r.Of.Keeps() && (!p.seen.Exists() || p.seen.Instance.Ended()):
		p.add(s, record.Gone, "the instance does not exist any more")
	case a.aside && !found && r.Name != record.VolumesAttribute && !p.seen.Looked(r.ID()):
		p.add(s, record.Failed, "not undone: "+p.seen.Troubled[r.ID()])
	case !found:
		p.add(s, record.Gone, "the "+a.resource+" does not exist any more")
	default:
		return false
	}
	return true
}

// giveBack plans that an attribute gets a value back.
func (p *releasePlanner) giveBack(s record.StepState, r record.Replacement, value []string) {
	r.Before = value
	if r.Of == record.KindIsolation {
		r.At = p.seen.Edges.Of[r.Resource].Association
		p.opened(r)
	}
	p.reverts = append(p.reverts, r)
	p.steps = append(p.steps, s)
}

// wanted is the value that a release sets: the groups that a person has chosen, where
// there are some, else the value from before.
func (p *releasePlanner) wanted(a attribute, r record.Replacement) restoration {
	chosen := p.chosen(r)
	if r.Of != record.KindQuarantine || len(chosen) == 0 {
		return a.restoration(p.seen, r)
	}
	return restoration{value: chosen, note: "released to " + strings.Join(chosen, ", ") + ", as asked, and not to the groups before"}
}

// chosen are the groups that a person has chosen for an interface; none: those before.
func (p *releasePlanner) chosen(r record.Replacement) []string {
	i, _ := p.seen.Find(r.Resource)
	return p.to.ReleaseGroups(i.VPC)
}
