package flowlog

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// retransmits is how long the ends of a TCP connection go on sending once nothing
// comes back: as Linux does with tcp_retries2 at 15.
const retransmits = 15 * time.Minute

// What a flow sends in a window here, in packets and bytes.
const (
	somePackets = 10
	someBytes   = 840
)

// TCP flags, as records have them. An acknowledgement alone is none
// (https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html).
const (
	syn    = 2
	synAck = 18
)

// A Recorder turns what passes in a world over time into records. Every flow talks
// all the time unless the world says that it is quiet; a TCP connection that is cut
// is tried for a while, and then given up.
type Recorder struct {
	known  map[string]time.Time // flows seen, by when they last passed
	open   map[string]*window   // by flow log and interface
	script map[string][]Script  // by interface
	until  time.Time            // how far time has been recorded
}

// A Script makes the next window of an interface another than it would be.
type Script struct {
	Status string        // SkipData or NoData in place of records; empty: as it is
	Lost   bool          // nothing is ever delivered
	Late   time.Duration // delivered later by that
}

// A Delivery is a record on its way to a log group.
type Delivery struct {
	LogGroup, Stream string
	Record           Record
	Message          string
	At               time.Time // when it can be read
}

// deliveryTime is how long a record takes from the end of its window to its log group
// (https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs.html).
const deliveryTime = 5 * time.Minute

// A window is the time that an interface's records are gathered for.
type window struct {
	start, end time.Time
	records    map[string]Record
}

// NewRecorder returns a recorder that begins at a moment. The flows of the world
// stood before.
func NewRecorder(w *world.World, now time.Time) *Recorder {
	r := &Recorder{known: map[string]time.Time{}, open: map[string]*window{}, script: map[string][]Script{}, until: now}
	for _, f := range w.Flows {
		r.known[f.String()] = now
	}
	return r
}

// Add queues scripts for the next windows of an interface.
func (r *Recorder) Add(eni string, scripts ...Script) {
	r.script[eni] = append(r.script[eni], scripts...)
}

// Pass records the time up to now, in which the world was as it is.
func (r *Recorder) Pass(w *world.World, now time.Time) []Delivery {
	if !now.After(r.until) {
		return nil
	}
	var out []Delivery
	for _, log := range w.FlowLogs {
		for _, n := range interfacesOf(w, log) {
			out = append(out, r.pass(w, log, n, now)...)
		}
	}
	for _, f := range w.Flows {
		if _, seen := r.known[f.String()]; !seen || oracle.Passes(w, *f).Passes {
			r.known[f.String()] = now
		}
	}
	r.until = now
	return out
}

// pass records the time up to now at one interface, for one flow log.
func (r *Recorder) pass(w *world.World, log *world.FlowLog, n *world.Interface, now time.Time) []Delivery {
	var out []Delivery
	length := interval(w, log, n)
	key := log.ID + " " + n.ID
	for from := r.until; from.Before(now); {
		open := r.open[key]
		if open == nil {
			start := r.until.Truncate(length)
			if start.Before(r.until) {
				start = start.Add(length) // the first whole one
			}
			if !start.Before(now) {
				return out
			}
			open = &window{start, start.Add(length), map[string]Record{}}
			r.open[key] = open
		}
		r.gather(w, n, open)
		if open.end.After(now) {
			return out
		}
		out = append(out, r.close(log, n, open, w)...)
		r.open[key] = &window{open.end, open.end.Add(length), map[string]Record{}}
		from = open.end
	}
	return out
}

// interval is the length of a window: a minute on Nitro, whatever was asked for
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html).
func interval(w *world.World, log *world.FlowLog, n *world.Interface) time.Duration {
	if i := w.Instance(n.Instance); i != nil && world.OnNitro(i.Type) {
		return time.Minute
	}
	return time.Duration(log.Interval) * time.Second
}

// interfacesOf are the interfaces whose traffic a flow log records.
func interfacesOf(w *world.World, log *world.FlowLog) []*world.Interface {
	var all []*world.Interface
	for _, n := range w.Interfaces {
		s := w.Subnet(n.Subnet)
		if n.ID == log.Resource || n.Subnet == log.Resource || s != nil && s.VPC == log.Resource {
			all = append(all, n)
		}
	}
	return all
}

// gather adds what an interface sees to its window.
func (r *Recorder) gather(w *world.World, n *world.Interface, open *window) {
	for _, f := range w.Flows {
		last, seen := r.known[f.String()]
		given := seen && f.Protocol == world.TCP && !oracle.Passes(w, *f).Passes && open.start.Sub(last) >= retransmits
		if f.Quiet || given {
			continue
		}
		for _, c := range oracle.Crossings(w, *f) {
			if c.Interface.ID != n.ID {
				continue
			}
			rec := describe(w, n, open).of(f, c, !seen)
			key := rec.From.String() + rec.To.String() + rec.Protocol.String() + action(rec.Accepted)
			if first, again := open.records[key]; again {
				rec.TCPFlags |= first.TCPFlags
			}
			open.records[key] = rec
		}
	}
}

// of is the record of what crosses an interface of a flow; a new one begins.
func (r Record) of(f *world.Flow, c oracle.Crossing, begins bool) Record {
	r.Status, r.Protocol, r.Accepted, r.Egress = OK, f.Protocol, c.Accepted, c.Egress
	r.Packets, r.Bytes = somePackets, someBytes
	r.From, r.To = c.Remote, c.Local
	if c.Egress {
		r.From, r.To = c.Local, c.Remote
	}
	switch {
	case f.Protocol != world.TCP || !begins:
	case c.Initiator:
		r.TCPFlags = syn
	default:
		r.TCPFlags = synAck
	}
	return r
}

// describe is a record of a window without what passed.
func describe(w *world.World, n *world.Interface, open *window) Record {
	rec := Record{
		Account: w.Account, Interface: n.ID, Instance: n.Instance, Subnet: n.Subnet, Region: w.Region, Start: open.start, End: open.end,
	}
	if s := w.Subnet(n.Subnet); s != nil {
		rec.VPC, rec.Zone = s.VPC, s.Zone
	}
	return rec
}

// close delivers the records of a window, or that there are none.
func (r *Recorder) close(log *world.FlowLog, n *world.Interface, open *window, w *world.World) []Delivery {
	var script Script
	if queue := r.script[n.ID]; len(queue) > 0 {
		script, r.script[n.ID] = queue[0], queue[1:]
	}
	if script.Lost {
		return nil
	}
	var records []Record
	for _, key := range slices.Sorted(maps.Keys(open.records)) {
		rec := open.records[key]
		if log.Traffic == "ALL" || log.Traffic == action(rec.Accepted) {
			records = append(records, rec)
		}
	}
	if script.Status != "" && script.Status != OK || len(records) == 0 {
		rec := describe(w, n, open)
		rec.Status = cmp.Or(script.Status, NoData)
		records = []Record{rec}
	}
	var out []Delivery
	for _, rec := range records {
		out = append(out, Delivery{
			LogGroup: log.LogGroup, Stream: n.ID + "-" + stream(log.Traffic), Record: rec, Message: rec.Text(log.Format),
			At: open.end.Add(deliveryTime + script.Late),
		})
	}
	return out
}

// stream is the end of the name of an interface's log stream.
func stream(traffic string) string {
	return map[string]string{"ALL": "all", "ACCEPT": "accept", "REJECT": "reject"}[traffic]
}
