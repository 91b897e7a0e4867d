// Package pause waits. It is the only place in which Tourniquet throws dice: they
// spread the calls of invocations that would otherwise come back together.
package pause

import (
	"context"
	"math/rand/v2"
	"time"
)

// Around is a random duration from half of d up to, and without, three halves of
// it. Its mean is d. It is zero for a d that is not positive.
func Around(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + rand.N(d) //nolint:gosec // spreads load, guards nothing
}

// Grown is the mean wait before an attempt: least before attempt 0, twice as long
// before each later one, and never more than most.
func Grown(attempt int, least, most time.Duration) time.Duration {
	d := least
	for ; attempt > 0 && d < most; attempt-- {
		d *= 2
	}
	return min(d, most)
}

// Backoff waits before an attempt, for a time around the one that Grown gives. It
// returns early, with the context's error, when the context ends first.
func Backoff(ctx context.Context, attempt int, least, most time.Duration) error {
	return For(ctx, Around(Grown(attempt, least, most)))
}

// For waits for d. It returns early, with the context's error, when the context
// ends first.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
