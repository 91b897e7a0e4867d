package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/bus"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/notice"
	"tourniquet/lambda/record"
	"tourniquet/lambda/topic"
)

// An Outbox delivers what the ledger owes to people and the bus, and removes what it
// has delivered. What fails stays owed.
type Outbox struct {
	Ledger Owing
	People *topic.Topic // nil: nobody is told
	Bus    *bus.Bus     // nil: no events are sent
	Now    func() time.Time
}

// Owing is what of the ledger is needed to deliver.
type Owing interface {
	// Owed is what is still to be told, the oldest first. When some can't be read, the
	// others come with an error.
	Owed(ctx context.Context) ([]record.Owed, error)

	// Delivered removes entries that have been told.
	Delivered(ctx context.Context, told ...record.Owed) error

	// Containment is one generation of an instance's containments; nil when the ledger
	// doesn't have it.
	Containment(ctx context.Context, instance string, generation int) (*record.Record, error)
}

// overdue is how old an entry is that the invocation which owes it will not deliver any
// more: it has ended.
const overdue = 3 * time.Minute

// deliver tells what this invocation owes; with all, also what earlier ones have left.
// People and the bus are told side by side, each the oldest first. Each failure has its
// error, and stops nothing else. It returns how many entries are owed afterwards.
func (b *Outbox) deliver(ctx context.Context, outcomes []containment.Outcome, all bool) (int, error) {
	owed, about := b.atHand(outcomes)
	var unread error
	if all || len(owed) == 0 {
		owed, unread = b.Ledger.Owed(ctx)
	}
	told, errs := make([]bool, len(owed)), make([]error, len(owed))
	var g sync.WaitGroup
	for _, channel := range []record.Channel{record.ToPeople, record.ToBus} {
		g.Go(func() {
			for i, o := range owed {
				if o.To == channel && b.due(ctx, o, all) {
					told[i], errs[i] = b.settle(ctx, o, about, all)
				}
			}
		})
	}
	g.Wait()
	var settled []record.Owed
	for i, is := range told {
		if is {
			settled = append(settled, owed[i])
		}
	}
	var stays error
	if !all && len(settled) > 0 {
		stays = b.Ledger.Delivered(ctx, settled...)
	}
	return len(owed) - len(settled), errors.Join(append(errs, unread, stays)...)
}

// due reports whether an entry is for this invocation to tell.
func (b *Outbox) due(ctx context.Context, o record.Owed, all bool) bool {
	return o.Request == requestID(ctx) || all && b.Now().Sub(o.Time) >= overdue
}

// settle tells one entry. Of all that is owed there may be more than one invocation can
// tell, so that each is removed at once; the few of one containment go together. It
// reports whether the entry has been told.
func (b *Outbox) settle(ctx context.Context, o record.Owed, about *records, all bool) (told bool, err error) {
	if err := b.tell(ctx, o, about); err != nil {
		return false, fmt.Errorf("telling %s of %s: %w", o.To, o.Instance, err)
	}
	if all {
		return true, b.Ledger.Delivered(ctx, o)
	}
	return true, nil
}

// atHand is what the outcomes say that the ledger owes, with the records that it is about:
// two trips less than to read both. It is nothing unless each outcome says so.
func (b *Outbox) atHand(outcomes []containment.Outcome) ([]record.Owed, *records) {
	about := &records{ledger: b.Ledger, read: map[record.Holder]*record.Record{}}
	var owed []record.Owed
	for _, o := range outcomes {
		if len(o.Owed) == 0 {
			return nil, about
		}
		owed = append(owed, o.Owed...)
	}
	for _, o := range outcomes {
		about.read[o.Record.Holder()] = &o.Record
	}
	return owed, about
}

// tell tells one entry on its channel.
func (b *Outbox) tell(ctx context.Context, o record.Owed, about *records) error {
	if o.To == record.ToPeople && b.People == nil || o.To == record.ToBus && b.Bus == nil {
		return nil // there is nobody to tell
	}
	rec, err := about.of(ctx, o)
	if err != nil {
		return err
	}
	return b.send(ctx, o, notice.Of(o, rec, place(ctx)))
}

