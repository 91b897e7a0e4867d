package containment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// holdings are what the ledger has of many instances.
type holdings struct {
	records map[string]record.Known // by instance, without slots; those that could be read
	slots   []record.Slot           // of all VPCs in which they have denials
}

// load reads the ledger's records of instances. One's failure stops no other; the errors
// are joined.
func (r *Reconciler) load(ctx context.Context, instances []string) (holdings, error) {
	type loaded struct {
		instance string
		known    record.Known
	}
	all, unread := gather(instances, func(instance string) ([]loaded, error) {
		known, err := lastOf(ctx, r.Responder.Ledger, r.Responder.LedgerWait, instance)
		if err != nil {
			return nil, fmt.Errorf("reading the ledger on %s: %w", instance, err)
		}
		return []loaded{{instance, known}}, nil
	})
	f := holdings{records: map[string]record.Known{}}
	vpcs := map[string]bool{}
	for _, l := range all {
		f.records[l.instance] = l.known
		if open := l.known.Open(); open != nil {
			for _, vpc := range open.VPCs() {
				vpcs[vpc] = true
			}
		}
	}
	slots, err := gather(slices.Collect(maps.Keys(vpcs)), func(vpc string) ([]record.Slot, error) {
		return within(ctx, r.Responder.LedgerWait, func(ctx context.Context) ([]record.Slot, error) { return r.Book.Slots(ctx, []string{vpc}) })
	})
	f.slots = slots
	return f, errors.Join(unread, err)
}

// oneByOne reports whether a containment has to be looked at by itself: what was done
// beside the cut may have ended, and a look at many shows nothing of a subnet's edge.
func (r *Reconciler) oneByOne(open record.Record) bool {
	return open.Awaits() || len(open.Isolated()) > 0 || open.Rungs && r.Responder.Rules.Isolate == plan.IsolateTagged
}

// standing are the outcomes for the instances with which nothing has to be done, by a
// look at all of them in bulk; without an instance's id where there is nothing to say. Any
// other instance gets a look of its own before it is acted on: what seems to have drifted,
// or to be gone, may only be an answer of EC2's that lags.
func (r *Reconciler) standing(ctx context.Context, f holdings, request string) (map[string]Outcome, error) {
	settled := map[string]Outcome{}
	var drift, whole []network.Target
	for instance, known := range f.records {
		in, open := repairOf(instance, request), known.Open()
		switch {
		case open == nil:
			whole = append(whole, adoptionOf(instance, request).Target(nil))
		case r.Responder.Policy.Yield(in, known).Verdict != record.Contain:
			settled[instance] = reconciled(in, *open, r.Responder.Policy.Yield(in, known).Reason, nil)
		case r.oneByOne(*open):
		case !in.Adds(*open):
			drift = append(drift, network.Target{Instance: instance, ACLs: open.Target().ACLs, Look: network.Standing})
		default:
			whole = append(whole, in.Target(open.Peers))
		}
	}
	seen, err := r.survey(ctx, drift)
	if err != nil {
		return nil, err
	}
	whole = append(whole, r.drifted(f, drift, seen, request, settled)...)
	return settled, r.compare(ctx, f, whole, request, settled)
}

// drifted are those of some targets that have drifted, as whole targets. The others are
// settled.
func (r *Reconciler) drifted(f holdings, drift []network.Target, seen map[string]network.Network, request string, settled map[string]Outcome) (whole []network.Target) {
	for _, t := range drift {
		in, known := repairOf(t.Instance, request), f.records[t.Instance]
		n, shown := seen[t.Instance]
		switch open := known.Open(); {
		case !shown || r.Responder.Policy.Admit(in, n, known).Verdict == record.Contain && !plan.Holds(*open, n, r.Responder.Rules, r.Responder.Now()):
			whole = append(whole, in.Target(open.Peers))
		default:
			r.settle(settled, in, n, known, plan.Plan{Record: *open, ACLRoom: plan.Room(n, r.Responder.Rules)})
		}
	}
	return whole
}

// compare plans what a whole look in bulk shows: nothing is to be done where the plan is
// the record.
func (r *Reconciler) compare(ctx context.Context, f holdings, targets []network.Target, request string, settled map[string]Outcome) error {
	seen, err := r.survey(ctx, targets)
	if err != nil {
		return err
	}
	for _, t := range targets {
		known := f.records[t.Instance]
		known.Slots = f.slots
		in := repairOf(t.Instance, request)
		if known.Open() == nil {
			in = adoptionOf(t.Instance, request)
		}
		in.Now = r.Responder.Now()
		n, shown := seen[t.Instance]
		if !shown || len(n.Missing) > 0 {
			continue
		}
		if r.Responder.Policy.Admit(in, n, known).Verdict != record.Contain {
			r.settle(settled, in, n, known, plan.Plan{})
			continue
		}
		if p := plan.NewPlan(in, n, known, r.Responder.Rules); !p.Changed && len(p.Record.Pending())+len(p.Unread) == 0 {
			r.settle(settled, in, n, known, p)
		}
	}
	return nil
}

// settle notes that nothing is to be done with an instance: because all is as recorded, or
// because the policy says so.
func (r *Reconciler) settle(settled map[string]Outcome, in plan.Incident, seen network.Network, known record.Known, p plan.Plan) {
	d := r.Responder.Policy.Admit(in, seen, known)
	switch {
	case d.Verdict == record.Contain:
		settled[in.Instance] = reconciled(in, p.Record, in.Reason, p.ACLRoom)
	case d.Verdict == record.Exempt || known.Open() == nil:
		settled[in.Instance] = Outcome{} // for its owner to look after, or not ours
	}
}

func (r *Reconciler) survey(ctx context.Context, targets []network.Target) (map[string]network.Network, error) {
	if len(targets) == 0 {
		return nil, nil
	}
	seen, err := r.Responder.Fleet.Survey(ctx, targets)
	if err != nil {
		return nil, fmt.Errorf("observing %d instances: %w", len(targets), err)
	}
	return seen, nil
}

func reconciled(in plan.Incident, rec record.Record, reason string, room *int) Outcome {
	return Outcome{Instance: in.Instance, Verdict: record.Reconcile, Reason: reason, Was: rec.Status, Record: rec, ACLRoom: room}
}
