package containment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"tourniquet/lambda/order"
	"tourniquet/lambda/parallel"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// Reconciler compares the records with the world, and makes the world match: it
// finishes what is unfinished, tightens again what has drifted, records what was
// contained without the ledger, and closes what is gone. It only tightens.
type Reconciler struct {
	Responder *Responder
	Book      Book
}

// Reconcile goes through all open containments, and through the instances in
// quarantine that have none. Its outcomes are sorted by instance. One's failure
// stops no other; the errors are joined.
func (r *Reconciler) Reconcile(ctx context.Context, request string) ([]Outcome, error) {
	var open, quarantined []string
	var provisioning, isolation, unreadable error
	g, gctx := parallel.WithContext(ctx)
	g.Go(func() (err error) {
		open, err = within(gctx, r.Responder.LedgerWait, r.Book.Open)
		if _, partly := record.Unreadable(err); partly {
			unreadable, err = err, nil // the others are looked after all the same
		}
		return err
	})
	g.Go(func() (err error) { quarantined, err = r.Responder.Fleet.Quarantined(gctx); return err })
	g.Go(func() error {
		if err := r.Responder.Fleet.Provision(gctx); err != nil {
			provisioning = fmt.Errorf("preparing the quarantine groups: %w", err)
		}
		return nil // what is contained is looked after all the same
	})
	if r.Responder.Rules.Isolate == plan.IsolateTagged {
		g.Go(func() error {
			if err := r.provisionIsolation(gctx); err != nil {
				isolation = fmt.Errorf("preparing the ACLs that isolate subnets: %w", err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, errors.Join(fmt.Errorf("looking for open containments: %w", err), provisioning)
	}
	outcomes, err := r.all(ctx, open, quarantined, request)
	return outcomes, errors.Join(err, provisioning, isolation, unreadable)
}

// provisionIsolation warns of what it may not mend: nothing of ours removes an entry.
func (r *Reconciler) provisionIsolation(ctx context.Context) error {
	changed, err := r.Responder.Fleet.ProvisionIsolation(ctx)
	for _, id := range changed {
		r.Responder.Log.WarnContext(ctx, "somebody gave an isolation ACL an entry: it is not used", "acl", id)
	}
	return err
}

func (r *Reconciler) all(ctx context.Context, open, quarantined []string, request string) ([]Outcome, error) {
	unknown := slices.DeleteFunc(slices.Clone(quarantined), func(i string) bool { return slices.Contains(open, i) })
	f, failed := r.load(ctx, slices.Concat(open, unknown))
	standing, err := r.standing(ctx, f, request)
	if err != nil {
		return nil, errors.Join(err, failed)
	}
	rest := slices.DeleteFunc(slices.Concat(open, unknown), func(i string) bool {
		_, settled := standing[i]
		_, loaded := f.records[i]
		return settled || !loaded
	})
	outcomes, err := each(rest, func(instance string) (Outcome, bool, error) {
		if slices.Contains(open, instance) {
			return r.repair(ctx, instance, request)
		}
		return r.adopt(ctx, instance, request)
	})
	for _, out := range standing {
		if out.Instance != "" {
			outcomes = append(outcomes, out)
		}
	}
	order.Sort(outcomes, func(a, b Outcome) int { return strings.Compare(a.Instance, b.Instance) })
	return outcomes, errors.Join(err, failed)
}

// maxAtOnce bounds the containments that one reconcile or expire works on at once.
const maxAtOnce = 8

// each does something with all items, some at once. One's failure stops no other;
// the errors are joined. The outcomes are those where there was something to do.
func each[T any](items []T, do func(T) (out Outcome, worked bool, err error)) ([]Outcome, error) {
	return gather(items, func(item T) ([]Outcome, error) {
		out, worked, err := do(item)
		if !worked {
			return nil, err
		}
		return []Outcome{out}, err
	})
}

// gather collects what comes of all items, some at once. One's failure stops no other;
// what comes beside an error counts too, and the errors are joined.
func gather[T, R any](items []T, do func(T) ([]R, error)) ([]R, error) {
	var mu sync.Mutex
	var results []R
	var errs []error
	g := parallel.New()
	g.SetLimit(maxAtOnce)
	for _, item := range items {
		g.Go(func() error {
			got, err := do(item)
			mu.Lock()
			defer mu.Unlock()
			results = append(results, got...)
			errs = append(errs, err)
			return nil
		})
	}
	_ = g.Wait()
	return results, errors.Join(errs...)
}

func repairOf(instance, request string) plan.Incident {
	return plan.Incident{Instance: instance, Trigger: plan.ByRepair, Reason: "reconciled", Request: request}
}

func adoptionOf(instance, request string) plan.Incident {
	return plan.Incident{
		Instance: instance, Trigger: plan.ByAdoption, Reason: "contained without the ledger, recorded from tags", Request: request,
	}
}

// repair goes on with an open containment, or closes it when the instance is gone. A
// release that is under way is for the release function to finish.
func (r *Reconciler) repair(ctx context.Context, instance, request string) (Outcome, bool, error) {
	out, err := r.Responder.Contain(ctx, repairOf(instance, request))
	applied := strings.Join(out.Applied, ", ")
	switch {
	case err != nil:
		return out, true, err
	case out.Was == "" || out.Verdict == record.Exempt: // not contained any more, or for its owner to look after
		return out, false, nil
	case out.Verdict == record.NotActionable:
		out.Verdict = record.Reconcile
	case len(out.Applied) == 0:
	case out.Was == record.Containing:
		out.Reason = "was unfinished, and is finished: " + applied
	default:
		out.Reason = "had drifted, and was contained again: " + applied
	}
	return out, true, nil
}

// adopt records an instance that was contained without the ledger. Tags alone
// cause nothing: what is adopted is in quarantine already.
func (r *Reconciler) adopt(ctx context.Context, instance, request string) (Outcome, bool, error) {
	out, err := r.Responder.Contain(ctx, adoptionOf(instance, request))
	return out, err != nil || out.Verdict != record.NotActionable, err
}
