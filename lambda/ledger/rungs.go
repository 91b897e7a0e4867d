package ledger

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// notQuiet stands for no time at all.
var notQuiet = time.Unix(0, 0).UTC()

// firstKinds are the kinds of step that items of the first schema have.
var firstKinds = []string{string(record.KindQuarantine), string(record.KindDenial), string(record.KindTracking)}

// addRungs adds to an item what goes beyond quarantine and denials. Then an older
// program would lose it, and must not touch the item.
func (i *containmentItem) addRungs(r record.Record) {
	i.Rungs, i.Asked, i.Admitted = r.Rungs, r.Asked, texts(r.Admitted)
	i.Host, i.Restore = fromReport(r.Host), fromReport(r.Restore)
	i.Contested, i.Retaken = stamp(r.Contested), r.Retaken
	i.Watched, i.QuietSince = stamp(r.Watched), stamp(r.QuietSince)
	if r.QuietSince.IsZero() && !r.Watched.IsZero() {
		i.QuietSince = &notQuiet
	}
	for _, g := range r.ReleasedTo {
		i.ReleasedTo = append(i.ReleasedTo, releaseItem(g))
	}
	for _, w := range r.Watches {
		i.Watches = append(i.Watches, watchItem{w.Interface, stamp(w.Cut), stamp(w.Covered), w.Skipped, stamp(w.Accepted), stamp(w.Leaked)})
	}
	for _, s := range r.Survivors {
		i.Survivors = append(i.Survivors, survivorItem{s.Addr.String(), s.Interface, s.Protocol, slices.Clone(s.Ports), s.Bytes, stamp(s.Last)})
	}
	if i.hasRungs() {
		i.Schema = schemaRungs
	}
}

// hasRungs reports whether an item has what an older program does not know.
func (i *containmentItem) hasRungs() bool {
	lists := len(i.Watches) + len(i.Survivors) + len(i.ReleasedTo) + len(i.Admitted)
	times := i.Watched != nil || i.QuietSince != nil || i.Contested != nil
	hosts := i.Host != nil || i.Restore != nil || i.Asked > 0
	return i.Rungs || lists > 0 || times || hosts || i.hasLaterKinds()
}

// addWatches adds to a record what its item has of flow logs.
func (i *containmentItem) addWatches(r *record.Record) error {
	if r.QuietSince.Equal(notQuiet) {
		r.QuietSince = time.Time{}
	}
	for _, g := range i.ReleasedTo {
		r.ReleasedTo = append(r.ReleasedTo, record.ReleaseGroup(g))
	}
	for _, w := range i.Watches {
		r.Watches = append(r.Watches, record.Watch{
			Interface: w.Interface, Cut: moment(w.Cut), Covered: moment(w.Covered), Skipped: w.Skipped, Accepted: moment(w.Accepted), Leaked: moment(w.Leaked),
		})
	}
	for _, s := range i.Survivors {
		addr, err := netip.ParseAddr(s.Address)
		if err != nil {
			return fmt.Errorf("a survivor's address: %w", err)
		}
		r.Survivors = append(r.Survivors, record.Survivor{
			Addr: addr, Interface: s.Interface, Protocol: s.Protocol, Ports: slices.Clone(s.Ports), Bytes: s.Bytes, Last: moment(s.Last),
		})
	}
	return nil
}

func (i *containmentItem) hasLaterKinds() bool {
	return slices.ContainsFunc(i.Steps, func(s stepItem) bool { return !slices.Contains(firstKinds, s.Kind) })
}

// unsettled reports whether a containment that is not open still has something to do.
func (i *containmentItem) unsettled() bool {
	r, err := i.record()
	return err == nil && !r.Status.Open() && r.Unsettled()
}

func fromReport(r network.HostReport) *reportItem {
	if r.Equal(network.HostReport{}) {
		return nil
	}
	return &reportItem{
		r.Command, string(r.State), r.Detail, r.Rules, r.Closed, r.Left, r.Truncated, r.Error, texts(r.Connections),
	}
}

func (i *reportItem) report() network.HostReport {
	if i == nil {
		return network.HostReport{}
	}
	return network.HostReport{
		Command: i.Command, State: network.HostState(i.State), Detail: i.Detail, Rules: i.Rules, Closed: i.Closed, Left: i.Left,
		Truncated: i.Truncated, Error: i.Error, Connections: texts(i.Connections),
	}
}
