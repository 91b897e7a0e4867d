package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// MaxInvocation bounds how long one invocation of either function takes: both have
// this timeout. What an invocation has recorded and not finished after that time,
// it won't.
const MaxInvocation = 2 * time.Minute

// Terms are what a release's plan depends on beside record and network.
type Terms struct {
	Now   time.Time
	Began time.Time // when the release was asked for
	Force bool      // remove denials whose flows may revive
	Untag bool      // take our tags away, although the record is closed already

	// ToGroups are what a person has chosen to release to; none: the groups before.
	ToGroups []record.ReleaseGroup

	// Latest says that nothing has contained the instance since. What an earlier
	// containment made beside the cut belongs to the later one by then.
	Latest bool

	Unreadable []record.SlotKey // places whose items in the ledger can't be read
}

// A ReleasePlan is a record as its release leaves it next, what has to be changed
// in the ledger to get there, and what then has to be undone in EC2.
type ReleasePlan struct {
	Record   record.Record
	FromTags bool // the ledger has no record: this one is made from tags, and is not stored
	Slots    []record.SlotChange
	Changed  bool                // the ledger does not say so yet
	Reverts  []record.Step       // to undo now, once the ledger has the plan
	Later    []record.Step       // to undo once these are undone
	Asks     []record.Step       // to ask of the host, once nothing is left to undo
	Untags   map[string][]string // tag keys to remove in the end, by resource
}

// NewReleasePlan works out the next move of a containment's release from its record,
// the network as observed and the slots as read. It makes no calls, and is a
// function of its arguments alone: planned again after its reverts were carried
// out, it shows them as done and has nothing left to do.
//
// What no longer looks as recorded is left alone, and so is what somebody else
// still needs. A denial whose flow EC2 may still track lingers: removed now, it
// would revive the flow. So does a step whose invocation may still be under way
// and apply it after this look; the release stays open until then.
//
// An entry is removed in two moves. First its slot is marked, on the condition
// that nobody else holds it: from then on nobody can come to rely on it. Only then
// it is removed, and only when a look shows it gone is the slot free.
func NewReleasePlan(rec record.Record, seen network.Network, slots []record.Slot, terms Terms) ReleasePlan {
	seen.Admitted = rec.Admitted
	p := &releasePlanner{was: rec, seen: seen, terms: terms, to: rec}
	if len(terms.ToGroups) > 0 && rec.Status.Open() {
		p.to.ReleasedTo = terms.ToGroups
	}
	for _, s := range rec.Steps {
		p.undo(s, slots)
	}
	p.unlisted(slots)
	return p.result()
}

type releasePlanner struct {
	was     record.Record
	seen    network.Network
	terms   Terms
	to      record.Record // with the groups to release to
	steps   []record.StepState
	slots   []record.SlotChange
	reverts []record.Step
	revived []record.Exposure
	later   []record.Step // to undo once the others are
}

func (p *releasePlanner) add(s record.StepState, state record.State, note string) {
	s.State, s.Note = state, note
	if state != record.Lingering && state != record.Pending {
		s.Until = time.Time{} // nothing left to wait for
	}
	p.steps = append(p.steps, s)
}

func (p *releasePlanner) undo(s record.StepState, slots []record.Slot) {
	if s.State == record.Pending && s.Until.IsZero() {
		// Whoever recorded it may be about to apply it.
		s.Until = p.terms.Now.Add(MaxInvocation)
	}
	switch step := s.Step.(type) {
	case record.Replacement:
		p.restore(s, step)
	case record.Denial:
		p.undoDenial(s, step, slots)
	case record.Creation: // what was made stays; the host is asked in the end
		if s.State == record.Pending && s.Step.Kind().Keeps() && !p.unsettled(s) {
			s.State, s.Note, s.Until = record.Gone, "nobody has seen that it was made", time.Time{}
		}
		p.steps = append(p.steps, s)
	}
}

