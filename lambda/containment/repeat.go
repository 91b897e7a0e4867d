package containment

import (
	"context"
	"slices"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// loadFirst reads the ledger before the network, where that saves calls of EC2's.
func (c *containing) loadFirst(ctx context.Context, vpcs []string) error {
	known, err := c.load(ctx, vpcs)
	if err == nil {
		c.loaded = &known
	}
	return err
}

// holds reports whether the ledger has all that the incident asks for, and a look for
// drift shows it in force: three calls of EC2's instead of up to nine. It reads the ledger
// first, and so is for incidents that are likely to be repeats.
func (c *containing) holds(ctx context.Context) (Outcome, bool) {
	scarce := c.r.EC2.Scarce()
	if !c.likelyRepeated(scarce) || c.loadFirst(ctx, c.in.VPCs) != nil || c.unrecorded {
		return Outcome{}, false
	}
	known := *c.loaded
	if scarce {
		if out, joined := c.join(ctx, known); joined {
			return out, true
		}
	}
	if c.loaded == nil || known.Open() == nil || c.in.Adds(*known.Open()) {
		return Outcome{}, false
	}
	return c.stands(ctx, known)
}

func (c *containing) likelyRepeated(scarce bool) bool {
	return c.in.Trigger == plan.ByEvent && !c.preview && (scarce || c.in.Repeated || c.r.lately.has(c.in.Instance))
}

// stands looks for drift in what is on record.
func (c *containing) stands(ctx context.Context, known record.Known) (Outcome, bool) {
	open := known.Open()
	seen, err := c.r.EC2.Observe(ctx, network.Target{Instance: c.in.Instance, ACLs: open.Target().ACLs, Look: network.Drift})
	if err != nil || !plan.Holds(*open, seen, c.r.Rules, c.in.Now) {
		c.loaded = nil // it may have moved on meanwhile
		return Outcome{}, false
	}
	c.begins(known)
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
	peers = append(peers, neighbours(known.Slots, peers)...)
	seen, err := c.r.EC2.Observe(ctx, network.Target{Instance: c.in.Instance, Peers: peers, Look: network.Owners, Since: &network.Network{}})
	if err != nil {
		return Outcome{}, false
	}
	c.own(peers, seen.Owners)
	p, ok := plan.Join(c.in, known, c.owners, c.r.Rules, since)
	if !ok {
		return Outcome{}, false
	}
	c.begins(known)
	held := slices.Clone(p.Slots)
	change := c.change(p, known)
	for i := range held {
		change.Slots[i].Slot.Since = held[i].Slot.Since // nobody has read it back anew
	}
	if err := c.commit(ctx, change, p.Changed); err != nil {
		c.loaded = nil // it has moved on
		return Outcome{}, false
	}
	return c.ends(record.Contain, p), true
}
