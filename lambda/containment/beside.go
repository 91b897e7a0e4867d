package containment

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
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
	ended   chan ended     // what has been under way is told here
	over    chan struct{}  // closed when nobody listens any more
	running map[string]bool
	looking map[string]bool
	stale   bool           // only another observation shows what has become of it all
	begun   int            // how much has begun
	old     map[string]int // by step, the last look that is not to be believed

	made    map[string][]string
	values  map[string][]string
	refused map[string]network.Refusal
	trouble map[string]string
}

// ended is what became of steps, or what a look has shown of them.
type ended struct {
	number  int // in the order in which all has begun
	look    bool
	steps   []record.Step
	results []Result
}

func newBeside(r *Responder, instance string) *beside {
	return &beside{
		r: r, instance: instance, tries: map[string]int{}, looks: map[string]int{}, ended: make(chan ended), over: make(chan struct{}),
		running: map[string]bool{}, looking: map[string]bool{}, old: map[string]int{},
		made: map[string][]string{}, values: map[string][]string{}, refused: map[string]network.Refusal{}, trouble: map[string]string{},
	}
}

// start has the steps that come beside the cut carried out, except those that are under
// way.
func (b *beside) start(ctx context.Context, missing []record.Step) {
	b.begin(ctx, ended{steps: slices.DeleteFunc(slices.Clone(missing), func(s record.Step) bool {
		return s.Kind().Decides() || b.running[s.ID()]
	})}, b.tries, b.running, b.r.take)
}

// look has steps looked for, except those that are. What can't be read is not asked for
// ever.
func (b *beside) look(ctx context.Context, unread []record.Step, anew bool) {
	if b.r.Keeping == nil {
		return
	}
	if anew {
		b.forget(unread)
	}
	b.begin(ctx, ended{look: true, steps: slices.DeleteFunc(slices.Clone(unread), func(s record.Step) bool {
		return b.looking[s.ID()] || b.looks[s.ID()] >= besideTries
	})}, b.looks, b.looking, b.r.Keeping.Look)
}

// forget gives up what looks have shown, or are about to show: it may be older than
// what the ledger says.
func (b *beside) forget(steps []record.Step) {
	for _, s := range steps {
		id := s.ID()
		delete(b.values, id)
		delete(b.looking, id)
		b.old[id], b.looks[id] = b.begun, 0
	}
}

// begin does something with steps, and has it told what came of it. An invocation that
// has ended hears nothing more.
func (b *beside) begin(
	ctx context.Context, e ended, tries map[string]int, under map[string]bool, do func(context.Context, []record.Step) []Result,
) {
	if len(e.steps) == 0 {
		return
	}
	b.begun++
	e.number = b.begun
	for _, s := range e.steps {
		tries[s.ID()]++
		under[s.ID()] = true
	}
	parallel.Go(func() {
		e.results = do(ctx, e.steps)
		select {
		case b.ended <- e:
		case <-b.over:
		}
	})
}

// take hands each step to whom it is for, all at once.
func (r *Responder) take(ctx context.Context, steps []record.Step) []Result {
	results := make([]Result, len(steps))
	groups := map[record.Kind][]int{}
	for i, s := range steps {
		groups[s.Kind()] = append(groups[s.Kind()], i)
	}
	g := parallel.New()
	for kind, places := range groups {
		g.Go(func() error {
			some := make([]record.Step, len(places))
			for n, i := range places {
				some[n] = steps[i]
			}
			for n, result := range r.takeSome(ctx, kind, some) {
				results[places[n]] = result
			}
			return nil
		})
	}
	_ = g.Wait() // each step has its own error
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

// early waits a moment for a look at the instance's Auto Scaling group that began with the
// observation. The group may terminate the instance; nothing else is in such a hurry.
func (b *beside) early(ctx context.Context) {
	standby := record.StandbyOf(b.instance).ID()
	b.hearWhile(ctx, lookWait, func() bool { return b.looking[standby] && len(b.values[standby]) == 0 })
}

// observed adds to an observation what is known by then. What an earlier change has not
// told, it shows.
func (b *beside) observed(ctx context.Context, seen *network.Network) {
	b.early(ctx)
	b.report(ctx, seen)
	b.stale = false
}

// soonWait bounds how long a record waits for what began with the cut. It is some calls
// of EC2's, and mostly ends while the cut is read back.
const soonWait = 100 * time.Millisecond

// soon waits a moment for all that is under way. It reports whether any of it has ended.
func (b *beside) soon(ctx context.Context) bool {
	return b.hearWhile(ctx, soonWait, b.underWay)
}

// underWay reports whether something has begun that has not ended.
func (b *beside) underWay() bool { return len(b.running)+len(b.looking) > 0 }

// wait waits for what is under way, if anything is, so that it can be recorded. It
// reports whether there is something to record since the last observation.
func (b *beside) wait(ctx context.Context) bool {
	if !b.underWay() {
		return false
	}
	if !b.hear(ctx, besideWait) && ctx.Err() == nil {
		b.giveUp()
	}
	return ctx.Err() == nil
}

// hear waits for the next that ends, and for no longer than that.
func (b *beside) hear(ctx context.Context, most time.Duration) bool {
	limit := time.NewTimer(most)
	defer limit.Stop()
	select {
	case e := <-b.ended:
		b.note(ctx, e)
		return true
	case <-ctx.Done():
	case <-limit.C:
	}
	return false
}

// hearWhile waits for what ends as long as there is more to wait for, and for no longer
// than that in all. It reports whether anything has ended.
func (b *beside) hearWhile(ctx context.Context, most time.Duration, more func() bool) (heard bool) {
	ctx, stop := context.WithTimeout(ctx, most)
	defer stop()
	for more() && b.hear(ctx, most) {
		heard = true
	}
	return heard
}

// giveUp stops waiting for what is under way: a reconcile observes what becomes of it.
func (b *beside) giveUp() {
	for id := range b.running {
		b.tries[id], b.trouble[id] = besideTries, noAnswer
	}
	for id := range b.looking {
		b.looks[id], b.trouble[id] = besideTries, noAnswer
	}
	clear(b.running)
	clear(b.looking)
}

const noAnswer = "no answer yet"

// report puts what has become of the steps so far into an observation.
func (b *beside) report(ctx context.Context, seen *network.Network) {
	for more := true; more; {
		select {
		case e := <-b.ended:
			b.note(ctx, e)
		default:
			more = false
		}
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

// note takes in what has ended.
func (b *beside) note(ctx context.Context, e ended) {
	under := b.running
	if e.look {
		under = b.looking
	}
	for i, result := range e.results {
		id := e.steps[i].ID()
		if e.look && e.number <= b.old[id] {
			continue
		}
		delete(under, id)
		log := b.r.Log.With("instance", b.instance, "step", id, "doing", "beside")
		refusal, refused := errors.AsType[network.Refusal](result.Err)
		switch {
		case result.Err == nil && e.look:
			b.keep(id, result)
		case result.Err == nil:
			b.keep(id, result)
			b.stale = b.stale || result.Value == nil && result.Made == nil
			log.InfoContext(ctx, "change accepted")
		case refused:
			b.refused[id] = refusal
			log.WarnContext(ctx, "change refused", "err", result.Err)
		default:
			b.trouble[id] = result.Err.Error()
			log.WarnContext(ctx, "change failed", "look", e.look, "err", result.Err)
		}
	}
}

// keep keeps what is known of a step by now.
func (b *beside) keep(id string, result Result) {
	delete(b.trouble, id)
	if result.Value != nil {
		b.values[id] = result.Value
	} else {
		b.made[id] = result.Made
	}
}
