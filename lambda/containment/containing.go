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

	was       record.Status // of the containment when it was first loaded; empty when it was not open
	admitted  bool          // the policy has admitted the incident
	relied    bool          // the last plan relied on somebody else's entry
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

// observe reads network and ledger side by side. What the ledger knows may ask for
// more: other VPCs than the finding says, earlier peers.
func (c *containing) observe(ctx context.Context) (seen network.Network, known record.Known, err error) {
	target := c.in.Target(recordedPeers(c.remembered))
	if len(c.last.Interfaces) > 0 { // the last observation knows better than the finding
		target.VPCs, target.Subnets = c.last.VPCs(), slices.Sorted(maps.Keys(c.last.Subnets))
	}
	c.beside.look(ctx, c.early())
	for {
		target.Peers = c.unknown(target.Peers)
		g, gctx := errgroup.WithContext(ctx)
		g.Go(func() (err error) { seen, err = c.r.EC2.Observe(gctx, target); return err })
		g.Go(func() (err error) { known, err = c.load(gctx, target.VPCs); return err })
		if err := g.Wait(); err != nil {
			return seen, known, err
		}
		c.own(target.Peers, seen.Owners)
		peers, vpcs := c.peers(seen, known), seen.VPCs()
		if len(c.unknown(peers)) == 0 && subset(vpcs, target.VPCs) {
			break
		}
		target.Peers, target.VPCs = peers, vpcs
	}
	seen.Owners, seen.Refused = maps.Clone(c.owners), c.rounds.refused
	c.last, c.remembered = seen, known
	if open := known.Open(); open != nil && c.was == "" {
		c.was = open.Status
	}
	return seen, known, nil
}

// early are the steps to look for beside the first observation.
func (c *containing) early() []record.Step {
	if c.last.Exists() {
		return nil
	}
	return c.in.Early(c.r.Rules)
}

// peers are the addresses that the incident is about: the finding's, the record's, and
// those in the tags of an instance that was contained without the ledger.
func (c *containing) peers(seen network.Network, known record.Known) []netip.Addr {
	peers := c.in.Target(recordedPeers(known)).Peers
	if c.in.Trigger == plan.ByAdoption {
		peers = append(peers, network.PeersOf(seen.Instance.Tags)...)
	}
	return peers
}

func recordedPeers(known record.Known) []guardduty.Peer {
	if open := known.Open(); open != nil {
		return open.Peers
	}
	return nil
}

// unknown are the peers whose owners this run has not looked for yet. Once is
// enough: a third of an observation's calls is for them, and EC2 allows so many a second.
func (c *containing) unknown(peers []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(peers), func(a netip.Addr) bool { return slices.Contains(c.looked, a) })
}

// own adds the owners of peers to those that this run has found.
func (c *containing) own(peers []netip.Addr, found map[netip.Addr]network.Owner) {
	c.looked = append(c.looked, peers...)
	maps.Copy(c.owners, found)
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

// prepare makes the quarantine groups ready. On the usual path they are.
func (c *containing) prepare(ctx context.Context, seen network.Network) (network.Network, error) {
	if c.preview {
		return seen, nil
	}
	for _, vpc := range seen.VPCs() {
		if seen.Ready(vpc) == "" || !seen.AllEmpty(vpc) {
			groups, err := c.r.EC2.Prepare(ctx, seen)
			seen.Quarantine = groups
			return seen, err
		}
	}
	return seen, nil
}

// apply makes the missing changes, except those that EC2 has accepted and may be slow
// to show. What comes beside the cut goes out at the same moment, and the cut does not
// wait for it.
func (c *containing) apply(ctx context.Context, missing []record.Step) {
	act, stop := timeToAct(ctx)
	defer stop()
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
