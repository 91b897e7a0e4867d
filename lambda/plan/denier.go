package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// A denier plans the denials of one ACL.
type denier struct {
	*planner
	acl   network.ACL   // as observed
	view  network.ACL   // as it will be
	never *netipx.IPSet // what no covering prefix may contain; nil: none covers anything
	taken []record.Slot // reserved by this plan
	held  map[record.SlotKey]bool
	why   map[side]record.ExposureKind
	left  int // how many more denials in this ACL the record has room for
}

// A side is one direction of one peer's traffic.
type side struct {
	peer netip.Addr
	dir  network.Direction
}

// round reserves places for what is still open, and reports whether it found any.
func (d *denier) round(peers []netip.Addr) bool {
	before := len(d.taken)
	for _, t := range d.spans(peers) {
		d.place(t)
	}
	for _, peer := range peers {
		for _, dir := range network.Directions {
			if !d.shuts(dir, peer) && d.shuts(dir.Opposite(), peer) {
				d.reserve(d.mirror(peer, dir, peers), dir)
			}
		}
	}
	return len(d.taken) > before
}

func (d *denier) shuts(dir network.Direction, peer netip.Addr) bool {
	return d.view.Shuts(dir, network.Host(peer))
}

// spans are what has to be denied of the peers that pass in both directions:
// each by itself, as long as the two directions together have a place for each.
func (d *denier) spans(peers []netip.Addr) []span {
	var all []span
	for _, v6 := range []bool{false, true} {
		open := slices.DeleteFunc(slices.Clone(peers), func(a netip.Addr) bool {
			return a.Is6() != v6 || d.view.Cuts(a)
		})
		all = append(all, cover(open, d.places(network.In, v6, open)+d.places(network.Out, v6, open), d.mayCover)...)
	}
	for i := range all {
		all[i].rank = slices.Index(peers, all[i].peers[0])
	}
	byRank(all)
	return all
}

// places is how many more denials a direction takes that come before an entry which
// lets one of the peers through.
func (d *denier) places(dir network.Direction, v6 bool, peers []netip.Addr) int {
	below := 0
	for _, peer := range peers {
		below = max(below, d.view.Decide(dir, network.Host(peer)).Entry.Number)
	}
	return len(d.view.FreeNumbers(dir, below, d.roomFor(dir, v6)))
}

func (d *denier) roomFor(dir network.Direction, v6 bool) int {
	return d.view.Room(dir, v6, d.rules.ACLQuota)
}

// place denies a span in the direction that has more room, else in the other. If
// neither takes a covering prefix, its peers are denied one by one as far as possible.
func (d *denier) place(t span) {
	first, v6 := network.In, t.prefix.Addr().Is6()
	if d.roomFor(network.Out, v6) > d.roomFor(network.In, v6) {
		first = network.Out
	}
	if d.reserve(t, first) || d.reserve(t, first.Opposite()) || !t.covers() {
		return
	}
	for _, peer := range t.peers {
		d.place(span{prefix: network.Host(peer), peers: []netip.Addr{peer}})
	}
}

// mirror is the span for the second direction of a peer that is denied in one:
// the same covering prefix, where it is denied by one.
func (d *denier) mirror(peer netip.Addr, dir network.Direction, peers []netip.Addr) span {
	t := span{prefix: network.Host(peer), peers: []netip.Addr{peer}}
	opposite := d.view.Decide(dir.Opposite(), t.prefix).Entry
	if _, ours := d.slotAt(opposite); !ours || opposite.Prefix == t.prefix || !d.mayCover(opposite.Prefix) {
		return t
	}
	t.prefix, t.peers = opposite.Prefix, slices.DeleteFunc(slices.Clone(peers), func(a netip.Addr) bool {
		return !opposite.Prefix.Contains(a) || d.shuts(dir, a)
	})
	return t
}

