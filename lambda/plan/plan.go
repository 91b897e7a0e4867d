package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// Rules are the bounds of a plan that an operator sets.
type Rules struct {
	NeverDeny []netip.Prefix
	ACLQuota  int // entries per ACL, direction and family, the "*" entry counted

	// CoverIPv4 and CoverIPv6 are how short, in bits, a prefix may be that covers
	// several peers where an ACL has no room for each; 0: each peer by itself.
	CoverIPv4, CoverIPv6 int

	OnHost    OnHost
	Survivors Survivors
	Isolate   Isolate

	KeepAlive   bool   // an Auto Scaling group is to leave the instance alone
	Protect     bool   // neither the instance nor its volumes are to be deleted
	Snapshots   bool   // its volumes are copied
	DenyProfile string // ARN of the profile that replaces the instance's; empty: credentials stay
}

// A Plan is a containment's record as it is to be, and what has to be changed in
// the ledger to get there. Its pending steps are what has to be changed in EC2.
type Plan struct {
	Record  record.Record
	Slots   []record.SlotChange
	Changed bool          // the ledger does not say so yet
	Relies  bool          // on an entry that the ledger does not know
	Shown   bool          // as a preview: nothing of it is carried out
	Unread  []record.Step // beside the cut: to look for before they can be planned
	Anew    bool          // whatever was looked for before the ledger was read is too old
	Held    []string      // pending steps, by id, that this invocation must not take now
	ACLRoom *int          // how many more entries the fullest ACL takes; nil when there is none of this account's
}

// NewPlan works out the containment of an incident from the network as observed
// and the ledger as read. It makes no calls, and is a function of its arguments
// alone: a second plan, made after the first one's steps were applied, shows
// them as applied and has nothing left to do.
func NewPlan(in Incident, seen network.Network, known record.Known, rules Rules) Plan {
	if in.Trigger == ByRepair && seen.Gone() {
		return Plan{Record: Closed(*known.Open(), known.Slots), Changed: true}
	}
	if in.Trigger == ByAdoption {
		for _, a := range network.PeersOf(seen.Instance.Tags) {
			in.Peers = append(in.Peers, guardduty.Peer{Addr: a})
		}
	}
	seen = underneath(seen, known)
	if open := known.Open(); open != nil {
		seen.Admitted = open.Admitted
	}
	p := &planner{in: in, seen: seen, known: known, rules: rules, record: next(in, seen.Instance.Tags["Name"], known, rules)}
	p.quarantine()
	p.isolate()
	p.watch()
	p.deny()
	p.shorten()
	p.host()
	p.settleContest()
	p.keep()
	p.exposeOmitted()
	p.exposeUnreadable()
	p.keepOthers()
	p.giveUpUnused()
	p.remain()
	if p.record.Adopted {
		p.claimNothing()
	}
	p.exposeLeftOut()
	p.record = boundTexts(p.record)
	p.record.Status = p.status()
	changed := known.Open() == nil || !p.record.Says(*known.Open()) || len(p.slots) > 0
	return Plan{
		Record: p.record, Slots: p.slots, Changed: changed, Relies: p.relies, ACLRoom: p.aclRoom, Unread: p.unread, Anew: p.justClosed(), Held: p.held,
	}
}

// Observed is the plan as observe mode records it: shown, not carried out. Beside
// an open containment it is not recorded at all.
func (p Plan) Observed(known record.Known) Plan {
	p.Slots, p.Shown, p.Relies = nil, true, false
	for i := range p.Record.Steps {
		if p.Record.Steps[i].State == record.Pending {
			p.Record.Steps[i].State = record.Planned
		}
	}
	if known.Open() != nil {
		p.Changed = false
		return p
	}
	p.Record.Status = record.Observed
	if last := known.Record; last != nil && last.Status == record.Observed {
		p.Record.Generation, p.Record.Version = last.Generation, last.Version
		p.Record.Opened = last.Opened
		p.Record.Findings = boundFindings(mergeFindings(last.Findings, p.Record.Findings))
		p.Changed = !p.Record.Says(*last)
	}
	return p
}

