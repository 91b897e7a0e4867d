package clock_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tourniquet/lambda/packets/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)

// Five days pass at once; timers run on the way, each at its time, in order, those
// that a timer sets too.
func TestPass(t *testing.T) {
	t.Parallel()
	c := clock.New(epoch, 1e-3) // nearly stands still by itself
	defer c.Stop()
	var mu sync.Mutex
	var ran []time.Duration
	note := func() {
		mu.Lock()
		defer mu.Unlock()
		ran = append(ran, c.Now().Sub(epoch).Round(time.Second))
	}
	for _, d := range []time.Duration{3 * time.Hour, time.Minute, 24 * time.Hour, 200 * time.Hour} {
		c.AfterFunc(d, note)
	}
	c.AfterFunc(time.Hour, func() { note(); c.AfterFunc(time.Hour, note) })
	stopped := c.AfterFunc(time.Minute, note)
	if !stopped.Stop() || stopped.Stop() {
		t.Error("a timer can be stopped once")
	}
	later := c.AfterFunc(time.Second, note)
	later.Reset(5 * time.Hour)
	quiet := 0
	c.SetQuiet(func() { quiet++ })
	c.Pass(120 * time.Hour)
	want := []time.Duration{time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 5 * time.Hour, 24 * time.Hour}
	if !slices.Equal(ran, want) {
		t.Errorf("timers ran at %v, want %v", ran, want)
	}
	if quiet < len(want) {
		t.Errorf("let packets come to rest %d times, want at least %d", quiet, len(want))
	}
	if got := c.Now().Sub(epoch).Round(time.Minute); got != 120*time.Hour {
		t.Errorf("%v have passed, want 120h", got)
	}
}

// The clock runs by itself at its speed.
func TestRuns(t *testing.T) {
	t.Parallel()
	c := clock.New(epoch, 1000)
	defer c.Stop()
	real := time.Now()
	if !c.Sleep(20*time.Second, nil) {
		t.Fatal("woken early")
	}
	passed := time.Since(real)
	if passed < 15*time.Millisecond || passed > 5*time.Second {
		t.Errorf("20 s at speed 1000 took %v, want about 20 ms", passed)
	}
	done := make(chan struct{})
	close(done)
	if c.Sleep(time.Hour, done) {
		t.Error("slept on, though it was over")
	}
}

// A stopped clock runs no timer any more.
func TestStop(t *testing.T) {
	t.Parallel()
	c := clock.New(epoch, 1e6)
	ran := make(chan struct{}, 2)
	t1 := c.AfterFunc(10*time.Minute, func() { ran <- struct{}{} })
	c.Stop()
	t1.Reset(0)
	c.Pass(time.Hour)
	if t1.Stop() || len(ran) != 0 {
		t.Error("a timer ran after the clock was stopped")
	}
}
