package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// DeliveryTime is how long SSM may take to deliver a command. One that has not begun
// by then never runs, so that an isolation can't arrive after a release, nor a
// restore after the next containment, by more than that. SSM may add the time that
// the script may run. https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html
const DeliveryTime = 2 * time.Minute

// sendTime bounds a send with all its tries. The cut never waits for it; it must not
// hold up the end of the invocation either.
const sendTime = 4 * time.Second

// Client has SSM run the documents, and fetches what they printed.
type Client struct {
	// Config is for the account and Region of the instances.
	Config aws.Config
	// Isolate and Restore are the names of the documents. A function has the name of
	// one it may send; without a name, sending is an error.
	Isolate, Restore string

	once sync.Once
	ssm  *ssm.Client
}

// A Sent command is on its way to a host, unless SSM does not manage the host.
type Sent struct {
	// Command is SSM's id of the command; empty if the host is not managed.
	Command string
	// NotManaged says that SSM can't reach the host: no agent, an agent that is not
	// registered, no permission, or an instance that is not running. That is a
	// verdict, not an error.
	NotManaged bool
}

// client makes the SDK's client when it is first needed: most invocations need none,
// and it costs a cold start more than a millisecond.
func (c *Client) client() *ssm.Client {
	c.once.Do(func() {
		c.ssm = ssm.NewFromConfig(c.Config, func(o *ssm.Options) {
			// A send whose answer was lost may run the script twice, which is the same
			// as once. But there is no sense in many tries: the cut does not depend on
			// it, and reconcile sees what is missing.
			o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = 2
				o.MaxBackoff = 500 * time.Millisecond
			})
		})
	})
	return c.ssm
}

// SendIsolate has SSM isolate an instance, and does not wait for the host. Throttling
// and a denial are errors; neither means that the host was not reached.
func (c *Client) SendIsolate(ctx context.Context, instance string) (Sent, error) {
	return c.send(ctx, c.Isolate, IsolateName, instance)
}

// SendRestore has SSM take the rules away from an instance, and does not wait for the
// host.
func (c *Client) SendRestore(ctx context.Context, instance string) (Sent, error) {
	return c.send(ctx, c.Restore, RestoreName, instance)
}

func (c *Client) send(ctx context.Context, document, what, instance string) (Sent, error) {
	if document == "" {
		return Sent{}, fmt.Errorf("sending %s to %s: no document of that kind is configured", what, instance)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	out, err := c.client().SendCommand(ctx, &ssm.SendCommandInput{
		DocumentName:   aws.String(document),
		InstanceIds:    []string{instance},
		TimeoutSeconds: aws.Int32(int32(DeliveryTime / time.Second)),
	})
	if _, not := errors.AsType[*types.InvalidInstanceId](err); not {
		return Sent{NotManaged: true}, nil
	}
	if err != nil {
		return Sent{}, fmt.Errorf("sending %s to %s: %w", what, instance, err)
	}
	if out.Command == nil || aws.ToString(out.Command.CommandId) == "" {
		return Sent{}, fmt.Errorf("sending %s to %s: SSM's answer has no command id", what, instance)
	}
	return Sent{Command: aws.ToString(out.Command.CommandId)}, nil
}
