package main

import (
	"context"
	"sync/atomic"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"

	"tourniquet/lambda/version"
)

// appID is in the user agent of each request, so that CloudTrail shows who acted.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-appid.html
const appID = "tourniquet"

// apiOptions are what each request to AWS has: it is counted, and its user agent
// has the version.
func apiOptions(calls *counter) []func(*middleware.Stack) error {
	return []func(*middleware.Stack) error{calls.add, awsmiddleware.AddUserAgentKeyValue(appID, version.String())}
}

// A counter counts the requests that go to AWS, retries included. Lambda gives a
// process one invocation at a time, so that a difference of counts is what an
// invocation cost.
type counter struct{ n atomic.Int64 }

func (c *counter) count() int64 { return c.n.Load() }

// add puts the counter behind the SDK's retries.
func (c *counter) add(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("TourniquetCountCalls",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			c.n.Add(1)
			return next.HandleFinalize(ctx, in)
		}), middleware.After)
}
