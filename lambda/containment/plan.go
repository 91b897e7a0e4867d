package containment

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tourniquet/lambda/guardduty"
)

// Rules are the bounds of a plan that an operator sets.
type Rules struct {
	NeverDeny []netip.Prefix
	ACLQuota  int // entries per ACL, direction and family, the "*" entry counted

	// CoverIPv4 and CoverIPv6 are how short, in bits, a prefix may be that covers
	// several peers where an ACL has no room for each; 0: each peer by itself.
	CoverIPv4, CoverIPv6 int
}

// A Plan is a containment's record as it is to be, and what has to be changed in
// the ledger to get there. Its pending steps are what has to be changed in EC2.
type Plan struct {
	Record  Record
	Slots   []SlotChange
	Changed bool // the ledger does not say so yet
	Relies  bool // on an entry that the ledger does not know
	ACLRoom *int // see Outcome
}

// NewPlan works out the containment of an incident from the network as observed
// and the ledger as read. It makes no calls, and is a function of its arguments
// alone: a second plan, made after the first one's steps were applied, shows
// them as applied and has nothing left to do.
func NewPlan(in Incident, seen Network, known Known, rules Rules) Plan {
	p := &planner{in: in, seen: seen, known: known, rules: rules, record: next(in, known)}
	p.quarantine()
	p.shorten()
	p.deny()
	p.exposeOmitted(in)
	p.keepOthers()
	p.giveUpUnused()
	p.remain()
	if p.record.Adopted {
		p.claimNothing()
	}
	p.record.Status = p.status()
	changed := known.open() == nil || !p.record.says(*known.open()) || len(p.slots) > 0
	return Plan{Record: p.record, Slots: p.slots, Changed: changed, Relies: p.relies, ACLRoom: p.aclRoom}
}

// next is the record that an incident opens or continues, without its steps.
func next(in Incident, known Known) Record {
	rec := Record{
		Instance: in.Instance, Generation: 1, ByPerson: in.ByPerson, Adopted: in.Adopt, Reason: in.Reason,
	}
	switch open := known.open(); {
	case open != nil:
		rec = *open
	case known.Record != nil:
		rec.Generation = known.Record.Generation + 1
	}
	rec.Findings = mergeFindings(rec.Findings, in.Findings)
	rec.Peers, _ = atMost(mergePeers(rec.Peers, in.Peers), maxPeers, 0)
	rec.Unreadable, _ = atMost(mergeStrings(rec.Unreadable, in.Unreadable), maxUnreadable, 0)
	rec.Steps, rec.Exposure = nil, nil
	return rec
}

// exposeOmitted says that there are more peers than the record keeps. Peers that it
// has are never given up for new ones: they may hold a denial.
func (p *planner) exposeOmitted(in Incident) {
	if open := p.known.open(); open != nil {
		for _, e := range open.Exposure {
			if e.Kind == OmittedPeers {
				p.record.Exposure = append(p.record.Exposure, e)
				return
			}
		}
	}
	dropped := slices.ContainsFunc(in.Peers, func(peer guardduty.Peer) bool { return !p.record.has(peer.Addr) })
	if dropped || in.Omitted > 0 {
		p.expose(OmittedPeers, "the findings name more peers than the %d that a record keeps: the others are neither recorded nor denied", maxPeers)
	}
}

// has reports whether the record lists a peer.
func (r Record) has(a netip.Addr) bool {
	return slices.ContainsFunc(r.Peers, func(p guardduty.Peer) bool { return p.Addr == a })
}

func mergeStrings(known, more []string) []string {
	merged := slices.Clone(known)
	for _, s := range more {
		if !slices.Contains(merged, s) {
			merged = append(merged, s)
		}
	}
	return merged
}

type planner struct {
	in      Incident
	seen    Network
	known   Known
	rules   Rules
	record  Record // as it comes to be
	slots   []SlotChange
	relies  bool
	aclRoom *int // the least of the ACLs planned so far
}

func (p *planner) add(s Step, state State, note string) {
	p.record.Steps = append(p.record.Steps, StepState{Step: s, State: state, Note: note})
}

func (p *planner) expose(kind ExposureKind, format string, args ...any) {
	e := Exposure{Kind: kind, Detail: fmt.Sprintf(format, args...)}
	if !slices.Contains(p.record.Exposure, e) {
		p.record.Exposure = append(p.record.Exposure, e)
	}
}

// recorded finds a step in the record as the ledger has it.
func (p *planner) recorded(id string) (StepState, bool) {
	if open := p.known.open(); open != nil {
		return open.step(id)
	}
	return StepState{}, false
}

// quarantine plans the swap of each interface's groups.
func (p *planner) quarantine() {
	for _, i := range p.seen.Interfaces {
		q := Quarantine{Interface: i.ID, Before: p.originals(i), Group: p.seen.ready(i.VPC)}
		refusal := p.seen.Refused[q.ID()]
		switch {
		case p.seen.quarantined(i):
			q.Group = i.Groups[0]
			p.add(q, Applied, "")
		case i.ManagedBy != "":
			p.expose(UnchangeableInterface, "%s is managed by %s, which alone can change its groups", i.ID, i.ManagedBy)
		case refusal.Reason != "":
			p.add(q, Failed, refusal.Reason)
			p.expose(UnchangeableInterface, "%s keeps its groups: %s", i.ID, refusal.Reason)
		default:
			p.add(q, Pending, "")
		}
	}
}

