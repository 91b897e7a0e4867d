package keep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
	"tourniquet/lambda/pause"
	"tourniquet/lambda/record"
)

// Client implements containment.Measures and containment.Keeping.
type Client struct {
	ec2     *ec2.Client
	scaling func() *autoscaling.Client // built when first used: most instances are in no group

	groups sync.Map // the Auto Scaling group of each instance that a look has found in one
}

// New makes a client for the account and Region of a configuration.
func New(cfg aws.Config) *Client {
	return &Client{
		ec2:     ec2.NewFromConfig(cfg),
		scaling: sync.OnceValue(func() *autoscaling.Client { return autoscaling.NewFromConfig(cfg) }),
	}
}

// Look reads what each step is about, side by side; see containment.Keeping.
func (c *Client) Look(ctx context.Context, steps []record.Step) []record.Result {
	return each(steps, func(s record.Step) record.Result {
		if made, ok := s.(record.Creation); ok {
			ids, err := c.snapshots(ctx, made)
			return record.Result{Made: ids, Err: trouble("looking for", s, err)}
		}
		value, err := c.read(ctx, s.(record.Replacement))
		return record.Result{Value: value, Err: trouble("looking for", s, err)}
	})
}

// Take makes changes side by side, and looks what has become of each; see
// containment.Measures.
func (c *Client) Take(ctx context.Context, steps []record.Step) []record.Result {
	return each(steps, func(s record.Step) record.Result {
		if made, ok := s.(record.Creation); ok {
			ids, err := c.snapshot(ctx, made)
			return record.Result{Made: ids, Err: trouble("taking", s, err)}
		}
		r := s.(record.Replacement)
		value, err := c.change(ctx, r)
		return record.Result{Value: value, Err: trouble("taking", s, err)}
	})
}

func each(steps []record.Step, do func(record.Step) record.Result) []record.Result {
	results := make([]record.Result, len(steps))
	g := parallel.New()
	for i, s := range steps {
		g.Go(func() error {
			results[i] = do(s)
			return nil // one step's error stops no other
		})
	}
	_ = g.Wait()
	return results
}

var errNotShown = errors.New("accepted, and not shown yet")

// change sets the value of a step, and reads until it is shown. A call whose answer is
// lost may have been made all the same: what is shown counts.
func (c *Client) change(ctx context.Context, r record.Replacement) ([]string, error) {
	failed := c.set(ctx, r, r.After)
	const tries, first, most = 6, 50 * time.Millisecond, time.Second
	for attempt := range tries {
		value, err := c.read(ctx, r)
		switch {
		case err == nil && slices.Equal(value, r.After):
			return value, nil
		case failed != nil:
			return nil, failed
		}
		if pause.Backoff(ctx, attempt, first, most) != nil {
			break
		}
	}
	return nil, errNotShown
}

// read is the value of the attribute that a step replaces, as it is shown.
func (c *Client) read(ctx context.Context, r record.Replacement) ([]string, error) {
	switch r.Of {
	case record.KindStandby:
		m, err := c.membership(ctx, r.Resource)
		return m.states(), err
	case record.KindChecks:
		return c.checks(ctx, r.Resource)
	case record.KindProtection:
		return c.protection(ctx, r)
	case record.KindProfile:
		a, err := c.association(ctx, r.Resource)
		return a.profiles(), err
	case record.KindMetadata:
		return c.endpoint(ctx, r.Resource)
	default:
		return nil, fmt.Errorf("%s is not an attribute that keeps an instance", r.Of)
	}
}

// set gives the attribute of a step a value that a containment may set.
func (c *Client) set(ctx context.Context, r record.Replacement, value []string) error {
	if len(value) == 0 {
		return network.Refusal{Reason: "nobody knows the value"}
	}
	switch r.Of {
	case record.KindStandby:
		return c.enterStandby(ctx, r.Resource)
	case record.KindChecks:
		return c.suppress(ctx, r.Resource)
	case record.KindProtection:
		return c.protect(ctx, r, value)
	case record.KindProfile:
		return c.replaceProfile(ctx, r.Resource, value[0])
	case record.KindMetadata:
		return c.setEndpoint(ctx, r.Resource, value[0])
	default:
		return fmt.Errorf("%s is not an attribute that keeps an instance", r.Of)
	}
}

// passing are the codes after which another try may find things otherwise.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
// https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html
var passing = []string{
	"ResourceContention", "ResourceContentionFault", "ScalingActivityInProgress", "ScalingActivityInProgressFault", // Auto Scaling: another change of the group is under way
	"IncorrectState", "IncorrectInstanceState", // a volume that is being modified, an association that is changing
	"InvalidAssociationID.NotFound", // somebody else replaced the profile first
	"SnapshotCreationPerVolumeRateExceeded",
	"RequestLimitExceeded", "EC2ThrottledException", "Throttling", "ThrottlingException", "Unavailable", "ServiceUnavailable", "InternalError", "InternalFailure",
}

// trouble is an error of a step: a network.Refusal when no try in this invocation would
// end otherwise.
func trouble(doing string, s record.Step, err error) error {
	if err == nil {
		return nil
	}
	if _, refused := errors.AsType[network.Refusal](err); refused {
		return err
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorFault() == smithy.FaultServer || slices.Contains(passing, strings.TrimSpace(api.ErrorCode())) || doing != "taking" {
		return fmt.Errorf("%s %s: %w", doing, s.ID(), err)
	}
	return network.Refusal{Reason: "AWS refuses (" + strings.TrimSpace(api.ErrorCode()) + "): " + strings.TrimSpace(api.ErrorMessage())}
}

// twice makes a read again, a while later, when it shows nothing: an empty answer is
// also what EC2 gives when a part of it lags.
// https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
func twice[T any](ctx context.Context, read func() ([]T, error)) ([]T, error) {
	const later = 500 * time.Millisecond
	found, err := read()
	if err != nil || len(found) > 0 || pause.Backoff(ctx, 0, later, later) != nil {
		return found, err
	}
	return read()
}
