package containment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// releasing is one invocation's work on one release.
type releasing struct {
	*Releaser
	ask        Ask
	generation int            // 0: the latest
	verdict    record.Verdict // Release, or Expire
	began      time.Time

	seen     network.Network
	known    record.Known
	plan     plan.ReleasePlan
	moved    bool // the ledger has taken a change
	releases bool // it says that this release is under way
	taken    taken
	causes   map[string]error
	rounds   int
	warnings []string
}

func (c *releasing) run(ctx context.Context) (Outcome, error) {
	for range maxRounds {
		if err := c.look(ctx); err != nil {
			return c.stopped(fmt.Errorf("observing %s: %w", c.ask.Instance, err))
		}
		rec := c.known.Record
		switch {
		case rec == nil || rec.Status == record.Observed:
			return c.fromTags(ctx)
		case rec.Status.Open() && c.isOvertaken(*rec):
			return c.overtaken(), nil
		}
		c.plan = c.newPlan()
		if c.ask.DryRun {
			return c.outcome(record.ObservedOnly, c.plan.Preview()), nil
		}
		switch err := c.record(ctx); {
		case errors.Is(err, record.ErrConflict): // somebody else acts on it too: look again
		case err != nil:
			return c.stopped(fmt.Errorf("recording the release of %s: %w", c.ask.Instance, err))
		case len(c.plan.Reverts) == 0:
			c.untag(ctx)
			return c.outcome(c.verdict, c.plan.Record), nil
		default:
			c.revert(ctx)
		}
		if err := c.pause(ctx); err != nil {
			break
		}
	}
	return c.stopped(nil)
}

// isOvertaken reports whether the record has something newer than the release: a
// finding of activity since it was asked for, or steps made after it had begun.
func (c *releasing) isOvertaken(rec record.Record) bool {
	if c.verdict == record.Expire && rec.Status != record.Releasing {
		return false // what expires restores nothing
	}
	asked := c.began
	if rec.Status == record.Releasing {
		asked = rec.Released
	}
	newer := func(f record.FindingRef) bool { return f.Seen.Truncate(time.Second).After(asked.Truncate(time.Second)) }
	return c.releases && rec.Status != record.Releasing || slices.ContainsFunc(rec.Findings, newer)
}

// overtaken ends a release during which something newer contained the instance. It
// is no error: a retry would release what nobody has asked to release.
func (c *releasing) overtaken() Outcome {
	out := c.outcome(record.NotActionable, *c.known.Record)
	out.Reason = c.ask.Instance + " was contained again by something newer than this release; release it once more if it is to be released all the same"
	return out
}

func (c *releasing) newPlan() plan.ReleasePlan {
	terms := plan.Terms{Now: c.Now().UTC(), Began: c.began, Force: c.ask.Force, Untag: c.verdict == record.Release}
	if c.verdict == record.Expire && c.known.Record.Status.Open() && c.known.Record.Status != record.Releasing {
		return plan.NewExpiryPlan(*c.known.Record, c.seen, c.known.Slots, terms, c.DenialTTL)
	}
	return plan.NewReleasePlan(*c.known.Record, c.seen, c.known.Slots, terms)
}

// look reads the ledger, and then the network, wherever the record's interfaces,
// groups and ACLs are by now.
func (c *releasing) look(ctx context.Context) error {
	known, err := c.load(ctx)
	if err != nil {
		return fmt.Errorf("reading the ledger: %w", err)
	}
	c.known = known
	target := network.Target{Instance: c.ask.Instance}
	if known.Record != nil {
		target = known.Record.Target()
	}
	seen, err := c.EC2.Observe(ctx, target)
	if err != nil {
		return err
	}
	c.seen = seen
	return nil
}

// load reads the containment to release, and the slots in the VPCs of its denials.
func (c *releasing) load(ctx context.Context) (record.Known, error) {
	ctx, cancel := context.WithTimeout(ctx, c.LedgerWait)
	defer cancel()
	if c.generation == 0 {
		known, err := c.Ledger.Load(ctx, c.ask.Instance, nil)
		if err != nil || known.Record == nil {
			return known, err
		}
		c.generation = known.Record.Generation
	}
	rec, err := c.Book.Containment(ctx, c.ask.Instance, c.generation)
	if err != nil || rec == nil {
		return record.Known{}, err
	}
	slots, err := c.Book.Slots(ctx, rec.VPCs())
	return record.Known{Record: rec, Slots: slots}, err
}

// record writes the plan down before any of it is carried out.
func (c *releasing) record(ctx context.Context) error {
	if !c.plan.Changed {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.LedgerWait)
	defer cancel()
	if err := c.Ledger.Commit(ctx, c.change()); err != nil {
		return err
	}
	c.moved, c.releases = true, c.plan.Record.Status == record.Releasing
	return nil
}

// change is the plan as the ledger is to take it.
func (c *releasing) change() record.Change {
	now, was := c.Now().UTC(), *c.known.Record
	rec := c.plan.Record
	rec.Updated = now
	change := record.Change{Record: rec, Slots: c.plan.Slots}
	for i := range change.Slots {
		change.Slots[i].Slot.Since = now
	}
	if was.Status.Open() && !rec.Status.Open() && !rec.ByPerson {
		change.Count = -1
	}
	change.Event = record.Event{
		Instance: rec.Instance, Time: now, ID: fmt.Sprintf("g%d-v%d", rec.Generation, rec.Version+1),
		Verdict: c.verdict, Reason: c.ask.Reason, Request: c.ask.Request, Changes: record.Changes(was, rec),
	}
	return change
}

// revert undoes what the plan says, except what EC2 has taken and may be slow to show.
func (c *releasing) revert(ctx context.Context) {
	todo, late := c.taken.due(c.plan.Reverts)
	c.causes = late
	for i, err := range c.EC2.Revert(ctx, todo) {
		id := todo[i].ID()
		if err != nil {
			c.causes[id] = err
			c.Log.WarnContext(ctx, "step not reverted", "instance", c.ask.Instance, "step", id, "err", err)
			continue
		}
		c.taken[record.Attempt(todo[i])] = 1
		c.Log.InfoContext(ctx, "step reverted", "instance", c.ask.Instance, "step", id)
	}
}

// untag takes our tags away at the end. That they stay harms nobody.
func (c *releasing) untag(ctx context.Context) {
	if len(c.plan.Untags) == 0 {
		return
	}
	if err := c.EC2.Untag(ctx, c.plan.Untags); err != nil {
		err = fmt.Errorf("removing tags: %w", err)
		c.warnings = append(c.warnings, err.Error())
		c.Log.WarnContext(ctx, "beside the release", "instance", c.ask.Instance, "err", err)
	}
}

func (c *releasing) pause(ctx context.Context) error {
	c.rounds++
	if c.rounds == 1 && len(c.causes) == 0 {
		return ctx.Err()
	}
	return backOff(ctx, c.rounds)
}

// stopped ends a run whose work is not complete.
func (c *releasing) stopped(cause error) (Outcome, error) {
	return c.outcome(c.verdict, c.plan.Record), missing("releasing", c.ask.Instance, c.plan.Reverts, c.causes, cause)
}

func (c *releasing) outcome(v record.Verdict, rec record.Record) Outcome {
	return Outcome{Instance: c.ask.Instance, Verdict: v, Reason: c.ask.Reason, Record: rec, Warnings: c.warnings}
}