// reserve takes a new slot for a span below the entries that let its peers
// through, and reports whether there was one.
func (d *denier) reserve(t span, dir network.Direction) bool {
	denial := record.Denial{VPC: d.acl.VPC, ACL: d.acl.ID, Direction: dir, Prefix: t.prefix}
	below := network.MaxRuleNumber + 1
	for _, peer := range t.peers {
		below = min(below, d.view.Decide(dir, network.Host(peer)).Entry.Number)
	}
	n, free := d.view.Free(dir, below)
	refusal := d.seen.Refused[denial.ID()]
	switch {
	case refusal.Full:
		d.blocked(t, dir, record.ACLFull)
		return false
	case refusal.Reason != "":
		d.blocked(t, dir, record.FailedStep)
		return false
	case !free:
		d.blocked(t, dir, record.NoSlotBelowAllow)
		return false
	case d.roomFor(dir, t.prefix.Addr().Is6()) == 0:
		d.blocked(t, dir, record.ACLFull)
		return false
	case d.left <= 0:
		d.blocked(t, dir, record.RecordFull)
		return false
	}
	d.left--
	denial.Number = n
	slot := record.Slot{SlotKey: denial.Slot(), Prefix: denial.Prefix, Holders: []record.Holder{d.record.Holder()}, State: record.SlotReserved}
	d.view = d.view.With(denial.Entry())
	d.taken = append(d.taken, slot)
	d.slots = append(d.slots, record.SlotChange{Slot: slot, Op: record.Reserve})
	return true
}

func (d *denier) blocked(t span, dir network.Direction, why record.ExposureKind) {
	for _, peer := range t.peers {
		d.why[side{peer, dir}] = why
	}
}

// report adds the steps that shut a peer out, the incoming one first, and those
// that EC2 refuses for good.
func (d *denier) report(peer netip.Addr, peers []netip.Addr) {
	for _, dir := range network.Directions {
		exact := record.Denial{VPC: d.acl.VPC, ACL: d.acl.ID, Direction: dir, Prefix: network.Host(peer)}
		decided := d.view.Decide(dir, exact.Prefix)
		slot, ours := d.slotAt(decided.Entry)
		refusal := d.seen.Refused[exact.ID()]
		switch {
		case decided.Shut && ours:
			d.hold(slot, peers)
		case decided.Shut: // somebody else's entry, or the ACL's own "*", does it
			d.relies = d.relies || decided.Entry.Number > 0
		case refusal.Reason != "" && d.left > 0:
			d.left--
			if s, ok := d.recorded(exact.ID()); ok {
				exact.Number = s.Step.(record.Denial).Number
			}
			d.add(exact, record.Failed, refusal.Reason)
		}
	}
}

// slotAt is the slot of an entry, if the entry is ours.
func (d *denier) slotAt(e network.Entry) (record.Slot, bool) {
	for _, all := range [][]record.Slot{d.taken, d.known.Slots} {
		i := slices.IndexFunc(all, func(s record.Slot) bool { return s.ACL == d.acl.ID && s.Entry() == e })
		if i >= 0 {
			return all[i], true
		}
	}
	return record.Slot{}, false
}

// hold makes the containment a holder of a denial that is there, or that is
// reserved and still has to be made.
func (d *denier) hold(slot record.Slot, peers []netip.Addr) {
	if d.held[slot.SlotKey] { // for an earlier peer
		return
	}
	d.held[slot.SlotKey] = true
	if !slot.HeldBy(d.record.Holder()) {
		if d.left <= 0 {
			d.expose(record.RecordFull, "%s denies %s for somebody else: the record has no room to hold that denial too", d.acl.ID, slot.Prefix)
			return
		}
		d.left--
	}
	state, want := record.Pending, slot.State
	if e, ok := d.acl.At(slot.Direction, slot.Number); ok && e == slot.Entry() {
		state, want = record.Applied, record.SlotApplied
	}
	d.add(slot.Denial(), state, covering(slot.Prefix, peers))
	op := record.Settle
	if holder := d.record.Holder(); !slot.HeldBy(holder) {
		op = record.Hold
		slot = slot.With(holder)
	}
	planned := slices.ContainsFunc(d.taken, func(s record.Slot) bool { return s.SlotKey == slot.SlotKey })
	if !planned && (op == record.Hold || slot.State != want) {
		slot.State = want
		d.slots = append(d.slots, record.SlotChange{Slot: slot, Op: op})
	}
}

