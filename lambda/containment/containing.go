package containment

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// containing is one invocation's work on one incident.
type containing struct {
	r       *Responder
	in      plan.Incident
	preview bool
	rounds  *rounds
	beside  *beside

	last   network.Network              // the observation before
	owners map[netip.Addr]network.Owner // of the peers that have been looked for
	looked []netip.Addr                 // the peers whose owners are known, or known to be nobody here

	unrecorded bool         // the ledger is out of reach: remembered stands in for it
	remembered record.Known // what it would hold

	loaded  *record.Known // what the ledger has been read to hold, before the first observation
	written bool          // the ledger has taken the last plan: it holds what is remembered
	taken   bool          // the last observation took that as read
	heard   hearing       // of the command to the host

	told  *record.Told  // what has been told of the containment; nil before the ledger was read
	since int           // how many of applied that was of
	owed  []record.Owed // what the ledger has taken to be told

	was       record.Status // of the containment when it was first loaded; empty when it was not open
	admitted  bool          // the policy has admitted the incident
	relied    bool          // the last plan relied on somebody else's entry
	late      []chan error  // the tags that are still being written
	inOrder   bool          // the last observation read the ledger before the network
	tried     []record.Step // in the last round
	applied   []string      // the steps that this run applied
	contained time.Time     // when the last change was made that decides
}

func (r *Responder) begin(in plan.Incident, preview bool) *containing {
	in.Now = r.Now().UTC()
	return &containing{
		r: r, in: in, preview: preview, rounds: newRounds("containing", in.Instance, r.Log), owners: map[netip.Addr]network.Owner{},
		beside: newBeside(r, in.Instance),
	}
}

// begins keeps how the containment stood when the ledger was first read.
func (c *containing) begins(known record.Known) {
	if open := known.Open(); open != nil && c.was == "" {
		c.was = open.Status
	}
	if c.told == nil {
		told := record.TellOf(known.Record)
		c.told = &told
	}
}

// lookEarly looks beside the first observation for what can be looked for by then.
func (c *containing) lookEarly(ctx context.Context, known record.Known) {
	if c.last.Exists() {
		return
	}
	member, protection := c.in.Early(c.r.Rules, known)
	c.beside.look(ctx, member, false)
	c.beside.look(ctx, protection, false)
}

// load reads the ledger, unless an earlier call of this run failed: then the run
// itself remembers.
func (c *containing) load(ctx context.Context, vpcs []string) (record.Known, error) {
	if c.unrecorded {
		return c.remembered, nil
	}
	lctx, cancel := context.WithTimeout(ctx, c.r.LedgerWait)
	defer cancel()
	known, err := c.r.Ledger.Load(lctx, c.in.Instance, vpcs)
	switch {
	case err == nil:
		return known, nil
	case errors.Is(err, record.ErrNewerRecord) || ctx.Err() != nil || c.in.Trigger.Reconciles():
		return known, err
	}
	c.withoutLedger(ctx, fmt.Errorf("reading the ledger: %w", err))
	return c.remembered, nil
}

// prepare sees to it that there are quarantine groups. On the usual path there are, and
// they are ready. Otherwise they are emptied beside the record, and before they are used.
// Its error says so when there is no interface to put into one.
func (c *containing) prepare(ctx context.Context, seen network.Network) (network.Network, emptying, error) {
	if seen.Bare() {
		return seen, nil, fmt.Errorf("observing %s: EC2 shows no network interface of it, though it is %s", c.in.Instance, seen.Instance.State)
	}
	if c.preview || !slices.ContainsFunc(seen.VPCs(), func(vpc string) bool { return seen.Ready(vpc) == "" || !seen.AllEmpty(vpc) }) {
		return seen, emptyAlready, nil
	}
	groups, empty, err := c.r.EC2.Prepare(ctx, seen)
	if err != nil {
		return seen, nil, fmt.Errorf("preparing the quarantine group for %s: %w", c.in.Instance, err)
	}
	seen.Quarantine, c.last.Quarantine = groups, groups
	return seen, empty, nil
}

// An emptying removes every rule of quarantine groups.
type emptying func(context.Context) error

func emptyAlready(context.Context) error { return nil }

// apply makes the missing changes, except those that EC2 has accepted and may be slow
// to show. What comes beside the cut goes out at the same moment, and the cut does not
// wait for it.
func (c *containing) apply(ctx context.Context, missing []record.Step) {
	act, stop := timeToAct(ctx)
	defer stop()
	c.tried = missing
	c.beside.start(ctx, missing)
	for _, s := range c.rounds.change(act, deciding(missing), c.r.EC2.Apply) {
		c.applied = append(c.applied, s.ID())
		c.contained = c.r.Now()
	}
}

// deciding are the steps without which an instance is not contained.
func deciding(steps []record.Step) []record.Step {
	return slices.DeleteFunc(slices.Clone(steps), func(s record.Step) bool { return !s.Kind().Decides() })
}

func subset(inner, outer []string) bool {
	return !slices.ContainsFunc(inner, func(s string) bool { return !slices.Contains(outer, s) })
}
