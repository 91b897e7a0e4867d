package containment

import (
	"fmt"
	"math"

	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// change is the plan as the ledger is to take it.
func (c *run) change(plan plan.Plan) record.Change {
	now := c.Now().UTC()
	rec := plan.Record
	if rec.Version == 0 {
		rec.Opened = now
	}
	if rec.Contained.IsZero() && (rec.Status == record.Contained || rec.Status == record.PartiallyContained) {
		rec.Contained = now
	}
	rec.Updated = now
	change := record.Change{Record: rec, Slots: plan.Slots, Event: c.event(plan)}
	for i := range change.Slots {
		change.Slots[i].Slot.Since = now
	}
	if rec.Version == 0 && rec.Status.Open() && !rec.ByPerson {
		change.Count, change.Limit = 1, c.Policy.MaxContained
		if c.in.Adopt { // contained already
			change.Limit = math.MaxInt32
		}
	}
	return change
}

// event is the line of history for a change: each step that the ledger has not
// had in this state.
func (c *run) event(plan plan.Plan) record.Event {
	rec := plan.Record
	e := record.Event{
		Instance: rec.Instance, Time: c.Now().UTC(), ID: fmt.Sprintf("g%d-v%d", rec.Generation, rec.Version+1),
		Verdict: record.Contain, Reason: c.in.Reason, Request: c.in.Request,
	}
	switch {
	case rec.Status == record.Observed:
		e.Verdict = record.ObservedOnly
	case c.in.Repair || c.in.Adopt:
		e.Verdict = record.Reconcile
	}
	if len(c.in.Findings) > 0 {
		e.Finding = c.in.Findings[0].ID
	}
	var was record.Record
	if c.known.Record != nil {
		was = *c.known.Record
	}
	e.Changes = record.Changes(was, rec)
	return e
}
