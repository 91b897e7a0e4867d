package containment

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/pause"
	"tourniquet/lambda/record"
)

// maxRounds bounds how often one invocation observes, plans and acts. Two are enough
// when nobody interferes: one to act, one to see that it worked.
const maxRounds = 12

// Rounds are what containing and releasing have in common. Both observe, plan, record
// and change, and do the same again until an observation shows nothing left to do.
type rounds struct {
	doing    string // "containing" or "releasing"
	instance string
	log      *slog.Logger

	changed  bool                       // EC2 accepted a change in the last round
	accepted map[string]int             // by attempt: the rounds since EC2 accepted a change that no observation has shown yet
	refused  map[string]network.Refusal // by step: what EC2 will not make in this invocation
	causes   map[string]error           // by step: why it is missing after the last round
	missing  []string                   // what the last observation was to show and didn't
	warnings []string
}

func newRounds(doing, instance string, log *slog.Logger) *rounds {
	return &rounds{
		doing: doing, instance: instance, log: log,
		accepted: map[string]int{}, refused: map[string]network.Refusal{}, causes: map[string]error{},
	}
}

// each counts rounds until the work is done, and waits between them. It does not wait
// after the first changes: the next observation shows whether they worked. Later waits
// grow, with jitter so that competing invocations drift apart.
func (r *rounds) each(ctx context.Context) iter.Seq[int] {
	const least, most = 20 * time.Millisecond, 2 * time.Second
	return func(yield func(round int) bool) {
		for n := range maxRounds {
			r.changed = false
			if !yield(n) || ctx.Err() != nil {
				return
			}
			if n == 0 && r.changed && len(r.causes) == 0 {
				continue
			}
			if pause.Backoff(ctx, n+1, least, most) != nil {
				return
			}
		}
	}
}

// doubts reports whether an observation that does not show what it was to show is not
// to be believed yet. EC2 is eventually consistent: an answer from a replica that lags,
// or an empty page, looks like a resource that is gone. What is missing from a second
// observation too, a while later, is gone.
// https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
func (r *rounds) doubts(ctx context.Context, seen network.Network) bool {
	const least = 500 * time.Millisecond
	before := r.missing
	r.missing = seen.Missing
	return !subset(seen.Missing, before) && pause.Backoff(ctx, 0, least, least) == nil
}

// change makes changes with do, except those that EC2 has accepted and may be slow to
// show. It keeps why the others are missing, and returns those that EC2 accepted now.
func (r *rounds) change(ctx context.Context, steps []record.Step, do func(context.Context, []record.Step) []error) []record.Step {
	todo, late := r.due(steps)
	r.causes = late
	var done []record.Step
	for i, err := range do(ctx, todo) {
		step := todo[i]
		log := r.log.With("instance", r.instance, "step", step.ID())
		refusal, refused := errors.AsType[network.Refusal](err)
		switch {
		case err == nil:
			r.changed, r.accepted[record.Attempt(step)] = true, 1
			done = append(done, step)
			log.InfoContext(ctx, "change accepted", "doing", r.doing)
		case refused:
			r.refused[step.ID()] = refusal
			log.WarnContext(ctx, "change refused", "doing", r.doing, "err", err)
		default:
			r.causes[step.ID()] = err
			log.WarnContext(ctx, "change failed", "doing", r.doing, "err", err)
		}
	}
	return done
}

// due splits off the changes to make now: not those that EC2 has accepted and may be
// slow to show. It says of each of these why it is missing.
func (r *rounds) due(steps []record.Step) (now []record.Step, late map[string]error) {
	const showsLate = 3 // rounds to wait before a change is made once more
	late = map[string]error{}
	for _, s := range steps {
		if n := r.accepted[record.Attempt(s)]; n > 0 && n <= showsLate {
			r.accepted[record.Attempt(s)]++
			late[s.ID()] = fmt.Errorf("%s: EC2 accepted it and does not show it yet", s.ID())
			continue
		}
		now = append(now, s)
	}
	return now, late
}

// warn keeps what failed beside the work and doesn't lessen it.
func (r *rounds) warn(ctx context.Context, err error) {
	r.warnings = append(r.warnings, err.Error())
	r.log.WarnContext(ctx, "beside the work", "doing", r.doing, "instance", r.instance, "err", err)
}

// unfinished is the error of work that stopped with steps missing: each with its
// cause where there is one, and with what stopped all of them, if something did.
func (r *rounds) unfinished(missing []record.Step, stopped error) *PartialError {
	e := &PartialError{Doing: r.doing, Instance: r.instance}
	for _, s := range missing {
		e.Missing = append(e.Missing, s.ID())
		if err := r.causes[s.ID()]; err != nil {
			e.Causes = append(e.Causes, err)
		}
	}
	if stopped != nil {
		e.Causes = append(e.Causes, stopped)
	}
	return e
}

// timeToAct ends some time before the invocation does, so that what has been done can
// still be observed and marked when EC2 throttles the rest.
func timeToAct(ctx context.Context) (context.Context, context.CancelFunc) {
	const most = 10 * time.Second
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-min(most, time.Until(deadline)/4)))
}
