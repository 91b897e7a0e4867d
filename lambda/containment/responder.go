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

// EC2 is what a containment needs of Amazon EC2.
type EC2 interface {
	// Observe reads the instance and all that decides its traffic. An instance
	// that does not exist is no error: see Network.Exists.
	Observe(ctx context.Context, t network.Target) (network.Network, error)

	// Prepare sees to it that each VPC of the interfaces has a quarantine group
	// without rules, and returns the groups by VPC. It changes nothing that is in
	// use by anybody but us.
	Prepare(ctx context.Context, seen network.Network) (map[string][]network.Quarantined, error)

	// Tag sets tags, by resource. It sets as many as it can and joins the errors.
	Tag(ctx context.Context, tags map[string]map[string]string) error

	// Apply makes all changes side by side, and returns an error for each that EC2
	// did not take, in the steps' order. A Refusal is for good; after any other
	// error, and after none, only an observation tells what became of the step.
	Apply(ctx context.Context, steps []record.Step) []error
}

// Ledger is the durable account of containments.
type Ledger interface {
	// Load reads the latest containment of an instance and the slots of some
	// VPCs, as of one moment after every change that Commit has reported done.
	// ErrNewerRecord when a later version of this program wrote them.
	Load(ctx context.Context, instance string, vpcs []string) (record.Known, error)

	// Commit writes a change, all of it or none. ErrConflict when the ledger has
	// moved on since the change was planned; ErrGuard when the change would exceed its limit.
	Commit(ctx context.Context, c record.Change) error

	// Note adds a line to an instance's history. The same line twice is one.
	Note(ctx context.Context, e record.Event) error
}

// Responder contains instances.
type Responder struct {
	EC2    EC2
	Fleet  Fleet
	Ledger Ledger
	Policy policy.Policy
	Rules  plan.Rules
	Log    *slog.Logger
	Now    func() time.Time

	// LedgerWait bounds each call of the ledger; past it the containment goes on
	// without.
	LedgerWait time.Duration
}

// maxRounds bounds how often one invocation looks, plans and acts. Two are enough
// when nobody interferes: one to act, one to see that it worked.
const maxRounds = 12

// Contain carries out the containment of an incident: look, plan, record, apply,
// and the same again until a look shows nothing left to do. Calling it again for
// the same incident, as GuardDuty's repeats and Lambda's retries both do, makes
// only the changes still missing.
func (r *Responder) Contain(ctx context.Context, in plan.Incident) (Outcome, error) {
	run := r.start(in)
	for round := range maxRounds {
		if err := run.look(ctx); err != nil {
			return run.stopped(fmt.Errorf("observing %s: %w", in.Instance, err))
		}
		if d := run.admit(round); d.Verdict != record.Contain {
			return r.decline(ctx, in, d), nil
		}
		if err := run.prepare(ctx); err != nil {
			return run.stopped(fmt.Errorf("preparing the quarantine group for %s: %w", in.Instance, err))
		}
		plan := plan.NewPlan(in, run.seen, run.known, r.Rules)
		switch err := run.record(ctx, plan); {
		case errors.Is(err, record.ErrConflict): // somebody else acts on it too: look again
		case errors.Is(err, record.ErrGuard):
			return r.decline(ctx, in, r.held(in)), nil
		case err != nil:
			return run.stopped(fmt.Errorf("recording the plan for %s: %w", in.Instance, err))
		case len(run.pending) == 0 && !run.sure():
			continue
		case len(run.pending) == 0:
			return run.settled()
		default:
			run.apply(ctx)
		}
		if err := run.pause(ctx); err != nil {
			break
		}
	}
	return run.stopped(nil)
}

// admit judges the first look wholly; a later one may show that the instance has
// been released meanwhile.
func (c *run) admit(round int) policy.Decision {
	if round == 0 {
		return c.Policy.Admit(c.in, c.seen, c.known)
	}
	return c.Policy.Yield(c.in, c.known)
}

// sure reports whether the plan can be believed. Network and ledger are not read in
// the same instant: an entry that seems to be somebody else's may be one of ours,
// removed and given up in between. Two looks in a row tell.
func (c *run) sure() bool {
	before := c.relied
	c.relied = c.plan.Relies
	return !c.plan.Relies || before
}

// settled ends a run that has nothing left to do, unless a release that this
// containment has overtaken may still be under way: its last calls could open
// what this run has seen shut. Then a retry looks once more.
func (c *run) settled() (Outcome, error) {
	over := c.plan.Record.Released.Add(plan.MaxInvocation)
	if !c.plan.Record.Released.IsZero() && c.Now().Before(over) {
		return c.stopped(fmt.Errorf("the release that it has overtaken may be under way until %s", record.Clock(over)))
	}
	v := record.Contain
	if c.in.Repair || c.in.Adopt {
		v = record.Reconcile
	}
	return c.outcome(v, c.in.Reason), nil
}

// Preview plans the containment of an incident, records the plan as observed, and
// changes nothing.
func (r *Responder) Preview(ctx context.Context, in plan.Incident) (Outcome, error) {
	run := r.start(in)
	for {
		if err := run.look(ctx); err != nil {
			return Outcome{}, fmt.Errorf("observing %s: %w", in.Instance, err)
		}
		if d := r.Policy.Admit(in, run.seen, run.known); d.Verdict != record.Contain {
			return r.decline(ctx, in, d), nil
		}
		plan := plan.NewPlan(in, run.seen, run.known, r.Rules).Observed(run.known)
		if err := run.record(ctx, plan); !errors.Is(err, record.ErrConflict) {
			return run.outcome(record.ObservedOnly, in.Reason), err
		}
		if err := run.pause(ctx); err != nil {
			return Outcome{}, err
		}
	}
}

// decline ends an incident without acting, and notes why.
func (r *Responder) decline(ctx context.Context, in plan.Incident, d policy.Decision) Outcome {
	out := Outcome{Instance: in.Instance, Verdict: d.Verdict, Reason: d.Reason}
	if err := r.Decline(ctx, in, d); err != nil {
		out.Warnings = append(out.Warnings, err.Error())
	}
	return out
}

// Decline notes in the ledger why an incident is not acted on.
func (r *Responder) Decline(ctx context.Context, in plan.Incident, d policy.Decision) error {
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
	if err := r.Ledger.Note(ctx, e); err != nil {
		return fmt.Errorf("noting the verdict on %s: %w", in.Instance, err)
	}
	return nil
}

func (r *Responder) held(in plan.Incident) policy.Decision {
	return policy.Decision{Verdict: record.Held, Reason: fmt.Sprintf("%s: already %d instances are contained by events; contain this one by hand if it must be",
		in.Reason, r.Policy.MaxContained)}
}
