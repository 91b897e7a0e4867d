package plan

import (
	"slices"

	"tourniquet/lambda/record"
)

// refused is why EC2 does not undo a step beside the cut in this invocation. A release
// does not fail over one.
func (p *releasePlanner) refused(r record.Replacement) string {
	if r.Of.Decides() {
		return ""
	}
	return p.seen.Refused[r.ID()].Reason
}

// exitLast keeps an instance on standby, and its checks suppressed, until its groups are
// back: its Auto Scaling group would terminate it for failing its checks. Where an
// interface stays in quarantine, so does the standby.
func (p *releasePlanner) exitLast() {
	back := !slices.ContainsFunc(p.steps, func(s record.StepState) bool {
		return s.Step.Kind() == record.KindQuarantine && !s.State.Final()
	})
	if back {
		return
	}
	waits := func(s record.Step) bool { return s.Kind() == record.KindStandby || s.Kind() == record.KindChecks }
	var later []record.Step
	p.reverts = slices.DeleteFunc(p.reverts, func(s record.Step) bool {
		if waits(s) {
			later = append(later, s)
		}
		return waits(s)
	})
	if len(p.reverts) > 0 || slices.ContainsFunc(p.steps, p.unsettled) {
		p.later = later
		return
	}
	for i, s := range p.steps {
		if slices.ContainsFunc(later, func(l record.Step) bool { return l.ID() == s.Step.ID() }) {
			p.steps[i].State, p.steps[i].Note = record.Failed, "not undone: an interface is still in quarantine, and its group would terminate it"
		}
	}
}

// Aside are the steps whose values a release has to look for.
func Aside(rec record.Record) []record.Step {
	var steps []record.Step
	for _, s := range rec.Steps {
		r, ok := s.Step.(record.Replacement)
		if ok && attributes[r.Of].aside && !s.State.Final() && r.Name != record.VolumesAttribute {
			steps = append(steps, r)
		}
	}
	return steps
}
