package containment

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// deny plans the denials: each peer, in each ACL that stands between the peer and
// an interface, in both directions. ACLs are independent of each other; each is
// planned once, however many subnets and interfaces share it.
func (p *planner) deny() {
	peers, left := deniable(p.record.Peers, p.seen, p.rules)
	p.record.Exposure = append(p.record.Exposure, left...)
	for _, peer := range peers {
		p.exposeNeighbour(peer)
	}
	for _, id := range slices.Sorted(maps.Keys(p.seen.ACLs)) {
		acl := p.seen.ACLs[id]
		beyond := slices.DeleteFunc(slices.Clone(peers), func(a netip.Addr) bool { return !p.separates(acl, a) })
		if acl.Account != p.seen.Instance.Account {
			p.exposeForeign(acl, beyond)
			continue
		}
		p.denyIn(acl, beyond)
	}
}

// separates reports whether traffic between a peer and an interface of the
// instance passes the ACL: within a subnet it does not.
// https://docs.aws.amazon.com/vpc/latest/userguide/nacl-basics.html
func (p *planner) separates(acl ACL, peer netip.Addr) bool {
	for _, s := range p.seen.Subnets {
		if s.ACL == acl.ID && !s.contains(peer) {
			return true
		}
	}
	return false
}

func (p *planner) exposeNeighbour(peer netip.Addr) {
	for _, id := range slices.Sorted(maps.Keys(p.seen.Subnets)) {
		if p.seen.Subnets[id].contains(peer) {
			p.expose(SameSubnetPeer, "%s is inside %s, where no ACL is evaluated: established connections with it go on", peer, id)
		}
	}
}

func (p *planner) exposeForeign(acl ACL, peers []netip.Addr) {
	for _, peer := range peers {
		if !acl.Shuts(In, host(peer)) || !acl.Shuts(Out, host(peer)) {
			p.expose(ForeignACL, "%s is owned by account %s, which alone can deny %s in it", acl.ID, acl.Account, peer)
		}
	}
}

// denyIn plans one ACL. Every peer first gets a denial in one direction, since one
// already breaks an established connection, and then, as far as there is room,
// in the other.
func (p *planner) denyIn(acl ACL, peers []netip.Addr) {
	d := denier{planner: p, acl: acl, view: p.withReservations(acl), peers: map[netip.Addr]*fate{}}
	for _, peer := range peers {
		d.peers[peer] = &fate{}
		if first := d.roomier(peer); !d.ensure(peer, first) {
			d.ensure(peer, first.Opposite())
		}
	}
	for _, peer := range peers {
		for _, dir := range Directions {
			if !slices.Contains(d.peers[peer].tried, dir) {
				d.ensure(peer, dir)
			}
		}
		d.exposeOpen(peer)
		p.addOnce(d.peers[peer].steps)
	}
	d.noteRoom()
}

// noteRoom keeps the least room that the plan leaves in a direction and family.
func (d *denier) noteRoom() {
	least := d.rules.ACLQuota
	for _, dir := range Directions {
		least = min(least, d.view.room(dir, false, d.rules.ACLQuota), d.view.room(dir, true, d.rules.ACLQuota))
	}
	if d.full {
		least = 0
	}
	if d.room == nil || least < *d.room {
		d.room = &least
	}
}

// addOnce adds the denials of one peer, the incoming one first, without those
// that an earlier peer shares.
func (p *planner) addOnce(steps []StepState) {
	slices.SortFunc(steps, func(a, b StepState) int {
		return strings.Compare(a.Step.ID(), b.Step.ID())
	})
	for _, s := range steps {
		if _, there := p.record.step(s.Step.ID()); !there {
			p.record.Steps = append(p.record.Steps, s)
		}
	}
}

// withReservations is the ACL with the entries that are reserved in the ledger
// and not in the ACL yet, as another invocation will have made them.
func (p *planner) withReservations(acl ACL) ACL {
	for _, s := range p.known.Slots {
		if s.ACL != acl.ID {
			continue
		}
		if _, taken := acl.at(s.Direction, s.Number); !taken {
			acl = acl.with(s.entry())
		}
	}
	return acl
}

// A denier plans the denials of one ACL.
type denier struct {
	*planner
	acl   ACL // as observed
	view  ACL // as it will be
	peers map[netip.Addr]*fate
	full  bool // EC2 said so, whatever the quota is thought to be
}

// A fate is what becomes of one peer in one ACL.
type fate struct {
	tried []Direction
	shut  []Direction
	steps []StepState
	open  ExposureKind // why a direction stays open
}

