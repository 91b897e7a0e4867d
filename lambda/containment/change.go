package containment

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// change is the plan as the ledger is to take it.
func (c *run) change(plan Plan) Change {
	now := c.Now().UTC()
	rec := plan.Record
	if rec.Version == 0 {
		rec.Opened = now
	}
	if rec.Contained.IsZero() && (rec.Status == Contained || rec.Status == PartiallyContained) {
		rec.Contained = now
	}
	rec.Updated = now
	change := Change{Record: rec, Slots: plan.Slots, Event: c.event(plan)}
	for i := range change.Slots {
		change.Slots[i].Slot.Since = now
	}
	if rec.Version == 0 && rec.Status.Open() && !rec.ByPerson {
		change.Count, change.Limit = 1, c.Policy.MaxContained
		if c.in.Adopt { // contained already
			change.Limit = math.MaxInt32
		}
	}
	return change
}

// event is the line of history for a change: each step that the ledger has not
// had in this state.
func (c *run) event(plan Plan) Event {
	rec := plan.Record
	e := Event{
		Instance: rec.Instance, Time: c.Now().UTC(), ID: fmt.Sprintf("g%d-v%d", rec.Generation, rec.Version+1),
		Verdict: Contain, Reason: c.in.Reason, Request: c.in.Request,
	}
	switch {
	case rec.Status == Observed:
		e.Verdict = ObservedOnly
	case c.in.Repair || c.in.Adopt:
		e.Verdict = Reconcile
	}
	if len(c.in.Findings) > 0 {
		e.Finding = c.in.Findings[0].ID
	}
	var was Record
	if c.known.Record != nil {
		was = *c.known.Record
	}
	e.Changes = changes(was, rec)
	return e
}

// tags are the second copy of the originals, on the interfaces, before their
// groups change, and in the end the status on the instance. Without the ledger the
// instance's also say who the peers are.
func (p Plan) tags(seen Network, unrecorded bool) map[string]map[string]string {
	tags := map[string]map[string]string{}
	if p.Record.Status == Observed {
		return tags
	}
	for _, s := range p.Record.Steps {
		q, ok := s.Step.(Quarantine)
		if !ok || s.State != Pending || len(q.Before) == 0 {
			continue
		}
		for _, i := range seen.Interfaces {
			if i.ID == q.Interface && !slices.Equal(i.Originals, q.Before) {
				tags[i.ID] = originalsTags(q.Before)
			}
		}
	}
	if mine := p.marks(seen.Instance, unrecorded); len(mine) > 0 {
		tags[seen.Instance.ID] = mine
	}
	return tags
}

// marks are the instance's own tags, as far as it doesn't carry them yet.
func (p Plan) marks(i Instance, unrecorded bool) map[string]string {
	mine := map[string]string{}
	if unrecorded {
		mine = peersTags(p.Record.Peers)
	}
	if p.Record.Status != Containing {
		mine[StatusTag] = string(p.Record.Status)
	}
	maps.DeleteFunc(mine, func(key, value string) bool { is, set := i.Tags[key]; return set && is == value })
	return mine
}

// observed is the plan as observe mode records it: shown, not carried out. Beside
// an open containment it is not recorded at all.
func (p Plan) observed(known Known) Plan {
	p.Slots = nil
	for i := range p.Record.Steps {
		if p.Record.Steps[i].State == Pending {
			p.Record.Steps[i].State = Planned
		}
	}
	if known.open() != nil {
		p.Changed = false
		return p
	}
	p.Record.Status = Observed
	if last := known.Record; last != nil && last.Status == Observed {
		p.Record.Generation, p.Record.Version = last.Generation, last.Version
		p.Record.Opened = last.Opened
		p.Record.Findings = mergeFindings(last.Findings, p.Record.Findings)
		p.Changed = !p.Record.says(*last)
	}
	return p
}

// after is what is known once a change has been made.
func (k Known) after(c Change) Known {
	rec := c.Record
	rec.Version++
	slots := slices.Clone(k.Slots)
	for _, ch := range c.Slots {
		slots = slices.DeleteFunc(slots, func(s Slot) bool { return s.SlotKey == ch.Slot.SlotKey })
		if ch.Op != GiveUp {
			slots = append(slots, ch.Slot)
		} else if left := ch.Slot.without(rec.Holder()); len(left.Holders) > 0 {
			slots = append(slots, left)
		}
	}
	return Known{Record: &rec, Slots: slots}
}

// without is the slot with one holder less.
func (s Slot) without(holder string) Slot {
	s.Holders = slices.DeleteFunc(slices.Clone(s.Holders), func(h string) bool { return h == holder })
	return s
}

func subset(inner, outer []string) bool {
	for _, s := range inner {
		if !slices.Contains(outer, s) {
			return false
		}
	}
	return true
}
