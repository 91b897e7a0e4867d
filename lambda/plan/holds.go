package plan

import (
	"slices"
	"time"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// Adds reports whether an incident may ask for more than the open containment of its
// instance has done: it names a finding, a peer or anything else that is not on record,
// the containment is not complete, or a release has left something of it.
func (in Incident) Adds(open record.Record) bool {
	peers := mergePeers(open.Peers, in.Peers)
	return open.Status != record.Contained || !open.Released.IsZero() || in.asks(open) ||
		len(mergeFindings(open.Findings, in.Findings)) > len(open.Findings) ||
		!slices.EqualFunc(peers, open.Peers, func(a, b guardduty.Peer) bool { return a == b }) ||
		len(mergeStrings(open.Unreadable, in.Unreadable)) > len(open.Unreadable) || in.Omitted+len(in.UnreadableFields) > 0 ||
		slices.ContainsFunc(open.Steps, func(s record.StepState) bool {
			return s.State == record.Pending || s.State != record.Applied && s.Step.Kind().Decides()
		})
}

// Holds reports whether a containment is in force as recorded, by a look for drift:
// every interface is on record and in a quarantine group without rules, and every
// denial is in the ACL before its subnet, where nothing comes before it. It is false
// where the look does not tell.
func Holds(open record.Record, seen network.Network, rules Rules, now time.Time) bool {
	seen.Admitted = open.Admitted
	if len(seen.Interfaces) == 0 || !allQuarantined(open, seen) {
		return false
	}
	if seen.Exists() && (!exposesAsRecorded(open, seen, now) || !keepsAsRecorded(open, seen, rules, now)) {
		return false
	}
	return stepsHold(open, seen)
}

// stepsHold reports whether every step is as recorded.
func stepsHold(open record.Record, seen network.Network) bool {
	denials := false
	for _, s := range open.Steps {
		d, denies := s.Step.(record.Denial)
		denials = denials || denies
		if denies && !stands(d, seen) || !denies && !unchanged(s, seen) {
			return false
		}
	}
	return !denials || placed(seen)
}

// allQuarantined reports whether every interface is on record and in quarantine.
func allQuarantined(open record.Record, seen network.Network) bool {
	return !slices.ContainsFunc(seen.Interfaces, func(i network.Interface) bool {
		_, recorded := open.Step(record.QuarantineOf(i.ID, nil, "").ID())
		return !recorded || !seen.Quarantined(i)
	})
}

// placed reports whether the look shows which ACL stands before each subnet. Without a
// denial that doesn't matter.
func placed(seen network.Network) bool {
	for _, s := range seen.Subnets {
		if s.ACL == "" {
			return false
		}
	}
	return true
}

// exposesAsRecorded reports whether what a containment leaves open whoever the peers are
// is still what the record says.
func exposesAsRecorded(open record.Record, seen network.Network, now time.Time) bool {
	p := &planner{in: Incident{Now: now}, seen: seen, record: record.Record{
		Unreadable: open.Unreadable, QuietSince: open.QuietSince, Watched: open.Watched, Watches: open.Watches, Survivors: open.Survivors,
		Steps: open.Steps, Admitted: open.Admitted,
	}}
	p.remain()
	return !slices.ContainsFunc(p.record.Exposure, func(e record.Exposure) bool { return !slices.Contains(open.Exposure, e) }) &&
		!slices.ContainsFunc(open.Exposure, func(e record.Exposure) bool {
			ofInstance := e.Kind == record.SecondaryInterface || e.Kind == record.IMDSCredentials
			return ofInstance && !slices.Contains(p.record.Exposure, e)
		})
}

// keepsAsRecorded reports whether all that is to keep the instance is on record and in
// force, so that nothing of it has to be looked for.
func keepsAsRecorded(open record.Record, seen network.Network, rules Rules, now time.Time) bool {
	rec := open
	rec.Steps = nil
	p := &planner{in: Incident{Now: now}, seen: seen, known: record.Known{Record: &open}, rules: rules, record: rec}
	p.keep()
	return len(p.unread) == 0 && !slices.ContainsFunc(p.record.Steps, func(s record.StepState) bool {
		was, recorded := open.Step(s.Step.ID())
		return !recorded || was.State != s.State
	})
}

// stands reports whether a denial is in its ACL, and decides there.
func stands(d record.Denial, seen network.Network) bool {
	acl, serves := seen.ACLs[d.ACL]
	entry, there := acl.At(d.Direction, d.Number)
	return serves && there && entry == d.Entry() && acl.Shuts(d.Direction, d.Prefix)
}

// unchanged reports whether an attribute of an interface has the value that was set. A
// look for drift shows no others: what decides among those has to be looked at.
func unchanged(s record.StepState, seen network.Network) bool {
	r, replaces := s.Step.(record.Replacement)
	ofInterface := replaces && (r.Of == record.KindQuarantine || r.Of == record.KindTracking)
	if !ofInterface || s.State != record.Applied {
		return !s.Step.Kind().Decides()
	}
	a := attributes[r.Of]
	value, found := a.value(seen, r)
	return found && a.isInForce(seen, r, value)
}

// asks reports whether a person asks for a measure that the record may not have.
func (in Incident) asks(open record.Record) bool {
	return in.OnHost || in.Isolate || in.Trigger == ByPerson && !open.Rungs
}
