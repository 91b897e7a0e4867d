package plan

import (
	"maps"
	"net/netip"
	"slices"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// Tags are the second copy of the originals, on the interfaces, before their
// groups change, and in the end the status on the instance. Without the ledger the
// instance's also say who the peers are.
func (p Plan) Tags(seen network.Network, unrecorded bool) map[string]map[string]string {
	tags := map[string]map[string]string{}
	if p.Shown || p.Record.Status == record.Closed {
		return tags
	}
	for _, s := range p.Record.Steps {
		q, ok := record.AsQuarantine(s.Step)
		if !ok || s.State != record.Pending || len(q.Before) == 0 {
			continue
		}
		for _, i := range seen.Interfaces {
			if i.ID == q.Resource && !slices.Equal(i.Originals, q.Before) {
				tags[i.ID] = network.OriginalsTags(q.Before)
			}
		}
	}
	if mine := p.marks(seen.Instance, unrecorded); len(mine) > 0 {
		tags[seen.Instance.ID] = mine
	}
	return tags
}

// marks are the instance's own tags, as far as it doesn't carry them yet.
func (p Plan) marks(i network.Instance, unrecorded bool) map[string]string {
	mine := map[string]string{}
	if unrecorded {
		mine = network.PeersTags(addresses(p.Record.Peers))
	}
	if p.Record.Status != record.Containing {
		mine[network.StatusTag] = string(p.Record.Status)
	}
	maps.DeleteFunc(mine, func(key, value string) bool { is, set := i.Tags[key]; return set && is == value })
	return mine
}

// addresses are those of peers, in their order.
func addresses(peers []guardduty.Peer) []netip.Addr {
	var addrs []netip.Addr
	for _, p := range peers {
		addrs = append(addrs, p.Addr)
	}
	return addrs
}
