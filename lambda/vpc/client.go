// Package vpc is Amazon EC2 behind the interface of package containment: it
// reads what decides an instance's traffic, and makes the changes of a plan.
//
// Reads go out side by side, and so do changes: on the usual path a containment
// costs one round trip to look and one to act, whatever the number of interfaces,
// ACLs and peers.
package vpc

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// maxInFlight bounds the changes under way at once. It is more than a containment of
// eight interfaces, four ACLs and sixteen peers needs, so that such a containment is one
// round trip. EC2's buckets of 50 requests throttle a part of so many calls, and those
// are tried again. Holding them back here would delay all of them.
// https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
const maxInFlight = 256

// Client implements containment.EC2.
type Client struct {
	ec2    *ec2.Client
	pacing *retryer
	memory *memory
}

// New makes a client for the account and Region of a configuration.
func New(cfg aws.Config) *Client { return newClient(cfg, newRetryer(false)) }

// NewPatient makes a client for work that nobody waits for. It leaves most of each of
// EC2's buckets of requests to those who contain, and steps back when EC2 throttles.
func NewPatient(cfg aws.Config) *Client { return newClient(cfg, newRetryer(true)) }

func newClient(cfg aws.Config, pacing *retryer) *Client {
	return &Client{
		ec2:    ec2.NewFromConfig(cfg, func(o *ec2.Options) { o.Retryer = pacing }),
		pacing: pacing, memory: newMemory(),
	}
}
