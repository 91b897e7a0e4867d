package containment

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// besideTries is how often one invocation tries a step that comes beside the cut. A
// reconcile tries it again.
const besideTries = 2

// besideWait bounds how long an invocation that has nothing else left to do waits for
// what goes on beside the cut, to record what became of it.
const besideWait = 6 * time.Second

// beside is what goes on beside the cut: steps that an instance is contained without.
// They start with the cut, and nothing of the cut waits for them.
type beside struct {
	r        *Responder
	instance string

	tries   map[string]int // by step
	running chan taken     // what is under way will be told here; nil: nothing is
	made    map[string][]string
	refused map[string]network.Refusal
}

// taken is what became of steps.
type taken struct {
	steps   []record.Step
	results []Result
}

func newBeside(r *Responder, instance string) *beside {
	return &beside{r: r, instance: instance, tries: map[string]int{}, made: map[string][]string{}, refused: map[string]network.Refusal{}}
}

// start has the steps that come beside the cut carried out. While earlier ones are
// under way it does nothing: they come again in the next plan.
func (b *beside) start(ctx context.Context, missing []record.Step) {
	steps := slices.DeleteFunc(slices.Clone(missing), func(s record.Step) bool { return s.Kind().Decides() })
	if b.running != nil || len(steps) == 0 {
		return
	}
	for _, s := range steps {
		b.tries[s.ID()]++
	}
	running := make(chan taken, 1)
	b.running = running
	go func() { running <- taken{steps, b.r.take(ctx, steps)} }()
}

// take hands each step to whom it is for, all at once.
func (r *Responder) take(ctx context.Context, steps []record.Step) []Result {
	results := make([]Result, len(steps))
	groups := map[record.Kind][]int{}
	for i, s := range steps {
		groups[s.Kind()] = append(groups[s.Kind()], i)
	}
	done := make(chan struct{})
	for kind, places := range groups {
		go func() {
			defer func() { done <- struct{}{} }()
			some := make([]record.Step, len(places))
			for n, i := range places {
				some[n] = steps[i]
			}
			for n, result := range r.takeSome(ctx, kind, some) {
				results[places[n]] = result
			}
		}()
	}
	for range groups {
		<-done
	}
	return results
}

func (r *Responder) takeSome(ctx context.Context, kind record.Kind, steps []record.Step) []Result {
	if m := r.Beside[kind]; m != nil {
		return m.Take(ctx, steps)
	}
	var results []Result
	for _, err := range r.EC2.Apply(ctx, steps) {
		results = append(results, Result{Err: err})
	}
	return results
}

// done reports whether a step is not to be tried any more by this invocation.
func (b *beside) done(s record.Step) bool { return b.tries[s.ID()] >= besideTries }

// wait waits for what is under way, if anything is, so that it can be recorded. It
// reports whether something has ended since the last observation.
func (b *beside) wait(ctx context.Context) bool {
	if b.running == nil {
		return false
	}
	limit := time.NewTimer(besideWait)
	defer limit.Stop()
	select {
	case t := <-b.running:
		b.note(ctx, t)
		return true
	case <-ctx.Done():
	case <-limit.C:
	}
	b.running = nil // nobody hears what becomes of it: a reconcile observes it
	return false
}

// report puts what has become of the steps so far into an observation.
func (b *beside) report(ctx context.Context, seen *network.Network) {
	select {
	case t := <-b.running: // a nil channel never delivers
		b.note(ctx, t)
	default:
	}
	refused, made := maps.Clone(seen.Refused), maps.Clone(seen.Made)
	if refused == nil {
		refused = map[string]network.Refusal{}
	}
	if made == nil {
		made = map[string][]string{}
	}
	maps.Copy(refused, b.refused)
	maps.Copy(made, b.made)
	seen.Refused, seen.Made = refused, made
}

func (b *beside) note(ctx context.Context, t taken) {
	b.running = nil
	for i, result := range t.results {
		id := t.steps[i].ID()
		log := b.r.Log.With("instance", b.instance, "step", id)
		refusal, refused := errors.AsType[network.Refusal](result.Err)
		switch {
		case result.Err == nil:
			b.made[id] = result.Made
			log.InfoContext(ctx, "change accepted", "doing", "beside")
		case refused:
			b.refused[id] = refusal
			log.WarnContext(ctx, "change refused", "doing", "beside", "err", result.Err)
		default:
			log.WarnContext(ctx, "change failed", "doing", "beside", "err", result.Err)
		}
	}
}
