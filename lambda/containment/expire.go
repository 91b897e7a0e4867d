package containment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"tourniquet/lambda/network"
	"tourniquet/lambda/order"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// Expire finishes what releases have left: releases that were cut off, denials
// that linger and whose flows can't revive any more, and, with a DenialTTL, denials
// of contained instances that nothing needs. It returns what it worked on. What can't
// be read keeps nothing else from being finished; the errors are joined.
func (r *Releaser) Expire(ctx context.Context, request string) ([]Outcome, error) {
	slots, missing := r.allSlots(ctx)
	open, err := within(ctx, r.LedgerWait, r.Book.Open)
	if missing = errors.Join(missing, err); missing != nil {
		missing = fmt.Errorf("looking for denials to expire: %w", missing)
	}
	var latest sync.Map // record.Holder: the last containment of an instance, where it was asked for
	due, unread := gather(candidates(slots, open), func(h record.Holder) ([]record.Record, error) {
		rec, err := r.read(ctx, h)
		if rec != nil && h.Generation == 0 {
			latest.Store(rec.Holder(), true)
		}
		isOpen := rec != nil && rec.Status.Open() && slices.Contains(open, h.Instance)
		if err != nil || rec == nil || isOpen && h.Generation > 0 || !r.due(*rec, slots, h.Generation == 0) { // an open one is there by itself
			return nil, err
		}
		return []record.Record{*rec}, nil
	})
	order.Sort(due, byHolder)
	due = slices.CompactFunc(due, func(a, b record.Record) bool { return a.Holder() == b.Holder() })
	due, unseen := r.withoutIdle(ctx, due, slots)
	outcomes, err := each(due, func(rec record.Record) (Outcome, bool, error) {
		_, is := latest.Load(rec.Holder())
		return r.expireOne(ctx, rec, request, is)
	})
	order.Sort(outcomes, func(a, b Outcome) int { return a.Record.Holder().Compare(b.Record.Holder()) })
	return outcomes, errors.Join(missing, unread, unseen, err)
}

func byHolder(a, b record.Record) int { return a.Holder().Compare(b.Holder()) }

// withoutIdle leaves out the contained instances whose denials are still needed, by a
// look at all of them in bulk. Without that look it leaves out all of them: what expires by
// age can wait for the next time.
func (r *Releaser) withoutIdle(ctx context.Context, due []record.Record, slots []record.Slot) ([]record.Record, error) {
	var targets []network.Target
	for _, rec := range due {
		if rec.Status == record.Contained {
			targets = append(targets, network.Target{Instance: rec.Instance, ACLs: rec.Target().ACLs, Look: network.Standing})
		}
	}
	if len(targets) == 0 {
		return due, nil
	}
	seen, err := r.EC2.Survey(ctx, targets)
	if err != nil {
		err = fmt.Errorf("observing %d instances: %w", len(targets), err)
	}
	return slices.DeleteFunc(due, func(rec record.Record) bool {
		if rec.Status != record.Contained {
			return false
		}
		n, shown := seen[rec.Instance]
		if !shown {
			return err != nil
		}
		p := plan.NewExpiryPlan(rec, n, slots, plan.Terms{Now: r.Now().UTC()}, r.DenialTTL)
		return !p.Changed && len(p.Reverts) == 0
	}), err
}

// allSlots are the slots of every VPC that may have some: those that EC2 shows an ACL
// of, and those that the ledger has marked, since EC2 shows nothing of a VPC that is
// deleted. Each is read by itself.
func (r *Releaser) allSlots(ctx context.Context) ([]record.Slot, error) {
	marked, err := within(ctx, r.LedgerWait, r.Book.VPCs)
	acls, aclErr := r.EC2.ACLs(ctx)
	vpcs, shown := map[string]bool{}, map[string]bool{}
	for _, vpc := range marked {
		vpcs[vpc] = true
	}
	for _, a := range acls {
		vpcs[a.VPC], shown[a.VPC] = true, true
	}
	slots, slotErr := gather(slices.Collect(maps.Keys(vpcs)), func(vpc string) ([]record.Slot, error) {
		slots, err := within(ctx, r.LedgerWait, func(ctx context.Context) ([]record.Slot, error) { return r.Book.Slots(ctx, []string{vpc}) })
		isMarked := slices.Contains(marked, vpc)
		switch {
		case shown[vpc] && !isMarked && len(slots) > 0, // to find them when the VPC is deleted
			!shown[vpc] && isMarked && len(slots) == 0 && err == nil && aclErr == nil:
			err = errors.Join(err, r.mark(ctx, vpc, !isMarked))
		}
		return slots, err
	})
	return slots, errors.Join(err, aclErr, slotErr)
}

func (r *Releaser) mark(ctx context.Context, vpc string, used bool) error {
	ctx, cancel := context.WithTimeout(ctx, r.LedgerWait)
	defer cancel()
	return r.Book.MarkVPC(ctx, vpc, used)
}

// candidates are the containments that hold slots, and the latest ones (generation 0)
// of instances with an open one, sorted.
func candidates(slots []record.Slot, open []string) []record.Holder {
	all := map[record.Holder]bool{}
	for _, s := range slots {
		for _, h := range s.Holders {
			all[h] = true
		}
	}
	for _, instance := range open {
		all[record.Holder{Instance: instance}] = true
	}
	return order.Sorted(maps.Keys(all), record.Holder.Compare)
}

// read is the containment of a candidate; nil when there is none.
func (r *Releaser) read(ctx context.Context, h record.Holder) (*record.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, r.LedgerWait)
	defer cancel()
	if h.Generation > 0 {
		rec, err := r.Book.Containment(ctx, h.Instance, h.Generation)
		if err != nil {
			return nil, fmt.Errorf("reading containment %s: %w", h, err)
		}
		return rec, nil
	}
	known, err := r.Ledger.Load(ctx, h.Instance, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the containment of %s: %w", h.Instance, err)
	}
	if known.Record == nil || !known.Record.Unsettled() {
		return nil, nil
	}
	return known.Record, nil
}

// expireOne works on one containment.
func (r *Releaser) expireOne(ctx context.Context, rec record.Record, request string, latest bool) (Outcome, bool, error) {
	ask := Ask{Instance: rec.Instance, Reason: "expired", Request: request}
	switch {
	case rec.Status == record.Releasing:
		ask.Reason = "the release went on"
	case !rec.Status.Open() && rec.Unsettled():
		ask.Reason = "what was made beside the cut is undone"
	}
	c := r.begin(ask, rec.Generation, record.Expire)
	c.earlier = !latest
	out, err := c.run(ctx)
	return out, c.moved || err != nil, err
}

// due reports whether a containment has something that may be removed by now.
func (r *Releaser) due(rec record.Record, slots []record.Slot, latest bool) bool {
	if rec.Status == record.Releasing || latest && !rec.Status.Open() && rec.Unsettled() {
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
