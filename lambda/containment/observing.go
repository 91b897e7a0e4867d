package containment

import (
	"context"
	"maps"
	"net/netip"
	"slices"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// observe reads network and ledger side by side. What the ledger knows may ask for
// more: other VPCs than the finding says, earlier peers. While EC2 throttles, the
// ledger is read first, so that all of that is one look. What the ledger has just taken
// is not read again: it refuses the next plan when somebody else has written meanwhile.
func (c *containing) observe(ctx context.Context) (seen network.Network, known record.Known, err error) {
	target, known, loaded, err := c.toRead(ctx)
	if err != nil {
		return seen, known, err
	}
	c.inOrder = loaded
	edges := c.readEdges(ctx)
	c.lookEarly(ctx, known)
	target.SkipRanges = c.skipsRanges(target.Peers)
	for {
		seen, known, err = c.read(ctx, target, known, loaded)
		if err != nil {
			return seen, known, err
		}
		c.inOrder = c.inOrder && loaded
		c.own(target.Peers, seen.Owners)
		rest := c.unknown(c.peers(seen, known))
		loaded = subset(seen.VPCs(), target.VPCs)
		if len(rest) == 0 && loaded {
			break
		}
		since := seen
		target = network.Target{
			Instance: c.in.Instance, VPCs: seen.VPCs(), Peers: rest, Look: network.Owners, Since: &since, SkipRanges: c.skipsRanges(rest),
		}
	}
	seen.Owners, seen.Refused = maps.Clone(c.owners), c.rounds.refused
	c.last, c.remembered = seen, known
	if seen.Edges, err = edges(); err != nil {
		return seen, known, err
	}
	if err := c.completeEdges(ctx, &seen, known); err != nil {
		return seen, known, err
	}
	c.hear(ctx, &seen, known)
	c.begins(known)
	return seen, known, nil
}

// toRead is what to observe, and what the ledger holds, if it was read first.
func (c *containing) toRead(ctx context.Context) (target network.Target, known record.Known, loaded bool, err error) {
	target, known = c.target(), c.remembered
	scarce := c.r.EC2.Scarce()
	c.taken, c.written = c.written, false
	if c.loaded == nil && scarce && !c.taken {
		if err := c.loadFirst(ctx, target.VPCs); err != nil {
			return target, known, false, err
		}
	}
	loaded = c.taken
	if c.loaded != nil {
		known, c.loaded, loaded = *c.loaded, nil, true
	}
	target.Peers = c.unknown(c.peers(c.last, known))
	if loaded && scarce && target.Look == network.Whole {
		target.Peers = append(target.Peers, neighbours(known.Slots, target.Peers)...)
		if known.Open() != nil && c.in.Trigger == plan.ByEvent {
			target.Look = network.Recorded
		}
	}
	return target, known, loaded, nil
}

// read reads the network and, unless that has been done, the ledger beside it.
func (c *containing) read(ctx context.Context, t network.Target, have record.Known, loaded bool) (seen network.Network, known record.Known, err error) {
	known = have
	g, gctx := parallel.WithContext(ctx)
	g.Go(func() (err error) { seen, err = c.look(gctx, t, have); return err })
	if !loaded {
		c.taken = false
		g.Go(func() (err error) { known, err = c.load(gctx, t.VPCs); return err })
	}
	err = g.Wait()
	return seen, known, err
}

// confirm reads the ledger after all, where it has not been read and would not be asked:
// when there is nothing to write. A plan that relies on somebody else's entry may be due
// to a ledger that has moved on, so that it wants a reading of its own.
func (c *containing) confirm(ctx context.Context, seen network.Network, known record.Known) (record.Known, error) {
	if !c.taken {
		return known, nil
	}
	if p := plan.NewPlan(c.in, seen, known, c.r.Rules); p.Changed && !p.Relies {
		return known, nil
	}
	c.taken, c.inOrder = false, false
	read, err := c.load(ctx, seen.VPCs())
	if err == nil {
		c.remembered = read
	}
	return read, err
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
func neighbours(slots []record.Slot, peers []netip.Addr) []netip.Addr {
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

// skipsRanges reports whether the plan can do without the VPCs' ranges, given what other
// peers are to be looked for. It mostly can, which spares a call and a connection before
// the cut.
func (c *containing) skipsRanges(peers []netip.Addr) bool {
	return !c.in.GoesByRanges(slices.Concat(c.looked, peers), c.r.Rules)
}

// own adds the owners of peers to those that this run has found.
func (c *containing) own(peers []netip.Addr, found map[netip.Addr]network.Owner) {
	c.looked = append(c.looked, peers...)
	maps.Copy(c.owners, found)
}
