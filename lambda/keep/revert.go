package keep

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
	"tourniquet/lambda/record"
)

// A Reverter implements containment.Keeper. The function that faces events has none, and
// its role lacks the permissions.
type Reverter struct {
	*Client
}

// Revert undoes steps side by side; see containment.Keeper.
func (r *Reverter) Revert(ctx context.Context, steps []record.Step) []error {
	errs := make([]error, len(steps))
	g := parallel.New()
	for i, s := range steps {
		g.Go(func() error {
			errs[i] = trouble("taking", s, r.revert(ctx, s))
			return nil // one step's error stops no other
		})
	}
	_ = g.Wait()
	return errs
}

func (r *Reverter) revert(ctx context.Context, s record.Step) error {
	step, ok := s.(record.Replacement)
	if !ok {
		return fmt.Errorf("undoing %s: no such kind of step: %T", s.ID(), s)
	}
	switch step.Of {
	case record.KindStandby:
		return r.exitStandby(ctx, step.Resource)
	case record.KindChecks:
		return r.resume(ctx, step.Resource)
	default:
		return r.set(ctx, step, step.Before)
	}
}

// exitStandby puts an instance back into service, which raises the desired capacity.
// https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_ExitStandby.html
func (r *Reverter) exitStandby(ctx context.Context, instance string) error {
	m, err := r.membership(ctx, instance)
	if err != nil {
		return err
	}
	if m.group == "" {
		return network.Refusal{Reason: "no Auto Scaling group has the instance any more"}
	}
	_, err = r.scaling().ExitStandby(ctx, &autoscaling.ExitStandbyInput{
		AutoScalingGroupName: aws.String(m.group), InstanceIds: []string{instance},
	})
	return err
}

// resume has application status checks count again.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisableApplicationStatusCheckSuppression.html
func (r *Reverter) resume(ctx context.Context, instance string) error {
	out, err := r.ec2.DisableApplicationStatusCheckSuppression(ctx, &ec2.DisableApplicationStatusCheckSuppressionInput{InstanceIds: []string{instance}})
	if err != nil {
		return err
	}
	return unsuccessful(out.UnsuccessfulResults)
}
