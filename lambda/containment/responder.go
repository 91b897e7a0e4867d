package containment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/record"
)

// Responder contains instances.
type Responder struct {
	EC2     EC2
	Fleet   Fleet
	Ledger  Ledger
	Beside  map[record.Kind]Measures // who takes the steps of a kind beside the cut; EC2 applies the others
	Keeping Keeping                  // nil: nothing keeps the instance and its evidence
	Hosts   Hosts                    // nil: no host gets commands
	Policy  policy.Policy
	Rules   plan.Rules
	Log     *slog.Logger
	Now     func() time.Time

	// LedgerWait bounds each call of the ledger; past it the containment goes on
	// without.
	LedgerWait time.Duration

	lately lately // the instances that this process has contained
}

// With is the responder with another client of EC2's.
func (r *Responder) With(ec2 interface {
	EC2
	Fleet
},
) *Responder {
	return &Responder{
		EC2: ec2, Fleet: ec2, Beside: r.Beside, Keeping: r.Keeping, Hosts: r.Hosts, Ledger: r.Ledger, Policy: r.Policy, Rules: r.Rules, Log: r.Log, Now: r.Now, LedgerWait: r.LedgerWait,
	}
}

// Contain carries out the containment of an incident: observe, decide, plan, record,
// apply, and the same again until an observation shows nothing left to do. Calling it
// again for the same incident, as GuardDuty's repeats and Lambda's retries both do,
// makes only the changes still missing. Its error is a *PartialError.
func (r *Responder) Contain(ctx context.Context, in plan.Incident) (Outcome, error) {
	return r.begin(in, false).run(ctx)
}

// Preview plans the containment of an incident, records the plan as observed, and
// changes nothing. Its error is a *PartialError.
func (r *Responder) Preview(ctx context.Context, in plan.Incident) (Outcome, error) {
	return r.begin(in, true).run(ctx)
}

func (c *containing) run(ctx context.Context) (Outcome, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop() // tags that are later than late
	defer close(c.beside.over)
	out, err := c.work(ctx)
	c.finishTags(ctx)
	out.Warnings = c.rounds.warnings
	return out, err
}

func (c *containing) work(ctx context.Context) (Outcome, error) {
	var planned plan.Plan
	var missing []record.Step
	if out, holds := c.holds(ctx); holds {
		return out, nil
	}
	for round := range c.rounds.each(ctx) {
		seen, known, err := c.observe(ctx)
		if err != nil {
			return c.stopped(planned, missing, fmt.Errorf("observing %s: %w", c.in.Instance, err))
		}
		if c.rounds.doubts(ctx, seen) {
			continue
		}
		c.beside.observed(ctx, &seen)
		if known, err = c.confirm(ctx, seen, known); err != nil {
			return c.stopped(planned, missing, fmt.Errorf("observing %s: %w", c.in.Instance, err))
		}
		if d := c.decide(round, seen, known); d.Verdict != record.Contain {
			return c.decline(ctx, d, known), nil
		}
		seen, empty, err := c.prepare(ctx, seen)
		if err != nil {
			return c.stopped(planned, missing, err)
		}
		planned, missing, err = c.carryOut(ctx, seen, known, empty)
		if errors.Is(err, record.ErrConflict) {
			continue // somebody else acts on it too: observe again
		}
		if err != nil {
			return c.notRecorded(ctx, planned, missing, known, err)
		}
		if c.done(round, planned, missing) {
			return c.settled(planned)
		}
	}
	return c.stopped(planned, missing, nil)
}

// carryOut plans, records and applies what an observation shows to be missing. Once all is
// cut, it does the same again as long as there is news of what goes on beside. It returns
// the last plan, and the steps of it that were missing.
func (c *containing) carryOut(
	ctx context.Context, seen network.Network, known record.Known, empty emptying,
) (p plan.Plan, missing []record.Step, err error) {
	for again := false; ; again = true {
		p = c.plan(ctx, seen, known)
		if again && !p.Changed && len(c.toApply(p)) > 0 { // without a record, the ledger can't refuse it after a release
			c.beside.stale = true
			return p, missing, nil
		}
		missing, err = c.record(ctx, p, seen, known, empty)
		if err != nil {
			return p, missing, err
		}
		c.beside.look(ctx, p.Unread, p.Anew)
		c.apply(ctx, missing)
		if len(deciding(missing)) > 0 || !c.hears(ctx, &seen) {
			return p, missing, nil
		}
		if p.Anew { // a release may still be under way: rounds wait for it, and are counted
			c.beside.stale = true
			return p, missing, nil
		}
		known, empty = c.remembered, emptyAlready
	}
}

// done reports whether a plan has nothing left to do that can be done now. The last round
// does not ask for another observation: a reconcile makes it.
func (c *containing) done(round int, p plan.Plan, missing []record.Step) bool {
	return len(deciding(missing)) == 0 && (!c.beside.stale || round+1 == maxRounds) && c.believes(p)
}

// hears waits for what goes on beside the cut, and adds to the observation what has become
// of it: no look at the network is needed for that, and the ledger refuses the plan when
// somebody else has written meanwhile. It reports whether there is something to plan anew.
func (c *containing) hears(ctx context.Context, seen *network.Network) bool {
	if !c.beside.wait(ctx) {
		return false
	}
	c.beside.report(ctx, seen)
	seen.Instance.Tags = c.last.Instance.Tags
	return !c.beside.stale
}

