package host

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// A State is how far a command has come, as SSM says. It is the word of SSM and of
// the agent: Succeeded means that a program on the host ended with status 0, and that
// program may be the intruder's.
type State string

// The states of a command.
const (
	// Awaited commands may still run or end: SSM does not show the command yet, has
	// not delivered it, or has had no answer.
	Awaited State = "awaited"
	// Succeeded commands ended with status 0: rules are set, or taken away.
	Succeeded State = "succeeded"
	// Failed commands ended with another status: no rule could be set, or taken away.
	Failed State = "failed"
	// Stopped commands were running and were cancelled, or ran out of time. What they
	// did is unknown.
	Stopped State = "stopped"
	// Undelivered commands never ran.
	Undelivered State = "undelivered"
)

// Ended reports whether nothing more will come.
func (s State) Ended() bool { return s != Awaited }

// An Invocation is one command on one host.
type Invocation struct {
	State State
	// Detail is SSM's own word for the state, such as "Delivery Timed Out".
	Detail string
	// Result is what the host printed; zero unless the command ran.
	Result Result
}

// Fetch looks how a command on an instance ended. SSM shows a new command after a
// while: one that it doesn't know is Awaited, not an error.
//
// A document has a step for each platform, and SSM tells of each step by itself. The
// step of the other platform is skipped and looks like a success that printed nothing.
func (c *Client) Fetch(ctx context.Context, command, instance string) (Invocation, error) {
	var silent *Invocation
	missing := false
	for _, step := range []string{linuxStep, windowsStep} {
		out, err := c.client().GetCommandInvocation(ctx, &ssm.GetCommandInvocationInput{
			CommandId: aws.String(command), InstanceId: aws.String(instance), PluginName: aws.String(step),
		})
		if notYet(err) {
			missing = true
			continue
		}
		if err != nil {
			return Invocation{}, fmt.Errorf("fetching the result of %s on %s: %w", command, instance, err)
		}
		got := Invocation{State: stateOf(out), Detail: clean(aws.ToString(out.StatusDetails), maxWord)}
		if got.State != Awaited && got.State != Undelivered {
			got.Result = ParseResult(aws.ToString(out.StandardOutputContent))
		}
		if got.State != Succeeded || got.Result.Readable() {
			return got, nil
		}
		if silent == nil {
			silent = &got
		}
	}
	if silent == nil || missing { // the step that ran may be the one that is missing
		return Invocation{State: Awaited}, nil
	}
	return *silent, nil
}

// notYet reports whether SSM does not show a command, or a step of it, so far.
func notYet(err error) bool {
	_, invocation := errors.AsType[*types.InvocationDoesNotExist](err)
	_, step := errors.AsType[*types.InvalidPluginName](err)
	return invocation || step
}

// stateOf reads SSM's status. The detail tells a delivery that timed out from a script
// that did; SSM writes it with blanks or without.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html
func stateOf(out *ssm.GetCommandInvocationOutput) State {
	detail := strings.ToLower(strings.ReplaceAll(aws.ToString(out.StatusDetails), " ", ""))
	switch out.Status {
	case types.CommandInvocationStatusSuccess:
		return Succeeded
	case types.CommandInvocationStatusFailed:
		switch detail {
		case "undeliverable", "terminated", "invalidplatform", "accessdenied":
			return Undelivered
		}
		return Failed
	case types.CommandInvocationStatusTimedOut:
		if detail == "executiontimedout" {
			return Stopped
		}
		return Undelivered
	case types.CommandInvocationStatusCancelled:
		if out.ResponseCode == -1 { // it had not begun
			return Undelivered
		}
		return Stopped
	default:
		return Awaited
	}
}
