package containment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// Fleet is what is needed of EC2 beyond one instance.
type Fleet interface {
	// Quarantined names the instances with an interface in a quarantine group, sorted.
	Quarantined(ctx context.Context) ([]string, error)

	// Provision sees to it that each VPC has a quarantine group without rules, so
	// that a containment finds it ready.
	Provision(ctx context.Context) error
}

// Reconciler compares the records with the world, and makes the world match: it
// finishes what is unfinished, tightens again what has drifted, records what was
// contained without the ledger, and closes what is gone. It only tightens.
type Reconciler struct {
	*Responder
	Book Book
}

// Reconcile goes through all open containments, and through the instances in
// quarantine that have none. Its outcomes are sorted by instance. One's failure
// stops no other; the errors are joined.
func (r *Reconciler) Reconcile(ctx context.Context, request string) ([]Outcome, error) {
	var open, quarantined []string
	var provisioning error
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { open, err = r.Book.Open(gctx); return err })
	g.Go(func() (err error) { quarantined, err = r.Fleet.Quarantined(gctx); return err })
	g.Go(func() error {
		if err := r.Fleet.Provision(gctx); err != nil {
			provisioning = fmt.Errorf("preparing the quarantine groups: %w", err)
		}
		return nil // what is contained is looked after all the same
	})
	if err := g.Wait(); err != nil {
		return nil, errors.Join(fmt.Errorf("looking for open containments: %w", err), provisioning)
	}
	outcomes, err := r.all(ctx, open, quarantined, request)
	return outcomes, errors.Join(err, provisioning)
}

func (r *Reconciler) all(ctx context.Context, open, quarantined []string, request string) ([]Outcome, error) {
	unknown := slices.DeleteFunc(slices.Clone(quarantined), func(i string) bool { return slices.Contains(open, i) })
	outcomes, err := each(slices.Concat(open, unknown), func(instance string) (Outcome, bool, error) {
		if slices.Contains(open, instance) {
			return r.repair(ctx, instance, request)
		}
		return r.adopt(ctx, instance, request)
	})
	slices.SortFunc(outcomes, func(a, b Outcome) int { return strings.Compare(a.Instance, b.Instance) })
	return outcomes, err
}

// maxAtOnce bounds the containments that one reconcile or expire works on at once.
const maxAtOnce = 8

// each does something with all items, some at once. One's failure stops no other;
// the errors are joined. The outcomes are those where there was something to do.
func each[T any](items []T, do func(T) (out Outcome, worked bool, err error)) ([]Outcome, error) {
	var mu sync.Mutex
	var outcomes []Outcome
	var errs []error
	var g errgroup.Group
	g.SetLimit(maxAtOnce)
	for _, item := range items {
		g.Go(func() error {
			out, worked, err := do(item)
			mu.Lock()
			defer mu.Unlock()
			if worked {
				outcomes = append(outcomes, out)
			}
			errs = append(errs, err)
			return nil
		})
	}
	_ = g.Wait()
	return outcomes, errors.Join(errs...)
}

// look is a run of this reconcile on an instance, after its first look.
func (r *Reconciler) look(ctx context.Context, in plan.Incident) (*run, error) {
	c := r.start(in)
	if err := c.look(ctx); err != nil {
		return nil, fmt.Errorf("observing %s: %w", in.Instance, err)
	}
	return c, nil
}

// repair goes on with an open containment, or closes it when there is nothing left
// to contain. A release that is under way is for the release function to finish.
func (r *Reconciler) repair(ctx context.Context, instance, request string) (Outcome, bool, error) {
	in := plan.Incident{Instance: instance, Repair: true, Reason: "reconciled", Request: request}
	c, err := r.look(ctx, in)
	if err != nil {
		return Outcome{Instance: instance, Verdict: record.Reconcile, Reason: in.Reason}, true, err
	}
	switch open := c.known.Open(); {
	case open == nil:
		return Outcome{}, false, nil
	case open.Status == record.Releasing:
		return Outcome{Instance: instance, Verdict: record.Reconcile, Reason: "its release is not finished", Record: *open}, true, nil
	case c.seen.Gone():
		out, err := c.close(ctx)
		return out, true, err
	}
	settled := c.known.Open().Status != record.Containing
	out, err := r.Contain(ctx, in)
	switch {
	case err != nil || len(out.Applied) == 0:
	case settled:
		out.Reason = "had drifted, and was contained again: " + strings.Join(out.Applied, ", ")
	default:
		out.Reason = "was unfinished, and is finished: " + strings.Join(out.Applied, ", ")
	}
	return out, true, err
}

// close ends the record of an instance that is gone. Its denials linger: who had
// its interfaces' addresses may get them back. Interfaces that outlive it keep the
// quarantine group until somebody releases it.
func (c *run) close(ctx context.Context) (Outcome, error) {
	for range maxRounds {
		open := c.known.Open()
		if open == nil {
			return c.outcome(record.Reconcile, "closed"), nil
		}
		rec := plan.Closed(*open, c.known.Slots)
		c.plan = plan.Plan{Record: rec, Changed: true}
		change := c.change(c.plan)
		if !rec.ByPerson {
			change.Count = -1
		}
		err := c.commit(ctx, change, true)
		if err == nil {
			return c.outcome(record.Reconcile, c.in.Instance+" is gone: closed"), nil
		}
		if !errors.Is(err, record.ErrConflict) {
			return c.stopped(fmt.Errorf("closing the containment of %s: %w", c.in.Instance, err))
		}
		if err := c.pause(ctx); err != nil {
			return c.stopped(err)
		}
		if err := c.look(ctx); err != nil {
			return c.stopped(err)
		}
	}
	return c.stopped(record.ErrConflict)
}

// adopt records an instance that was contained without the ledger. Tags alone
// cause nothing: what is adopted is in quarantine already.
func (r *Reconciler) adopt(ctx context.Context, instance, request string) (Outcome, bool, error) {
	in := plan.Incident{Instance: instance, Adopt: true, Reason: "contained without the ledger, recorded from tags", Request: request}
	c, err := r.look(ctx, in)
	if err != nil {
		return Outcome{Instance: instance, Verdict: record.Reconcile, Reason: in.Reason}, true, err
	}
	if _, marked := c.seen.Instance.Tags[network.PeersTag]; !marked || c.seen.Gone() || c.known.Open() != nil || !c.seen.AnyHeld() {
		return Outcome{}, false, nil
	}
	for _, a := range network.PeersOf(c.seen.Instance.Tags) {
		in.Peers = append(in.Peers, guardduty.Peer{Addr: a})
	}
	out, err := r.Contain(ctx, in)
	return out, true, err
}
