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

// holdExit keeps back what puts an instance into service again: its Auto Scaling group
// would terminate it for failing its checks while something is still shut.
func (p *releasePlanner) holdExit() {
	p.reverts = slices.DeleteFunc(p.reverts, func(s record.Step) bool {
		if s.Kind() == record.KindStandby || s.Kind() == record.KindChecks {
			p.later = append(p.later, s)
			return true
		}
		return false
	})
}

// exitLast puts an instance into service again, once nothing else is left to undo: the
// groups of its interfaces are back, and the host's own rules are gone. Where they are
// not, it stays on standby, and the step says why.
func (p *releasePlanner) exitLast(rec *record.Record) {
	state, note := staysOut(*rec)
	if state == "" {
		p.reverts, p.later = append(p.reverts, p.later...), nil
		if len(p.reverts) > 0 && p.was.Status.Open() {
			rec.Status = record.Releasing
		}
		return
	}
	for i, s := range rec.Steps {
		if slices.ContainsFunc(p.later, func(l record.Step) bool { return l.ID() == s.Step.ID() }) {
			rec.Steps[i].State, rec.Steps[i].Note = state, note
		}
	}
}

// staysOut is why an instance is not put into service yet, and what that makes of the
// step; empty when nothing hinders.
func staysOut(rec record.Record) (state record.State, note string) {
	for _, s := range rec.Steps {
		switch k := s.Step.Kind(); {
		case k == record.KindQuarantine && !s.State.Final():
			return record.Failed, "not undone: an interface is still in quarantine, and its group would terminate it"
		case k != record.KindHost || s.State.Final():
		case s.State == record.Failed:
			state, note = record.Failed, "not undone: the host's own rules may still be there, and its group would terminate it"
		default:
			state, note = record.Lingering, "until the host's own rules are gone: its group would terminate it"
		}
	}
	return state, note
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

// leftOver is the step of the instance's last containment whose value an attribute still
// has: a release could not undo it, or has just done so, and the value was read before.
// Then what was there before that step is to be restored, and not what it has set.
func (p *planner) leftOver(r record.Replacement, value []string) (record.Replacement, bool) {
	last := p.known.Record
	if !r.Of.Keeps() || last == nil || last.Status.Open() || last.Status == record.Observed {
		return r, false
	}
	s, there := last.Step(r.ID())
	was, replaces := s.Step.(record.Replacement)
	ours := there && replaces && s.State != record.Planned && slices.Equal(value, was.After)
	return was, ours && (!s.State.Final() || p.justClosed())
}

// justClosed reports whether the last containment has ended so short a while ago that
// what is observed may be older.
func (p *planner) justClosed() bool {
	last := p.known.Record
	return last != nil && !last.Status.Open() && p.in.Now.Sub(last.Updated) < MaxInvocation
}
