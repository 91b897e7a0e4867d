package ec2

import (
	"strings"
	"time"

	"tourniquet/lambda/simvpc/ec2/call"
)

// A bucket holds an operation's request tokens.
type bucket struct {
	tokens float64
	last   time.Time
}

// limits is the size and refill per second of an operation's bucket
// (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html). The
// key sets apart the calls that are limited apart.
func limits(op string, p call.Params) (key string, size, refill float64) {
	switch op {
	case "DescribeInstances", "DescribeNetworkInterfaces", "DescribeSecurityGroups":
		if len(p.Structs("Filter")) == 0 && p.Str("MaxResults") == "" && p.Str("NextToken") == "" {
			return op + " unfiltered", 50, 10
		}
	case "CreateTags":
		return op, 100, 10
	case "ModifyNetworkInterfaceAttribute":
		return op, 100, 5
	}
	if strings.HasPrefix(op, "Describe") {
		return op, 100, 20
	}
	return op, 50, 5
}

// admit takes a token for a call, if there is one.
func (s *Service) admit(op string, p call.Params, now time.Time) bool {
	key, size, refill := limits(op, p)
	b := s.buckets[key]
	if b == nil {
		b = &bucket{tokens: size, last: now}
		s.buckets[key] = b
	}
	b.tokens = min(size, b.tokens+now.Sub(b.last).Seconds()*refill)
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
