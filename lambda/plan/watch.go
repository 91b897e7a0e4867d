package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/order"
	"tourniquet/lambda/record"
)

// Survivors says what becomes of addresses that still exchange packets with a contained
// instance.
type Survivors string

// What becomes of survivors. The empty one is off too.
const (
	SurvivorsOff    Survivors = "off"
	SurvivorsReport Survivors = "report" // people are told
	SurvivorsDeny   Survivors = "deny"   // public ones become peers too
)

func (s Survivors) on() bool { return s != "" && s != SurvivorsOff }

// When a record of a flow log counts. One that spans the cut holds both what passed
// before and what was refused after it. Records come minutes late, and out of order.
const (
	afterCut  = time.Minute      // a window that begins so long after it does not span it
	delivered = 10 * time.Minute // so old a window is in the log
	recent    = 15 * time.Minute // who has passed nothing for so long, has stopped
)

const (
	maxSurvivors = 100 // in a record
	maxNewPeers  = 5   // that one reading may make of survivors
	maxPorts     = 10  // of a survivor
	shownAtMost  = 20  // survivors, as exposure
)

// watch plans the flow logs of the interfaces, and takes in what was read of them. A
// flow log is made when its interface is seen in quarantine, and changes nothing else.
func (p *planner) watch() {
	for _, i := range p.seen.Interfaces {
		p.logFlows(i)
	}
	if p.in.Flows.Read.IsZero() {
		p.quiet()
		return
	}
	p.record = heard(p.record, p.in.Flows, p.seen)
	p.quiet()
	if p.rules.Survivors == SurvivorsDeny {
		p.adoptSurvivors()
	}
}

func (p *planner) logFlows(i network.Interface) {
	step := record.FlowLogOf(i.ID)
	was, recorded := p.recorded(step.ID())
	wanted := p.record.Rungs && p.rules.Survivors.on() && p.seen.Quarantined(i)
	if !recorded && !wanted {
		return
	}
	step.Made = slices.Clone(made(was))
	for _, id := range p.seen.Made[step.ID()] {
		if !slices.Contains(step.Made, id) {
			step.Made = append(step.Made, id)
		}
	}
	state := record.Pending
	if len(step.Made) > 0 && !p.retake(step) {
		state = record.Applied
	}
	p.add(step, state, "")
}

// heard is a record with what a reading of its flow logs says.
func heard(r record.Record, reading network.FlowReading, seen network.Network) record.Record {
	r.Watches, r.Survivors = slices.Clone(r.Watches), slices.Clone(r.Survivors)
	r.Watched = reading.Read
	for i, w := range r.Watches {
		r.Watches[i] = hear(w, reading.Records)
	}
	for _, f := range reading.Records {
		w := r.WatchOf(f.Interface)
		if counts(f, w) && f.Status == network.FlowOK && f.Accepted && !isOwn(seen, f.Far().Addr()) {
			r.Survivors = survived(r.Survivors, f)
		}
	}
	order.Sort(r.Survivors, func(a, b record.Survivor) int {
		return cmp.Or(b.Last.Compare(a.Last), a.Addr.Compare(b.Addr), strings.Compare(a.Interface, b.Interface))
	})
	r.Survivors = r.Survivors[:min(len(r.Survivors), maxSurvivors)]
	return r
}

// counts reports whether a record is of a window after its interface's cut.
func counts(f network.FlowRecord, w record.Watch) bool {
	return !w.Cut.IsZero() && !f.Start.Before(w.Cut.Add(afterCut))
}

// isOwn reports whether an address is the instance's own, or none that can be a peer.
func isOwn(seen network.Network, a netip.Addr) bool { return !a.IsValid() || seen.Has(a) }

// hear is a watch with what its interface's records say.
func hear(w record.Watch, records []network.FlowRecord) record.Watch {
	minutes := map[int64]bool{}
	for _, f := range records {
		if f.Interface != w.Interface || f.End.Before(w.Cut.Add(afterCut)) {
			continue
		}
		markMinutes(minutes, f)
		w.Skipped = w.Skipped || f.Status == network.FlowSkipData
		if !counts(f, w) || f.Status != network.FlowOK || !f.Accepted {
			continue
		}
		w.Accepted = later(w.Accepted, f.End)
		if f.Opens {
			w.Leaked = later(w.Leaked, f.End)
		}
	}
	next := later(w.Covered, w.Cut.Add(afterCut).Truncate(time.Minute))
	for minutes[next.Unix()] {
		next = next.Add(time.Minute)
		w.Covered = next
	}
	return w
}

