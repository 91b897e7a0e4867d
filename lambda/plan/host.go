package plan

import (
	"fmt"
	"slices"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// OnHost says when a containment isolates the host itself.
type OnHost string

// When to isolate the host. The empty one is off too.
const (
	OnHostOff    OnHost = "off"
	OnHostAuto   OnHost = "auto" // where some peer is not cut by a denial
	OnHostAlways OnHost = "always"
)

// rungs reports whether a measure beyond quarantine and denials is turned on.
func (r Rules) rungs() bool {
	return r.OnHost != "" && r.OnHost != OnHostOff || r.Survivors.on() || r.Isolate.on() || r.KeepAlive || r.Protect || r.Snapshots || r.DenyProfile != ""
}

// tells reports whether an incident says something that its record does not: only then
// a measure that the record does not have yet may be taken.
func (in Incident) tells(known record.Known) bool {
	open := known.Open()
	if open == nil || in.Trigger == ByPerson {
		return true
	}
	return slices.ContainsFunc(in.Findings, func(f record.FindingRef) bool {
		return !slices.ContainsFunc(open.Findings, func(o record.FindingRef) bool { return o.ID == f.ID })
	})
}

// maxSent is how many commands to a host are sent again because none was delivered,
// and maxCommands how many ids of them a record keeps.
const (
	maxSent     = 3
	maxCommands = 10
)

// host plans that the host lets nothing pass. It comes beside the cut: neither that it
// is planned nor what becomes of it changes any other step.
func (p *planner) host() {
	step := record.HostOf(p.record.Instance)
	was, recorded := p.recorded(step.ID())
	if recorded {
		step.Made = made(was)
	}
	if !recorded && !p.wantsHost() {
		return
	}
	p.hear(&step)
	s := record.StepState{Step: step, State: p.hostState(was, recorded, step)}
	if s.State == record.Failed {
		s.Note = p.seen.Refused[step.ID()].Reason
		if s.Note == "" {
			s.Note = was.Note
		}
	}
	p.record.Steps = append(p.record.Steps, s)
	p.exposeHost(s)
}

func (p *planner) wantsHost() bool {
	switch {
	case p.in.OnHost:
		return true
	case !p.record.Rungs:
		return false
	case p.known.Open() == nil && p.known.Record != nil && p.known.Record.Status == record.Released && p.known.Record.HostLingers():
		return true // rules of the containment before are still there, and no release would take them away
	default:
		return p.rules.OnHost == OnHostAlways || p.rules.OnHost == OnHostAuto && p.uncut()
	}
}

// hear puts into the record what this invocation has learned of the host: a command
// that was accepted, or what came of one.
func (p *planner) hear(step *record.Creation) {
	for _, id := range p.seen.Made[step.ID()] {
		if !slices.Contains(step.Made, id) {
			step.Made = append(slices.Clone(step.Made), id)
			p.record.Host = network.HostReport{Command: id, State: network.HostAwaited, Connections: p.record.Host.Connections}
		}
	}
	step.Made = step.Made[max(0, len(step.Made)-maxCommands):]
	if heard := p.seen.Host; heard.Command != "" && heard.Command == p.record.Host.Command {
		if len(heard.Connections) == 0 { // an earlier command has closed what it saw
			heard.Connections = p.record.Host.Connections
		}
		p.record.Host = bounded(heard)
	}
}

func (p *planner) hostState(was record.StepState, recorded bool, step record.Creation) record.State {
	sent := len(p.seen.Made[step.ID()]) > 0 // in this invocation
	_, refused := p.seen.Refused[step.ID()]
	asked := p.in.OnHost || p.in.tells(p.known)
	switch {
	case sent:
		return record.Applied
	case refused:
		return record.Failed
	case recorded && !asked && (was.State == record.Failed || was.State == record.Lingering):
		return was.State // a verdict, until somebody asks again; or a person has let forensics in
	case p.sendsAgain(step, asked):
		return record.Pending
	default:
		return record.Applied
	}
}

// sendsAgain reports whether a command is to be sent: the first, one that a person asks
// for, or one more where the last was not delivered.
func (p *planner) sendsAgain(step record.Creation, asked bool) bool {
	undelivered := p.record.Host.State == network.HostUndelivered
	return len(step.Made) == 0 || p.in.OnHost || p.retake(step) || undelivered && (len(step.Made) < maxSent || asked)
}

// reboot is what every sentence about the host's own rules ends with.
const reboot = "a reboot clears the host's own rules"

// exposeHost says what is known of the host, and by whose word.
func (p *planner) exposeHost(s record.StepState) {
	id, r := p.record.Instance, p.record.Host
	if p.record.IsContested() && s.State == record.Applied {
		p.expose(record.HostUnconfirmed, "a release of the containment before may still take the rules of %s away: it is told once more after %s",
			id, record.Clock(p.record.Contested))
	}
	switch {
	case s.State == record.Failed && p.seen.Refused[s.Step.ID()].Reason != "" && !p.seen.Refused[s.Step.ID()].Unmanaged:
		p.expose(record.HostUnconfirmed, "%s was not told to let nothing pass: %s", id, s.Note)
	case s.State == record.Lingering:
		p.expose(record.HostUnconfirmed, "%s was told to take its own rules away, so that forensics get in", id)
	case s.State == record.Failed:
		p.expose(record.HostNotManaged, "%s: nothing was done on the host", s.Note)
	case len(made(s)) == 0:
		p.expose(record.HostUnconfirmed, "%s has not been told yet to let nothing pass", id)
	case !r.Ended():
		p.expose(record.HostUnconfirmed, "%s was told to let nothing pass, and has not answered yet; %s", id, reboot)
	case r.State == network.HostUndelivered:
		p.expose(record.HostUnconfirmed, "the command to let nothing pass did not reach %s (%s)", id, r.Detail)
	default:
		p.expose(record.HostReports, "%s", saying(id, r))
	}
}

// saying is what a host says of itself, as its own word.
func saying(id string, r network.HostReport) string {
	text := fmt.Sprintf("%s says, which proves nothing: ", id)
	switch {
	case r.Rules == "":
		text += fmt.Sprintf("nothing that can be read (%s)", r.State)
	case r.State != network.HostSucceeded || r.Rules == "none":
		text += "it could set no rule"
	default:
		text += fmt.Sprintf("rules set (%s), %d connections closed, %d left", r.Rules, r.Closed, r.Left)
	}
	if r.Error != "" {
		text += "; " + r.Error
	}
	if n := len(r.Connections); n > 0 {
		text += fmt.Sprintf("; the record has %d of its connections as they were", n)
	}
	return text + "; " + reboot
}

// maxEvidence bounds the connections that a record keeps of a host, in bytes: a tenth
// of what DynamoDB takes for an item.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const maxEvidence = 40_000

func bounded(r network.HostReport) network.HostReport {
	size := 0
	for n, line := range r.Connections {
		if size += len(line) + 4; size > maxEvidence { // and what DynamoDB adds to each
			r.Connections, r.Truncated = r.Connections[:n], true
			break
		}
	}
	return r
}

// made are the ids of what a step has created.
func made(s record.StepState) []string {
	c, _ := s.Step.(record.Creation)
	return c.Made
}
