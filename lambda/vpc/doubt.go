package vpc

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/network"
	"tourniquet/lambda/pause"
)

// doubtWait is how long EC2 gets to think again about what it did not show.
// https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
const doubtWait = 2 * time.Second

// doubtful are the instances that EC2 did not show, or without any interface though
// they have not ended. A stopped instance keeps its primary interface.
func (s *survey) doubtful() []string {
	return slices.DeleteFunc(s.instanceIDs(), func(id string) bool {
		i, shown := s.instances[id]
		return shown && (i.Ended() || len(s.interfaces[id]) > 0)
	})
}

// thinkAgain asks once more, after some time, for what EC2 did not show. An empty
// answer is also what EC2 gives when a part of it is behind or fails. Whoever
// believes one closes a record for good, restores fewer groups than there were, or
// spares an attacker.
func (s *survey) thinkAgain(ctx context.Context) error {
	doubtful, missing := s.doubtful(), s.recorded.missing(namesIn(s.targets))
	if len(doubtful) == 0 && missing.none() {
		return nil
	}
	if err := pause.For(ctx, doubtWait); err != nil {
		return err
	}
	shown := make([][]types.Reservation, len(doubtful))
	var attached interfacesByInstance
	var found recorded
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { found, err = s.readRecorded(gctx, missing); return err })
	g.Go(func() (err error) { attached, err = s.readInterfaces(gctx, doubtful); return err })
	g.Go(func() error {
		g, gctx := errgroup.WithContext(gctx)
		g.SetLimit(readsAtOnce)
		for n, id := range doubtful {
			g.Go(func() (err error) { shown[n], err = s.instanceByID(gctx, id); return err })
		}
		return g.Wait()
	})
	if err := g.Wait(); err != nil {
		return err
	}
	s.recorded.join(found)
	for n, id := range doubtful {
		delete(s.instances, id)
		s.note(shown[n])
		s.interfaces[id] = attached[id]
	}
	return nil
}

// instanceByID is nothing when EC2 says that there is no such instance. Asked by id,
// it has to say so, instead of leaving the instance out.
func (c *Client) instanceByID(ctx context.Context, id string) ([]types.Reservation, error) {
	out, err := c.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{
		InstanceIds: []string{id}, IncludeManagedResources: aws.Bool(true),
	})
	switch {
	case code(err) == codeInstanceGone || code(err) == codeInstanceMalformed:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("describing %s: %w", id, err)
	default:
		return out.Reservations, nil
	}
}

// incredible is the error of an instance that is there, and of which EC2 shows no
// interface even when asked twice: there must be one, and it is not in quarantine.
func incredible(n network.Network) error {
	if !n.Exists() || n.Instance.Ended() || len(n.Interfaces) > 0 {
		return nil
	}
	return fmt.Errorf("describing network interfaces: EC2 shows none of %s, which is %s", n.Instance.ID, n.Instance.State)
}
