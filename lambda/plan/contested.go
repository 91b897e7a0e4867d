package plan

import (
	"time"

	"tourniquet/lambda/record"
)

// contestedUntil is until when a release of the containment before may be at work. What
// that one has made on the host, and its flow logs, it undoes last, when the record is
// released already and a newer containment may begin: its command to the host may arrive
// after ours.
func contestedUntil(before record.Record, now time.Time) time.Time {
	if !before.Unsettled() {
		return time.Time{}
	}
	return now.Add(MaxInvocation)
}

// retakes reports whether what was made beside the cut is to be made once more: such a
// release may have undone it, and has ended by now.
func (p *planner) retakes() bool {
	return p.record.IsContested() && !p.in.Now.Before(p.record.Contested)
}

// retake plans a step once more that is on record as made, unless this invocation has
// made it.
func (p *planner) retake(step record.Creation) bool {
	return p.retakes() && len(p.seen.Made[step.ID()]) == 0
}

// settleContest ends the contest once every step has been made once more, or can't be.
func (p *planner) settleContest() {
	if !p.retakes() {
		return
	}
	for _, s := range p.record.Steps {
		if kind := s.Step.Kind(); (kind == record.KindHost || kind == record.KindFlowLog) && s.State == record.Pending {
			return
		}
	}
	p.record.Retaken = true
}
