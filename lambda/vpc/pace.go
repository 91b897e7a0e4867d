package vpc

import (
	"context"
	"fmt"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"tourniquet/lambda/pause"
)

// A retryer decides whether and when a call is made again.
//
// EC2 keeps a bucket of tokens for each operation of an account and Region. It refills
// at 5 to 20 a second, and an unknown number of others draw on it. So throttled calls
// are repeated for as long as the invocation has time, at a pace that is found by trying.
// Each operation has its own pace: a call to look must not slow down a call to cut. https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
//
// The SDK's adaptive mode has one pace for all operations of a client.
type retryer struct {
	*retry.Standard // what can be retried at all
	patient         bool

	mu        sync.Mutex
	paces     map[string]*pace // by operation
	throttled time.Time        // when a call was last throttled
}

func newRetryer(patient bool) *retryer {
	return &retryer{
		patient: patient,
		Standard: retry.NewStandard(func(o *retry.StandardOptions) {
			// The SDK's own quota on retries protects a service from many clients.
			// One incident with many peers would use it up.
			o.RateLimiter = ratelimit.None
		}),
		paces: map[string]*pace{},
	}
}

// maxAttempts bounds the calls that fail for another reason than throttling. After them
// the responder looks again.
const maxAttempts = 10

// MaxAttempts is 0, no bound: RetryDelay and the invocation's deadline bound the attempts.
func (r *retryer) MaxAttempts() int { return 0 }

// RetryDelay is how long to wait before a retry. It begins far below the SDK's second:
// most retries here follow a lost connection, and an attacker is still connected. A
// throttled call waits for its operation's pace instead.
func (r *retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	const first, most = 50 * time.Millisecond, 2 * time.Second
	switch {
	case throttled(err):
		return 0, nil
	case attempt >= maxAttempts:
		return 0, fmt.Errorf("giving up after %d attempts: %w", attempt, err)
	default:
		return pause.Around(pause.Grown(attempt, first, most)), nil
	}
}

// GetAttemptToken waits until it is the call's turn.
func (r *retryer) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	p := r.pace(awsmiddleware.GetOperationName(ctx))
	if wait := p.turn(time.Now()); wait > 0 {
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
			return nil, errNoTurn
		}
		if err := pause.For(ctx, wait); err != nil {
			return nil, err
		}
	}
	return func(err error) error {
		r.answered(p, throttled(err))
		return nil
	}, nil
}

func (r *retryer) answered(p *pace, throttled bool) {
	now := time.Now()
	p.answered(now, throttled)
	if throttled {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.throttled = now
	}
}

// Scarce reports whether EC2 has throttled this client lately. Saving a call then gains
// more time than saving a round trip.
func (c *Client) Scarce() bool {
	c.pacing.mu.Lock()
	defer c.pacing.mu.Unlock()
	return time.Since(c.pacing.throttled) < forget
}

var errNoTurn = fmt.Errorf("EC2 throttles, and no time is left to wait: %w", context.DeadlineExceeded)

func (r *retryer) pace(operation string) *pace {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.paces[operation]
	if p == nil {
		p = &pace{operation: operation, patient: r.patient}
		r.paces[operation] = p
	}
	return p
}

func throttled(err error) bool {
	return retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}.IsErrorThrottle(err).Bool()
}

// A pace spaces the calls of one operation. It begins without a gap, so that calls are
// made at once.
type pace struct {
	operation string
	patient   bool

	mu     sync.Mutex
	ration ration        // of a patient client
	gap    time.Duration // between calls
	next   time.Time     // when the next call may be made
	slowed time.Time     // when the gap last grew
	last   time.Time     // when a call was last throttled
}

const (
	leastGap = 100 * time.Millisecond
	mostGap  = 2 * time.Second
	forget   = 15 * time.Second // how long after the last throttled call a pace has no gap any more
)

// turn is how long a call has to wait.
func (p *pace) turn(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := p.spaced(now)
	if p.patient {
		wait = max(wait, p.ration.take(p.operation, now))
	}
	return wait
}

// spaced is how long a call has to wait for those before it.
func (p *pace) spaced(now time.Time) time.Duration {
	if p.gap == 0 || now.Sub(p.last) > forget {
		p.gap = 0
		return 0
	}
	at := now
	if p.next.After(at) {
		at = p.next
	}
	p.next = at.Add(pause.Around(p.gap))
	return at.Sub(now)
}

// answered takes in how a call went. The gap doubles when calls are throttled, but only
// once for all that were under way. It shrinks with each call that was not throttled.
func (p *pace) answered(now time.Time, throttled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case throttled:
		p.last = now
		if now.Sub(p.slowed) >= p.gap {
			p.gap = min(max(2*p.gap, leastGap), mostGap)
			if p.patient { // whoever has no time needs the bucket now
				p.gap = mostGap
			}
			p.slowed = now
		}
		if at := now.Add(pause.Around(p.gap)); at.After(p.next) {
			p.next = at
		}
	case p.gap > 0:
		if p.gap = p.gap * 4 / 5; p.gap < leastGap/2 {
			p.gap = 0
		}
	}
}
