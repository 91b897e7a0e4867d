package flowlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// RoleValue is the value of the tag network.RoleTag on a flow log of ours.
const RoleValue = "watch"

// interval is how long a window of a flow log is, in seconds. On Nitro instances it is
// never longer. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html
const interval = 60

// codes of answers for one resource.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
const (
	codeExists = "FlowLogAlreadyExists"
	codeGone   = "InvalidFlowLogId.NotFound"
)

// Client makes, reads and deletes flow logs that go to one log group.
type Client struct {
	// Config is for the account and Region of the interfaces.
	Config aws.Config
	// Group is the name of the log group, Role the ARN of the role that delivers to it.
	Group, Role string

	once sync.Once
	ec2  *ec2.Client
	logs *cloudwatchlogs.Client
}

// clients makes the SDK's clients when they are first needed.
func (c *Client) clients() (*ec2.Client, *cloudwatchlogs.Client) {
	c.once.Do(func() {
		few := func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = 2 * time.Second })
		}
		c.ec2 = ec2.NewFromConfig(c.Config, func(o *ec2.Options) { o.Retryer = few() })
		c.logs = cloudwatchlogs.NewFromConfig(c.Config, func(o *cloudwatchlogs.Options) { o.Retryer = few() })
	})
	return c.ec2, c.logs
}

// Making carries out the steps that log the traffic of an interface. It is for the
// function that faces events, which must have no means to delete a flow log.
type Making struct{ *Client }

// Take makes a flow log for each step; see containment.Measures.
func (m Making) Take(ctx context.Context, steps []record.Step) []record.Result {
	return side(steps, func(step record.Creation) record.Result {
		id, err := m.make(ctx, step.Resource)
		if err != nil {
			return record.Result{Err: fmt.Errorf("making a flow log of %s: %w", step.Resource, err)}
		}
		return record.Result{Made: []string{id}}
	})
}

// Deleting undoes them, for the function that a person starts.
type Deleting struct{ *Client }

// Take deletes the flow logs of ours of each step's interface, whether or not their ids
// are on record; see containment.Measures.
func (d Deleting) Take(ctx context.Context, steps []record.Step) []record.Result {
	return side(steps, func(step record.Creation) record.Result {
		if err := d.remove(ctx, step); err != nil {
			return record.Result{Err: fmt.Errorf("deleting the flow log of %s: %w", step.Resource, err)}
		}
		return record.Result{}
	})
}

// side does something for the interfaces of all steps, side by side.
func side(steps []record.Step, do func(step record.Creation) record.Result) []record.Result {
	results := make([]record.Result, len(steps))
	var all sync.WaitGroup
	for i, s := range steps {
		step, ok := s.(record.Creation)
		if !ok || step.Of != record.KindFlowLog {
			results[i].Err = fmt.Errorf("%s is not a flow log", s.ID())
			continue
		}
		all.Go(func() { results[i] = do(step) })
	}
	all.Wait()
	return results
}

// make makes one flow log. An answer that is a success may hold a failure. A flow log
// that exists already is ours, after a lost answer, or somebody else's with the same
// destination, which can't be.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html
func (c *Client) make(ctx context.Context, eni string) (string, error) {
	api, _ := c.clients()
	out, err := api.CreateFlowLogs(ctx, &ec2.CreateFlowLogsInput{
		ResourceType: types.FlowLogsResourceTypeNetworkInterface, ResourceIds: []string{eni}, TrafficType: types.TrafficTypeAll,
		LogDestinationType: types.LogDestinationTypeCloudWatchLogs, LogGroupName: aws.String(c.Group),
		DeliverLogsPermissionArn: aws.String(c.Role), MaxAggregationInterval: aws.Int32(interval), LogFormat: aws.String(format),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeVpcFlowLog, Tags: []types.Tag{
			{Key: aws.String(network.RoleTag), Value: aws.String(RoleValue)},
		}}},
	})
	if refusal, ok := errors.AsType[smithy.APIError](err); ok && refusal.ErrorCode() == codeExists {
		return c.existing(ctx, eni) // the code is documented for the call as well
	}
	if err != nil {
		return "", err
	}
	for _, failed := range out.Unsuccessful {
		if failed.Error != nil && aws.ToString(failed.Error.Code) == codeExists {
			return c.existing(ctx, eni)
		}
	}
	if err := failure(out.Unsuccessful); err != nil {
		return "", err
	}
	if len(out.FlowLogIds) != 1 {
		return "", fmt.Errorf("EC2's answer has %d flow logs, want 1", len(out.FlowLogIds))
	}
	return out.FlowLogIds[0], nil
}

// failure is what went wrong in an answer that is a success.
func failure(all []types.UnsuccessfulItem) error {
	var errs []error
	for _, u := range all {
		if u.Error == nil {
			errs = append(errs, errors.New("EC2 refuses without a reason"))
		} else if code := aws.ToString(u.Error.Code); code != codeGone {
			errs = append(errs, fmt.Errorf("EC2 refuses (%s): %s", code, aws.ToString(u.Error.Message)))
		}
	}
	return errors.Join(errs...)
}

// existing is the flow log of ours that an interface has.
func (c *Client) existing(ctx context.Context, eni string) (string, error) {
	all, err := c.ours(ctx, eni)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", errors.New("EC2 says that it exists already, and shows none of ours")
	}
	return all[0], nil
}

// ours are the flow logs of an interface that carry our tag, and go to our log group.
func (c *Client) ours(ctx context.Context, eni string) ([]string, error) {
	api, _ := c.clients()
	pages := ec2.NewDescribeFlowLogsPaginator(api, &ec2.DescribeFlowLogsInput{Filter: []types.Filter{
		{Name: aws.String("resource-id"), Values: []string{eni}}, {Name: aws.String("log-group-name"), Values: []string{c.Group}},
	}})
	var found []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, f := range page.FlowLogs {
			for _, tag := range f.Tags {
				if aws.ToString(tag.Key) == network.RoleTag && aws.ToString(tag.Value) == RoleValue {
					found = append(found, aws.ToString(f.FlowLogId))
				}
			}
		}
	}
	return found, nil
}

// remove deletes the flow logs of an interface that are ours: those on record, since
// EC2 may be slow to show one, and those that it shows, since an answer may have been lost.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteFlowLogs.html
func (c *Client) remove(ctx context.Context, step record.Creation) error {
	all, err := c.ours(ctx, step.Resource)
	if err != nil {
		return err
	}
	for _, id := range step.Made {
		if !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	if len(all) == 0 {
		return nil
	}
	api, _ := c.clients()
	out, err := api.DeleteFlowLogs(ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: all})
	if err != nil {
		return err
	}
	return failure(out.Unsuccessful)
}