// markMinutes notes the minutes that a record is of.
func markMinutes(minutes map[int64]bool, f network.FlowRecord) {
	for at := f.Start.Truncate(time.Minute); !at.After(f.End) && at.Before(f.Start.Add(recent)); at = at.Add(time.Minute) {
		minutes[at.Unix()] = true
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// survived adds what passed in one window. A window that was read before adds nothing.
func survived(all []record.Survivor, f network.FlowRecord) []record.Survivor {
	far := f.Far()
	i := slices.IndexFunc(all, func(s record.Survivor) bool {
		return s.Addr == far.Addr() && s.Interface == f.Interface && s.Protocol == f.Protocol
	})
	if i < 0 {
		all = append(all, record.Survivor{Addr: far.Addr(), Interface: f.Interface, Protocol: f.Protocol})
		i = len(all) - 1
	}
	s := &all[i]
	port := int(far.Port())
	if !slices.Contains(s.Ports, port) && len(s.Ports) < maxPorts {
		s.Ports = append(slices.Clone(s.Ports), port)
		slices.Sort(s.Ports)
	}
	if f.End.After(s.Last) {
		s.Last, s.Bytes = f.End, s.Bytes+f.Bytes
	}
	return all
}

// quiet decides whether nothing passes any more. The proof holds as long as every
// interface is in the quarantine that it is about, and needs a record for every minute:
// an empty log proves nothing.
func (p *planner) quiet() {
	r := &p.record
	since, proven := time.Time{}, len(p.seen.Interfaces) > 0
	for _, i := range p.seen.Interfaces {
		w := r.WatchOf(i.ID)
		proven = proven && p.seen.Quarantined(i) && p.isQuiet(w)
		since = later(since, later(w.Cut, w.Accepted))
	}
	switch {
	case !proven:
		r.QuietSince = time.Time{}
	case r.QuietSince.IsZero():
		r.QuietSince = since
	}
}

// isQuiet reports whether nothing has passed an interface of late, by its records. Without
// a reading the last one holds.
func (p *planner) isQuiet(w record.Watch) bool {
	read := p.in.Flows.Read
	switch {
	case w.Cut.IsZero() || w.Skipped:
		return false
	case read.IsZero():
		return !p.record.QuietSince.IsZero()
	default:
		return !w.Covered.Before(read.Add(-delivered)) && !w.Accepted.After(read.Add(-recent))
	}
}

// adoptSurvivors makes peers of public addresses that still pass. They are refused for
// the same reasons as every peer, and few at a time: an intruder chooses whom to keep.
func (p *planner) adoptSurvivors() {
	added := 0
	for _, known := range p.record.Peers { // an earlier round of the same reading has made some
		if known.From == guardduty.FromFlowLog && known.Seen.Equal(p.in.Flows.Read) {
			added++
		}
	}
	for _, s := range p.record.Survivors {
		if added >= maxNewPeers || len(p.record.Peers) >= maxPeers {
			return
		}
		if !s.Last.After(p.in.Flows.Read.Add(-recent)) || p.record.Has(s.Addr) || !p.isPublic(s.Addr) {
			continue
		}
		peer := guardduty.Peer{Addr: s.Addr, Protocol: protocolName(s.Protocol), Interface: s.Interface, Seen: p.in.Flows.Read, From: guardduty.FromFlowLog}
		if len(s.Ports) == 1 {
			peer.RemotePort = s.Ports[0]
		}
		p.record.Peers = append(slices.Clone(p.record.Peers), peer)
		added++
	}
}

var shared = netip.MustParsePrefix("100.64.0.0/10") // carrier-grade NAT, RFC 6598

// isPublic reports whether an address is nobody's whom this account has anything to do
// with.
func (p *planner) isPublic(a netip.Addr) bool {
	if _, owned := p.seen.Owners[a]; owned || !a.IsGlobalUnicast() || a.IsPrivate() || shared.Contains(a) {
		return false
	}
	for _, ranges := range p.seen.Ranges {
		if slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return r.Contains(a) }) {
			return false
		}
	}
	return true
}

// exposeSurvivors says who still exchanged packets when the logs were last read.
func (p *planner) exposeSurvivors() {
	since := p.record.Watched.Add(-recent)
	alive := 0
	for _, s := range p.record.Survivors {
		if !s.Last.After(since) {
			continue
		}
		if alive++; alive > shownAtMost {
			continue
		}
		p.expose(record.SurvivingPeer, "%s port %s (%s) still exchanges packets with %s: %d bytes, last seen %s", s.Addr,
			strings.Trim(fmt.Sprint(s.Ports), "[]"), protocolName(s.Protocol), s.Interface, s.Bytes, record.Clock(s.Last))
	}
	if alive > shownAtMost {
		p.expose(record.SurvivingPeer, "%d more addresses still exchange packets with the instance", alive-shownAtMost)
	}
	for _, w := range p.record.Watches {
		if !w.Leaked.IsZero() && w.Leaked.After(since) {
			p.expose(record.QuarantineLeaks, "a connection was begun through %s after its cut, last at %s", w.Interface, record.Clock(w.Leaked))
		}
	}
}

// protocolName is a protocol as GuardDuty writes it.
func protocolName(n int) string {
	switch n {
	case 1:
		return "ICMP"
	case 6:
		return "TCP"
	case 17:
		return "UDP"
	default:
		return fmt.Sprintf("protocol %d", n)
	}
}

// TellsNothing reports whether a reading of flow logs says what a record says already,
// so that nobody has to look at the instance.
func TellsNothing(open record.Record, reading network.FlowReading, rules Rules) bool {
	interfaces := []network.Interface{}
	for _, s := range open.Steps {
		if q, ok := record.AsQuarantine(s.Step); ok && s.State == record.Applied {
			interfaces = append(interfaces, network.Interface{ID: q.Resource, VPC: "v", Groups: q.After})
		}
	}
	groups := []network.Quarantined{}
	for _, i := range interfaces {
		for _, g := range i.Groups {
			groups = append(groups, network.Quarantined{Group: g, Empty: true})
		}
	}
	p := &planner{in: Incident{Flows: reading}, record: open, rules: rules, seen: network.Network{
		Interfaces: interfaces, Quarantine: map[string][]network.Quarantined{"v": groups},
	}}
	p.record.Exposure = nil
	p.record = heard(p.record, reading, p.seen)
	p.quiet()
	p.exposeSurvivors()
	now := p.record.Exposure
	p.record.Exposure = open.Exposure
	was := slices.DeleteFunc(slices.Clone(open.Exposure), func(e record.Exposure) bool {
		return e.Kind != record.SurvivingPeer && e.Kind != record.QuarantineLeaks
	})
	return p.record.Says(open) && slices.Equal(was, now)
}