// originals are the groups to restore to an interface. What is recorded stays,
// whatever the interface has today: the first writer saw the original. Without a
// record they are today's groups, and the interface's tag is believed only when
// today's say nothing, since it may be left from an earlier containment.
func (p *planner) originals(i Interface) []string {
	if s, ok := p.recorded(Quarantine{Interface: i.ID}.ID()); ok {
		return s.Step.(Quarantine).Before
	}
	groups := slices.DeleteFunc(slices.Clone(i.Groups), func(g string) bool {
		return slices.ContainsFunc(p.seen.Quarantine[i.VPC], func(q Quarantined) bool { return q.Group == g })
	})
	if len(groups) == 0 {
		return i.Originals
	}
	return groups
}

// keepOthers carries over the recorded steps that the network no longer asks
// for: a release has to undo them all the same. A slot that a release was about to
// free stays with it.
func (p *planner) keepOthers() {
	open := p.known.open()
	if open == nil {
		return
	}
	for _, s := range open.Steps {
		if _, planned := p.record.step(s.Step.ID()); planned {
			continue
		}
		switch step := s.Step.(type) {
		case Quarantine:
			if !slices.ContainsFunc(p.seen.Interfaces, func(i Interface) bool { return i.ID == step.Interface }) {
				p.add(step, Gone, "the interface is no longer attached to the instance")
			} else {
				p.add(step, s.State, s.Note) // managed by another service since
			}
		case Denial:
			p.keepDenial(step, s)
		case Tracking:
			p.add(step, s.State, s.Note)
		}
	}
}

// keepDenial carries over a recorded denial whose peer is shut out without it, or
// whose ACL no longer serves the instance.
func (p *planner) keepDenial(d Denial, s StepState) {
	acl, inForce := p.seen.ACLs[d.ACL]
	e, there := acl.at(d.Direction, d.Number)
	switch {
	case s.State == Removed && p.known.open().Status != Releasing: // it expired
		p.add(d, Removed, s.Note)
	case !inForce && s.State == Applied:
		p.add(d, Applied, s.Note)
	case !inForce:
		p.add(d, Gone, "the ACL no longer serves a subnet of the instance")
	case there && e == d.Entry() && !p.leaving(d):
		p.add(d, Applied, "")
	}
}

// leaving reports whether a release is about to remove a denial.
func (p *planner) leaving(d Denial) bool {
	return slices.ContainsFunc(p.known.Slots, func(s Slot) bool { return s.SlotKey == d.Slot() && s.State == SlotRemoving })
}

// giveUpUnused frees the slots that a lost race left reserved: held by this
// containment, needed by none of its steps, and without an entry in the ACL.
func (p *planner) giveUpUnused() {
	for _, s := range p.known.Slots {
		acl, inForce := p.seen.ACLs[s.ACL]
		if !inForce || !s.heldBy(p.record.Holder()) || p.uses(s) || s.State == SlotRemoving {
			continue
		}
		if e, ok := acl.at(s.Direction, s.Number); ok && e == s.entry() {
			continue // ours and in effect: a release removes it
		}
		p.slots = append(p.slots, SlotChange{s, GiveUp})
	}
}

func (p *planner) uses(s Slot) bool {
	return slices.ContainsFunc(p.record.Steps, func(st StepState) bool {
		d, ok := st.Step.(Denial)
		return ok && d.Slot() == s.SlotKey && st.State != Failed
	})
}

// remain states the exposure that every containment leaves.
func (p *planner) remain() {
	var timeouts []string
	for _, i := range p.seen.Interfaces {
		timeouts = append(timeouts, fmt.Sprintf("%s on %s", wait(i.TrackingTimeout), i.ID))
	}
	if len(timeouts) > 0 {
		p.expose(UnknownPeers, "connections that stood before, with addresses that no finding names, go on until idle for %s",
			strings.Join(timeouts, ", "))
	}
	for _, u := range p.record.Unreadable {
		p.expose(UnreadablePeer, "the finding's remote address %q is not an IP address: it is not denied", u)
	}
	p.expose(ResolverDNS, "DNS queries to the VPC's resolver pass groups and ACLs; only Route 53 Resolver DNS Firewall stops a DNS tunnel")
	if p.seen.Instance.Profile != "" {
		p.expose(IMDSCredentials, "the instance can still fetch credentials of %s from its metadata service, and credentials it has stay valid elsewhere",
			p.seen.Instance.Profile)
	}
}

// claimNothing names the entries that only tags say may be ours: a release leaves
// them.
func (p *planner) claimNothing() {
	var addrs []netip.Addr
	for _, peer := range p.record.Peers {
		addrs = append(addrs, peer.Addr)
	}
	for _, e := range unclaimed(p.seen, addrs) {
		if !slices.ContainsFunc(p.known.Slots, func(s Slot) bool {
			return e.Detail == unclaimedDetail(s.ACL, s.entry())
		}) {
			p.expose(e.Kind, "%s", e.Detail)
		}
	}
}

// wait is a duration as people say it.
func wait(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}

func (p *planner) status() Status {
	in := func(state State) bool {
		return slices.ContainsFunc(p.record.Steps, func(s StepState) bool {
			_, beside := s.Step.(Tracking) // the containment is complete without
			return s.State == state && !beside
		})
	}
	pending := in(Pending)
	partial := slices.ContainsFunc(p.record.Exposure, func(e Exposure) bool { return e.Kind.partial() }) || in(Failed)
	switch {
	case pending:
		return Containing
	case partial:
		return PartiallyContained
	default:
		return Contained
	}
}
