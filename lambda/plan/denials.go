package plan

import (
	"maps"
	"net/netip"
	"slices"

	"go4.org/netipx"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// deny plans the denials: each peer, in each ACL that stands between the peer and
// an interface, in both directions. ACLs are independent of each other; each is
// planned once, however many subnets and interfaces share it.
func (p *planner) deny() {
	peers, left := deniable(byImportance(p.record.Peers), p.seen, p.rules)
	p.record.Exposure = append(p.record.Exposure, left...)
	for _, peer := range peers {
		p.exposeNeighbour(network.FromNAT64(peer))
		p.exposeOwn(peer)
	}
	never := p.uncoverable()
	ids := slices.Sorted(maps.Keys(p.seen.ACLs))
	free := maxLive - p.elsewhere()
	for n, id := range ids {
		acl := p.seen.ACLs[id]
		beyond := slices.DeleteFunc(p.forms(acl, peers), func(a netip.Addr) bool { return !p.separates(acl, a) || p.expired(acl, a) })
		if acl.Account != p.seen.Instance.Account {
			p.exposeForeign(acl, beyond)
			continue
		}
		before := len(p.record.Steps)
		p.denyIn(acl, beyond, never, free/(len(ids)-n))
		free -= len(p.record.Steps) - before
	}
}

// separates reports whether traffic between a peer and an interface of the
// instance passes the ACL: within a subnet it does not.
// https://docs.aws.amazon.com/vpc/latest/userguide/nacl-basics.html
func (p *planner) separates(acl network.ACL, peer netip.Addr) bool {
	for _, s := range p.seen.Subnets {
		if s.ACL == acl.ID && !s.Contains(peer) {
			return true
		}
	}
	return false
}

func (p *planner) exposeNeighbour(peer netip.Addr) {
	for _, id := range slices.Sorted(maps.Keys(p.seen.Subnets)) {
		if p.seen.Subnets[id].Contains(peer) {
			p.passes = true
			p.expose(record.SameSubnetPeer, "%s is inside %s, where no ACL is evaluated: established connections with it go on", peer, id)
		}
	}
}

func (p *planner) exposeForeign(acl network.ACL, peers []netip.Addr) {
	open := slices.DeleteFunc(slices.Clone(peers), func(a netip.Addr) bool {
		return acl.Shuts(network.In, network.Host(a)) && acl.Shuts(network.Out, network.Host(a))
	})
	p.passes = p.passes || slices.ContainsFunc(peers, func(a netip.Addr) bool { return !acl.Cuts(a) })
	if len(open) > 0 {
		p.expose(record.ForeignACL, "%s is owned by account %s, which alone can deny %s in it", acl.ID, acl.Account, list(open))
	}
}

// denyIn plans one ACL. Every peer first gets a denial in one direction, since one
// already breaks an established connection, and then, as far as there is room,
// in the other. It goes on until nothing more finds a place: a later plan, which
// sees what this one makes, then has nothing to add. The record has room for so many
// denials in this ACL.
func (p *planner) denyIn(acl network.ACL, peers []netip.Addr, never *netipx.IPSet, most int) {
	d := denier{planner: p, acl: acl, view: p.withReservations(acl), never: never, held: map[record.SlotKey]bool{}, why: map[side]record.ExposureKind{}}
	d.left = most
	for _, s := range p.known.Slots {
		if s.ACL == acl.ID && s.HeldBy(p.record.Holder()) {
			d.left--
		}
	}
	for d.round(peers) {
	}
	for _, peer := range peers {
		d.report(peer, peers)
	}
	d.exposeOpen(peers)
	d.noteRoom()
}

// withReservations is the ACL with the entries that are reserved in the ledger
// and not in the ACL yet, as another invocation will have made them. Of one that EC2
// refuses to make, of one that a release is about to remove, and of one that can't be
// read, the number alone is taken.
func (p *planner) withReservations(acl network.ACL) network.ACL {
	for _, s := range p.known.Slots {
		if s.ACL != acl.ID {
			continue
		}
		e := s.Entry()
		_, taken := acl.At(s.Direction, s.Number)
		switch {
		case s.State == record.SlotRemoving:
			e.AllTraffic = false // settles nothing, and counts until it is gone
			acl = acl.Without(s.Direction, s.Number)
		case taken:
			continue
		case p.seen.Refused[s.Denial().ID()].Reason != "":
			e.Prefix = netip.Prefix{}
		}
		acl = acl.With(e)
	}
	for _, place := range p.known.Unreadable {
		if _, taken := acl.At(place.Direction, place.Number); place.ACL == acl.ID && !taken {
			acl = acl.With(network.Entry{Number: place.Number, Direction: place.Direction})
		}
	}
	return acl
}

// expired reports whether a peer's denials in an ACL have expired, and it can do
// without: no finding has named it since, and no interface lets anything through.
func (p *planner) expired(acl network.ACL, peer netip.Addr) bool {
	open := p.known.Open()
	named := slices.ContainsFunc(p.in.Peers, func(n guardduty.Peer) bool { return network.FromNAT64(n.Addr) == network.FromNAT64(peer) })
	loose := slices.ContainsFunc(p.seen.Interfaces, func(i network.Interface) bool { return !p.seen.Quarantined(i) })
	if open == nil || open.Status == record.Releasing || named || loose {
		return false
	}
	found := false
	for _, s := range open.Steps {
		if d, ok := s.Step.(record.Denial); ok && d.ACL == acl.ID && d.Prefix.Contains(peer) {
			if s.State != record.Removed {
				return false
			}
			found = true
		}
	}
	return found
}
