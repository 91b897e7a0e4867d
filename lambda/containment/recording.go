package containment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// record writes the plan down before any of it is applied, and has new quarantine
// groups emptied meanwhile. It returns the steps to apply then.
func (c *containing) record(ctx context.Context, p plan.Plan, seen network.Network, known record.Known, empty emptying) ([]record.Step, error) {
	emptied := make(chan error, 1)
	parallel.Go(func() { emptied <- empty(ctx) })
	missing, err := c.writeDown(ctx, p, seen, known)
	if failed := <-emptied; err == nil {
		err = failed
	}
	return missing, err
}

// writeDown writes the plan into the ledger and beside it into tags. One of the two must
// hold the originals.
func (c *containing) writeDown(ctx context.Context, p plan.Plan, seen network.Network, known record.Known) ([]record.Step, error) {
	if err := c.count(ctx, known); err != nil {
		return c.toApply(p), err
	}
	change := c.change(p, known)
	err, tagErr := c.write(ctx, change, p, seen)
	if tagErr != nil {
		c.rounds.warn(ctx, fmt.Errorf("tagging: %w", tagErr))
	} else {
		c.tagged(p.Tags(seen, c.unrecorded)[c.in.Instance])
	}
	switch {
	case record.Decided(err):
		return c.toApply(p), err
	case c.unrecorded && tagErr != nil && len(c.toApply(p)) > 0:
		return c.toApply(p), fmt.Errorf("neither the ledger nor tags hold the originals: %w", tagErr)
	case err != nil:
		if err := c.tagsAlone(ctx, p, seen, known, err, tagErr); err != nil {
			return c.toApply(p), err
		}
	}
	if p.Changed {
		c.remembered = known.After(change)
	}
	if len(change.Owed) > 0 {
		told := record.TellOf(&change.Record)
		c.told, c.since = &told, len(c.applied)
		c.owed = append(c.owed, change.Owed...)
	}
	return c.toApply(p), nil
}

// tagged notes what the instance is tagged with now, for the next observation does not
// read it.
func (c *containing) tagged(tags map[string]string) {
	all := maps.Clone(c.last.Instance.Tags)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, tags)
	c.last.Instance.Tags = all
}

// toApply are the plan's pending steps. Without the ledger only those are applied that
// tags alone can take back. What comes beside the cut is not tried for ever.
func (c *containing) toApply(p plan.Plan) []record.Step {
	return slices.DeleteFunc(p.ToDo(), func(s record.Step) bool {
		return c.unrecorded && !s.Kind().HeldByTags() || !s.Kind().Decides() && c.beside.done(s)
	})
}

// change is the plan as the ledger is to take it.
func (c *containing) change(p plan.Plan, known record.Known) record.Change {
	e := record.Event{Verdict: record.Contain, Reason: c.in.Reason, Request: c.in.Request}
	switch {
	case c.preview:
		e.Verdict = record.ObservedOnly
	case c.in.Trigger.Reconciles():
		e.Verdict = record.Reconcile
	}
	if len(c.in.Findings) > 0 {
		e.Finding = c.in.Findings[0].ID
	}
	change := record.NewChange(known.Record, p.Record, p.Slots, c.r.Now(), e)
	change.Limit = c.r.Policy.MaxContained
	if c.in.Trigger == plan.ByAdoption { // contained already
		change.Limit = math.MaxInt32
	}
	if p.Changed {
		told := record.TellOf(known.Record)
		if c.told != nil {
			told = *c.told
		}
		change.Owed = record.Owing(told, c.applied[c.since:], change)
	}
	return change
}

// write writes to the ledger and the tags side by side. Once the ledger has the
// plan, its second copy must not hold up the cut for long: what is late goes on beside it.
func (c *containing) write(ctx context.Context, change record.Change, p plan.Plan, seen network.Network) (err, tagErr error) {
	tags, wait := c.tags(p, seen), c.r.LedgerWait
	scarce := c.r.EC2.Scarce() && !c.unrecorded
	tagged := make(chan error, 1)
	tag := sync.OnceFunc(func() { parallel.Go(func() { tagged <- c.r.EC2.Tag(ctx, tags) }) })
	if scarce { // what the ledger refuses need not be tagged
		wait = min(wait, scarceTagWait)
	} else {
		tag()
	}
	err = c.commit(ctx, change, p.Changed)
	if scarce && record.Decided(err) {
		return err, nil
	}
	tag()
	if err != nil || c.unrecorded {
		return err, <-tagged
	}
	select {
	case tagErr = <-tagged:
		return nil, tagErr
	case <-time.After(wait):
		c.late = append(c.late, tagged)
		return nil, nil
	}
}

