package simvpc

import (
	"crypto/rand"
	"fmt"
	"time"

	"tourniquet/lambda/simvpc/world"
)

// A Lag is how long a change stays unseen: for that many calls that might have
// seen it, and for that time.
type Lag struct {
	Reads int
	For   time.Duration
}

func (l Lag) none() bool { return l.Reads <= 0 && l.For <= 0 }

// A delay is a lag under way.
type delay struct {
	reads int
	until time.Time
}

func (l Lag) begin(now time.Time) *delay { return &delay{l.Reads, now.Add(l.For)} }

func (d *delay) over(now time.Time) bool { return d.reads <= 0 && !now.Before(d.until) }

// views are the states of the world that Describe… has not caught up with, in
// the order in which the changes were made.
type views struct {
	old     *world.World // what is seen while a change is pending
	pending []pendingView
}

type pendingView struct {
	*delay
	world *world.World
}

// prepare keeps the world as it is, before a change.
func (v *views) prepare(s *Server) {
	if !s.opts.Lag.none() && v.old == nil {
		v.old = s.world.Clone()
	}
}

// changed notes the world after a change.
func (v *views) changed(s *Server) {
	if !s.opts.Lag.none() {
		v.pending = append(v.pending, pendingView{s.opts.Lag.begin(s.opts.Clock()), s.world.Clone()})
	}
}

// seen is the world that one Describe… sees.
func (v *views) seen(s *Server) *world.World {
	now := s.opts.Clock()
	for len(v.pending) > 0 && v.pending[0].over(now) {
		v.old, v.pending = v.pending[0].world, v.pending[1:]
	}
	if len(v.pending) == 0 {
		v.old = nil
		return s.world
	}
	for _, p := range v.pending {
		p.reads--
	}
	return v.old
}

// usable reports whether a group may be put on an interface already, and counts
// the attempt.
func (r *request) usable(group string) bool {
	d := r.s.young[group]
	if d == nil || d.over(r.s.opts.Clock()) {
		return true
	}
	if !r.dry {
		d.reads--
	}
	return false
}

func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
