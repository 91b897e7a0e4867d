package plan

import (
	"fmt"
	"slices"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// Old reports whether a denial has been in effect for longer than ttl.
func Old(slot record.Slot, now time.Time, ttl time.Duration) bool {
	return ttl > 0 && slot.State == record.SlotApplied && now.Sub(slot.Since) >= ttl
}

// NewExpiryPlan works out which denials of a contained instance have done their work:
// older than ttl and than any flow that may have been tracked when they came, with
// every interface in quarantine, so that no flow can begin. They free places that
// other incidents need. Nothing expires of a containment that is not complete.
func NewExpiryPlan(rec record.Record, seen network.Network, slots []record.Slot, terms Terms, ttl time.Duration) ReleasePlan {
	seen.Admitted = rec.Admitted
	p := &releasePlanner{was: rec, seen: seen, terms: terms}
	quiet := rec.Status == record.Contained && len(rec.Admitted) == 0 && len(seen.Interfaces) > 0 &&
		!slices.ContainsFunc(seen.Interfaces, func(i network.Interface) bool { return !seen.Quarantined(i) })
	rec.Steps = slices.Clone(rec.Steps)
	for _, slot := range slots {
		if !slot.HeldBy(rec.Holder()) {
			continue
		}
		i := rec.DenialIn(slot.SlotKey)
		aged := i >= 0 && rec.Steps[i].State == record.Applied && quiet && Old(slot, terms.Now, max(ttl, p.tracking()))
		if p.expire(slot, aged && ttl > 0) {
			rec.Steps[i].State, rec.Steps[i].Note = record.Removed, fmt.Sprintf("expired: in effect since %s, and no interface lets anything through", record.Clock(slot.Since))
		}
	}
	plan := ReleasePlan{Record: rec, Slots: p.slots, Reverts: p.reverts}
	plan.Changed = !rec.Says(p.was) || len(p.slots) > 0
	return plan
}

// expire plans the end of one slot, and reports whether it is a new one.
func (p *releasePlanner) expire(slot record.Slot, aged bool) bool {
	acl, _ := p.seen.ACL(slot.ACL)
	entry, there := acl.At(slot.Direction, slot.Number)
	ours := there && entry == slot.Entry()
	switch {
	case slot.State == record.SlotRemoving && ours:
		p.reverts = append(p.reverts, slot.Denial())
	case slot.State == record.SlotRemoving:
		p.slots = append(p.slots, record.SlotChange{Slot: slot, Op: record.GiveUp})
	case !aged || !ours:
	case len(slot.Holders) > 1:
		p.slots = append(p.slots, record.SlotChange{Slot: slot, Op: record.GiveUp})
		return true
	default:
		p.mark(slot)
		p.reverts = append(p.reverts, slot.Denial())
		return true
	}
	return false
}
