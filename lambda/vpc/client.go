// Package vpc is Amazon EC2 behind the interface of package containment: it
// reads what decides an instance's traffic, and makes the changes of a plan.
//
// Reads go out side by side, and so do changes: on the usual path a containment
// costs one round trip to look and one to act, whatever the number of interfaces,
// ACLs and peers.
package vpc

import (
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// maxInFlight bounds the changes under way at once: more than a containment of
// eight interfaces, four ACLs and sixteen peers needs, so that it is one round
// trip. EC2's buckets of 50 requests throttle the rest of such a burst, and those
// calls are tried again; to hold them back here would delay all of them.
// https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
const maxInFlight = 256

// idleConnections is how many stay open between invocations.
const idleConnections = 64

// Client implements containment.EC2.
type Client struct {
	ec2 *ec2.Client
}

// New makes a client for the account and Region of a configuration.
func New(cfg aws.Config) *Client {
	return &Client{ec2: ec2.NewFromConfig(cfg, func(o *ec2.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			// EC2's buckets refill at 5 requests a second: a burst is through
			// after some tries, not after the SDK's usual three. The
			// invocation's deadline bounds them all.
			o.MaxAttempts = 10
			o.Backoff = retry.BackoffDelayerFunc(backoff)
			// The SDK's own quota on retries is made for a fleet of clients in
			// trouble; one incident with many peers would use it up.
			o.RateLimiter = ratelimit.None
		})
	})}
}

// backoff is how long to wait before a retry: at first far less than the SDK's
// second, since most retries here follow a lost connection and an attacker is
// still connected; in the end long enough for EC2's buckets to refill.
func backoff(attempt int, _ error) (time.Duration, error) {
	const first, most = 50 * time.Millisecond, 4 * time.Second
	d := min(first<<min(attempt, 10), most)
	return d/2 + time.Duration(time.Now().UnixNano()*7919%int64(d/2)), nil // the clock spreads them
}

// HTTPClient keeps as many connections open as a containment makes calls at once.
// Go keeps two or ten by default, and each other one costs a TLS handshake in the
// middle of an incident.
func HTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns = 2 * idleConnections
		t.MaxIdleConnsPerHost = idleConnections
	})
}