// covering is what to know of a denial that reaches beyond one peer.
func covering(prefix netip.Prefix, peers []netip.Addr) string {
	if prefix == network.Host(prefix.Addr()) {
		return ""
	}
	within := slices.DeleteFunc(slices.Clone(peers), func(a netip.Addr) bool { return !prefix.Contains(a) })
	return fmt.Sprintf("a covering prefix, for %d peers", len(within))
}

// exposeOpen says in which directions the ACL goes on to let peers through.
func (d *denier) exposeOpen(peers []netip.Addr) {
	for _, dir := range network.Directions {
		for _, why := range []record.ExposureKind{record.ACLFull, record.NoSlotBelowAllow, record.FailedStep, record.RecordFull} {
			some := slices.DeleteFunc(slices.Clone(peers), func(a netip.Addr) bool {
				return !d.shuts(dir, a) || d.shuts(dir.Opposite(), a) || d.why[side{a, dir.Opposite()}] != why
			})
			if len(some) > 0 {
				d.expose(record.OneDirection, "%s denies %s only %s (%s): connections with %s break, packets %s still pass",
					d.acl.ID, list(some), dir, why, them(some), dir.Opposite())
			}
		}
	}
	open := slices.DeleteFunc(slices.Clone(peers), d.view.Cuts)
	d.passes = d.passes || len(open) > 0
	for _, e := range []struct{ kind, format string }{
		{string(record.NoSlotBelowAllow), "%s has no free rule number below the entry that allows %s"},
		{string(record.ACLFull), "%s has no room for another entry: %s not denied"},
		{string(record.FailedStep), "%s does not deny %s: EC2 refused the entry"},
		{string(record.RecordFull), "%s does not deny %s: the record has no room for more denials"},
	} {
		kind := record.ExposureKind(e.kind)
		some := slices.DeleteFunc(slices.Clone(open), func(a netip.Addr) bool { return d.whyOpen(a) != kind })
		if len(some) > 0 {
			who := list(some)
			if kind == record.ACLFull {
				who += map[bool]string{true: " is", false: " are"}[len(some) == 1]
			}
			d.expose(kind, e.format, d.acl.ID, who)
		}
	}
}

// whyOpen is why a peer that passes in both directions has no denial in any: in
// the direction that had a place left, if one had.
func (d *denier) whyOpen(peer netip.Addr) record.ExposureKind {
	in, out := d.why[side{peer, network.In}], d.why[side{peer, network.Out}]
	if in == record.ACLFull {
		return out
	}
	return in
}

func list(peers []netip.Addr) string {
	var texts []string
	for _, a := range peers[:min(len(peers), maxNamed)] {
		texts = append(texts, a.String())
	}
	if more := len(peers) - maxNamed; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}

func them(peers []netip.Addr) string {
	if len(peers) == 1 {
		return "it"
	}
	return "them"
}

// noteRoom keeps the least room that the plan leaves in a direction and family.
func (d *denier) noteRoom() {
	least := d.rules.ACLQuota
	for _, dir := range network.Directions {
		least = min(least, d.roomFor(dir, false), d.roomFor(dir, true))
	}
	for _, why := range d.why {
		if why == record.ACLFull { // as EC2 said, whatever the quota is thought to be
			least = 0
		}
	}
	if d.aclRoom == nil || least < *d.aclRoom {
		d.aclRoom = &least
	}
}
