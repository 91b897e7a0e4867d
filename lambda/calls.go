package main

import (
	"net/http"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// A countingClient counts the requests that go to AWS, retries included. Lambda
// gives a process one invocation at a time, so that a difference of counts is what
// an invocation cost.
type countingClient struct {
	next aws.HTTPClient
	n    atomic.Int64
}

// Do sends a request.
func (c *countingClient) Do(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.next.Do(r)
}

func (c *countingClient) count() int64 { return c.n.Load() }
