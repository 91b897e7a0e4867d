package containment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// releasing is one invocation's work on one release, or on what expires of a
// containment.
type releasing struct {
	r          *Releaser
	ask        Ask
	generation int            // 0: the latest
	verdict    record.Verdict // Release, or Expire
	began      time.Time
	rounds     *rounds

	heard    hearing               // of the command that takes the host's rules away
	earlier  bool                  // another containment may have followed this one
	tookDown bool                  // this invocation has undone what was made beside the cut
	to       []record.ReleaseGroup // what a person has chosen to release to
	made     map[string][]string
	refused  map[string]network.Refusal
	lifted   []string // the commands by which an admission has asked the host
	asked    bool     // an admission has asked the host

	told     *record.Told  // what has been told of the containment; nil before the ledger was read
	was      record.Status // of the containment when it was first loaded; empty when it was not open
	lease    string        // the name of the lease that this run has; empty: none
	moved    bool          // the ledger has taken a change
	releases bool          // the ledger says that this release is under way
}

// observe reads the ledger, and then the network, wherever the record's interfaces,
// groups and ACLs are by now.
func (c *releasing) observe(ctx context.Context) (network.Network, record.Known, error) {
	known, err := c.load(ctx)
	if err != nil {
		return network.Network{}, known, fmt.Errorf("reading the ledger: %w", err)
	}
	target := network.Target{Instance: c.ask.Instance}
	if known.Record != nil {
		target = known.Record.Target()
	}
	if open := known.Open(); open != nil && c.was == "" {
		if err := c.recall(ctx); err != nil {
			return network.Network{}, known, err
		}
		c.was = open.Status
	}
	if c.told == nil {
		told := record.TellOf(known.Record)
		c.told = &told
	}
	seen, err := c.r.EC2.Observe(ctx, target)
	if err == nil {
		err = c.edges(ctx, &seen, known)
		c.hear(ctx, &seen, known)
		c.look(ctx, &seen, known)
	}
	return seen, known, err
}

// recall makes the release as old as its first try. Lambda repeats an asynchronous
// invocation minutes later, and the repeat must not overrule what happened since.
func (c *releasing) recall(ctx context.Context) error {
	if c.ask.Request == "" || c.ask.DryRun || c.verdict != record.Release {
		return nil
	}
	first, err := within(ctx, c.r.LedgerWait, func(ctx context.Context) (time.Time, error) {
		return c.r.Ledger.Asked(ctx, c.ask.Instance, c.ask.Request, c.began)
	})
	if err == nil {
		c.began = first
	}
	return err
}

// load reads the containment to release, and the slots in the VPCs of its denials.
func (c *releasing) load(ctx context.Context) (record.Known, error) {
	if c.generation == 0 {
		known, err := lastOf(ctx, c.r.Ledger, c.r.LedgerWait, c.ask.Instance)
		if err != nil || known.Record == nil {
			return known, err
		}
		c.generation = known.Record.Generation
	}
	rec, err := within(ctx, c.r.LedgerWait, func(ctx context.Context) (*record.Record, error) {
		return c.r.Book.Containment(ctx, c.ask.Instance, c.generation)
	})
	if err != nil || rec == nil {
		return record.Known{}, err
	}
	slots, err := within(ctx, c.r.LedgerWait, func(ctx context.Context) ([]record.Slot, error) {
		return c.r.Book.Slots(ctx, rec.VPCs())
	})
	known := record.Known{Record: rec, Slots: slots}
	unreadable, partly := record.Unreadable(err)
	if !partly {
		return known, err
	}
	for _, item := range unreadable {
		known.Unreadable = append(known.Unreadable, item.Slot)
	}
	return known, nil
}

// lastOf reads the last containment of an instance, without the slots of its VPCs.
func lastOf(ctx context.Context, ledger Ledger, wait time.Duration, instance string) (record.Known, error) {
	return within(ctx, wait, func(ctx context.Context) (record.Known, error) { return ledger.Load(ctx, instance, nil) })
}

// within makes one call that may take so long.
func within[T any](ctx context.Context, wait time.Duration, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return call(ctx)
}

// isOvertaken reports whether the record has something newer than the release: a
// finding of activity since it was asked for, or steps made after it had begun.
func (c *releasing) isOvertaken(known record.Known) bool {
	open := known.Open()
	if open == nil || c.verdict == record.Expire && open.Status != record.Releasing {
		return false // what expires restores nothing
	}
	asked := c.began
	if open.Status == record.Releasing {
		asked = open.Released
	}
	newer := func(f record.FindingRef) bool { return f.Seen.Truncate(time.Second).After(asked.Truncate(time.Second)) }
	return c.releases && open.Status != record.Releasing || slices.ContainsFunc(open.Findings, newer)
}

