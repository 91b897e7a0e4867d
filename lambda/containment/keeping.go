package containment

import (
	"context"
	"errors"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// errNoKeeper is of a deployment that no longer has what a step was taken with.
var errNoKeeper = errors.New("this deployment has nothing to do it with")

// look adds to an observation what takes calls of its own to read. What can't be read
// stops nothing of the release.
func (c *releasing) look(ctx context.Context, seen *network.Network, known record.Known) {
	seen.Refused = merged(seen.Refused, c.rounds.refused)
	if known.Record == nil {
		return
	}
	steps := plan.Aside(*known.Record)
	seen.Values, seen.Troubled = map[string][]string{}, map[string]string{}
	if len(steps) == 0 || !seen.Exists() {
		return
	}
	if c.r.Keeper == nil {
		for _, s := range steps {
			seen.Troubled[s.ID()] = errNoKeeper.Error()
		}
		return
	}
	for i, result := range c.r.Keeper.Look(ctx, steps) {
		id := steps[i].ID()
		if result.Err != nil {
			seen.Troubled[id] = result.Err.Error()
			c.r.Log.WarnContext(ctx, "look failed", "instance", c.ask.Instance, "step", id, "err", result.Err)
			continue
		}
		seen.Values[id] = result.Value
	}
}

// revert hands each step to who undoes it.
func (c *releasing) revert(ctx context.Context, steps []record.Step) []error {
	errs := make([]error, len(steps))
	var keeping, others []int
	for i, s := range steps {
		if s.Kind().Keeps() {
			keeping = append(keeping, i)
		} else {
			others = append(others, i)
		}
	}
	g := parallel.New()
	g.Go(func() error { c.revertSome(ctx, steps, keeping, errs, c.keeperRevert); return nil })
	g.Go(func() error { c.revertSome(ctx, steps, others, errs, c.r.EC2.Revert); return nil })
	_ = g.Wait() // each step has its own error
	return errs
}

func (c *releasing) revertSome(
	ctx context.Context, steps []record.Step, places []int, errs []error, revert func(context.Context, []record.Step) []error,
) {
	if len(places) == 0 {
		return
	}
	some := make([]record.Step, len(places))
	for n, i := range places {
		some[n] = steps[i]
	}
	for n, err := range revert(ctx, some) {
		errs[places[n]] = err
	}
}

func (c *releasing) keeperRevert(ctx context.Context, steps []record.Step) []error {
	if c.r.Keeper != nil {
		return c.r.Keeper.Revert(ctx, steps)
	}
	errs := make([]error, len(steps))
	for i := range errs {
		errs[i] = network.Refusal{Reason: errNoKeeper.Error()}
	}
	return errs
}