func (p *releasePlanner) undoDenial(s record.StepState, d record.Denial, slots []record.Slot) {
	i := slices.IndexFunc(slots, func(o record.Slot) bool { return o.SlotKey == d.Slot() && o.HeldBy(p.was.Holder()) })
	switch {
	case i >= 0:
		p.remove(s, slots[i])
	case slices.Contains(p.terms.Unreadable, d.Slot()) && !s.State.Final():
		// Who needs the entry isn't known. Once that can be read, what expires finds it.
		p.add(s, s.State, "the ledger can't say who holds it: left as it is")
	default:
		p.letGo(s)
	}
}

// unsettled reports whether somebody may still apply the step.
func (p *releasePlanner) unsettled(s record.StepState) bool {
	return s.State == record.Pending && s.Until.After(p.terms.Now)
}

// settled adds a step that is undone, unless it may yet be applied.
func (p *releasePlanner) settled(s record.StepState, state record.State, note string) {
	if !p.unsettled(s) {
		p.add(s, state, note)
		return
	}
	p.add(s, record.Pending, fmt.Sprintf("undone; but an invocation may be under way that applies it once more until %s", record.Clock(s.Until)))
}

// letGo settles a denial that this containment does not hold any more, or never did.
func (p *releasePlanner) letGo(s record.StepState) {
	switch {
	case s.State.Final():
		p.steps = append(p.steps, s)
	case s.State == record.Failed:
		p.add(s, record.Gone, "was never made: "+s.Note)
	default:
		p.add(s, record.Gone, "the containment does not hold it")
	}
}

// remove plans what becomes of a slot that this containment holds.
func (p *releasePlanner) remove(s record.StepState, slot record.Slot) {
	acl, known := p.seen.ACL(slot.ACL)
	entry, there := acl.At(slot.Direction, slot.Number)
	switch leaving := slot.State == record.SlotRemoving; {
	case !known:
		p.giveUp(s, slot, record.Gone, "the network ACL does not exist any more")
	case there && entry != slot.Entry():
		p.giveUp(s, slot, record.ChangedElsewhere, "somebody has changed the entry since: left as it is")
	case there && leaving:
		p.reverts = append(p.reverts, s.Step)
		p.steps = append(p.steps, s)
	case there:
		p.lift(s, slot)
	case leaving:
		p.giveUp(s, slot, record.Removed, s.Note)
	default:
		p.giveUp(s, slot, record.Gone, "somebody has removed the entry")
	}
}

// lift plans what becomes of a denial that is in effect: it lingers while it may
// still cut something, stays for those who need it, or goes.
func (p *releasePlanner) lift(s record.StepState, slot record.Slot) {
	until := slot.Since.Add(p.tracking())
	if s.State == record.Lingering && !s.Until.IsZero() {
		until = s.Until
	}
	revives := until.After(p.terms.Now)
	others := slot.Without(p.was.Holder()).Holders
	switch {
	case revives && !p.terms.Force:
		s.Until = until
		p.add(s, record.Lingering, fmt.Sprintf("a connection with %s that stood before may still be tracked, and would revive", slot.Prefix))
	case len(others) > 0:
		p.giveUp(s, slot, record.Removed, fmt.Sprintf("its hold is given up; the entry stays, since %s needs it", names(others)))
	default:
		s.Note = ""
		if revives {
			s.Note = fmt.Sprintf("by force: a connection with %s may revive until %s", slot.Prefix, record.Clock(until))
			p.revive(slot, until)
		}
		p.mark(slot)
		p.reverts = append(p.reverts, s.Step)
		p.steps = append(p.steps, s)
	}
}

// names lists holders for people.
func names(holders []record.Holder) string {
	var all []string
	for _, h := range holders {
		all = append(all, h.String())
	}
	return strings.Join(all, ", ")
}

func (p *releasePlanner) revive(slot record.Slot, until time.Time) {
	p.revived = append(p.revived, record.Exposure{Kind: record.MayRevive, Detail: fmt.Sprintf(
		"%s no longer denies %s %s: a connection that stood before may revive until %s", slot.ACL, slot.Prefix, slot.Direction, record.Clock(until))})
}

