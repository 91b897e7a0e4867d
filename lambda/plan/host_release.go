package plan

import (
	"fmt"
	"slices"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// maxAsked is how often a release asks a host to take its rules away: a day and more
// of expiries.
const maxAsked = 100

// stillThere is what an answer says of a host until it confirms that its rules are gone.
const stillThere = "the host's own rules are still there until it says that they are gone; a reboot clears them"

// takeDown plans the end of what was made beside the cut, once the groups are back: the
// host takes its rules away, which its agent can't hear of before, and flow logs are
// deleted.
func (p *releasePlanner) takeDown(rec *record.Record) (asks []record.Step) {
	rec.Exposure = slices.DeleteFunc(slices.Clone(rec.Exposure), func(e record.Exposure) bool { return e.Kind == record.HostUnconfirmed })
	for i, s := range rec.Steps {
		if s.State.Final() {
			continue
		}
		var ask bool
		switch s.Step.Kind() {
		case record.KindHost:
			rec.Steps[i], ask = p.hostBack(rec, s)
		case record.KindFlowLog:
			rec.Steps[i], ask = p.unlog(s)
		default:
			continue
		}
		if ask {
			asks = append(asks, s.Step)
		}
		if next := rec.Steps[i]; s.Step.Kind() == record.KindHost && !next.State.Final() {
			rec.Exposure = append(rec.Exposure, record.Exposure{Kind: record.HostUnconfirmed, Detail: rec.Instance + ": " + next.Note})
		}
	}
	return asks
}

// hostBack is how far the return of one host has come, and whether to ask it now. Its
// word is enough to stop asking, since the rules shut in nobody but the host.
func (p *releasePlanner) hostBack(rec *record.Record, s record.StepState) (next record.StepState, ask bool) {
	id := s.Step.ID()
	sent := p.seen.Made[id]
	p.hearRestore(rec, sent)
	settle := func(state record.State, format string, args ...any) record.StepState {
		return record.StepState{Step: s.Step, State: state, Note: fmt.Sprintf(format, args...)}
	}
	refusal, refused := p.seen.Refused[id]
	switch {
	case len(made(s)) == 0 && s.State == record.Failed:
		return settle(record.Gone, "was never made: %s", s.Note), false
	case rec.Status == record.Closed || p.seen.Gone():
		return settle(record.Gone, "the instance does not exist any more"), false
	case rec.Restore.State == network.HostSucceeded:
		return settle(record.Restored, "by the host's own word"), false
	case rec.Asked >= maxAsked && rec.Restore.Ended():
		return settle(record.Failed, "asked %d times, and the host has not confirmed it; %s", rec.Asked, reboot), false
	case refused:
		return settle(record.Lingering, "%s; %s", refusal.Reason, stillThere), false
	}
	return settle(record.Lingering, stillThere), len(sent) == 0 && (rec.Restore.Command == "" || rec.Restore.Ended())
}

// hearRestore puts into the record which command was sent, and what came of one.
func (p *releasePlanner) hearRestore(rec *record.Record, sent []string) {
	for _, command := range sent {
		if rec.Restore.Command != command {
			rec.Restore = network.HostReport{Command: command, State: network.HostAwaited}
			rec.Asked++
		}
	}
	if heard := p.seen.Restore; heard.Command != "" && heard.Command == rec.Restore.Command {
		heard.Connections = nil
		rec.Restore = heard
	}
}

// unlog is how far the deletion of a flow log has come, and whether to delete it now.
func (p *releasePlanner) unlog(s record.StepState) (next record.StepState, ask bool) {
	id := s.Step.ID()
	_, deleted := p.seen.Made[id]
	refusal, refused := p.seen.Refused[id]
	switch {
	case deleted:
		return record.StepState{Step: s.Step, State: record.Removed}, false
	case refused:
		return record.StepState{Step: s.Step, State: record.Lingering, Note: "not deleted yet: " + refusal.Reason}, false
	}
	return record.StepState{Step: s.Step, State: record.Lingering, Note: "not deleted yet"}, true
}
