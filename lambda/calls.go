package main

import (
	"context"
	"sync/atomic"

	"github.com/aws/smithy-go/middleware"
)

// A counter counts the requests that go to AWS, retries included. Lambda gives a
// process one invocation at a time, so that a difference of counts is what an
// invocation cost.
type counter struct{ n atomic.Int64 }

func (c *counter) count() int64 { return c.n.Load() }

// add puts the counter behind the SDK's retries. It is no HTTP client of our own,
// since the SDK has to be able to set its client up, with AWS_CA_BUNDLE for one.
func (c *counter) add(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("TourniquetCountCalls",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			c.n.Add(1)
			return next.HandleFinalize(ctx, in)
		}), middleware.After)
}
