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

	loaded *record.Known // what the ledger has been read to hold, before the first observation
	heard  hearing       // of the command to the host

	told  *record.Told // what has been told of the containment; nil before the ledger was read
	since int          // how many of applied that was of

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

// observe reads network and ledger side by side. What the ledger knows may ask for
// more: other VPCs than the finding says, earlier peers. While EC2 throttles, the
// ledger is read first, so that all of that is one look.
func (c *containing) observe(ctx context.Context) (seen network.Network, _ record.Known, err error) {
	target, known := c.target(), c.remembered
	if c.loaded == nil && c.r.EC2.Scarce() {
		if err := c.loadFirst(ctx, target.VPCs); err != nil {
			return seen, known, err
		}
	}
	loaded := c.loaded != nil
	c.inOrder = loaded
	if loaded {
		known, c.loaded = *c.loaded, nil
	}
	target.Peers = c.unknown(c.peers(c.last, known))
	if open := known.Open(); loaded && target.Look == network.Whole && c.r.EC2.Scarce() {
		target.Peers = append(target.Peers, c.neighbours(known.Slots, target.Peers)...)
		if open != nil && c.in.Trigger == plan.ByEvent {
			target.Look = network.Recorded
		}
	}
	c.beside.look(ctx, c.early(), false)
	for {
		g, gctx := errgroup.WithContext(ctx)
		g.Go(func() (err error) { seen, err = c.look(gctx, target, known); return err })
		if !loaded {
			c.inOrder = false
			g.Go(func() (err error) { known, err = c.load(gctx, target.VPCs); return err })
		}
		if err := g.Wait(); err != nil {
			return seen, known, err
		}
		c.own(target.Peers, seen.Owners)
		rest := c.unknown(c.peers(seen, known))
		loaded = subset(seen.VPCs(), target.VPCs)
		if len(rest) == 0 && loaded {
			break
		}
		target = network.Target{Instance: c.in.Instance, VPCs: seen.VPCs(), Peers: rest, Look: network.Owners, Since: &seen}
	}
	seen.Owners, seen.Refused = maps.Clone(c.owners), c.rounds.refused
	c.last, c.remembered = seen, known
	c.hear(ctx, &seen, known)
	if open := known.Open(); open != nil && c.was == "" {
		c.was = open.Status
	}
	if c.told == nil {
		told := record.TellOf(known.Record)
		c.told = &told
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

// look observes. What the record does not bear out is read again, wholly.
func (c *containing) look(ctx context.Context, target network.Target, known record.Known) (network.Network, error) {
	seen, err := c.r.EC2.Observe(ctx, target)
	if target.Look != network.Recorded || err == nil && plan.BearsOut(*known.Open(), seen) {
		return seen, err
	}
	target.Look = network.Whole
	return c.r.EC2.Observe(ctx, target)
}

// neighbours are the addresses that others have denied in the VPCs: in a burst of
// findings they are likely to be asked for next, and now they cost no call of their own.
func (c *containing) neighbours(slots []record.Slot, peers []netip.Addr) []netip.Addr {
	var all []netip.Addr
	for _, s := range slots {
		a := network.FromNAT64(s.Prefix.Addr())
		if s.Prefix.IsSingleIP() && !slices.Contains(all, a) && !slices.Contains(peers, a) {
			all = append(all, a)
		}
	}
	return all[:min(len(all), mostNeighbours)]
}

// mostNeighbours keeps the addresses of one read within one call.
const mostNeighbours = 100

// target is what to observe. The last observation knows better than the finding where
// the interfaces are. Unless something went wrong since, all that it has to show anew
// is what became of the changes.
func (c *containing) target() network.Target {
	target := c.in.Target(nil)
	if len(c.last.Interfaces) > 0 {
		target.VPCs, target.Subnets = c.last.VPCs(), slices.Sorted(maps.Keys(c.last.Subnets))
		if c.admitted && len(c.rounds.causes) == 0 && len(c.rounds.missing) == 0 {
			last := c.last
			target.Look, target.Since = c.again(), &last
		}
	}
	return target
}

// again is what the changes of the last round show in. The rest is believed without
// another look only where the ledger was read before it: a release that came in between
// has then kept the plan from being recorded.
func (c *containing) again() network.Look {
	tried := c.tried
	c.tried = nil
	denies := func(s record.Step) bool { return s.Kind() == record.KindDenial }
	switch {
	case len(tried) == 0 || !c.inOrder: // somebody else may have made changes
		return network.Again
	case !slices.ContainsFunc(tried, denies):
		return network.AgainInterfaces
	case !slices.ContainsFunc(tried, func(s record.Step) bool { return !denies(s) }):
		return network.AgainACLs
	default:
		return network.Again
	}
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

// loadFirst reads the ledger before the network, where that saves calls of EC2's.
func (c *containing) loadFirst(ctx context.Context, vpcs []string) error {
	known, err := c.load(ctx, vpcs)
	c.loaded = &known
	return err
}

// holds reports whether the ledger has all that the incident asks for, and a look for
// drift shows it in force: three calls of EC2's instead of up to nine. It reads the ledger
// first, and so is for incidents that are likely to be repeats.
func (c *containing) holds(ctx context.Context) (Outcome, bool) {
	likely := c.in.Repeated || c.r.lately.has(c.in.Instance) || c.r.EC2.Scarce()
	if !likely || c.preview || c.in.Trigger != plan.ByEvent || c.loadFirst(ctx, c.in.VPCs) != nil {
		return Outcome{}, false
	}
	open := c.loaded.Open()
	if open == nil || c.unrecorded {
		return Outcome{}, false
	}
	if c.r.EC2.Scarce() {
		if out, joined := c.join(ctx, *c.loaded); joined {
			return out, true
		}
	}
	if c.loaded == nil || c.in.Adds(*open) {
		return Outcome{}, false
	}
	seen, err := c.r.EC2.Observe(ctx, network.Target{Instance: c.in.Instance, ACLs: open.Target().ACLs, Look: network.Drift})
	if err != nil || !plan.Holds(*open, seen, c.r.Rules, c.in.Now) {
		c.loaded = nil // it may have moved on meanwhile
		return Outcome{}, false
	}
	c.was = open.Status
	return c.ends(record.Contain, plan.Plan{Record: *open, ACLRoom: plan.Room(seen, c.r.Rules)}), true
}

// justSeen is how long ago another invocation may have read back that all is in force, to
// be believed while EC2 throttles. A call would come from a containment.
const justSeen = time.Minute

// join adds the incident to a containment that is in force, without a look at it, if
// that is all there is to do.
func (c *containing) join(ctx context.Context, known record.Known) (Outcome, bool) {
	since := c.r.Now().Add(-justSeen)
	if _, ok := plan.Join(c.in, known, nil, c.r.Rules, since); !ok {
		return Outcome{}, false
	}
	peers := c.unknown(c.peers(network.Network{}, known))
	peers = append(peers, c.neighbours(known.Slots, peers)...)
	seen, err := c.r.EC2.Observe(ctx, network.Target{Instance: c.in.Instance, Peers: peers, Look: network.Owners, Since: &network.Network{}})
	if err != nil {
		return Outcome{}, false
	}
	c.own(peers, seen.Owners)
	p, ok := plan.Join(c.in, known, c.owners, c.r.Rules, since)
	if !ok {
		return Outcome{}, false
	}
	held := slices.Clone(p.Slots)
	change := c.change(p, known)
	for i := range held {
		change.Slots[i].Slot.Since = held[i].Slot.Since // nobody has read it back anew
	}
	if err := c.commit(ctx, change, p.Changed); err != nil {
		c.loaded = nil // it has moved on
		return Outcome{}, false
	}
	c.was = known.Open().Status
	return c.ends(record.Contain, p), true
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
		return seen, func(context.Context) error { return nil }, nil
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
