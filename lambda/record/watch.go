package record

import (
	"net/netip"
	"slices"
	"time"
)

// A Watch is how far the flow log of one network interface has been read since its cut.
type Watch struct {
	Interface string
	Cut       time.Time // when its quarantine was last seen to be applied
	Covered   time.Time // each minute from one after the cut to this one has a record
	Skipped   bool      // of some of them records were lost
	Accepted  time.Time // the end of the last window in which something passed; zero: none
	Leaked    time.Time // the end of the last one in which a connection was begun
}

// A Survivor is a remote address that exchanged packets with the instance after its cut.
type Survivor struct {
	Addr      netip.Addr
	Interface string
	Protocol  int   // IANA's number
	Ports     []int // the remote ones, sorted
	Bytes     int64 // at least so many
	Last      time.Time
}

// FlowLogOf is the step that logs the traffic of a network interface. What it makes are
// flow logs.
func FlowLogOf(eni string) Creation { return Creation{Of: KindFlowLog, Resource: eni} }

// WatchOf is the watch of an interface; the zero Watch when there is none.
func (r Record) WatchOf(eni string) Watch {
	i := slices.IndexFunc(r.Watches, func(w Watch) bool { return w.Interface == eni })
	if i < 0 {
		return Watch{}
	}
	return r.Watches[i]
}

// rewatch begins a new watch of each interface whose quarantine was applied since the
// record before.
func (r *Record) rewatch(before Record, now time.Time) {
	r.Watches = slices.Clone(r.Watches)
	for _, s := range r.Steps {
		q, ok := AsQuarantine(s.Step)
		if _, logged := r.Step(FlowLogOf(q.Resource).ID()); !ok || !logged || s.State != Applied {
			continue
		}
		was, stood := before.Step(s.Step.ID())
		i := slices.IndexFunc(r.Watches, func(w Watch) bool { return w.Interface == q.Resource })
		switch fresh := (Watch{Interface: q.Resource, Cut: now}); {
		case i < 0:
			r.Watches = append(r.Watches, fresh)
		case !stood || was.State != Applied:
			r.Watches[i] = fresh
		}
	}
}

// maxUncovered is how far reading may have come without being worth a line of history.
const maxUncovered = time.Hour

// saysOfFlows reports whether both records say the same of what survives. How far the
// logs were read matters now and then only.
func (r Record) saysOfFlows(o Record) bool {
	return r.QuietSince.Equal(o.QuietSince) && slices.EqualFunc(r.Survivors, o.Survivors, Survivor.equal) &&
		slices.EqualFunc(r.Watches, o.Watches, func(a, b Watch) bool {
			return a.Interface == b.Interface && a.Cut.Equal(b.Cut) && a.Skipped == b.Skipped && a.Accepted.Equal(b.Accepted) &&
				a.Leaked.Equal(b.Leaked) && a.Covered.Sub(b.Covered).Abs() < maxUncovered
		})
}

func (s Survivor) equal(o Survivor) bool {
	return s.Addr == o.Addr && s.Interface == o.Interface && s.Protocol == o.Protocol && slices.Equal(s.Ports, o.Ports) &&
		s.Bytes == o.Bytes && s.Last.Equal(o.Last)
}