// plan works out the next move from the record. Without a record it goes by the
// tags, on from what the plan before has restored.
func (c *releasing) plan(seen network.Network, known record.Known, before plan.ReleasePlan) plan.ReleasePlan {
	rec := known.Record
	if rec == nil || rec.Status == record.Observed {
		return plan.NewReleaseFromTags(seen, before.Record.Steps, c.r.Beside[record.KindHost] != nil)
	}
	terms := plan.Terms{
		Now: c.r.Now().UTC(), Began: c.began, Latest: !c.earlier, ToGroups: c.to, Force: c.ask.Force, Untag: c.verdict == record.Release, Unreadable: known.Unreadable,
	}
	if c.verdict == record.Expire && rec.Status.Open() && rec.Status != record.Releasing {
		return plan.NewExpiryPlan(*rec, seen, known.Slots, terms, c.r.DenialTTL)
	}
	return plan.NewReleasePlan(*rec, seen, known.Slots, terms)
}

// takeLease keeps every other release of the containment out. An entry is removed by
// its number alone: if two invocations removed the same one, the call of the slower
// could remove what somebody else has put under that number since. A run that dies keeps
// its lease for as long as a call of it may be under way.
func (c *releasing) takeLease(ctx context.Context, p plan.ReleasePlan, known record.Known) error {
	if p.FromTags || !p.Changed && len(p.Reverts) == 0 || c.lease != "" {
		return nil
	}
	name, now := known.Record.Holder().String(), c.r.Now()
	ctx, cancel := context.WithTimeout(ctx, c.r.LedgerWait)
	defer cancel()
	if err := c.r.Leases.Lease(ctx, name, c.leaseholder(), now, now.Add(plan.MaxInvocation)); err != nil {
		return err
	}
	c.lease = name
	delete(c.rounds.causes, "lease")
	return nil
}

// isRival reports whether an error says that another invocation works on the same
// containment.
func isRival(err error) bool {
	_, leased := errors.AsType[*record.LeasedError](err)
	return leased || errors.Is(err, record.ErrConflict)
}

// leaseholder is this invocation, and its repeats.
func (c *releasing) leaseholder() string {
	if c.ask.Request != "" {
		return c.ask.Request
	}
	return fmt.Sprintf("%s at %d", c.ask.Instance, c.began.UnixNano())
}

// endLease gives the lease back, unless a change may still be under way: EC2 gave no
// answer to it.
func (c *releasing) endLease(ctx context.Context) {
	if c.lease == "" || len(c.rounds.causes) > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.r.LedgerWait)
	defer cancel()
	if err := c.r.Leases.EndLease(ctx, c.lease, c.leaseholder()); err != nil {
		c.r.Log.WarnContext(ctx, "lease not given back", "lease", c.lease, "err", err)
	}
}

// record writes the plan down before any of it is carried out. A release from tags has
// no record to change.
func (c *releasing) record(ctx context.Context, p plan.ReleasePlan, known record.Known) error {
	if p.FromTags {
		c.releases = true
		return nil
	}
	if err := c.takeLease(ctx, p, known); err != nil {
		c.rounds.causes["lease"] = err
		return err
	}
	if !p.Changed {
		return nil
	}
	change := record.NewChange(known.Record, p.Record, p.Slots, c.r.Now(), record.Event{
		Verdict: c.verdict, Reason: c.ask.Reason, Request: c.ask.Request,
	})
	change.Owed = record.Owing(*c.told, nil, change)
	ctx, cancel := context.WithTimeout(ctx, c.r.LedgerWait)
	defer cancel()
	if err := c.r.Ledger.Commit(ctx, change); err != nil {
		return err
	}
	if len(change.Owed) > 0 {
		told := record.TellOf(&change.Record)
		c.told = &told
	}
	c.moved, c.releases = true, p.Record.Status == record.Releasing
	return nil
}

// untag takes our tags away at the end. It harms nobody when they stay.
func (c *releasing) untag(ctx context.Context, p plan.ReleasePlan) {
	if len(p.Untags) == 0 {
		return
	}
	if err := c.r.EC2.Untag(ctx, p.Untags); err != nil {
		c.rounds.warn(ctx, fmt.Errorf("removing tags: %w", err))
	}
}

// note tells the history of a release from tags, which has no record to tell it.
func (c *releasing) note(ctx context.Context, p plan.ReleasePlan) {
	ctx, cancel := context.WithTimeout(ctx, c.r.LedgerWait)
	defer cancel()
	event := record.Event{
		Instance: c.ask.Instance, Time: c.began, ID: c.ask.Request, Verdict: c.verdict, Request: c.ask.Request,
		Reason: c.ask.Reason + " (from tags, without a record)", Changes: record.Changes(record.Record{}, p.Record),
	}
	owed := event.Owes(record.ToPeople, record.ToBus)
	for i := range owed {
		owed[i].Status = record.Released
	}
	if err := c.r.Ledger.Note(ctx, event, owed...); err != nil {
		c.rounds.warn(ctx, fmt.Errorf("noting the release: %w", err))
	}
}
