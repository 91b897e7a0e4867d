package containment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// Flows are the flow logs of interfaces.
type Flows interface {
	// Read reads what they say, each from a time on, in no order.
	Read(ctx context.Context, from map[string]time.Time) ([]network.FlowRecord, error)
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
	outcomes, failed := each(open, func(instance string) (Outcome, bool, error) { return w.watch(ctx, instance, request) })
	slices.SortFunc(outcomes, func(a, b Outcome) int { return strings.Compare(a.Instance, b.Instance) })
	return outcomes, errors.Join(err, failed)
}

func (w *Watcher) watch(ctx context.Context, instance, request string) (Outcome, bool, error) {
	known, err := within(ctx, w.Responder.LedgerWait, func(ctx context.Context) (record.Known, error) {
		return w.Responder.Ledger.Load(ctx, instance, nil)
	})
	if err != nil {
		return Outcome{}, false, fmt.Errorf("reading the ledger on %s: %w", instance, err)
	}
	open := known.Open()
	if open == nil || open.Status == record.Releasing {
		return Outcome{}, false, nil
	}
	reading, err := w.read(ctx, *open)
	if err != nil {
		return Outcome{}, false, fmt.Errorf("watching %s: %w", instance, err)
	}
	if !open.Awaits() && (reading.Read.IsZero() || plan.TellsNothing(*open, reading, w.Responder.Rules)) {
		return Outcome{}, false, nil
	}
	in := plan.Incident{Instance: instance, Trigger: plan.ByRepair, Reason: "watched", Request: request, Flows: reading}
	out, err := w.Responder.Contain(ctx, in)
	if out.Verdict == record.Reconcile {
		out.Verdict = record.Watched
	}
	return out, err != nil || out.Was != "", err
}

// overlap is what is read again each time: records come minutes late, and out of order.
const overlap = 30 * time.Minute

// read reads the flow logs of an instance's interfaces, from where the records are
// complete.
func (w *Watcher) read(ctx context.Context, open record.Record) (network.FlowReading, error) {
	now := w.Responder.Now().UTC()
	from := map[string]time.Time{}
	for _, watch := range open.Watches {
		s, made := open.Step(record.FlowLogOf(watch.Interface).ID())
		if !made || s.State != record.Applied || watch.Cut.IsZero() {
			continue
		}
		since := watch.Cut
		if watch.Covered.After(since) {
			since = watch.Covered
		}
		if again := now.Add(-overlap); since.After(again) {
			since = again
		}
		if since.Before(watch.Cut) {
			since = watch.Cut
		}
		from[watch.Interface] = since
	}
	if len(from) == 0 || w.Flows == nil {
		return network.FlowReading{}, nil
	}
	records, err := w.Flows.Read(ctx, from)
	return network.FlowReading{Read: now, Records: records}, err
}
