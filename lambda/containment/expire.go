package containment

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Expire finishes what releases have left: releases that were cut off, denials
// that linger and whose flows can't revive any more, and, with a DenialTTL, denials
// of contained instances that nothing needs. It returns what it worked on.
func (r *Releaser) Expire(ctx context.Context, request string) ([]Outcome, error) {
	slots, err := r.allSlots(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for denials to expire: %w", err)
	}
	holders, err := r.candidates(ctx, slots)
	if err != nil {
		return nil, fmt.Errorf("looking for denials to expire: %w", err)
	}
	outcomes, err := each(holders, func(h holder) (Outcome, bool, error) { return r.expire(ctx, h, slots, request) })
	slices.SortFunc(outcomes, func(a, b Outcome) int { return strings.Compare(a.Record.Holder(), b.Record.Holder()) })
	return outcomes, err
}

// allSlots are the slots of every VPC that EC2 shows an ACL of.
func (r *Releaser) allSlots(ctx context.Context) ([]Slot, error) {
	acls, err := r.EC2.ACLs(ctx)
	if err != nil {
		return nil, err
	}
	vpcs := map[string]bool{}
	for _, a := range acls {
		vpcs[a.VPC] = true
	}
	ctx, cancel := context.WithTimeout(ctx, r.LedgerWait)
	defer cancel()
	return r.Book.Slots(ctx, slices.Sorted(maps.Keys(vpcs)))
}

// A holder is a containment by instance and generation.
type holder struct {
	instance   string
	generation int
}

// parseHolder reads what Record.Holder writes.
func parseHolder(s string) (holder, bool) {
	instance, generation, ok := strings.Cut(s, "#")
	n, err := strconv.Atoi(generation)
	return holder{instance, n}, ok && err == nil && n > 0
}

// candidates are the containments that hold slots, and the open ones, sorted.
func (r *Releaser) candidates(ctx context.Context, slots []Slot) ([]holder, error) {
	all := map[holder]bool{}
	for _, s := range slots {
		for _, name := range s.Holders {
			if h, ok := parseHolder(name); ok {
				all[h] = true
			}
		}
	}
	lctx, cancel := context.WithTimeout(ctx, r.LedgerWait)
	defer cancel()
	open, err := r.Book.Open(lctx)
	if err != nil {
		return nil, err
	}
	for _, instance := range open {
		known, err := r.Ledger.Load(ctx, instance, nil)
		if err != nil {
			return nil, err
		}
		if known.Record != nil && known.Record.Status.Open() {
			all[holder{instance, known.Record.Generation}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b holder) int {
		if a.instance != b.instance {
			return strings.Compare(a.instance, b.instance)
		}
		return a.generation - b.generation
	}), nil
}

// expire works on one containment, if there is something to do.
func (r *Releaser) expire(ctx context.Context, h holder, slots []Slot, request string) (Outcome, bool, error) {
	lctx, cancel := context.WithTimeout(ctx, r.LedgerWait)
	rec, err := r.Book.Containment(lctx, h.instance, h.generation)
	cancel()
	if err != nil {
		return Outcome{}, false, fmt.Errorf("reading containment %d of %s: %w", h.generation, h.instance, err)
	}
	if rec == nil || !r.due(*rec, slots) {
		return Outcome{}, false, nil
	}
	ask := Ask{Instance: h.instance, Reason: "expired", Request: request}
	if rec.Status == Releasing {
		ask.Reason = "the release went on"
	}
	c := r.start(ask, h.generation, Expire)
	out, err := c.run(ctx)
	return out, c.moved || err != nil, err
}

// due reports whether a containment has something that may be removed by now.
func (r *Releaser) due(rec Record, slots []Slot) bool {
	if rec.Status == Releasing {
		return true
	}
	now := r.Now()
	return slices.ContainsFunc(slots, func(slot Slot) bool {
		if !slot.heldBy(rec.Holder()) {
			return false
		}
		if slot.State == SlotRemoving {
			return true
		}
		if rec.Status.Open() {
			return rec.Status == Contained && old(slot, now, r.DenialTTL)
		}
		i := rec.denialIn(slot.SlotKey)
		return i < 0 || !rec.Steps[i].Until.After(now)
	})
}

// old reports whether a denial has been in effect for longer than ttl.
func old(slot Slot, now time.Time, ttl time.Duration) bool {
	return ttl > 0 && slot.State == SlotApplied && now.Sub(slot.Since) >= ttl
}

// NewExpiry works out which denials of a contained instance have done their work:
// older than ttl and than any flow that may have been tracked when they came, with
// every interface in quarantine, so that no flow can begin. They free places that
// other incidents need. Nothing expires of a containment that is not complete.
func NewExpiry(rec Record, seen Network, slots []Slot, terms Terms, ttl time.Duration) ReleasePlan {
	p := &releaser{was: rec, seen: seen, terms: terms}
	quiet := rec.Status == Contained && len(seen.Interfaces) > 0 &&
		!slices.ContainsFunc(seen.Interfaces, func(i Interface) bool { return !seen.quarantined(i) })
	rec.Steps = slices.Clone(rec.Steps)
	for _, slot := range slots {
		if !slot.heldBy(rec.Holder()) {
			continue
		}
		i := rec.denialIn(slot.SlotKey)
		aged := i >= 0 && rec.Steps[i].State == Applied && quiet && old(slot, terms.Now, max(ttl, p.tracking()))
		if p.expire(slot, aged && ttl > 0) {
			rec.Steps[i].State, rec.Steps[i].Note = Removed, fmt.Sprintf("expired: in effect since %s, and no interface lets anything through", clock(slot.Since))
		}
	}
	plan := ReleasePlan{Record: rec, Slots: p.slots, Reverts: p.reverts}
	plan.Changed = !rec.says(p.was) || len(p.slots) > 0
	return plan
}

// expire plans the end of one slot, and reports whether it is a new one.
func (p *releaser) expire(slot Slot, aged bool) bool {
	acl, _ := p.seen.acl(slot.ACL)
	entry, there := acl.at(slot.Direction, slot.Number)
	ours := there && entry == slot.entry()
	switch {
	case slot.State == SlotRemoving && ours:
		p.reverts = append(p.reverts, slot.denial())
	case slot.State == SlotRemoving:
		p.slots = append(p.slots, SlotChange{slot, GiveUp})
	case !aged || !ours:
	case len(slot.Holders) > 1:
		p.slots = append(p.slots, SlotChange{slot, GiveUp})
		return true
	default:
		p.mark(slot)
		p.reverts = append(p.reverts, slot.denial())
		return true
	}
	return false
}
