package containment

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
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
	outcomes, err := each(holders, func(h record.Holder) (Outcome, bool, error) { return r.expire(ctx, h, slots, request) })
	slices.SortFunc(outcomes, func(a, b Outcome) int { return a.Record.Holder().Compare(b.Record.Holder()) })
	return outcomes, err
}

// allSlots are the slots of every VPC that EC2 shows an ACL of.
func (r *Releaser) allSlots(ctx context.Context) ([]record.Slot, error) {
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

// candidates are the containments that hold slots, and the open ones, sorted.
func (r *Releaser) candidates(ctx context.Context, slots []record.Slot) ([]record.Holder, error) {
	all := map[record.Holder]bool{}
	for _, s := range slots {
		for _, h := range s.Holders {
			all[h] = true
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
			all[known.Record.Holder()] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), record.Holder.Compare), nil
}

// expire works on one containment, if there is something to do.
func (r *Releaser) expire(ctx context.Context, h record.Holder, slots []record.Slot, request string) (Outcome, bool, error) {
	lctx, cancel := context.WithTimeout(ctx, r.LedgerWait)
	rec, err := r.Book.Containment(lctx, h.Instance, h.Generation)
	cancel()
	if err != nil {
		return Outcome{}, false, fmt.Errorf("reading containment %d of %s: %w", h.Generation, h.Instance, err)
	}
	if rec == nil || !r.due(*rec, slots) {
		return Outcome{}, false, nil
	}
	ask := Ask{Instance: h.Instance, Reason: "expired", Request: request}
	if rec.Status == record.Releasing {
		ask.Reason = "the release went on"
	}
	c := r.begin(ask, h.Generation, record.Expire)
	out, err := c.run(ctx)
	return out, c.moved || err != nil, err
}

// due reports whether a containment has something that may be removed by now.
func (r *Releaser) due(rec record.Record, slots []record.Slot) bool {
	if rec.Status == record.Releasing {
		return true
	}
	now := r.Now()
	return slices.ContainsFunc(slots, func(slot record.Slot) bool {
		if !slot.HeldBy(rec.Holder()) {
			return false
		}
		if slot.State == record.SlotRemoving {
			return true
		}
		if rec.Status.Open() {
			return rec.Status == record.Contained && plan.Old(slot, now, r.DenialTTL)
		}
		i := rec.DenialIn(slot.SlotKey)
		return i < 0 || !rec.Steps[i].Until.After(now)
	})
}