// roomier is the direction to deny a peer in first: one that shuts it out
// already, else the one with more room.
func (d *denier) roomier(peer netip.Addr) Direction {
	for _, dir := range Directions {
		if d.view.Shuts(dir, host(peer)) {
			return dir
		}
	}
	if d.view.room(Out, peer.Is6(), d.rules.ACLQuota) > d.view.room(In, peer.Is6(), d.rules.ACLQuota) {
		return Out
	}
	return In
}

// ensure plans what it takes for the ACL to shut a peer out in a direction, and
// reports whether it will.
func (d *denier) ensure(peer netip.Addr, dir Direction) bool {
	f := d.peers[peer]
	f.tried = append(f.tried, dir)
	denial := Denial{VPC: d.acl.VPC, ACL: d.acl.ID, Direction: dir, Prefix: host(peer)}
	decided := d.view.decide(dir, denial.Prefix)
	slot, ours := d.slotAt(dir, decided.entry)
	_, present := d.acl.at(dir, decided.entry.Number)
	if r := d.seen.Refused[denial.ID()]; r.Reason != "" && (!decided.shut || !present) {
		return d.fail(f, denial, r)
	}
	switch {
	case decided.shut && ours:
		d.share(f, denial, slot, present)
	case decided.shut: // somebody else's entry, or the ACL's own "*", does it
	default:
		if !d.reserve(f, denial, decided.entry.Number) {
			return false
		}
	}
	f.shut = append(f.shut, dir)
	return true
}

// slotAt is the ledger's slot of an entry, if the entry is ours.
func (d *denier) slotAt(dir Direction, e Entry) (Slot, bool) {
	i := slices.IndexFunc(d.known.Slots, func(s Slot) bool {
		return s.ACL == d.acl.ID && s.Direction == dir && s.entry() == e
	})
	if i < 0 {
		return Slot{}, false
	}
	return d.known.Slots[i], true
}

// share makes the containment a holder of a denial that is there, or that is
// reserved and may still have to be made.
func (d *denier) share(f *fate, denial Denial, slot Slot, present bool) {
	denial.Number, denial.Prefix = slot.Number, slot.Prefix
	state, want := Pending, slot.State
	if present {
		state, want = Applied, SlotApplied
	}
	op := Settle
	if holder := d.record.Holder(); !slot.heldBy(holder) {
		op = Hold
		slot.Holders = append(slices.Clone(slot.Holders), holder)
		slices.Sort(slot.Holders)
	}
	planned := slices.ContainsFunc(d.slots, func(c SlotChange) bool { return c.Slot.SlotKey == slot.SlotKey })
	if !planned && (op == Hold || slot.State != want) {
		slot.State = want
		d.slots = append(d.slots, SlotChange{slot, op})
	}
	f.steps = append(f.steps, StepState{Step: denial, State: state})
}

// reserve takes a new slot below the entry that lets the peer through.
func (d *denier) reserve(f *fate, denial Denial, below int) bool {
	v6 := denial.Prefix.Addr().Is6()
	if d.view.room(denial.Direction, v6, d.rules.ACLQuota) == 0 {
		f.open = ACLFull
		return false
	}
	n, ok := d.view.free(denial.Direction, below)
	if !ok {
		f.open = NoSlotBelowAllow
		return false
	}
	denial.Number = n
	d.view = d.view.with(denial.Entry())
	d.slots = append(d.slots, SlotChange{Slot{
		SlotKey: denial.Slot(), Prefix: denial.Prefix, Holders: []string{d.record.Holder()}, State: SlotReserved,
	}, Reserve})
	f.steps = append(f.steps, StepState{Step: denial, State: Pending})
	return true
}

// fail records a denial that EC2 refuses for good.
func (d *denier) fail(f *fate, denial Denial, r Refusal) bool {
	if s, ok := d.recorded(denial.ID()); ok {
		denial.Number = s.Step.(Denial).Number
	}
	f.steps = append(f.steps, StepState{Step: denial, State: Failed, Note: r.Reason})
	f.open = FailedStep
	if r.Full {
		f.open, d.full = ACLFull, true
	}
	return false
}

// exposeOpen says in which directions the ACL goes on to let a peer through.
func (d *denier) exposeOpen(peer netip.Addr) {
	f := d.peers[peer]
	switch {
	case len(f.shut) == len(Directions):
	case len(f.shut) == 1:
		d.expose(OneDirection, "%s denies %s only %s (%s): connections with it break, packets %s still pass",
			d.acl.ID, peer, f.shut[0], f.open, f.shut[0].Opposite())
	case f.open == NoSlotBelowAllow:
		d.expose(f.open, "%s has no free rule number below the entry that allows %s", d.acl.ID, peer)
	case f.open == ACLFull:
		d.expose(f.open, "%s has no room for another entry: %s is not denied", d.acl.ID, peer)
	default:
		d.expose(f.open, "%s does not deny %s: EC2 refused the entry", d.acl.ID, peer)
	}
}