// tags are those to set. While EC2 throttles, the copy of the originals is left to the
// invocation that has just recorded them: it is about to write it.
func (c *containing) tags(p plan.Plan, seen network.Network) map[string]map[string]string {
	tags := p.Tags(seen, c.unrecorded)
	open := c.remembered.Open()
	if open == nil || c.unrecorded || !c.r.EC2.Scarce() || c.r.Now().Sub(open.Updated) > othersTag {
		return tags
	}
	for _, i := range seen.Interfaces {
		if _, recorded := open.Step(record.QuarantineOf(i.ID, nil, "").ID()); recorded {
			delete(tags, i.ID)
		}
	}
	return tags
}

// othersTag is by when an invocation has tagged what it has recorded. Lambda repeats one
// that has not after a minute at the earliest.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
const othersTag = 30 * time.Second

// scarceTagWait is how long the tags may hold up the cut while EC2 throttles: in a burst,
// the bucket for tags is the first one to be empty.
const scarceTagWait = 500 * time.Millisecond

// finishTags waits for the tags that were late.
func (c *containing) finishTags(ctx context.Context) {
	for _, tagged := range c.late {
		select {
		case err := <-tagged:
			if err != nil {
				c.rounds.warn(ctx, fmt.Errorf("tagging: %w", err))
			}
		case <-ctx.Done():
			c.rounds.warn(ctx, fmt.Errorf("tagging: %w", ctx.Err()))
		case <-time.After(lateTagWait):
			c.rounds.warn(ctx, errors.New("tagging: EC2 did not answer in time"))
		}
	}
}

// lateTagWait bounds the wait for late tags at the end of an invocation.
const lateTagWait = 20 * time.Second

// commit writes a change that is needed, and keeps whether the ledger has taken it.
func (c *containing) commit(ctx context.Context, change record.Change, needed bool) error {
	c.written = false
	if !needed || c.unrecorded {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.r.LedgerWait)
	defer cancel()
	err := c.r.Ledger.Commit(ctx, change)
	c.written = err == nil
	return err
}

// withoutLedger goes on without the ledger: a host that stays connected is worse
// than a record that has to be made up for later.
func (c *containing) withoutLedger(ctx context.Context, err error) {
	c.unrecorded = true
	c.rounds.warnings = append(c.rounds.warnings, err.Error())
	c.r.Log.ErrorContext(ctx, "ledger unavailable, going on without", "instance", c.in.Instance, "err", err)
}

// tagsAlone goes on after the ledger has failed to take a plan, if the tags hold its
// originals. Reconciling doesn't: it is there to bring the ledger up to date.
func (c *containing) tagsAlone(ctx context.Context, p plan.Plan, seen network.Network, known record.Known, cause, tagErr error) error {
	if tagErr != nil || c.in.Trigger.Reconciles() || c.preview {
		return errors.Join(cause, tagErr)
	}
	c.withoutLedger(ctx, fmt.Errorf("writing the ledger: %w", cause))
	if err := c.count(ctx, known); err != nil {
		return err
	}
	if err := c.r.EC2.Tag(ctx, p.Tags(seen, true)); err != nil {
		c.rounds.warn(ctx, fmt.Errorf("tagging: %w", err))
	}
	return nil
}

// count is the blast-radius guard while the ledger, which counts exactly, is out of
// reach: it goes by the instances that EC2 shows in quarantine. Those that a person had
// contained count too then, and of several invocations at once each may find the last
// place free. ErrGuard when there is no place left.
func (c *containing) count(ctx context.Context, known record.Known) error {
	if !c.unrecorded || c.preview || c.in.Trigger != plan.ByEvent || known.Open() != nil {
		return nil // not counted, or counted already
	}
	quarantined, err := c.r.Fleet.Quarantined(ctx)
	if err != nil {
		return fmt.Errorf("counting the instances in quarantine: %w", err)
	}
	if len(quarantined) >= c.r.Policy.MaxContained && !slices.Contains(quarantined, c.in.Instance) {
		return record.ErrGuard
	}
	return nil
}
