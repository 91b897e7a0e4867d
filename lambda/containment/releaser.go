package containment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// ErrNotContained says that an instance has no containment, neither in the ledger
// nor in tags.
var ErrNotContained = errors.New("has no containment on record, and no interface in quarantine that says what its groups were")

// Releaser releases instances: it undoes their containments from the record.
type Releaser struct {
	EC2    Restorer
	Ledger Ledger
	Book   Book
	Beside map[record.Kind]Measures // who undoes the steps of a kind that EC2 does not
	Hosts  Hosts                    // nil: no host gets commands
	Leases Leases
	Keeper Keeper // nil: what keeps an instance is left as it is
	Log    *slog.Logger
	Now    func() time.Time

	// DenialTTL is the age at which denials of a contained instance expire that
	// nothing needs any more; zero: never. See plan.NewExpiryPlan.
	DenialTTL time.Duration

	// LedgerWait bounds each call of the ledger. Without the ledger nothing is
	// released: the next reconcile would find the record and contain again.
	LedgerWait time.Duration
}

// An Ask is what a person asks to be released.
type Ask struct {
	Instance string
	Reason   string   // who asked and why, for people
	Request  string   // the invocation's request id
	ToGroups []string // to release to, in the place of the groups before; tagged network.ReleaseTag
	Force    bool     // remove denials whose flows may revive
	DryRun   bool     // say what would be done
}

// Release undoes the containment of an instance: observe, plan, record, revert, and
// the same again until an observation shows nothing left to do. It restores the recorded
// groups of each interface and removes the denials that nobody needs any more, as
// far as they still look as recorded; the rest it reports and leaves alone. Called
// again, it goes on where it was cut off, and does nothing for what is released.
//
// Its error wraps ErrNotContained when there is nothing to release, and is a
// *PartialError when something is left that a retry may do.
func (r *Releaser) Release(ctx context.Context, ask Ask) (Outcome, error) {
	return r.begin(ask, 0, record.Release).run(ctx)
}

func (r *Releaser) begin(ask Ask, generation int, why record.Verdict) *releasing {
	return &releasing{
		r: r, ask: ask, generation: generation, verdict: why, began: r.Now().UTC(), rounds: newRounds("releasing", ask.Instance, r.Log),
	}
}

func (c *releasing) run(ctx context.Context) (Outcome, error) {
	defer c.endLease(ctx)
	var planned plan.ReleasePlan
	for range c.rounds.each(ctx) {
		seen, known, err := c.observe(ctx)
		if err != nil {
			return c.stopped(planned, fmt.Errorf("observing %s: %w", c.ask.Instance, err))
		}
		if c.rounds.doubts(ctx, seen) {
			continue
		}
		if c.isOvertaken(known) {
			return c.overtaken(known), nil
		}
		refused := c.choose(ctx, seen, known)
		planned = c.plan(seen, known, planned)
		if refused != nil || c.changesNothing(planned) {
			return c.shown(planned, refused)
		}
		err = c.record(ctx, planned, known)
		switch {
		case isRival(err):
			continue // somebody else acts on it too: wait, and observe again
		case err != nil:
			return c.stopped(planned, fmt.Errorf("recording the release of %s: %w", c.ask.Instance, err))
		}
		if c.advance(ctx, planned) {
			return c.finished(ctx, planned), nil
		}
	}
	return c.stopped(planned, c.rounds.causes["lease"])
}

// changesNothing reports whether a release is a dry run, or one that tags say nothing for.
func (c *releasing) changesNothing(p plan.ReleasePlan) bool {
	return c.ask.DryRun || p.FromTags && (c.verdict == record.Expire || len(p.Record.Steps) == 0)
}

// advance undoes what is to be undone now, and reports whether nothing was.
func (c *releasing) advance(ctx context.Context, p plan.ReleasePlan) bool {
	if len(p.Reverts) > 0 {
		c.rounds.change(ctx, p.Reverts, c.revert)
		return false
	}
	return !c.takeDown(ctx, p.Asks) // what becomes of it is to be recorded
}

// finished ends a release that has nothing left to do.
func (c *releasing) finished(ctx context.Context, p plan.ReleasePlan) Outcome {
	c.untag(ctx, p)
	if p.FromTags {
		c.note(ctx, p)
	}
	return c.endsFrom(c.verdict, p, p.Record)
}

// shown ends a release that changes nothing: a dry run, one that was refused, or one that
// tags say nothing for.
func (c *releasing) shown(p plan.ReleasePlan, refused error) (Outcome, error) {
	if refused != nil {
		return c.ends(record.NotActionable, record.Record{}), refused
	}
	switch {
	case !p.FromTags || len(p.Record.Steps) > 0 && c.verdict == record.Release:
		return c.endsFrom(record.ObservedOnly, p, p.Preview()), nil
	case c.verdict == record.Expire:
		return c.ends(record.Expire, record.Record{}), nil
	default:
		return c.ends(record.NotActionable, record.Record{}), fmt.Errorf("%s %w", c.ask.Instance, ErrNotContained)
	}
}

// stopped ends a release whose work is not complete.
func (c *releasing) stopped(p plan.ReleasePlan, cause error) (Outcome, error) {
	return c.endsFrom(c.verdict, p, p.Record), c.rounds.unfinished(p.Reverts, cause)
}

// overtaken ends a release during which something newer contained the instance. It
// is no error: a retry would release what nobody has asked to release.
func (c *releasing) overtaken(known record.Known) Outcome {
	out := c.ends(record.NotActionable, *known.Record)
	out.Reason = c.ask.Instance + " was contained again by something newer than this release; release it once more if it is to be released all the same"
	return out
}

func (c *releasing) endsFrom(v record.Verdict, p plan.ReleasePlan, rec record.Record) Outcome {
	out := c.ends(v, rec)
	out.Unrecorded = p.FromTags
	return out
}

func (c *releasing) ends(v record.Verdict, rec record.Record) Outcome {
	return Outcome{Instance: c.ask.Instance, Verdict: v, Reason: c.ask.Reason, Was: c.was, Record: rec, Warnings: c.rounds.warnings}
}
