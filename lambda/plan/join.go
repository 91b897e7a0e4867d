package plan

import (
	"net/netip"
	"slices"
	"time"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// Join plans what an incident adds to a containment that another invocation has read back
// to be complete since a moment, by the ledger alone: findings, and peers whose denials
// in the instance's one ACL others have read back since then too. The instance becomes
// one more holder of these. False where more than that has to be known or done.
//
// It is for a burst of findings, in which EC2 allows fewer reads than findings come. What
// somebody undoes in between, reconcile finds.
func Join(in Incident, known record.Known, owners map[netip.Addr]network.Owner, rules Rules, since time.Time) (Plan, bool) {
	open := known.Open()
	if open == nil || in.Trigger != ByEvent || open.Contained.Before(since) || !completeAsRecorded(in, *open) {
		return Plan{}, false
	}
	acl, ok := onlyACL(*open)
	rec := next(in, open.Name, known, rules)
	rec.Steps, rec.Exposure, rec.Status = slices.Clone(open.Steps), open.Exposure, open.Status
	if rec.Rungs != open.Rungs {
		return Plan{}, false
	}
	p := Plan{Record: rec}
	for _, peer := range p.Record.Peers {
		if open.Has(peer.Addr) {
			continue
		}
		if !ok || !remote(peer.Addr, owners, rules) || !p.share(peer, acl, known.Slots, since) {
			return Plan{}, false
		}
	}
	p.Changed = !p.Record.Says(*open) || len(p.Slots) > 0
	return p, true
}

// completeAsRecorded reports whether nothing of a containment is left to do or to say,
// whatever an incident adds in findings and peers.
func completeAsRecorded(in Incident, open record.Record) bool {
	more := in.OnHost || in.Omitted > 0 || len(in.UnreadableFields) > 0 || len(open.Peers)+len(in.Peers) > maxPeers
	return open.Status == record.Contained && open.Released.IsZero() && !more &&
		len(mergeStrings(open.Unreadable, in.Unreadable)) == len(open.Unreadable) &&
		!slices.ContainsFunc(open.Steps, func(s record.StepState) bool { return s.State == record.Pending || s.State == record.Removed })
}

// onlyACL is the ACL of all denials of a record; false where there are several, or where
// the record does not tell that an IPv4 peer has no other address behind NAT64.
func onlyACL(open record.Record) (acl string, ok bool) {
	for _, s := range open.Steps {
		d, denies := s.Step.(record.Denial)
		if denies && (acl != "" && d.ACL != acl || network.NAT64.Contains(d.Prefix.Addr())) {
			return "", false
		}
		if denies {
			acl, ok = d.ACL, ok || d.Prefix.Addr().Is4()
		}
	}
	return acl, ok
}

// remote reports whether a peer is nobody of this account or its networks, so that
// what others have found of it holds for every instance behind the same ACL.
func remote(a netip.Addr, owners map[netip.Addr]network.Owner, rules Rules) bool {
	_, ours := owners[network.FromNAT64(a)]
	_, refused := refuse(a, network.Network{}, rules)
	return !ours && !refused && a.Is4() && a.IsGlobalUnicast() && !inAny(internal, a)
}

// share adds the denials of a peer that are in force in both directions; false when
// they are not.
func (p *Plan) share(peer guardduty.Peer, acl string, slots []record.Slot, since time.Time) bool {
	for _, dir := range network.Directions {
		i := slices.IndexFunc(slots, func(s record.Slot) bool {
			return s.ACL == acl && s.Direction == dir && s.Prefix == network.Host(peer.Addr) && s.State == record.SlotApplied && !s.Since.Before(since)
		})
		if i < 0 {
			return false
		}
		slot := slots[i]
		if p.Record.DenialIn(slot.SlotKey) < 0 {
			p.Record.Steps = append(p.Record.Steps, record.StepState{Step: slot.Denial(), State: record.Applied})
		}
		if holder := p.Record.Holder(); !slot.HeldBy(holder) {
			p.Slots = append(p.Slots, record.SlotChange{Slot: slot.With(holder), Op: record.Hold})
		}
	}
	return true
}