// records are those that entries are about. Each is read once: what is owed to people and
// to the bus is about the same one.
type records struct {
	ledger Owing

	mu   sync.Mutex
	read map[record.Holder]*record.Record
}

// of is the record that an entry is about; nil when it is about none.
func (r *records) of(ctx context.Context, o record.Owed) (*record.Record, error) {
	if o.Generation == 0 {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h := record.Holder{Instance: o.Instance, Generation: o.Generation}
	if rec, known := r.read[h]; known {
		return rec, nil
	}
	rec, err := r.ledger.Containment(ctx, o.Instance, o.Generation)
	if err == nil {
		r.read[h] = rec
	}
	return rec, err
}

func (b *Outbox) send(ctx context.Context, o record.Owed, n notice.News) error {
	if o.To == record.ToPeople {
		m, err := n.Message()
		if err != nil {
			return err
		}
		return b.People.Publish(ctx, m)
	}
	kind := notice.DetailType(o)
	if kind == "" {
		return nil
	}
	e, err := n.Event(kind)
	if err != nil {
		return err
	}
	return errors.Join(b.Bus.Put(ctx, []notice.Event{e})...)
}

// tellDirectly tells people and the bus of an outcome that the ledger has not taken, so
// that it owes nothing.
func (b *Outbox) tellDirectly(ctx context.Context, o containment.Outcome) error {
	var errs []error
	for _, to := range channels(o) {
		if to == record.ToPeople && b.People == nil || to == record.ToBus && b.Bus == nil {
			continue
		}
		owed := record.Owed{
			Time: b.Now(), Instance: o.Instance, To: to, Generation: o.Record.Generation, Verdict: o.Verdict,
			Was: o.Was, Status: o.Record.Status, Reason: o.Reason, Applied: o.Applied,
		}
		n := notice.Of(owed, &o.Record, place(ctx))
		n.Incident.Unrecorded = o.Unrecorded
		if err := b.send(ctx, owed, n); err != nil {
			errs = append(errs, fmt.Errorf("telling %s of %s: %w", to, o.Instance, err))
		}
	}
	return errors.Join(errs...)
}

// channels are those on which an outcome is worth telling.
func channels(o containment.Outcome) []record.Channel {
	switch o.Verdict {
	case record.Contain, record.Reconcile:
		if len(o.Applied) > 0 || o.Unrecorded {
			return []record.Channel{record.ToPeople, record.ToBus}
		}
		return nil
	default:
		return record.OwingVerdict(o.Verdict)
	}
}

// place is where this invocation runs.
func place(ctx context.Context) notice.Place {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return notice.PlaceOf(lc.InvokedFunctionArn)
	}
	return notice.Place{}
}

// deliver tells what the work owes. What is contained stays contained, whether anybody
// hears of it or not: a failure is a warning, which alarms.
func (f Front) deliver(ctx context.Context, w work, a *answer.Answer) {
	if f.Outbox == nil {
		return
	}
	all := w.overall.Verdict == record.Reconcile
	left, err := f.Outbox.deliver(ctx, w.outcomes, all)
	if all {
		// The stack reads a metric from this line: message and keys are a contract.
		f.Log.InfoContext(ctx, "notifications owed", "owed", left)
	}
	for _, o := range w.outcomes {
		if o.Unrecorded && o.Verdict != record.Release || err != nil && record.OwingVerdict(o.Verdict) != nil && len(o.Warnings) > 0 {
			err = errors.Join(err, f.Outbox.tellDirectly(ctx, o))
		}
	}
	if err == nil {
		return
	}
	// The stack counts these lines: message and keys are a contract.
	f.Log.ErrorContext(ctx, "notification failed", "err", err)
	for _, o := range w.outcomes {
		a.Warn(o.Instance, "notifying: "+err.Error())
	}
}
