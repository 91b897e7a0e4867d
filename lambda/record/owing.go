package record

import (
	"slices"
	"strings"

	"tourniquet/lambda/order"
)

// A Told is what has been told of a containment, so that nothing is told twice: how it
// stood when this invocation first saw it, or when it last told of it.
type Told struct {
	Generation int // 0: there was none
	Status     Status
	Exposure   []Exposure
}

// TellOf is how a record stands, as far as others are told.
func TellOf(r *Record) Told {
	if r == nil {
		return Told{}
	}
	return Told{r.Generation, r.Status, r.Exposure}
}

// Owing is what a change must tell: people of each change of status that they may have
// to act on, of steps that had to be applied again, and of traffic that survives; the
// bus of each change of status, and of residual exposure. Applied are the steps that
// were applied since was. A containment or release that is under way owes nothing yet.
func Owing(was Told, applied []string, c Change) []Owed {
	r := c.Record
	if was.Generation != r.Generation {
		was = Told{Generation: r.Generation}
	}
	moved := was.Status != r.Status
	var to []Channel
	if tellsPeople(r, moved, len(applied) > 0 || gained(was.Exposure, r.Exposure, SurvivingPeer, QuarantineLeaks)) {
		to = append(to, ToPeople)
	}
	if tellsBus(r.Status, moved || !sameExposure(was.Exposure, r.Exposure)) {
		to = append(to, ToBus)
	}
	owed := c.Event.Owes(to...)
	for i := range owed {
		owed[i].Generation, owed[i].Was, owed[i].Status, owed[i].Applied = r.Generation, was.Status, r.Status, applied
	}
	return owed
}

// tellsPeople reports whether people hear of a record that has come to its status, or of
// news of a containment that stands.
func tellsPeople(r Record, moved, news bool) bool {
	switch r.Status {
	case Contained, PartiallyContained:
		return moved || news
	case Released, Closed:
		return moved
	case Observed:
		return moved && !r.ByPerson // a person who asks for a dry run has the answer
	default:
		return false
	}
}

// tellsBus reports whether the bus hears of a status, or of another exposure.
func tellsBus(s Status, changed bool) bool {
	return changed && (s == Contained || s == PartiallyContained || s == Released)
}

// Owes is what an event owes to some channels.
func (e Event) Owes(to ...Channel) []Owed {
	var owed []Owed
	for _, channel := range to {
		owed = append(owed, Owed{
			Time: e.Time, Instance: e.Instance, ID: e.ID, To: channel,
			Verdict: e.Verdict, Reason: e.Reason, Finding: e.Finding, Request: e.Request,
		}.Bounded())
	}
	return owed
}

// OwingVerdict is to whom a verdict not to act is told.
func OwingVerdict(v Verdict) []Channel {
	switch v {
	case Held:
		return []Channel{ToPeople, ToBus}
	case Sample, Exempt:
		return []Channel{ToPeople}
	default:
		return nil
	}
}

// sameExposure reports whether two lists have the same entries, in any order.
func sameExposure(a, b []Exposure) bool {
	byText := func(x, y Exposure) int {
		return strings.Compare(string(x.Kind)+" "+x.Detail, string(y.Kind)+" "+y.Detail)
	}
	return slices.Equal(order.Sorted(slices.Values(a), byText), order.Sorted(slices.Values(b), byText))
}

// gained reports whether a list has an entry of some kinds that another had not.
func gained(was, now []Exposure, kinds ...ExposureKind) bool {
	return slices.ContainsFunc(now, func(e Exposure) bool {
		return slices.Contains(kinds, e.Kind) && !slices.Contains(was, e)
	})
}
