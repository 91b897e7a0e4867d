package ledger

import (
	"slices"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// firstKinds are the kinds of step that items of the first schema have.
var firstKinds = []string{string(record.KindQuarantine), string(record.KindDenial), string(record.KindTracking)}

// addRungs adds to an item what goes beyond quarantine and denials. Then an older
// program would lose it, and must not touch the item.
func (i *containmentItem) addRungs(r record.Record) {
	i.Rungs, i.Asked, i.Admitted = r.Rungs, r.Asked, texts(r.Admitted)
	i.Host, i.Restore = fromReport(r.Host), fromReport(r.Restore)
	if i.Rungs || len(i.Admitted) > 0 || i.Host != nil || i.Restore != nil || i.Asked > 0 || i.hasLaterKinds() {
		i.Schema = schemaRungs
	}
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
