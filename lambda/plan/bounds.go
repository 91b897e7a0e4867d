package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/order"
	"tourniquet/lambda/record"
)

// DynamoDB takes items of 400 KB. A record has to stay below that whatever the findings
// say and however long it is open: one that doesn't fit can be neither reconciled nor
// released. What a release needs is never left out, the original groups of each
// interface and the denials that are held. Anything else that is left out is named in
// the record's exposure.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	// maxPeers is how many peers a record keeps: several times what network ACLs take.
	maxPeers = 320
	// maxFindings is how many findings a record keeps: the first ones, and the one of
	// the latest activity, which a release compares itself with.
	maxFindings = 50
	// maxLive is how many denials a record has to hold, so many in all ACLs together,
	// and maxDenials how many steps of denials it has with those that are settled.
	maxLive, maxDenials = 280, 340
	// maxNamed is how many peers one exposure names, the most important ones, and
	// maxDetail how many bytes it has. maxExposure is how many bytes all of them have,
	// and leastDetail how many the first one of each kind has at least.
	maxNamed, maxDetail, maxExposure, leastDetail = 100, 5000, 20_000, 300

	maxReason = 1024 // bytes
	maxNote   = 400  // bytes; a list of an interface's groups fits
	maxWord   = 32   // bytes, of a peer's protocol and interface
)

// boundFindings keeps the first findings, and of the others the one of the latest
// activity. A repeat of one that is left out changes nothing.
func boundFindings(all []record.FindingRef) []record.FindingRef {
	if len(all) <= maxFindings {
		return all
	}
	latest := slices.MaxFunc(all[maxFindings-1:], func(a, b record.FindingRef) int { return a.Seen.Compare(b.Seen) })
	return append(slices.Clone(all[:maxFindings-1]), latest)
}

func boundPeers(all []guardduty.Peer) []guardduty.Peer {
	all, _ = atMost(all, maxPeers, 0)
	for i := range all {
		all[i].Protocol, all[i].Interface = guardduty.Clean(all[i].Protocol, maxWord), guardduty.Clean(all[i].Interface, maxWord)
	}
	return all
}

// exposeLeftOut says which findings and settled denials the record leaves out.
func (p *planner) exposeLeftOut() {
	findings := fmt.Sprintf("more findings name the instance than the %d that a record keeps: it has the first ones and the one seen last", maxFindings)
	settled := fmt.Sprintf("a record keeps %d steps of denials: of those that are settled, some are in the history only", maxDenials)
	had := func(detail string) bool {
		return p.known.Open() != nil && slices.Contains(p.known.Open().Exposure, record.Exposure{Kind: record.LeftOut, Detail: detail})
	}
	var known []record.FindingRef
	if open := p.known.Open(); open != nil {
		known = open.Findings
	}
	if len(mergeFindings(known, p.in.Findings)) > maxFindings || had(findings) {
		p.expose(record.LeftOut, "%s", findings)
	}
	before := len(p.record.Steps)
	if p.record.Steps = boundDenials(p.record.Steps, p.seen); len(p.record.Steps) < before || had(settled) {
		p.expose(record.LeftOut, "%s", settled)
	}
}

// boundDenials leaves out settled denials as long as there are too many steps of
// denials: first those of ACLs that don't serve the instance any more. That a denial of
// a serving one has expired has to be known, or the peer is denied again.
func boundDenials(steps []record.StepState, seen network.Network) []record.StepState {
	var settled []string
	denials := 0
	serving := func(id string) int {
		i := slices.IndexFunc(steps, func(s record.StepState) bool { return s.Step.ID() == id })
		if _, serves := seen.ACLs[steps[i].Step.(record.Denial).ACL]; serves && steps[i].State == record.Removed {
			return 1
		}
		return 0
	}
	for _, s := range steps {
		if s.Step.Kind() != record.KindDenial {
			continue
		}
		denials++
		if s.State.Final() {
			settled = append(settled, s.Step.ID())
		}
	}
	excess := denials - maxDenials
	if excess <= 0 {
		return steps
	}
	order.Stable(settled, func(a, b string) int { return cmp.Compare(serving(a), serving(b)) })
	settled = settled[:min(excess, len(settled))]
	return slices.DeleteFunc(slices.Clone(steps), func(s record.StepState) bool { return slices.Contains(settled, s.Step.ID()) })
}

// boundTexts cuts what is said in words. Of each kind of exposure at least one stays;
// of the others that don't fit, the record says how many there are.
func boundTexts(rec record.Record) record.Record {
	rec.Reason = guardduty.Clean(rec.Reason, maxReason)
	rec.Steps = slices.Clone(rec.Steps)
	for i, s := range rec.Steps {
		rec.Steps[i].Note = guardduty.Clean(s.Note, maxNote)
	}
	room := maxExposure
	left := map[record.ExposureKind]int{}
	seen := map[record.ExposureKind]bool{}
	var kept []record.Exposure
	for _, e := range rec.Exposure {
		e.Detail = guardduty.Clean(e.Detail, maxDetail)
		switch fits := len(e.Detail) <= room; {
		case !fits && seen[e.Kind]:
			left[e.Kind]++
			continue
		case !fits:
			e.Detail = guardduty.Clean(e.Detail, max(room, leastDetail))
		}
		seen[e.Kind] = true
		room -= len(e.Detail)
		kept = append(kept, e)
	}
	for _, kind := range slices.Sorted(maps.Keys(left)) {
		kept = append(kept, record.Exposure{Kind: kind, Detail: fmt.Sprintf("and %d more of this kind, which the record has no room for", left[kind])})
	}
	rec.Exposure = kept
	return rec
}

// elsewhere is how many denials the record holds in ACLs that don't serve the instance
// any more.
func (p *planner) elsewhere() int {
	n := 0
	if open := p.known.Open(); open != nil {
		for _, s := range open.Steps {
			d, ok := s.Step.(record.Denial)
			if _, serves := p.seen.ACLs[d.ACL]; ok && !serves && !s.State.Final() {
				n++
			}
		}
	}
	return n
}
