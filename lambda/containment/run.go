package containment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/pause"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

func subset(inner, outer []string) bool {
	for _, s := range inner {
		if !slices.Contains(outer, s) {
			return false
		}
	}
	return true
}

// A run is one invocation's work on one incident.
type run struct {
	*Responder
	in plan.Incident

	seen  network.Network
	known record.Known
	plan  plan.Plan

	looked []netip.Addr // the peers whose owners are known, or known to be nobody here
	owners map[netip.Addr]network.Owner

	pending    []record.Step
	taken      taken
	refused    map[string]network.Refusal
	causes     map[string]error // why a step is missing
	relied     bool             // the last plan relied on somebody else's entry
	rounds     int
	unrecorded bool
	counted    bool // the guard has let it pass without the ledger
	contained  time.Time
	applied    []string
	warnings   []string
}

func (r *Responder) start(in plan.Incident) *run {
	return &run{Responder: r, in: in, refused: map[string]network.Refusal{}, taken: taken{}}
}

// look reads network and ledger side by side. What the ledger knows may ask for
// more: other VPCs than the finding says, earlier peers.
func (c *run) look(ctx context.Context) error {
	target, vpcs := c.in.Target(c.peers()), c.in.VPCs
	if c.rounds > 0 { // the last look knows better than the finding
		vpcs = c.seen.VPCs()
		target.VPCs = vpcs
		target.Subnets = slices.Sorted(maps.Keys(c.seen.Subnets))
	}
	for {
		target.Peers = c.unknown(target.Peers)
		g, gctx := errgroup.WithContext(ctx)
		g.Go(func() (err error) {
			c.seen, err = c.EC2.Observe(gctx, target)
			return err
		})
		g.Go(func() error { return c.load(gctx, vpcs) })
		if err := g.Wait(); err != nil {
			return err
		}
		c.seen.Refused = c.refused
		c.seen.Owners = c.own(target.Peers, c.seen.Owners)
		all, seenVPCs := c.in.Target(c.peers()), c.seen.VPCs()
		if len(c.unknown(all.Peers)) == 0 && subset(seenVPCs, vpcs) {
			return nil
		}
		target.Peers, vpcs = all.Peers, seenVPCs
	}
}

// unknown are the peers whose owners this run has not looked for yet. Once is
// enough: a third of a look's calls is for them, and EC2 allows so many a second.
func (c *run) unknown(peers []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(peers), func(a netip.Addr) bool { return slices.Contains(c.looked, a) })
}

// own adds the owners of peers to those that this run has found.
func (c *run) own(peers []netip.Addr, found map[netip.Addr]network.Owner) map[netip.Addr]network.Owner {
	c.looked = append(c.looked, peers...)
	owners := maps.Clone(c.owners)
	if owners == nil {
		owners = map[netip.Addr]network.Owner{}
	}
	maps.Copy(owners, found)
	c.owners = owners
	return owners
}

// peers are those that the ledger has recorded.
func (c *run) peers() []guardduty.Peer {
	if open := c.known.Open(); open != nil {
		return open.Peers
	}
	return nil
}

// load reads the ledger, unless an earlier call of this run failed: then the run
// itself remembers.
func (c *run) load(ctx context.Context, vpcs []string) error {
	if c.unrecorded {
		return nil
	}
	lctx, cancel := context.WithTimeout(ctx, c.LedgerWait)
	defer cancel()
	known, err := c.Ledger.Load(lctx, c.in.Instance, vpcs)
	switch {
	case errors.Is(err, record.ErrNewerRecord):
		return err
	case err != nil && (ctx.Err() != nil || c.in.Repair || c.in.Adopt):
		return err
	case err != nil:
		c.withoutLedger(fmt.Errorf("reading the ledger: %w", err))
		return nil
	}
	c.known = known
	return nil
}

// withoutLedger goes on without the ledger: a host that stays connected is worse
// than a record that has to be made up for later.
func (c *run) withoutLedger(err error) {
	c.unrecorded = true
	c.warnings = append(c.warnings, err.Error())
	c.Log.Error("ledger unavailable, going on without", "instance", c.in.Instance, "err", err)
}

// prepare makes the quarantine groups ready. On the usual path they are.
func (c *run) prepare(ctx context.Context) error {
	for _, vpc := range c.seen.VPCs() {
		if c.seen.Ready(vpc) == "" || !c.seen.AllEmpty(vpc) {
			groups, err := c.EC2.Prepare(ctx, c.seen)
			if err != nil {
				return err
			}
			c.seen.Quarantine = groups
			return nil
		}
	}
	return nil
}

// record writes the plan down, in the ledger and beside it in tags, before any of
// it is applied. One of the two must hold the originals.
func (c *run) record(ctx context.Context, plan plan.Plan) error {
	c.intend(plan)
	if err := c.count(ctx, plan); err != nil {
		return err
	}
	change := c.change(plan)
	err, tagErr := c.write(ctx, change, plan)
	if tagErr != nil {
		c.warn(fmt.Errorf("tagging: %w", tagErr))
	}
	switch {
	case decided(err):
		return err
	case c.unrecorded && tagErr != nil && len(c.pending) > 0:
		return fmt.Errorf("neither the ledger nor tags hold the originals: %w", tagErr)
	case err != nil:
		if err := c.tagsAlone(ctx, plan, err, tagErr); err != nil {
			return err
		}
	}
	c.intend(plan)
	if plan.Changed {
		c.known = c.known.After(change)
	}
	return nil
}

