package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tourniquet/lambda/network"
	"tourniquet/lambda/order"
	"tourniquet/lambda/record"
)

// NewReleaseFromTags is the release of an instance that the ledger has no containment
// of: one that was contained without the ledger, or whose record is lost. It restores
// the groups of each interface that is in quarantine and says in its tags what they
// were; those that an earlier plan has restored stay in it. Deny entries it only names:
// nothing proves that they are ours, and anybody can write a tag.
// Where hosts get commands, the host is asked too: one may have been sent, and no record
// says so.
func NewReleaseFromTags(seen network.Network, done []record.StepState, hosts bool) ReleasePlan {
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
	plan := ReleasePlan{Record: rec, FromTags: true, Reverts: p.reverts, Untags: map[string][]string{}}
	if hosts && len(rec.Steps) > 0 {
		p.hostFromTags(&plan)
	}
	for _, s := range rec.Steps {
		q, _ := record.AsQuarantine(s.Step)
		if i, found := seen.Find(q.Resource); found && len(i.Originals) > 0 && s.State == record.Restored {
			plan.Untags[i.ID] = network.OriginalsKeys(i.Originals)
		}
	}
	if keys := network.OurKeys(seen.Instance.Tags); len(keys) > 0 {
		plan.Untags[seen.Instance.ID] = keys
	}
	return plan
}

// hostFromTags asks the host of an instance without a record. One that Systems Manager
// does not manage has got no command.
func (p *releasePlanner) hostFromTags(plan *ReleasePlan) {
	host := record.HostOf(p.seen.Instance.ID)
	if p.seen.Refused[host.ID()].Unmanaged {
		return
	}
	next, ask := p.hostBack(&plan.Record, record.StepState{Step: host, State: record.Applied})
	plan.Record.Steps = append(plan.Record.Steps, next)
	if ask {
		plan.Asks = append(plan.Asks, host)
	}
	if !next.State.Final() {
		plan.Record.Exposure = append(plan.Record.Exposure, record.Exposure{Kind: record.HostUnconfirmed, Detail: plan.Record.Instance + ": " + next.Note})
	}
}

// unclaimed names the entries that deny exactly one of the peers and may be ours.
func unclaimed(seen network.Network, peers []netip.Addr) []record.Exposure {
	var found []record.Exposure
	for _, acl := range seen.ACLs {
		for _, e := range acl.Entries {
			denies := !e.Allow && e.AllTraffic && e.Prefix.IsSingleIP()
			if denies && slices.ContainsFunc(peers, func(a netip.Addr) bool { return network.FromNAT64(a) == network.FromNAT64(e.Prefix.Addr()) }) {
				found = append(found, record.Exposure{Kind: record.UnclaimedDenial, Detail: unclaimedDetail(acl.ID, e)})
			}
		}
	}
	order.Sort(found, func(a, b record.Exposure) int { return strings.Compare(a.Detail, b.Detail) })
	return found
}

func unclaimedDetail(acl string, e network.Entry) string {
	return fmt.Sprintf("entry %d %s of %s denies %s and may be ours: no record says so, remove it by hand if it is",
		e.Number, e.Direction, acl, e.Prefix)
}