// notRecorded ends a run whose plan the ledger has not taken.
func (c *containing) notRecorded(ctx context.Context, p plan.Plan, missing []record.Step, known record.Known, err error) (Outcome, error) {
	if errors.Is(err, record.ErrGuard) {
		return c.decline(ctx, c.r.Policy.Hold(c.in), known), nil
	}
	return c.stopped(p, missing, fmt.Errorf("recording the plan for %s: %w", c.in.Instance, err))
}

// decide judges the first observation wholly. A later one may show that the instance
// has been released meanwhile.
func (c *containing) decide(round int, seen network.Network, known record.Known) policy.Decision {
	if round == 0 || !c.admitted {
		d := c.r.Policy.Admit(c.in, seen, known)
		c.admitted = d.Verdict == record.Contain
		return d
	}
	return c.r.Policy.Yield(c.in, known)
}

// plan works out what is missing. Once all is cut, it gives what goes on beside a moment
// to end, so that one record tells of both. A preview only shows what is missing.
func (c *containing) plan(ctx context.Context, seen network.Network, known record.Known) plan.Plan {
	p := plan.NewPlan(c.in, seen, known, c.r.Rules)
	if !c.preview {
		if len(deciding(p.ToDo())) == 0 && c.beside.soon(ctx) {
			c.beside.report(ctx, &seen)
			p = plan.NewPlan(c.in, seen, known, c.r.Rules)
		}
		return p
	}
	for c.beside.look(ctx, p.Unread, false); c.beside.wait(ctx); c.beside.look(ctx, p.Unread, false) { // nothing is in a hurry
		c.beside.report(ctx, &seen)
		p = plan.NewPlan(c.in, seen, known, c.r.Rules)
	}
	return p.Observed(known)
}

// believes reports whether a plan with nothing left to do can be believed. Network and
// ledger are not read in the same instant: an entry that seems to be somebody else's
// may be one of ours, removed and given up in between. Two plans in a row tell.
func (c *containing) believes(p plan.Plan) bool {
	before := c.relied
	c.relied = p.Relies
	return !p.Relies || before
}

// settled ends a run that has nothing left to do, unless a release that this
// containment has overtaken may still be under way: its last calls could open
// what this run has seen shut. Then a retry observes once more.
func (c *containing) settled(p plan.Plan) (Outcome, error) {
	over := p.Record.Released.Add(plan.MaxInvocation)
	switch {
	case c.preview:
		return c.ends(record.ObservedOnly, p), nil
	case p.Record.Status == record.Closed:
		out := c.ends(record.Reconcile, p)
		out.Reason = c.in.Instance + " is gone: closed"
		return out, nil
	case !p.Record.Released.IsZero() && c.r.Now().Before(over):
		return c.stopped(p, nil, fmt.Errorf("the release that it has overtaken may be under way until %s", record.Clock(over)))
	case c.in.Trigger.Reconciles():
		return c.ends(record.Reconcile, p), nil
	default:
		c.r.lately.add(c.in.Instance)
		out := c.ends(record.Contain, p)
		if !c.unrecorded {
			out.Owed = c.owed
		}
		return out, nil
	}
}

// stopped ends a run whose work is not complete: of the steps that are missing, those
// count that decide.
func (c *containing) stopped(p plan.Plan, missing []record.Step, cause error) (Outcome, error) {
	return c.ends(record.Contain, p), c.rounds.unfinished(deciding(missing), cause)
}

func (c *containing) ends(v record.Verdict, p plan.Plan) Outcome {
	return Outcome{
		Instance: c.in.Instance, Verdict: v, Reason: c.in.Reason, Was: c.was, Record: p.Record, Unrecorded: c.unrecorded,
		Applied: c.applied, Contained: c.contained, Warnings: c.rounds.warnings, ACLRoom: p.ACLRoom,
	}
}

// decline ends an incident without acting, and notes why. A reconcile that has nothing
// to do is no news.
func (c *containing) decline(ctx context.Context, d policy.Decision, known record.Known) Outcome {
	out := Outcome{Instance: c.in.Instance, Verdict: d.Verdict, Reason: d.Reason, Was: c.was, Warnings: c.rounds.warnings}
	if c.in.Trigger.Reconciles() {
		if open := known.Open(); open != nil {
			out.Record = *open
		}
		return out
	}
	if err := c.r.NoteVerdict(ctx, c.in, d); err != nil {
		out.Warnings = append(out.Warnings, err.Error())
	}
	return out
}

// NoteVerdict notes in the ledger why an incident is not acted on.
func (r *Responder) NoteVerdict(ctx context.Context, in plan.Incident, d policy.Decision) error {
	ctx, cancel := context.WithTimeout(ctx, r.LedgerWait)
	defer cancel()
	e := record.Event{
		Instance: in.Instance, Time: r.Now(), ID: in.Request, Verdict: d.Verdict, Reason: d.Reason, Request: in.Request,
	}
	if len(in.Findings) > 0 {
		// One line for a finding as it was last seen, however often it is delivered.
		e.Finding, e.ID = in.Findings[0].ID, in.Findings[0].ID
		if seen := in.Seen(); !seen.IsZero() {
			e.Time = seen
		}
	}
	if err := r.Ledger.Note(ctx, e, e.Owes(record.OwingVerdict(d.Verdict)...)...); err != nil {
		return fmt.Errorf("noting the verdict on %s: %w", in.Instance, err)
	}
	return nil
}
