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

// lookWait bounds how long the cut waits for an early look: it goes out beside the
// observation, and has as long as that takes. This is for the last of its milliseconds.
const lookWait = 50 * time.Millisecond

// beside is what goes on beside the cut: steps that an instance is contained without.
// They start with the cut, and nothing of the cut waits for them.
type beside struct {
	r        *Responder
	instance string

	tries   map[string]int // by step
	looks   map[string]int // likewise
	running chan taken     // what is under way will be told here; nil: nothing is
	looking chan taken     // likewise, of a look
	begun   []record.Step  // what is running or looked for
	sought  []record.Step

	made    map[string][]string
	values  map[string][]string
	refused map[string]network.Refusal
	trouble map[string]string
}

// taken is what became of steps.
type taken struct {
	steps   []record.Step
	results []Result
}

func newBeside(r *Responder, instance string) *beside {
	return &beside{
		r: r, instance: instance, tries: map[string]int{}, looks: map[string]int{},
		made: map[string][]string{}, values: map[string][]string{}, refused: map[string]network.Refusal{}, trouble: map[string]string{},
	}
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
	b.running, b.begun = running, steps
	go func() { running <- taken{steps, b.r.take(ctx, steps)} }()
}

// look has steps looked for, unless a look is under way. What can't be read is not asked
// for ever.
func (b *beside) look(ctx context.Context, unread []record.Step) {
	steps := slices.DeleteFunc(slices.Clone(unread), func(s record.Step) bool { return b.looks[s.ID()] >= besideTries })
	if b.r.Keeping == nil || b.looking != nil || len(steps) == 0 {
		return
	}
	for _, s := range steps {
		b.looks[s.ID()]++
	}
	looking := make(chan taken, 1)
	b.looking, b.sought = looking, steps
	go func() { looking <- taken{steps, b.r.Keeping.Look(ctx, steps)} }()
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

// early waits a moment for a look that began with the observation.
func (b *beside) early(ctx context.Context) {
	if b.looking == nil {
		return
	}
	limit := time.NewTimer(lookWait)
	defer limit.Stop()
	select {
	case t := <-b.looking:
		b.found(ctx, t)
	case <-ctx.Done():
	case <-limit.C:
	}
}

// wait waits for what is under way, if anything is, so that it can be recorded. It
// reports whether there is something to record since the last observation.
func (b *beside) wait(ctx context.Context) bool {
	if b.running == nil && b.looking == nil {
		return false
	}
	limit := time.NewTimer(besideWait)
	defer limit.Stop()
	select { // a nil channel never delivers
	case t := <-b.running:
		b.note(ctx, t)
	case t := <-b.looking:
		b.found(ctx, t)
	case <-ctx.Done():
		b.running, b.looking = nil, nil
		return false
	case <-limit.C:
		b.giveUp()
	}
	return true
}

// giveUp stops hearing of what is under way: a reconcile observes what becomes of it.
func (b *beside) giveUp() {
	for _, s := range b.begun {
		b.tries[s.ID()], b.trouble[s.ID()] = besideTries, "no answer yet"
	}
	for _, s := range b.sought {
		b.looks[s.ID()], b.trouble[s.ID()] = besideTries, "no answer yet"
	}
	b.running, b.begun, b.looking, b.sought = nil, nil, nil, nil
}

// report puts what has become of the steps so far into an observation.
func (b *beside) report(ctx context.Context, seen *network.Network) {
	select {
	case t := <-b.running:
		b.note(ctx, t)
	case t := <-b.looking:
		b.found(ctx, t)
	default:
	}
	seen.Refused, seen.Made = merged(seen.Refused, b.refused), merged(seen.Made, b.made)
	seen.Values, seen.Troubled = merged(seen.Values, b.values), merged(seen.Troubled, b.trouble)
}

// merged is what two maps say, the second one last.
func merged[V any](a, b map[string]V) map[string]V {
	all := make(map[string]V, len(a)+len(b))
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

// found takes in what a look has shown.
func (b *beside) found(ctx context.Context, t taken) {
	b.looking, b.sought = nil, nil
	for i, result := range t.results {
		id := t.steps[i].ID()
		if result.Err != nil {
			b.trouble[id] = result.Err.Error()
			b.r.Log.WarnContext(ctx, "look failed", "instance", b.instance, "step", id, "err", result.Err)
			continue
		}
		delete(b.trouble, id)
		b.keep(id, result)
	}
}

// keep keeps what is known of a step by now.
func (b *beside) keep(id string, result Result) {
	if result.Value != nil {
		b.values[id] = result.Value
	} else {
		b.made[id] = result.Made
	}
}

func (b *beside) note(ctx context.Context, t taken) {
	b.running, b.begun = nil, nil
	for i, result := range t.results {
		id := t.steps[i].ID()
		log := b.r.Log.With("instance", b.instance, "step", id)
		refusal, refused := errors.AsType[network.Refusal](result.Err)
		switch {
		case result.Err == nil:
			delete(b.trouble, id)
			b.keep(id, result)
			log.InfoContext(ctx, "change accepted", "doing", "beside")
		case refused:
			b.refused[id] = refusal
			log.WarnContext(ctx, "change refused", "doing", "beside", "err", result.Err)
		default:
			b.trouble[id] = result.Err.Error()
			log.WarnContext(ctx, "change failed", "doing", "beside", "err", result.Err)
		}
	}
}
