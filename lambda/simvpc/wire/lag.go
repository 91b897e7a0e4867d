package wire

import "time"

// A Lag is how long a change stays unseen: for that many calls that might have
// seen it, and for that time.
type Lag struct {
	Reads int
	For   time.Duration
}

// None reports whether a change is seen at once.
func (l Lag) None() bool { return l.Reads <= 0 && l.For <= 0 }

// Begin is the lag of a change made now.
func (l Lag) Begin(now time.Time) *Delay { return &Delay{l.Reads, now.Add(l.For)} }

// A Delay is a lag under way.
type Delay struct {
	reads int
	until time.Time
}

// Over reports whether the change can be seen.
func (d *Delay) Over(now time.Time) bool { return d.reads <= 0 && !now.Before(d.until) }

// Missed counts a call that didn't see the change.
func (d *Delay) Missed() { d.reads-- }
