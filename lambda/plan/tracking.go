package plan

import (
	"fmt"
	"strings"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// shorten plans lower timeouts, once an interface is in quarantine, where no peer is
// known. What EC2 has refused once, it is not asked again.
func (p *planner) shorten() {
	if len(p.record.Peers) > 0 {
		return
	}
	for _, i := range p.seen.Interfaces {
		t := record.Tracking{Interface: i.ID, Before: i.Timeouts, After: network.ShortestTimeouts}
		was, recorded := p.recorded(t.ID())
		if recorded {
			t.Before = was.Step.(record.Tracking).Before
		}
		refusal := p.seen.Refused[t.ID()]
		switch {
		case !p.seen.Quarantined(i) || !recorded && i.Timeouts == t.After:
		case recorded && was.State == record.Failed:
			p.add(t, record.Failed, was.Note)
		case i.Timeouts == t.After:
			p.add(t, record.Applied, "")
		case refusal.Reason != "":
			p.add(t, record.Failed, refusal.Reason)
		default:
			p.add(t, record.Pending, "")
		}
	}
}

// lengthen plans the return of an interface's timeouts: to what was set, or to what
// EC2 does where nothing is.
func (p *releaser) lengthen(s record.StepState, t record.Tracking) {
	i, found := p.seen.Find(t.Interface)
	before := t.Before.Or(network.DefaultTimeouts(p.seen.Instance.Type))
	switch {
	case s.State.Final():
		p.steps = append(p.steps, s)
	case !found:
		p.add(s, record.Gone, "the interface does not exist any more")
	case i.Timeouts == before || i.Timeouts == t.Before:
		p.settled(s, record.Restored, "")
	case i.Timeouts == t.After:
		t.Before = before
		p.reverts = append(p.reverts, t)
		p.steps = append(p.steps, s)
	default:
		p.add(s, record.ChangedElsewhere, fmt.Sprintf("somebody has set %s since: left as it is", strings.Join(i.Timeouts.Texts(), ", ")))
	}
}

// tracking is how long EC2 may go on to track a flow from before the containment:
// as long as the interface's timeout was then. That a lower one holds for flows
// that are tracked already is not documented.
func (p *releaser) tracking() time.Duration {
	longest := p.seen.Tracking()
	for _, s := range p.was.Steps {
		if t, ok := s.Step.(record.Tracking); ok {
			longest = max(longest, t.Before.Or(network.DefaultTimeouts(p.seen.Instance.Type)).TCP)
		}
	}
	return longest
}
