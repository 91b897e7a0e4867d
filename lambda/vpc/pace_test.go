package vpc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
)

var errThrottled = &smithy.GenericAPIError{Code: codeTooFast}

// attempt makes one attempt of an operation, and returns how long it had to wait.
func attempt(t *testing.T, r *retryer, operation string, answer error) time.Duration {
	t.Helper()
	start := time.Now()
	release, err := r.GetAttemptToken(awsmiddleware.SetOperationName(t.Context(), operation))
	if err != nil {
		t.Fatal(err)
	}
	wait := time.Since(start)
	if err := release(answer); err != nil {
		t.Fatal(err)
	}
	return wait
}

func TestPaceIsFoundByTrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetryer(false)
		for range 200 {
			if w := attempt(t, r, "CreateTags", nil); w != 0 {
				t.Fatalf("a call waits for %v though none was throttled", w)
			}
		}
		var last time.Duration
		for range 10 {
			last = attempt(t, r, "CreateTags", errThrottled)
		}
		if last < mostGap/2 || last > mostGap*3/2 {
			t.Errorf("throttled ten times, a call waits for %v, want about %v", last, mostGap)
		}
		if w := attempt(t, r, "ModifyNetworkInterfaceAttribute", nil); w != 0 {
			t.Errorf("a call of another operation waits for %v", w)
		}
		for range 30 {
			last = attempt(t, r, "CreateTags", nil)
		}
		if last != 0 {
			t.Errorf("after thirty calls that went well, one waits for %v", last)
		}
	})
}

func TestPaceIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetryer(false)
		for range 10 {
			attempt(t, r, "CreateTags", errThrottled)
		}
		time.Sleep(forget + time.Second)
		if w := attempt(t, r, "CreateTags", nil); w != 0 {
			t.Errorf("the next incident's call waits for %v", w)
		}
	})
}

// Calls that were throttled together come back one after the other.
func TestThrottledCallsAreSpaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetryer(false)
		ctx := awsmiddleware.SetOperationName(t.Context(), "CreateNetworkAclEntry")
		var underWay []func(error) error
		for range 50 {
			release, err := r.GetAttemptToken(ctx)
			if err != nil {
				t.Fatal(err)
			}
			underWay = append(underWay, release)
		}
		for _, release := range underWay {
			_ = release(errThrottled) // never fails
		}
		start := time.Now()
		waits := make(chan time.Duration, 50)
		for range 50 {
			go func() {
				_, err := r.GetAttemptToken(ctx)
				if err != nil {
					t.Error(err)
				}
				waits <- time.Since(start)
			}()
		}
		var longest time.Duration
		for range 50 {
			longest = max(longest, <-waits)
		}
		if least, most := 50*leastGap/2, 50*leastGap*2; longest < least || longest > most {
			t.Errorf("50 calls are made within %v, want %v to %v", longest, least, most)
		}
	})
}

func TestNoWaitPastTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetryer(false)
		for range 10 {
			attempt(t, r, "CreateTags", errThrottled)
		}
		ctx, cancel := context.WithTimeout(awsmiddleware.SetOperationName(t.Context(), "CreateTags"), mostGap/4)
		defer cancel()
		start := time.Now()
		if _, err := r.GetAttemptToken(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 0 {
			t.Errorf("after %v: %v, want %v at once", time.Since(start), err, context.DeadlineExceeded)
		}
	})
}

// What fails for another reason than throttling is given up after some attempts.
func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	r := newRetryer(false)
	down := &smithy.GenericAPIError{Code: codeUnavailable}
	for n := 1; n < maxAttempts; n++ {
		if d, err := r.RetryDelay(n, down); err != nil || d <= 0 || d > 4*time.Second {
			t.Errorf("attempt %d: %v, %v", n, d, err)
		}
	}
	if _, err := r.RetryDelay(maxAttempts, down); !errors.Is(err, down) {
		t.Errorf("after %d attempts: %v, want it given up for %v", maxAttempts, err, down)
	}
	if d, err := r.RetryDelay(100, errThrottled); d != 0 || err != nil {
		t.Errorf("throttled: %v, %v, want no delay but the pace's", d, err)
	}
}

// A retry waits at any date. Jitter that was taken from the clock was negative from
// 16 to 29 November 2026, and every second fortnight.
func TestRetriesWaitAtAnyDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)))
		r := newRetryer(false)
		down := &smithy.GenericAPIError{Code: codeUnavailable}
		for range 60 {
			if d, err := r.RetryDelay(1, down); err != nil || d < 50*time.Millisecond {
				t.Errorf("at %v: %v, %v, want 50ms at least", time.Now(), d, err)
			}
			time.Sleep(24 * time.Hour)
		}
	})
}

// A patient client takes a share of a bucket, and steps back when somebody else needs
// the rest.
func TestPatientClientLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetryer(true)
		for range 25 {
			if w := attempt(t, r, "ModifyNetworkInterfaceAttribute", nil); w != 0 {
				t.Fatalf("one of the first calls waits for %v", w)
			}
		}
		start := time.Now()
		for range 50 {
			attempt(t, r, "ModifyNetworkInterfaceAttribute", nil)
		}
		if took := time.Since(start); took < 19*time.Second || took > 21*time.Second {
			t.Errorf("50 more calls take %v, want 20s: half of what the bucket gains", took)
		}
		attempt(t, r, "DescribeInstances", errThrottled)
		if w := attempt(t, r, "DescribeInstances", nil); w < mostGap/2 {
			t.Errorf("throttled once, the next call waits for %v, want about %v", w, mostGap)
		}
		time.Sleep(time.Hour)
		if w := attempt(t, r, "ModifyNetworkInterfaceAttribute", nil); w != 0 {
			t.Errorf("an hour later, a call waits for %v", w)
		}
	})
}
