package containment

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// An Admission is what a person asks to be let in.
type Admission struct {
	Instance string
	Groups   []string // of the owner's, with the tag for it; none: what is admitted is taken away
	Reason   string   // who asked and why, for people
	Request  string   // the invocation's request id
	OnHost   bool     // the host's own rules are taken away first
	DryRun   bool     // say what would be done
}

// An AdmissionError says which field of an admission can't be followed, and why. Nothing
// was changed, unless EC2 refused a group on one of several interfaces.
type AdmissionError struct {
	Field string
	Err   error
}

func (e *AdmissionError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *AdmissionError) Unwrap() error { return e.Err }

// What keeps an admission from being followed.
var (
	errNotOpen    = errors.New("has no containment that is in force")
	errNoHostRung = errors.New("this deployment can't send commands to hosts")
	errNotOnHost  = errors.New("nothing was done on the host")
)

// Admit lets groups of the owner's in beside the quarantine group, on every interface in
// their VPC, and takes away those that were admitted before: observe, plan, record, set,
// and the same again until an observation shows nothing left to do. Denials stay.
//
// Its error is an *AdmissionError, or a *PartialError when something is left that a retry
// may do.
func (r *Releaser) Admit(ctx context.Context, ask Admission) (Outcome, error) {
	c := r.begin(Ask{Instance: ask.Instance, Reason: ask.Reason, Request: ask.Request, DryRun: ask.DryRun}, 0, record.Admit)
	defer c.endLease(ctx)
	var planned plan.AdmissionPlan
	for range c.rounds.each(ctx) {
		seen, known, err := c.observe(ctx)
		if err != nil {
			return c.ends(record.Admit, planned.Record), c.rounds.unfinished(planned.Sets, fmt.Errorf("observing %s: %w", ask.Instance, err))
		}
		if c.rounds.doubts(ctx, seen) {
			continue
		}
		if planned, err = c.admission(ctx, ask, seen, known); err != nil {
			return c.ends(record.NotActionable, planned.Record), err
		}
		if ask.DryRun {
			return c.ends(record.ObservedOnly, planned.Record), nil
		}
		switch err := c.record(ctx, plan.ReleasePlan{Record: planned.Record, Changed: planned.Changed, Reverts: planned.Sets}, known); {
		case isRival(err):
			continue // somebody else acts on it too: wait, and observe again
		case err != nil:
			return c.ends(record.Admit, planned.Record), c.rounds.unfinished(planned.Sets, fmt.Errorf("recording the admission to %s: %w", ask.Instance, err))
		case len(planned.Sets) == 0:
			return c.admittedAll(ctx, planned), nil
		}
		c.rounds.change(ctx, planned.Sets, c.r.EC2.Revert)
	}
	return c.ends(record.Admit, planned.Record), c.rounds.unfinished(planned.Sets, c.rounds.causes["lease"])
}

// admission works out the next move of an admission.
func (c *releasing) admission(ctx context.Context, ask Admission, seen network.Network, known record.Known) (plan.AdmissionPlan, error) {
	open := known.Open()
	if open == nil || open.Status == record.Releasing {
		return plan.AdmissionPlan{}, &AdmissionError{"instanceId", fmt.Errorf("%s %w", ask.Instance, errNotOpen)}
	}
	tagged := map[string]string{}
	if len(ask.Groups) > 0 {
		found, err := c.r.EC2.DescribeGroups(ctx, ask.Groups)
		if err != nil {
			return plan.AdmissionPlan{}, c.rounds.unfinished(nil, fmt.Errorf("looking for the groups to admit: %w", err))
		}
		for _, g := range found {
			if g.Tags[network.RoleTag] == network.ForensicsRole {
				tagged[g.ID] = g.VPC
			}
		}
	}
	p, err := plan.NewAdmission(*open, seen, ask.Groups, tagged)
	if err != nil {
		return p, &AdmissionError{"groups", err}
	}
	for _, s := range p.Sets {
		if refusal := c.rounds.refused[s.ID()]; refusal.Reason != "" {
			return p, &AdmissionError{"groups", fmt.Errorf("%s: %w", s.ID(), refusal)}
		}
	}
	if ask.OnHost && !ask.DryRun {
		return p, c.openHost(ctx, &p, *open)
	}
	return p, nil
}

// openHost asks the host to take its own rules away, once. Nothing waits for the answer.
func (c *releasing) openHost(ctx context.Context, p *plan.AdmissionPlan, open record.Record) error {
	host, there := open.Step(record.HostOf(open.Instance).ID())
	switch {
	case !there || host.State == record.Failed:
		return &AdmissionError{"onHost", errNotOnHost}
	case host.State == record.Lingering: // asked already
		return nil
	case c.asked: // and not recorded yet
		*p = p.Lifted(c.lifted)
		return nil
	case c.r.Beside[record.KindHost] == nil:
		return &AdmissionError{"onHost", errNoHostRung}
	}
	c.asked = true
	result := c.r.Beside[record.KindHost].Take(ctx, []record.Step{host.Step})[0]
	if result.Err != nil {
		return &AdmissionError{"onHost", result.Err}
	}
	c.lifted = result.Made
	*p = p.Lifted(c.lifted)
	return nil
}

// admittedAll ends an admission that has nothing left to do.
func (c *releasing) admittedAll(ctx context.Context, p plan.AdmissionPlan) Outcome {
	if len(p.Left) > 0 {
		c.rounds.warn(ctx, fmt.Errorf("not admitted on %s: not in quarantine; reconcile, and admit once more", strings.Join(p.Left, ", ")))
	}
	return c.ends(record.Admit, p.Record)
}
