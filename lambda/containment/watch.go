package containment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/order"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// Flows are the flow logs of interfaces.
type Flows interface {
	// Read reads what they say, each from a time on, in no order. It has an answer for
	// each interface.
	Read(ctx context.Context, from map[string]time.Time) map[string]network.FlowLogRead
}

// A Watcher looks for survivors: who still exchanges packets with contained instances.
type Watcher struct {
	Responder *Responder
	Book      Book
	Flows     Flows // nil: there are no flow logs
}

// Watch reads the flow logs of all contained instances, and records what they say. Where
// nothing is contained, it reads the ledger once. One's failure stops no other; the
// errors are joined. Its outcomes are those of instances of which there is something to
// say, sorted.
func (w *Watcher) Watch(ctx context.Context, request string) ([]Outcome, error) {
	open, err := within(ctx, w.Responder.LedgerWait, w.Book.Open)
	if _, partly := record.Unreadable(err); err != nil && !partly {
		return nil, fmt.Errorf("looking for open containments: %w", err)
	}
	watched, unread := gather(open, func(instance string) ([]record.Record, error) { return w.load(ctx, instance) })
	read, now := w.read(ctx, watched)
	outcomes, failed := each(watched, func(rec record.Record) (Outcome, bool, error) { return w.watch(ctx, rec, read, now, request) })
	order.Sort(outcomes, func(a, b Outcome) int { return strings.Compare(a.Instance, b.Instance) })
	return outcomes, errors.Join(err, unread, failed)
}

// load is the record of an instance, if its containment is in force.
func (w *Watcher) load(ctx context.Context, instance string) ([]record.Record, error) {
	known, err := lastOf(ctx, w.Responder.Ledger, w.Responder.LedgerWait, instance)
	if err != nil {
		return nil, fmt.Errorf("reading the ledger on %s: %w", instance, err)
	}
	if open := known.Open(); open != nil && open.Status != record.Releasing {
		return []record.Record{*open}, nil
	}
	return nil, nil
}

// watch takes in what the flow logs of one instance say.
func (w *Watcher) watch(ctx context.Context, open record.Record, read map[string]network.FlowLogRead, now time.Time, request string) (Outcome, bool, error) {
	var reading network.FlowReading
	for _, watch := range open.Watches {
		log, asked := read[watch.Interface]
		if log.Err != nil {
			return Outcome{}, false, fmt.Errorf("watching %s of %s: %w", watch.Interface, open.Instance, log.Err)
		}
		if asked {
			reading.Read, reading.Records = now, append(reading.Records, log.Records...)
		}
	}
	if !open.Awaits() && (reading.Read.IsZero() || plan.TellsNothing(open, reading, w.Responder.Rules)) {
		return Outcome{}, false, nil
	}
	in := plan.Incident{Instance: open.Instance, Trigger: plan.ByRepair, Reason: "watched", Request: request, Flows: reading}
	out, err := w.Responder.Contain(ctx, in)
	if out.Verdict == record.Reconcile {
		out.Verdict = record.Watched
	}
	return out, err != nil || out.Was != "", err
}

// overlap is what is read again each time: records come minutes late, and out of order.
const overlap = 30 * time.Minute

// read reads the flow logs of all interfaces, each from where its records are complete,
// and says when.
func (w *Watcher) read(ctx context.Context, watched []record.Record) (read map[string]network.FlowLogRead, now time.Time) {
	now = w.Responder.Now().UTC()
	from := map[string]time.Time{}
	for _, rec := range watched {
		for _, watch := range rec.Watches {
			if s, made := rec.Step(record.FlowLogOf(watch.Interface).ID()); made && s.State == record.Applied && !watch.Cut.IsZero() {
				from[watch.Interface] = since(watch, now)
			}
		}
	}
	if len(from) == 0 || w.Flows == nil {
		return nil, now
	}
	return w.Flows.Read(ctx, from), now
}

// since is from when on the flow log of an interface is to be read.
func since(watch record.Watch, now time.Time) time.Time {
	from := watch.Cut
	if watch.Covered.After(from) {
		from = watch.Covered
	}
	if again := now.Add(-overlap); from.After(again) {
		from = again
	}
	if from.Before(watch.Cut) {
		from = watch.Cut
	}
	return from
}
