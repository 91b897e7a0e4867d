package containment

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

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
	outcomes, err := each(holders, func(h holder) (Outcome, bool, error) { return r.expire(ctx, h, slots, request) })
	slices.SortFunc(outcomes, func(a, b Outcome) int { return strings.Compare(a.Record.Holder(), b.Record.Holder()) })
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
func (r *Releaser) candidates(ctx context.Context, slots []record.Slot) ([]holder, error) {
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
func (r *Releaser) expire(ctx context.Context, h holder, slots []record.Slot, request string) (Outcome, bool, error) {
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
	if rec.Status == record.Releasing {
		ask.Reason = "the release went on"
	}
	c := r.start(ask, h.generation, record.Expire)
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