// next is the record that an incident opens or continues, without its steps.
func next(in Incident, name string, known record.Known, rules Rules) record.Record {
	rec := record.Record{
		Instance: in.Instance, Generation: 1, ByPerson: in.Trigger == ByPerson, Adopted: in.Trigger == ByAdoption, Reason: in.Reason,
	}
	switch open := known.Open(); {
	case open != nil:
		rec = *open
	case known.Record != nil:
		rec.Generation = known.Record.Generation + 1
		rec.Contested = contestedUntil(*known.Record, in.Now)
	}
	if rec.Name == "" {
		rec.Name = guardduty.Clean(name, maxName)
	}
	rec.Findings = boundFindings(mergeFindings(rec.Findings, in.Findings))
	rec.Peers = boundPeers(mergePeers(rec.Peers, in.Peers))
	rec.Unreadable, _ = atMost(mergeStrings(rec.Unreadable, in.Unreadable), maxUnreadable, 0)
	rec.Rungs = rec.Rungs || rules.rungs() && in.tells(known)
	rec.Steps, rec.Exposure = nil, nil
	return rec
}

// maxName bounds, in bytes, the Name tag that a record keeps.
const maxName = 128

// maxFields is how many parts of findings that can't be read a record names.
const maxFields = 20

// exposeUnreadable names the parts of the findings that can't be read: a peer may be
// in them. What the record has named stays in it.
func (p *planner) exposeUnreadable() {
	var fields []record.Exposure
	if open := p.known.Open(); open != nil {
		for _, e := range open.Exposure {
			if e.Kind == record.UnreadableFinding {
				fields = append(fields, e)
			}
		}
	}
	for _, field := range p.in.UnreadableFields {
		e := record.Exposure{Kind: record.UnreadableFinding, Detail: fmt.Sprintf("%s of the finding can't be read: a peer in it is not denied", field)}
		if !slices.Contains(fields, e) && len(fields) < maxFields {
			fields = append(fields, e)
		}
	}
	p.record.Exposure = append(p.record.Exposure, fields...)
}

// exposeOmitted says that there are more peers than the record keeps. Peers that it
// has are never given up for new ones: they may hold a denial.
func (p *planner) exposeOmitted() {
	if p.omits() {
		p.expose(record.OmittedPeers, "the findings name more peers than the %d that a record keeps: the others are neither recorded nor denied", maxPeers)
	}
}

// omits reports whether the findings, now or earlier, name more peers than the record
// keeps.
func (p *planner) omits() bool {
	dropped := slices.ContainsFunc(p.in.Peers, func(peer guardduty.Peer) bool { return !p.record.Has(peer.Addr) })
	before := p.known.Open() != nil && slices.ContainsFunc(p.known.Open().Exposure, func(e record.Exposure) bool { return e.Kind == record.OmittedPeers })
	return dropped || before || p.in.Omitted > 0
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
	seen    network.Network
	known   record.Known
	rules   Rules
	record  record.Record // as it comes to be
	slots   []record.SlotChange
	relies  bool
	passes  bool // a peer that is to be denied passes an ACL in both directions, or none is between
	aclRoom *int // the least of the ACLs planned so far
	unread  []record.Step
	held    []string
}

func (p *planner) add(s record.Step, state record.State, note string) {
	p.record.Steps = append(p.record.Steps, record.StepState{Step: s, State: state, Note: note})
}

func (p *planner) expose(kind record.ExposureKind, format string, args ...any) {
	e := record.Exposure{Kind: kind, Detail: fmt.Sprintf(format, args...)}
	if !slices.Contains(p.record.Exposure, e) {
		p.record.Exposure = append(p.record.Exposure, e)
	}
}

// recorded finds a step in the record as the ledger has it.
func (p *planner) recorded(id string) (record.StepState, bool) {
	if open := p.known.Open(); open != nil {
		return open.Step(id)
	}
	return record.StepState{}, false
}

// keepOthers carries over the recorded steps that the network no longer asks
// for: a release has to undo them all the same. A slot that a release was about to
// free stays with it.
func (p *planner) keepOthers() {
	open := p.known.Open()
	if open == nil {
		return
	}
	for _, s := range open.Steps {
		if _, planned := p.record.Step(s.Step.ID()); planned {
			continue
		}
		switch step := s.Step.(type) {
		case record.Denial:
			p.keepDenial(step, s)
		case record.Replacement:
			if step.Of == record.KindQuarantine && !p.seen.Contains(step.Resource) {
				p.add(step, record.Gone, "the interface is no longer attached to the instance")
			} else { // not asked for any more, or managed by another service since
				p.add(step, s.State, s.Note)
			}
		case record.Creation: // not asked for any more: what it made is there all the same
			p.add(step, s.State, s.Note)
		}
	}
}

