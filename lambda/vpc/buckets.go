package vpc

import (
	"strings"
	"time"
)

// bucketOf is the bucket of request tokens that EC2 keeps for an operation of an account
// in a Region: how many it holds, and how many it gains in a second. Reads here always
// have a filter.
// https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
func bucketOf(operation string) (size, refill float64) {
	switch {
	case strings.HasPrefix(operation, "Describe"):
		return 100, 20
	case operation == "CreateTags":
		return 100, 10
	case operation == "ModifyNetworkInterfaceAttribute":
		return 100, 5
	default:
		return 50, 5
	}
}

// What a patient client takes of a bucket: so much of it at once, and then so much of what
// it gains. The rest stays for containments.
const (
	shareAtOnce = 0.25
	shareOfGain = 0.5
)

// A ration is what a patient client may take of a bucket. The zero ration is full.
type ration struct {
	used float64   // of what may be taken at once
	last time.Time // when it was last taken of
}

// take takes one token, and returns how long to wait for it.
func (r *ration) take(operation string, now time.Time) time.Duration {
	size, refill := bucketOf(operation)
	gain := refill * shareOfGain
	r.used = max(0, r.used-now.Sub(r.last).Seconds()*gain)
	r.last = now
	r.used++
	over := r.used - size*shareAtOnce
	if over <= 0 {
		return 0
	}
	return time.Duration(over / gain * float64(time.Second))
}
