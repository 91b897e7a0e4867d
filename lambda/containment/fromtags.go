package containment

import (
	"context"
	"fmt"

	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// fromTags releases an instance that the ledger has no containment of, from what
// its tags say: one that was contained without the ledger, or whose record is
// lost. It restores groups. Deny entries it only names: nothing proves that they
// are ours, and a tag is anybody's to write.
func (c *releasing) fromTags(ctx context.Context) (Outcome, error) {
	if c.verdict == record.Expire {
		return c.outcome(record.Expire, record.Record{}), nil
	}
	var done []record.StepState
	for range maxRounds {
		rec, reverts := plan.ReleaseFromTags(c.seen, done)
		c.plan = plan.ReleasePlan{Record: rec, Reverts: reverts, Untags: map[string][]string{}}
		switch {
		case len(rec.Steps) == 0:
			return c.outcome(record.NotActionable, record.Record{}), fmt.Errorf("%s %w", c.ask.Instance, ErrNotContained)
		case c.ask.DryRun:
			return c.unrecorded(record.ObservedOnly, c.plan.Preview()), nil
		case len(reverts) == 0:
			c.finishFromTags(ctx)
			return c.unrecorded(c.verdict, c.plan.Record), nil
		}
		done = rec.Steps
		c.revert(ctx)
		if err := c.pause(ctx); err != nil {
			break
		}
		if err := c.look(ctx); err != nil {
			return c.stopped(fmt.Errorf("observing %s: %w", c.ask.Instance, err))
		}
		if c.known.Record != nil && c.known.Record.Status.Open() {
			return c.overtaken(), nil
		}
	}
	return c.stopped(nil)
}

func (c *releasing) unrecorded(v record.Verdict, rec record.Record) Outcome {
	out := c.outcome(v, rec)
	out.Unrecorded = true
	return out
}

// finishFromTags takes the tags away and notes in the history what was done.
func (c *releasing) finishFromTags(ctx context.Context) {
	for _, s := range c.plan.Record.Steps {
		id := s.Step.(record.Replacement).Resource
		if i, found := c.seen.Find(id); found && len(i.Originals) > 0 && s.State == record.Restored {
			c.plan.Untags[id] = network.OriginalsKeys(i.Originals)
		}
	}
	if keys := network.OurKeys(c.seen.Instance.Tags); len(keys) > 0 {
		c.plan.Untags[c.seen.Instance.ID] = keys
	}
	c.untag(ctx)
	ctx, cancel := context.WithTimeout(ctx, c.LedgerWait)
	defer cancel()
	err := c.Ledger.Note(ctx, record.Event{
		Instance: c.ask.Instance, Time: c.began, ID: c.ask.Request, Verdict: c.verdict, Request: c.ask.Request,
		Reason: c.ask.Reason + " (from tags, without a record)", Changes: record.Changes(record.Record{}, c.plan.Record),
	})
	if err != nil {
		c.warnings = append(c.warnings, fmt.Sprintf("noting the release: %v", err))
	}
}
