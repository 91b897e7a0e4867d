package plan

import (
	"slices"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// shorten plans lower tracking timeouts, once an interface is in quarantine, where no
// denial cuts a peer. What stays connected lives only as long as it isn't idle for a
// minute then, instead of five days.
func (p *planner) shorten() {
	if !p.uncut() {
		return
	}
	for _, i := range p.seen.Interfaces {
		t := record.TrackingOf(i.ID, i.Timeouts, network.ShortestTimeouts)
		_, recorded := p.recorded(t.ID())
		if p.seen.Quarantined(i) && (recorded || i.Timeouts != network.ShortestTimeouts) {
			p.replace(t)
		}
	}
}

// uncut reports whether some peer is not cut by a denial in force or planned: no peer
// is known, one can't be read, there are more than a record keeps, or one can't be
// denied where it should be.
func (p *planner) uncut() bool {
	return len(p.record.Peers) == 0 || len(p.record.Unreadable) > 0 || p.unreadable() || p.omits() || p.passes
}

// unreadable reports whether a part of a finding can't be read, now or in the record.
func (p *planner) unreadable() bool {
	open := p.known.Open()
	return len(p.in.UnreadableFields) > 0 || open != nil && slices.ContainsFunc(open.Exposure, func(e record.Exposure) bool {
		return e.Kind == record.UnreadableFinding
	})
}

func timeouts(seen network.Network, r record.Replacement) ([]string, bool) {
	i, found := seen.Find(r.Resource)
	return i.Timeouts.Texts(), found
}

// timeoutsBefore are the timeouts to give back: those that were set, and EC2's
// defaults where none was. EC2 takes a value back, not the absence of one.
func timeoutsBefore(seen network.Network, r record.Replacement) restoration {
	return restoration{value: settled(seen, r).Texts()}
}

// settled are the timeouts that an interface had before, set or not.
func settled(seen network.Network, r record.Replacement) network.Timeouts {
	before, err := network.ParseTimeouts(r.Before)
	if err != nil { // the ledger refuses such a record
		before = network.Timeouts{}
	}
	return before.Or(network.DefaultTimeouts(seen.Instance.Type))
}

// tracking is how long EC2 may go on to track a flow from before the containment:
// as long as the interface's timeout was then. AWS does not document that a lower
// one holds for flows that are tracked already.
func (p *releasePlanner) tracking() time.Duration {
	longest := p.seen.Tracking()
	for _, s := range p.was.Steps {
		if r, ok := s.Step.(record.Replacement); ok && r.Of == record.KindTracking {
			longest = max(longest, settled(p.seen, r).TCP)
		}
	}
	return longest
}
