package keep

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// A membership is an instance's place in an Auto Scaling group; zero: in none.
type membership struct{ group, state string }

// states is the state as a step has it: none where no group has the instance. On the way
// into standby counts as there: the group does not terminate it any more.
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
func (m membership) states() []string {
	switch m.state {
	case "":
		return []string{}
	case string(astypes.LifecycleStateEnteringStandby):
		return []string{record.StandbyValue}
	default:
		return []string{m.state}
	}
}

func (c *Client) membership(ctx context.Context, instance string) (membership, error) {
	found, err := twice(ctx, func() ([]astypes.AutoScalingInstanceDetails, error) {
		out, err := c.scaling().DescribeAutoScalingInstances(ctx, &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: []string{instance}})
		if err != nil {
			return nil, err
		}
		return out.AutoScalingInstances, nil
	})
	if err != nil || len(found) == 0 {
		return membership{}, err
	}
	m := membership{aws.ToString(found[0].AutoScalingGroupName), aws.ToString(found[0].LifecycleState)}
	c.groups.Store(instance, m.group)
	return m, nil
}

// group is the group that has an instance: as the look before has found it, so that it
// takes no call in front of the one that matters.
func (c *Client) group(ctx context.Context, instance string) (string, error) {
	if known, ok := c.groups.LoadAndDelete(instance); ok {
		return known.(string), nil
	}
	m, err := c.membership(ctx, instance)
	return m.group, err
}

// enterStandby has the group leave the instance alone, and launch another one in its
// place: the desired capacity stays, so that no minimum is in the way.
// https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_EnterStandby.html
func (c *Client) enterStandby(ctx context.Context, instance string) error {
	group, err := c.group(ctx, instance)
	if err != nil {
		return err
	}
	if group == "" {
		return network.Refusal{Reason: "no Auto Scaling group has the instance any more"}
	}
	_, err = c.scaling().EnterStandby(ctx, &autoscaling.EnterStandbyInput{
		AutoScalingGroupName: aws.String(group), InstanceIds: []string{instance}, ShouldDecrementDesiredCapacity: aws.Bool(false),
	})
	return err
}

// active is what a step calls application status checks that are not suppressed.
const active = "active"

func (c *Client) checks(ctx context.Context, instance string) ([]string, error) {
	found, err := twice(ctx, func() ([]types.InstanceApplicationStatus, error) {
		out, err := c.ec2.DescribeApplicationStatus(ctx, &ec2.DescribeApplicationStatusInput{InstanceIds: []string{instance}})
		if err != nil || out.ApplicationStatuses == nil {
			return nil, err
		}
		return out.ApplicationStatuses.Instances, nil
	})
	if err != nil {
		return nil, err
	}
	for _, s := range found {
		if aws.ToString(s.InstanceId) == instance && s.ApplicationStatus != nil && s.ApplicationStatus.Status == types.ApplicationStatusEnumSuppressed {
			return []string{record.SuppressedValue}, nil
		}
	}
	return []string{active}, nil
}

// suppress has application status checks say nothing until a release.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableApplicationStatusCheckSuppression.html
func (c *Client) suppress(ctx context.Context, instance string) error {
	out, err := c.ec2.EnableApplicationStatusCheckSuppression(ctx, &ec2.EnableApplicationStatusCheckSuppressionInput{InstanceIds: []string{instance}})
	if err != nil {
		return err
	}
	return unsuccessful(out.UnsuccessfulResults)
}

// unsuccessful is the error in the answer of a call that is a success otherwise.
func unsuccessful(results []types.UnsuccessfulSuppressionResponseObject) error {
	var reasons []string
	for _, r := range results {
		reasons = append(reasons, aws.ToString(r.Reason))
	}
	if len(reasons) == 0 {
		return nil
	}
	return network.Refusal{Reason: "EC2 refuses: " + strings.Join(reasons, "; ")}
}
