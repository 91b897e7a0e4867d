package containment

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// fromTags releases an instance that the ledger has no containment of, from what
// its tags say: one that was contained without the ledger, or whose record is
// lost. It restores groups. Deny entries it only names: nothing proves that they
// are ours, and a tag is anybody's to write.
func (c *releasing) fromTags(ctx context.Context) (Outcome, error) {
	if c.verdict == Expire {
		return c.outcome(Expire, Record{}), nil
	}
	var done []StepState
	for range maxRounds {
		rec, reverts := releaseFromTags(c.seen, done)
		c.plan = ReleasePlan{Record: rec, Reverts: reverts, Untags: map[string][]string{}}
		switch {
		case len(rec.Steps) == 0:
			return c.outcome(NotActionable, Record{}), fmt.Errorf("%s %w", c.ask.Instance, ErrNotContained)
		case c.ask.DryRun:
			return c.unrecorded(ObservedOnly, c.plan.preview()), nil
		case len(reverts) == 0:
			c.finishFromTags(ctx)
			return c.unrecorded(c.verdict, c.plan.Record), nil
		}
		done = rec.Steps
		c.revert(ctx)
		if err := c.pause(ctx); err != nil {
			break
		}
		if err := c.look(ctx); err != nil {
			return c.stopped(fmt.Errorf("observing %s: %w", c.ask.Instance, err))
		}
		if c.known.Record != nil && c.known.Record.Status.Open() {
			return c.overtaken(), nil
		}
	}
	return c.stopped(nil)
}

func (c *releasing) unrecorded(v Verdict, rec Record) Outcome {
	out := c.outcome(v, rec)
	out.Unrecorded = true
	return out
}

// finishFromTags takes the tags away and notes in the history what was done.
func (c *releasing) finishFromTags(ctx context.Context) {
	for _, s := range c.plan.Record.Steps {
		id := s.Step.(Quarantine).Interface
		if i, found := c.seen.find(id); found && len(i.Originals) > 0 && s.State == Restored {
			c.plan.Untags[id] = originalsKeys(i.Originals)
		}
	}
	if keys := ourKeys(c.seen.Instance.Tags); len(keys) > 0 {
		c.plan.Untags[c.seen.Instance.ID] = keys
	}
	c.untag(ctx)
	ctx, cancel := context.WithTimeout(ctx, c.LedgerWait)
	defer cancel()
	err := c.Ledger.Note(ctx, Event{
		Instance: c.ask.Instance, Time: c.began, ID: c.ask.Request, Verdict: c.verdict, Request: c.ask.Request,
		Reason: c.ask.Reason + " (from tags, without a record)", Changes: changes(Record{}, c.plan.Record),
	})
	if err != nil {
		c.warnings = append(c.warnings, fmt.Sprintf("noting the release: %v", err))
	}
}

// releaseFromTags is what tags and groups say is to be undone: each interface that
// is in quarantine, and those that an earlier round has restored.
func releaseFromTags(seen Network, done []StepState) (Record, []Step) {
	p := &releaser{seen: seen}
	for _, i := range seen.Interfaces {
		was := slices.IndexFunc(done, func(s StepState) bool { return s.Step.ID() == Quarantine{Interface: i.ID}.ID() })
		switch {
		case was >= 0:
			p.restore(done[was], done[was].Step.(Quarantine))
		case seen.held(i) && len(i.Originals) > 0:
			q := Quarantine{Interface: i.ID, Before: i.Originals, Group: i.Groups[0]}
			p.restore(StepState{State: Applied, Step: q}, q)
		}
	}
	rec := Record{Instance: seen.Instance.ID, Status: Released, Steps: p.steps}
	rec.Exposure = unclaimed(seen, PeersOf(seen.Instance.Tags))
	return rec, p.reverts
}

// unclaimed names the entries that deny exactly one of the peers and may be ours.
func unclaimed(seen Network, peers []netip.Addr) []Exposure {
	var found []Exposure
	for _, acl := range seen.ACLs {
		for _, e := range acl.Entries {
			denies := !e.Allow && e.AllTraffic
			if denies && slices.ContainsFunc(peers, func(a netip.Addr) bool { return host(a) == e.Prefix }) {
				found = append(found, Exposure{UnclaimedDenial, unclaimedDetail(acl.ID, e)})
			}
		}
	}
	slices.SortFunc(found, func(a, b Exposure) int { return strings.Compare(a.Detail, b.Detail) })
	return found
}

func unclaimedDetail(acl string, e Entry) string {
	return fmt.Sprintf("entry %d %s of %s denies %s and may be ours: no record says so, remove it by hand if it is",
		e.Number, e.Direction, acl, e.Prefix)
}