// intend takes a plan's pending steps as those to carry out. Without the ledger,
// timeouts stay as they are: tags hold the original groups, and not these.
func (c *run) intend(plan plan.Plan) {
	if c.unrecorded {
		plan.Record.Steps = slices.DeleteFunc(slices.Clone(plan.Record.Steps), func(s record.StepState) bool {
			return !s.Step.Kind().HeldByTags() && s.State == record.Pending
		})
	}
	c.plan, c.pending = plan, plan.Record.Pending()
}

// decided reports whether an error is the ledger's own answer, not a failure to
// reach it.
func decided(err error) bool {
	return errors.Is(err, record.ErrConflict) || errors.Is(err, record.ErrGuard) || errors.Is(err, record.ErrNewerRecord)
}

// write writes to the ledger and the tags side by side. Once the ledger has the
// plan, its second copy must not hold up the cut for long.
func (c *run) write(ctx context.Context, change record.Change, plan plan.Plan) (err, tagErr error) {
	tags := plan.Tags(c.seen, c.unrecorded)
	tagged := make(chan error, 1)
	tctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() { tagged <- c.EC2.Tag(tctx, tags) }()
	err = c.commit(ctx, change, plan.Changed)
	if err == nil && !c.unrecorded {
		defer time.AfterFunc(c.LedgerWait, stop).Stop()
	}
	return err, <-tagged
}

// tagsAlone goes on after the ledger has failed to take a plan, if the tags hold its
// originals. Reconciling doesn't: it is there to bring the ledger up to date.
func (c *run) tagsAlone(ctx context.Context, plan plan.Plan, cause, tagErr error) error {
	if tagErr != nil || c.in.Repair || c.in.Adopt {
		return errors.Join(cause, tagErr)
	}
	c.withoutLedger(fmt.Errorf("writing the ledger: %w", cause))
	if err := c.count(ctx, plan); err != nil {
		return err
	}
	if err := c.EC2.Tag(ctx, plan.Tags(c.seen, true)); err != nil {
		c.warn(fmt.Errorf("tagging: %w", err))
	}
	return nil
}

func (c *run) commit(ctx context.Context, change record.Change, needed bool) error {
	if !needed || c.unrecorded {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.LedgerWait)
	defer cancel()
	return c.Ledger.Commit(ctx, change)
}

func (c *run) warn(err error) {
	c.warnings = append(c.warnings, err.Error())
	c.Log.Warn("beside the containment", "instance", c.in.Instance, "err", err)
}

// apply makes the pending changes, except those that EC2 has taken and may be slow
// to show.
func (c *run) apply(ctx context.Context) {
	todo, late := c.taken.due(c.pending)
	c.causes = late
	act, stop := c.timeToAct(ctx)
	defer stop()
	for i, err := range c.EC2.Apply(act, todo) {
		id := todo[i].ID()
		refusal, refused := errors.AsType[network.Refusal](err)
		switch {
		case err == nil:
			c.taken[record.Attempt(todo[i])] = 1
			c.applied = append(c.applied, id)
			if todo[i].Kind().Decides() {
				c.contained = c.Now()
			}
			c.Log.InfoContext(ctx, "step applied", "instance", c.in.Instance, "step", id)
		case refused:
			c.refused[id] = refusal
			c.Log.WarnContext(ctx, "step refused", "instance", c.in.Instance, "step", id, "err", err)
		default:
			c.causes[id] = err
			c.Log.WarnContext(ctx, "step failed", "instance", c.in.Instance, "step", id, "err", err)
		}
	}
}

// timeToAct ends some time before the run does, so that what has been done can
// still be read back and marked when EC2 throttles the rest.
func (c *run) timeToAct(ctx context.Context) (context.Context, context.CancelFunc) {
	const most = 10 * time.Second
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-min(most, time.Until(deadline)/4)))
}

// taken are the changes that EC2 took and has not been seen to show, by attempt,
// each with the rounds since.
type taken map[string]int

// due splits off the changes to make now: not those that EC2 has taken and may be
// slow to show. It says of each why it is missing.
func (t taken) due(steps []record.Step) (now []record.Step, late map[string]error) {
	const showsLate = 3 // rounds to wait before a change is made once more
	late = map[string]error{}
	for _, s := range steps {
		if n := t[record.Attempt(s)]; n > 0 && n <= showsLate {
			t[record.Attempt(s)]++
			late[s.ID()] = fmt.Errorf("%s: EC2 took it and does not show it", s.ID())
			continue
		}
		now = append(now, s)
	}
	return now, late
}

// pause waits before the next look; not before the first one after acting, and
// then longer each time, at random, so that two who got in each other's way don't again.
func (c *run) pause(ctx context.Context) error {
	c.rounds++
	if c.rounds == 1 && len(c.causes) == 0 && c.contained != (time.Time{}) {
		return ctx.Err()
	}
	return backOff(ctx, c.rounds)
}

// backOff waits before the next round: exponentially longer, with jitter so that
// competing invocations drift apart.
func backOff(ctx context.Context, round int) error {
	const least, most = 20 * time.Millisecond, 2 * time.Second
	return pause.Backoff(ctx, round, least, most)
}

// stopped ends a run whose work is not complete.
func (c *run) stopped(cause error) (Outcome, error) {
	return c.outcome(record.Contain, c.in.Reason), missing("containing", c.in.Instance, c.pending, c.causes, cause)
}

func (c *run) outcome(v record.Verdict, reason string) Outcome {
	return Outcome{
		Instance: c.in.Instance, Verdict: v, Reason: reason, Record: c.plan.Record,
		Unrecorded: c.unrecorded, Applied: c.applied, Contained: c.contained, Warnings: c.warnings, ACLRoom: c.plan.ACLRoom,
	}
}