// keepDenial carries over a recorded denial whose peer is shut out without it, or
// whose ACL no longer serves the instance.
func (p *planner) keepDenial(d record.Denial, s record.StepState) {
	acl, inForce := p.seen.ACLs[d.ACL]
	e, there := acl.At(d.Direction, d.Number)
	switch {
	case s.State == record.Removed && p.known.Open().Status != record.Releasing: // it expired
		p.add(d, record.Removed, s.Note)
	case !inForce && s.State == record.Applied:
		p.add(d, record.Applied, s.Note)
	case !inForce:
		p.add(d, record.Gone, "the ACL no longer serves a subnet of the instance")
	case there && e == d.Entry() && !p.leaving(d):
		p.add(d, record.Applied, "")
	}
}

// leaving reports whether a release is about to remove a denial.
func (p *planner) leaving(d record.Denial) bool {
	return slices.ContainsFunc(p.known.Slots, func(s record.Slot) bool { return s.SlotKey == d.Slot() && s.State == record.SlotRemoving })
}

// giveUpUnused frees the slots that a lost race left reserved: held by this
// containment, needed by none of its steps, and without an entry in the ACL.
func (p *planner) giveUpUnused() {
	for _, s := range p.known.Slots {
		acl, inForce := p.seen.ACLs[s.ACL]
		if !inForce || !s.HeldBy(p.record.Holder()) || p.uses(s) || s.State == record.SlotRemoving {
			continue
		}
		if e, ok := acl.At(s.Direction, s.Number); ok && e == s.Entry() {
			continue // ours and in effect: a release removes it
		}
		p.slots = append(p.slots, record.SlotChange{Slot: s, Op: record.GiveUp})
	}
}

func (p *planner) uses(s record.Slot) bool {
	return slices.ContainsFunc(p.record.Steps, func(st record.StepState) bool {
		d, ok := st.Step.(record.Denial)
		return ok && d.Slot() == s.SlotKey && st.State != record.Failed
	})
}

// remain states the exposure that every containment leaves.
func (p *planner) remain() {
	p.exposeSurvivors()
	var timeouts []string
	for _, i := range p.seen.Interfaces {
		timeouts = append(timeouts, fmt.Sprintf("%s on %s", wait(i.TrackingTimeout), i.ID))
	}
	if len(timeouts) > 0 && p.record.QuietSince.IsZero() {
		p.expose(record.UnknownPeers, "connections that stood before, with addresses that no finding names, go on until idle for %s",
			strings.Join(timeouts, ", "))
	}
	for _, u := range p.record.Unreadable {
		p.expose(record.UnreadablePeer, "the finding's remote address %q is not an IP address: it is not denied", u)
	}
	for _, id := range p.seen.Instance.Secondary {
		p.expose(record.SecondaryInterface, "%s is in a secondary network: neither security groups nor network ACLs filter it", id)
	}
	p.expose(record.ResolverDNS, "DNS queries to the VPC's resolver pass groups and ACLs; only Route 53 Resolver DNS Firewall stops a DNS tunnel")
	p.exposeCredentials()
	if len(p.record.Admitted) > 0 {
		p.expose(record.ForensicsAdmitted, "a person has admitted %s beside the quarantine group: their rules say what may flow", strings.Join(p.record.Admitted, ", "))
	}
}

// claimNothing names the entries that only tags say may be ours: a release leaves
// them.
func (p *planner) claimNothing() {
	for _, e := range unclaimed(p.seen, addresses(p.record.Peers)) {
		if !slices.ContainsFunc(p.known.Slots, func(s record.Slot) bool {
			return e.Detail == unclaimedDetail(s.ACL, s.Entry())
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

func (p *planner) status() record.Status {
	in := func(state record.State) bool {
		return slices.ContainsFunc(p.record.Steps, func(s record.StepState) bool {
			return s.State == state && s.Step.Kind().Decides()
		})
	}
	pending := in(record.Pending)
	partial := slices.ContainsFunc(p.record.Exposure, func(e record.Exposure) bool { return e.Kind.Partial() }) || in(record.Failed)
	switch {
	case pending:
		return record.Containing
	case partial:
		return record.PartiallyContained
	default:
		return record.Contained
	}
}
