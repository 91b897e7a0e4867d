package simvpc

import (
	"crypto/rand"
	"fmt"

	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// A Lag is how long a change stays unseen: for that many calls that might have
// seen it, and for that time.
type Lag = wire.Lag

// views are the states of the world that Describe… has not caught up with, in
// the order in which the changes were made.
type views struct {
	old     *world.World // what is seen while a change is pending
	pending []pendingView
}

type pendingView struct {
	*wire.Delay
	world *world.World
}

// prepare keeps the world as it is, before a change.
func (v *views) prepare(s *Server) {
	if !s.opts.Lag.None() && v.old == nil {
		v.old = s.world.Clone()
	}
}

// changed notes the world after a change.
func (v *views) changed(s *Server) {
	if !s.opts.Lag.None() {
		v.pending = append(v.pending, pendingView{s.opts.Lag.Begin(s.now()), s.world.Clone()})
	}
}

// seen is the world that one Describe… sees.
func (v *views) seen(s *Server) *world.World {
	for len(v.pending) > 0 && v.pending[0].Over(s.now()) {
		v.old, v.pending = v.pending[0].world, v.pending[1:]
	}
	if len(v.pending) == 0 {
		v.old = nil
		return s.world
	}
	for _, p := range v.pending {
		p.Missed()
	}
	return v.old
}

func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
