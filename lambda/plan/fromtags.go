package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// ReleaseFromTags is what tags and groups say is to be undone: each interface that
// is in quarantine, and those that an earlier round has restored.
func ReleaseFromTags(seen network.Network, done []record.StepState) (record.Record, []record.Step) {
	p := &releasePlanner{seen: seen}
	for _, i := range seen.Interfaces {
		was := slices.IndexFunc(done, func(s record.StepState) bool { return s.Step.ID() == record.QuarantineOf(i.ID, nil, "").ID() })
		switch {
		case was >= 0:
			p.restore(done[was], done[was].Step.(record.Replacement))
		case seen.Held(i) && len(i.Originals) > 0:
			q := record.QuarantineOf(i.ID, i.Originals, i.Groups[0])
			p.restore(record.StepState{State: record.Applied, Step: q}, q)
		}
	}
	rec := record.Record{Instance: seen.Instance.ID, Status: record.Released, Steps: p.steps}
	rec.Exposure = unclaimed(seen, network.PeersOf(seen.Instance.Tags))
	return rec, p.reverts
}

// unclaimed names the entries that deny exactly one of the peers and may be ours.
func unclaimed(seen network.Network, peers []netip.Addr) []record.Exposure {
	var found []record.Exposure
	for _, acl := range seen.ACLs {
		for _, e := range acl.Entries {
			denies := !e.Allow && e.AllTraffic
			if denies && slices.ContainsFunc(peers, func(a netip.Addr) bool { return network.Host(a) == e.Prefix }) {
				found = append(found, record.Exposure{Kind: record.UnclaimedDenial, Detail: unclaimedDetail(acl.ID, e)})
			}
		}
	}
	slices.SortFunc(found, func(a, b record.Exposure) int { return strings.Compare(a.Detail, b.Detail) })
	return found
}

func unclaimedDetail(acl string, e network.Entry) string {
	return fmt.Sprintf("entry %d %s of %s denies %s and may be ours: no record says so, remove it by hand if it is",
		e.Number, e.Direction, acl, e.Prefix)
}
