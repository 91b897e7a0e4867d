// Package clock is the one door by which time enters the packet simulation: the
// hosts' TCP stacks, the connection tracking and the traffic all read it.
//
// A clock runs at a chosen speed, and can let time pass at once: Pass visits
// every timer on the way, in order, and lets the packets that it causes come to
// rest before the next. So a minute of retransmission takes milliseconds, and
// the five days for which EC2 remembers an idle connection hardly more.
package clock

import (
	"container/heap"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// A Clock tells time and runs timers. Make one with New.
type Clock struct {
	speed float64
	start time.Time // real time
	epoch time.Time // what the clock said then

	mu      sync.Mutex
	skipped time.Duration // what Pass has added
	timers  timers
	wake    *time.Timer // real; set for the earliest timer
	quiet   func()
	stopped bool
	running sync.WaitGroup // functions of timers
}

// New returns a running clock. A speed of 1 is real time, 60 an hour in a minute.
func New(epoch time.Time, speed float64) *Clock {
	c := &Clock{speed: speed, start: time.Now(), epoch: epoch, quiet: func() {}}
	c.wake = time.AfterFunc(time.Hour, c.fire)
	c.wake.Stop()
	return c
}

// SetQuiet gives Pass the function that waits until nothing moves any more.
func (c *Clock) SetQuiet(quiet func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quiet = quiet
}

// Stop ends all timers and waits for those that are running.
func (c *Clock) Stop() {
	c.mu.Lock()
	c.stopped = true
	for _, t := range c.timers {
		t.at = -1
	}
	c.timers = nil
	c.wake.Stop()
	c.mu.Unlock()
	c.running.Wait()
}

// Now is the simulated time.
func (c *Clock) Now() time.Time { return c.epoch.Add(c.Elapsed()) }

// NowMonotonic is the time since the clock was made, for gVisor.
func (c *Clock) NowMonotonic() tcpip.MonotonicTime { return tcpip.MonotonicTime{}.Add(c.Elapsed()) }

// Elapsed is the simulated time since the clock was made.
func (c *Clock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed()
}

func (c *Clock) elapsed() time.Duration {
	return c.skipped + time.Duration(float64(time.Since(c.start))*c.speed)
}

// AfterFunc runs f in a goroutine of its own when d has passed.
func (c *Clock) AfterFunc(d time.Duration, f func()) tcpip.Timer {
	t := &timer{clock: c, f: f, at: -1}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(t, d)
	return t
}

// Sleep waits until d has passed, by itself or by Pass. It returns early when
// done is closed, and then reports false.
func (c *Clock) Sleep(d time.Duration, done <-chan struct{}) bool {
	woken := make(chan struct{})
	t := c.AfterFunc(d, func() { close(woken) })
	defer t.Stop()
	select {
	case <-woken:
		return true
	case <-done:
		return false
	}
}

// Pass lets d pass at once, timer by timer.
func (c *Clock) Pass(d time.Duration) {
	c.mu.Lock()
	target := c.elapsed() + d
	quiet := c.quiet
	c.mu.Unlock()
	quiet()
	for c.step(target) {
		quiet()
	}
	quiet()
}

// step moves on to the next timer that is due by target and runs it to its end.
// It reports false when there is none and the time has come.
func (c *Clock) step(target time.Duration) bool {
	c.mu.Lock()
	next := target
	if len(c.timers) > 0 && c.timers[0].due < target {
		next = c.timers[0].due
	}
	if now := c.elapsed(); next > now {
		c.skipped += next - now
	}
	due := c.due()
	c.arm()
	c.mu.Unlock()
	var ran sync.WaitGroup
	for _, t := range due {
		ran.Go(func() {
			defer c.running.Done()
			t.f()
		})
	}
	ran.Wait()
	return len(due) > 0 || next < target
}

// fire runs the timers that are due by the clock's own running.
func (c *Clock) fire() {
	c.mu.Lock()
	due := c.due()
	c.arm()
	c.mu.Unlock()
	for _, t := range due {
		go func() {
			defer c.running.Done()
			t.f()
		}()
	}
}

// due takes the timers off whose time has come; each counts as running.
func (c *Clock) due() []*timer {
	var due []*timer
	for now := c.elapsed(); len(c.timers) > 0 && c.timers[0].due <= now; {
		due = append(due, heap.Pop(&c.timers).(*timer))
		c.running.Add(1)
	}
	return due
}

// set starts a timer.
func (c *Clock) set(t *timer, d time.Duration) {
	if c.stopped {
		return
	}
	t.due = c.elapsed() + max(d, 0)
	heap.Push(&c.timers, t)
	if t.at == 0 {
		c.arm()
	}
}

// arm sets the real timer for the earliest one.
func (c *Clock) arm() {
	if len(c.timers) == 0 || c.stopped {
		c.wake.Stop()
		return
	}
	wait := float64(c.timers[0].due-c.elapsed()) / c.speed
	const longest = float64(time.Hour)
	c.wake.Reset(time.Duration(min(max(wait, 0), longest)))
}

// A timer is one event to come.
type timer struct {
	clock *Clock
	f     func()
	due   time.Duration
	at    int // its place in the heap, -1 when it isn't set
}

// Stop keeps the timer from firing, and reports whether it could.
func (t *timer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	if t.at < 0 {
		return false
	}
	heap.Remove(&t.clock.timers, t.at)
	return true
}

// Reset makes the timer fire when d has passed from now.
func (t *timer) Reset(d time.Duration) {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	if t.at >= 0 {
		heap.Remove(&t.clock.timers, t.at)
	}
	t.clock.set(t, d)
}

// timers is a heap, the earliest first.
type timers []*timer

func (h timers) Len() int           { return len(h) }
func (h timers) Less(i, j int) bool { return h[i].due < h[j].due }

func (h timers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push adds a timer; for package heap.
func (h *timers) Push(x any) {
	t := x.(*timer)
	t.at = len(*h)
	*h = append(*h, t)
}

// Pop takes the last timer off; for package heap.
func (h *timers) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.at = -1
	return t
}
