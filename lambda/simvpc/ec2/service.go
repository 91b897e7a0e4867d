// Package ec2 is the EC2 API of a simulated VPC: what it answers, what it changes
// and what it refuses, with EC2's own codes.
package ec2

import (
	"fmt"
	"time"

	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// Options says how an EC2 behaves; the zero Options are one on a good day.
type Options struct {
	// PageSize is the most items a Describe… answers at once, asked for or not;
	// 0 means EC2's limit.
	PageSize int
	// GroupLag delays how soon a new security group can be used by the calls
	// that put it on an interface: InvalidGroup.NotFound until then.
	GroupLag wire.Lag
	// Throttle turns on EC2's documented request buckets.
	Throttle bool
}

// A Service is the EC2 API. It is called by one at a time.
type Service struct {
	opts      Options
	young     map[string]*wire.Delay // new groups not yet usable
	buckets   map[string]*bucket
	lastID    map[string]int       // by prefix
	tokens    map[string]replayed  // by client token
	snapshots map[string]time.Time // when a pending one completes
	resume    map[string]time.Time // when the checks of an instance do
}

// New returns an EC2 of which nothing has been asked yet.
func New(opts Options) *Service {
	return &Service{
		opts: opts, young: map[string]*wire.Delay{}, buckets: map[string]*bucket{},
		lastID: map[string]int{}, tokens: map[string]replayed{},
		snapshots: map[string]time.Time{}, resume: map[string]time.Time{},
	}
}

// Protocol is EC2's query protocol.
func (s *Service) Protocol() *wire.Protocol { return wire.EC2Query }

// Pass completes snapshots, and ends the suppression of checks that has an end.
func (s *Service) Pass(w *world.World, now time.Time) bool {
	changed := false
	for _, snapshot := range w.Snapshots {
		if at, pending := s.snapshots[snapshot.ID]; pending && !now.Before(at) {
			snapshot.State, changed = "completed", true
			delete(s.snapshots, snapshot.ID)
		}
	}
	for _, i := range w.Instances {
		if at, ends := s.resume[i.ID]; ends && !now.Before(at) {
			i.Suppressed, changed = false, true
			delete(s.resume, i.ID)
		}
	}
	return changed
}

// Operation finds an action of the API.
func (s *Service) Operation(name string) (wire.Operation, bool) {
	op, ok := operations[name]
	run := func(r *wire.Request) (any, error) { return s.run(op, r) }
	return wire.Operation{Mutating: op.mutating, Lagged: !op.mutating, Run: run}, ok
}

// run carries out one operation.
func (s *Service) run(op operation, r *wire.Request) (any, error) {
	p := params{r.Params}
	if s.opts.Throttle && !s.admit(r.Op, p, r.Now) {
		return nil, wire.EC2Query.Throttled
	}
	if err := p.check(op.params); err != nil {
		return nil, err
	}
	dry, err := p.boolean("DryRun", false)
	if err != nil {
		return nil, err
	}
	req := &request{s: s, op: r.Op, p: p, w: r.World, now: r.Now, dry: dry}
	if dry {
		req.w = r.World.Clone()
	}
	result, err := op.run(req)
	if err != nil {
		return nil, err
	}
	if dry {
		return nil, fail("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	result.stamp(r.ID)
	return result, nil
}

// A request is one call of an operation.
type request struct {
	s   *Service
	op  string
	p   params
	w   *world.World // what the operation sees and, if it is a mutating one, changes
	now time.Time
	dry bool // w is a copy
}

// newID is an ID never used before in this world.
func (r *request) newID(prefix string) string {
	for {
		r.s.lastID[prefix]++
		id := fmt.Sprintf("%s%017x", prefix, r.s.lastID[prefix])
		if !exists(r.w, id) {
			return id
		}
	}
}

// usable reports whether a group may be put on an interface already, and counts
// the attempt.
func (r *request) usable(group string) bool {
	d := r.s.young[group]
	if d == nil || d.Over(r.now) {
		return true
	}
	if !r.dry {
		d.Missed()
	}
	return false
}

func fail(code, format string, args ...any) *wire.Error { return wire.Fail(code, format, args...) }

// An answer is an operation's result in EC2's XML shape.
type answer interface{ stamp(requestID string) }

// reply is the part all answers share.
type reply struct {
	RequestID string `xml:"requestId"`
}

func (r *reply) stamp(requestID string) { r.RequestID = requestID }
