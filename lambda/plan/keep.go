package plan

import (
	"fmt"
	"slices"
	"strings"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// keep plans what keeps the instance and its evidence. It comes beside the cut: neither
// that it is planned nor what becomes of it changes any other step.
func (p *planner) keep() {
	if p.seen.Instance.Ended() {
		return
	}
	p.keepAlive()
	if !p.record.Rungs { // an earlier version contained it
		return
	}
	if p.rules.Protect {
		p.protect()
	}
	if p.rules.Snapshots {
		p.snapshot()
	}
	if p.rules.DenyProfile != "" {
		p.denyCredentials()
	}
}

// Early are the steps that can be looked for before the instance is seen, so that they go
// out with the swap: those of a member of an Auto Scaling group, before whose health
// checks fail they have to be made, and those that protect the instance itself. What is
// settled by the ledger, as far as that has been read, needs no look.
func (in Incident) Early(rules Rules, known record.Known) (member, protection []record.Step) {
	if in.Scaled && rules.KeepAlive {
		member = []record.Step{record.StandbyOf(in.Instance), record.ChecksOf(in.Instance)}
	}
	if rules.Protect && !in.Trigger.Reconciles() {
		protection = []record.Step{terminationOf(in.Instance), shutdownOf(in.Instance)}
	}
	isSettled := func(s record.Step) bool { return settledIn(known, s.ID()) }
	return slices.DeleteFunc(member, isSettled), slices.DeleteFunc(protection, isSettled)
}

func terminationOf(instance string) record.Replacement {
	return record.ProtectionOf(instance, record.TerminationAttribute, nil, []string{"true"})
}

func shutdownOf(instance string) record.Replacement {
	return record.ProtectionOf(instance, record.ShutdownAttribute, nil, []string{"stop"})
}

// keepAlive plans that the instance's Auto Scaling group leaves it alone, and says who
// else may terminate it.
func (p *planner) keepAlive() {
	p.exposeKeepers()
	i := p.seen.Instance
	group := i.Tags[network.AutoScalingTag]
	if group == "" {
		return
	}
	group = guardduty.Clean(group, maxTag)
	if !p.rules.KeepAlive {
		p.expose(record.MayBeTerminated, "the Auto Scaling group %s terminates it once it fails a health check, since keepAlive is off", group)
		return
	}
	if !p.record.Rungs {
		p.expose(record.MayBeTerminated, "the Auto Scaling group %s may terminate it: it was contained by a version that does not put instances on standby; "+
			"contain it once more by command", group)
		return
	}
	standby, planned := p.standby()
	p.aside(record.ChecksOf(i.ID))
	switch {
	case planned && (standby.State == record.Applied || standby.State == record.Gone):
	case planned && standby.State == record.Failed:
		p.expose(record.MayBeTerminated, "the Auto Scaling group %s may terminate it: %s", group, standby.Note)
	case p.seen.Troubled[record.StandbyOf(i.ID).ID()] != "":
		p.expose(record.MayBeTerminated, "the Auto Scaling group %s may terminate it: it is not on standby yet: %s",
			group, p.seen.Troubled[record.StandbyOf(i.ID).ID()])
	}
}

// maxTag bounds the names in what is said: they are those of tags.
const maxTag = 64

// standby plans that an instance is on standby in its group. Only one in service can be
// put there: EC2 Auto Scaling says so of the others.
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-enter-exit-standby.html
func (p *planner) standby() (record.StepState, bool) {
	r := record.StandbyOf(p.seen.Instance.ID)
	value, read := p.seen.Values[r.ID()]
	_, recorded := p.recorded(r.ID())
	if p.settled(r.ID()) || !read || p.justClosed() {
		return p.aside(r)
	}
	switch {
	case len(value) == 0 && !recorded: // the tag is left over: no group has it
		return record.StepState{Step: r, State: record.Gone}, true
	case len(value) == 0:
		return p.keepAs(r, record.Gone, "no Auto Scaling group has the instance any more"), true
	case value[0] != inService && value[0] != record.StandbyValue:
		return p.keepAs(r, record.Failed, fmt.Sprintf("it is %s in its group, and only an instance in service can be put on standby", value[0])), true
	}
	return p.aside(r)
}

// inService is the state of an instance that its group counts.
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
const inService = "InService"

// exposeKeepers names those that may terminate the instance and that no step of ours
// stops.
func (p *planner) exposeKeepers() {
	i := p.seen.Instance
	for _, tag := range network.KarpenterTags {
		if pool, there := i.Tags[tag]; there {
			p.expose(record.MayBeTerminated, "Karpenter (%s %s) takes changed security groups for drift and deletes the node; "+
				"the annotation karpenter.sh/do-not-disrupt=true on the node stops it, and is its owner's to set", strings.TrimPrefix(tag, "karpenter.sh/"), guardduty.Clean(pool, maxTag))
			break
		}
	}
	if group, there := i.Tags[network.NodeGroupTag]; there {
		p.expose(record.MayBeTerminated, "EKS (managed node group %s) replaces a node that stays unhealthy; "+
			"turning off the node group's automatic repair stops it, and is its owner's to do", guardduty.Clean(group, maxTag))
	}
	if i.Spot {
		p.expose(record.MayBeTerminated, "it is a Spot Instance: EC2 may interrupt it, and nothing stops that")
	}
}

// settledIn reports whether a step beside the cut needs no look: it is in force, or its
// resource is gone. What somebody changes later is compared at release. A release that
// was asked for may have undone it, so that only a look tells.
func settledIn(known record.Known, id string) bool {
	open := known.Open()
	if open == nil || !open.Released.IsZero() {
		return false
	}
	was, recorded := open.Step(id)
	return recorded && (was.State == record.Applied || was.State == record.Gone)
}

func (p *planner) settled(id string) bool { return settledIn(p.known, id) }

// aside plans a step whose value takes a call of its own to read. Until it is read, the
// step waits: what is to be restored has to be on record before it is changed.
func (p *planner) aside(r record.Replacement) (s record.StepState, planned bool) {
	was, recorded := p.recorded(r.ID())
	value, read := p.seen.Values[r.ID()]
	switch {
	case p.settled(r.ID()):
	case read && (!p.justClosed() || !slices.Equal(value, r.After)):
		r.Before = value
		return p.replace(r), true
	default:
		p.unread = append(p.unread, r)
		p.holdBack(r.ID())
		if left, there := p.leftOver(r, r.After); !recorded && there { // the next plan does not see it any more
			was, recorded = record.StepState{Step: left, State: record.Pending}, true
		}
	}
	if recorded {
		p.record.Steps = append(p.record.Steps, was)
	}
	return was, recorded
}

// keepAs adds a step in a state of its own; its value from before stays as recorded.
func (p *planner) keepAs(r record.Replacement, state record.State, note string) record.StepState {
	r.Before = p.seen.Values[r.ID()]
	if was, recorded := p.recorded(r.ID()); recorded {
		r.Before = was.Step.(record.Replacement).Before
	}
	p.add(r, state, note)
	return record.StepState{Step: r, State: state, Note: note}
}

// holdBack keeps a pending step from being taken by this invocation now.
func (p *planner) holdBack(id string) { p.held = append(p.held, id) }

// protect plans that neither the API nor a shutdown from inside terminates the instance,
// and that its volumes outlive it. Termination protection is not for Spot Instances, and
// the volumes of an instance store can't be kept.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
func (p *planner) protect() {
	i := p.seen.Instance
	if !i.Spot {
		p.aside(terminationOf(i.ID))
	}
	p.aside(shutdownOf(i.ID))
	var before, after []string
	for _, v := range i.Volumes {
		if v.Deleted {
			before = append(before, v.Text())
			v.Deleted = false
			after = append(after, v.Text())
		}
	}
	r := record.ProtectionOf(i.ID, record.VolumesAttribute, before, after)
	if was, recorded := p.recorded(r.ID()); recorded {
		r = was.Step.(record.Replacement)
		if p.settled(r.ID()) {
			p.record.Steps = append(p.record.Steps, was)
			return
		}
	}
	if len(r.After) > 0 {
		p.replace(r)
	}
}

// snapshot plans one set of snapshots of the volumes. The call has no token that would
// tell a repeat, so who records the step as pending takes it, and nobody else until it
// must have ended: by then a look tells whether it was made.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html
func (p *planner) snapshot() {
	s := record.SnapshotOf(p.seen.Instance.ID, p.snapshotTags())
	was, recorded := p.recorded(s.ID())
	made, read := p.seen.Made[s.ID()]
	refusal := p.seen.Refused[s.ID()]
	st := record.StepState{Step: s, State: record.Pending, Note: p.seen.Troubled[s.ID()], Until: p.in.Now.Add(MaxInvocation)}
	switch {
	case recorded && was.State == record.Applied:
		st = was
	case len(made) > 0:
		s.Made = made
		st = record.StepState{Step: s, State: record.Applied}
	case refusal.Reason != "":
		st = record.StepState{Step: s, State: record.Failed, Note: refusal.Reason}
	case !recorded && len(p.seen.Instance.Volumes) == 0:
		return
	case !read:
		p.unread = append(p.unread, s)
		p.holdBack(s.ID())
		if !recorded {
			return
		}
		st = was
	case recorded && was.State == record.Pending && was.Until.After(p.in.Now):
		p.holdBack(s.ID())
		st.Until = was.Until
	}
	p.record.Steps = append(p.record.Steps, st)
}

// snapshotTags are what snapshots are found again by.
func (p *planner) snapshotTags() map[string]string {
	tags := map[string]string{network.IncidentTag: p.record.Holder().String()}
	if len(p.record.Findings) > 0 {
		tags[network.FindingTag] = guardduty.Clean(p.record.Findings[0].ID, network.MaxTagValue)
	}
	return tags
}

// ToDo are the pending steps that this invocation is to take.
func (p Plan) ToDo() []record.Step {
	return slices.DeleteFunc(p.Record.Pending(), func(s record.Step) bool { return slices.Contains(p.Held, s.ID()) })
}

// looked is a value that a call of its own has read.
func looked(seen network.Network, r record.Replacement) ([]string, bool) {
	value := seen.Values[r.ID()]
	return value, len(value) > 0
}

// lifecycle is the state of an instance in its group. One that comes out of standby is
// pending for a while.
func lifecycle(seen network.Network, r record.Replacement) ([]string, bool) {
	value, found := looked(seen, r)
	if found && strings.HasPrefix(value[0], "Pending") {
		return []string{inService}, true
	}
	return value, found
}

// protection is the value of an attribute that protects the instance. Of its volumes it
// is what becomes of those that the step is about.
func protection(seen network.Network, r record.Replacement) ([]string, bool) {
	if value, found := looked(seen, r); found || r.Name != record.VolumesAttribute {
		return value, found
	}
	var value []string
	for _, v := range seen.Instance.Volumes {
		if slices.ContainsFunc(r.Before, func(text string) bool { was, ok := network.ParseVolume(text); return ok && was.Same(v) }) {
			value = append(value, v.Text())
		}
	}
	return value, len(value) > 0
}

// kept reports whether the attribute has the value of the step: of volumes, as far as
// they are there.
func kept(seen network.Network, r record.Replacement) bool {
	value, found := protection(seen, r)
	return found && !slices.ContainsFunc(value, func(v string) bool { return !slices.Contains(r.After, v) })
}

// volumesBefore is the value from before, of the volumes that are still there.
func volumesBefore(seen network.Network, r record.Replacement) restoration {
	if r.Name != record.VolumesAttribute {
		return restoration{value: r.Before}
	}
	now, _ := protection(seen, r)
	before := slices.DeleteFunc(slices.Clone(r.Before), func(text string) bool {
		was, _ := network.ParseVolume(text)
		return !slices.ContainsFunc(now, func(text string) bool { v, _ := network.ParseVolume(text); return v.Same(was) })
	})
	return restoration{value: before}
}
