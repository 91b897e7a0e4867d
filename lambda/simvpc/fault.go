package simvpc

import (
	"time"

	"tourniquet/lambda/simvpc/wire"
)

// A FaultKind is a way for a call to go wrong.
type FaultKind int

// The kinds of fault.
const (
	NoFault     FaultKind = iota // the call goes on as usual, after the fault's Delay
	Throttle                     // RequestLimitExceeded of EC2, the like of other services
	Internal                     // InternalError, 500
	Unavailable                  // Unavailable, 503
	ErrorCode                    // the fault's Code
	LostBefore                   // the connection is closed, nothing was changed
	LostAfter                    // the change is made, then the connection is closed
)

// A Fault makes calls go wrong.
type Fault struct {
	Op    string // operation it befalls, "" for any
	Nth   int    // the first such call it befalls, counted from its injection; 0 means 1
	Count int    // how many calls from there; 0 means 1, less than 0 all
	Kind  FaultKind
	Code  string        // of an ErrorCode
	Delay time.Duration // before the call does anything
}

// armed is an injected fault, with the calls seen since.
type armed struct {
	Fault
	seen int
}

// Inject arms faults. They add to those armed before; the first that befalls a
// call wins, and each counts every call of its operation.
func (s *Server) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		s.faults = append(s.faults, &armed{Fault: f})
	}
}

// Heal takes back all faults and the hook.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.before = nil, nil
}

// Before sets a hook that is called with every call before it does anything, on
// the call's goroutine and without locks: it may Edit the world, wait, or answer
// a fault, whose Op, Nth and Count don't matter. It must be safe for concurrent
// use when calls are made side by side, and must not change Params.
func (s *Server) Before(hook func(Call) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = hook
}

// befall finds the fault of a call.
func (s *Server) befall(c Call) Fault {
	s.mu.Lock()
	hook := s.before
	var fault Fault
	hit := false
	for _, f := range s.faults {
		if f.Op != "" && f.Op != c.Op {
			continue
		}
		f.seen++
		first, count := max(f.Nth, 1), f.Count
		if count == 0 {
			count = 1
		}
		if !hit && f.seen >= first && (count < 0 || f.seen < first+count) {
			fault, hit = f.Fault, true
		}
	}
	s.mu.Unlock()
	if hook != nil {
		if f := hook(c); f.Kind != NoFault || f.Delay != 0 {
			return f
		}
	}
	return fault
}

// err is the error a fault answers with, nil when it answers none.
func (f Fault) err(p *wire.Protocol) *wire.Error {
	switch f.Kind {
	case Throttle:
		return p.Throttled
	case Internal:
		return p.Internal
	case Unavailable:
		return p.Unavailable
	case ErrorCode:
		return wire.Fail(f.Code, "Injected fault")
	default:
		return nil
	}
}