func (p *releasePlanner) giveUp(s record.StepState, slot record.Slot, state record.State, note string) {
	if p.unsettled(s) && (state == record.Gone || state == record.Removed) {
		// An entry that may yet be made has to stay ours until then.
		p.settled(s, state, note)
		return
	}
	p.slots = append(p.slots, record.SlotChange{Slot: slot, Op: record.GiveUp})
	p.add(s, state, note)
}

// mark takes the first of the two moves that remove an entry.
func (p *releasePlanner) mark(slot record.Slot) {
	slot.State = record.SlotRemoving
	p.slots = append(p.slots, record.SlotChange{Slot: slot, Op: record.Remove})
}

// unlisted removes what the containment holds and its steps don't show: a release
// that a newer containment overtook left it behind.
func (p *releasePlanner) unlisted(slots []record.Slot) {
	for _, slot := range slots {
		if !slot.HeldBy(p.was.Holder()) || p.was.DenialIn(slot.SlotKey) >= 0 {
			continue
		}
		shown := len(p.steps)
		p.remove(record.StepState{Step: slot.Denial(), State: record.Applied}, slot)
		p.steps = p.steps[:shown] // not one of the record's own
	}
}

// result is what all of it comes to.
func (p *releasePlanner) result() ReleasePlan {
	p.holdExit()
	rec := p.was
	rec.Steps, rec.ReleasedTo = p.steps, p.to.ReleasedTo
	if rec.Status.Open() {
		p.settleStatus(&rec)
	}
	if rec.Status == record.Released {
		rec.Admitted = nil
	}
	for _, e := range p.revived {
		if !slices.Contains(rec.Exposure, e) {
			rec.Exposure = append(slices.Clone(rec.Exposure), e)
		}
	}
	var asks []record.Step
	if (rec.Status == record.Released || rec.Status == record.Closed) && p.terms.Latest {
		asks = p.takeDown(&rec)
		p.exitLast(&rec)
	}
	plan := ReleasePlan{Record: rec, Slots: p.slots, Reverts: p.reverts, Asks: asks, Later: p.later}
	plan.Changed = !rec.Says(p.was) || len(p.slots) > 0
	if rec.Status == record.Released && (p.was.Status.Open() || p.terms.Untag) {
		plan.Untags = p.untags()
	}
	return plan
}

// settleStatus says how an open record stands after the move.
func (p *releasePlanner) settleStatus(rec *record.Record) {
	// What was left open is no question any more; what may be ours still is.
	rec.Exposure = slices.DeleteFunc(slices.Clone(rec.Exposure), func(e record.Exposure) bool {
		return e.Kind != record.UnclaimedDenial && e.Kind != record.MayRevive
	})
	rec.Status = record.Released
	if len(p.reverts) > 0 || slices.ContainsFunc(p.steps, p.unsettled) {
		rec.Status = record.Releasing
	}
	if p.was.Status != record.Releasing {
		rec.Released = p.terms.Began
	}
}

// untags are our tags on what is released.
func (p *releasePlanner) untags() map[string][]string {
	tags := map[string][]string{}
	for _, s := range p.steps {
		q, ok := record.AsQuarantine(s.Step)
		if i, found := p.seen.Find(q.Resource); ok && found && s.State.Final() && len(i.Originals) > 0 {
			tags[i.ID] = network.OriginalsKeys(i.Originals)
		}
	}
	if keys := network.OurKeys(p.seen.Instance.Tags); len(keys) > 0 {
		tags[p.seen.Instance.ID] = keys
	}
	return tags
}

// Preview is the plan as a dry run shows it.
func (p ReleasePlan) Preview() record.Record {
	rec := p.Record
	rec.Steps = slices.Clone(rec.Steps)
	for i, s := range rec.Steps {
		for _, r := range slices.Concat(p.Reverts, p.Later) {
			if r.ID() == s.Step.ID() {
				rec.Steps[i] = record.StepState{Step: r, State: record.Planned, Note: "would be undone"}
			}
		}
	}
	return rec
}
