package pause_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"tourniquet/lambda/pause"
)

// The first jitter was taken from the wall clock, and was negative for half of all
// fortnights. So every wait is tried at any date.
func TestWaitsKeepTheirBounds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		later := time.Duration(rapid.Int64Range(0, int64(100*365*24*time.Hour)).Draw(r, "later"))
		least := time.Duration(rapid.Int64Range(1, int64(time.Second)).Draw(r, "least"))
		most := time.Duration(rapid.Int64Range(int64(least), int64(time.Hour)).Draw(r, "most"))
		attempt := rapid.IntRange(0, 1000).Draw(r, "attempt")

		var waited time.Duration
		var err error
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(later)
			start := time.Now()
			err = pause.Backoff(t.Context(), attempt, least, most)
			waited = time.Since(start)
		})
		mean := pause.Grown(attempt, least, most)
		if mean < least || mean > most {
			r.Fatalf("Grown(%d, %v, %v) = %v, outside of its bounds", attempt, least, most, mean)
		}
		if err != nil || waited < mean/2 || waited > mean+mean/2 {
			r.Fatalf("%v after the year 2000, attempt %d waited for %v (%v), want %v to %v", later, attempt, waited, err, mean/2, mean+mean/2)
		}
	})
}

func TestGrown(t *testing.T) {
	t.Parallel()
	const least, most = 20 * time.Millisecond, 2 * time.Second
	for attempt, want := range map[int]time.Duration{
		-1: least, 0: least, 1: 2 * least, 3: 8 * least, 6: 64 * least, 7: most, 62: most, 64: most, 1 << 40: most,
	} {
		if got := pause.Grown(attempt, least, most); got != want {
			t.Errorf("Grown(%d) = %v, want %v", attempt, got, want)
		}
	}
}

// Two that got in each other's way don't come back together.
func TestWaitsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for range 100 {
		seen[pause.Around(time.Second)] = true
	}
	if len(seen) < 90 {
		t.Errorf("100 waits have %d different lengths", len(seen))
	}
}

func TestNothingToWaitFor(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, -time.Second} {
		if got := pause.Around(d); got != 0 {
			t.Errorf("Around(%v) = %v, want 0", d, got)
		}
	}
}

func TestContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := pause.Backoff(ctx, 0, time.Hour, time.Hour)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v, want %v after 1s", time.Since(start), err, context.DeadlineExceeded)
		}
	})
}
