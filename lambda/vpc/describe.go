package vpc

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/parallel"
)

// maxFilterValues is how many values the filters of one call take together.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
const maxFilterValues = 200

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

// filtered describes the resources that match any value of one filter and all of
// the others, in as few calls as their values allow, side by side. Filters make a
// missing resource a gap in the answer instead of an error.
func filtered[T any](
	ctx context.Context, describe func(context.Context, ...types.Filter) ([]T, error), name string, values []string, others ...types.Filter,
) ([]T, error) {
	most := maxFilterValues
	for _, f := range others {
		most -= len(f.Values)
	}
	values = slices.Compact(slices.Sorted(slices.Values(values)))
	chunks := slices.Collect(slices.Chunk(values, most))
	matching := func(some []string) []types.Filter { return append([]types.Filter{filter(name, some...)}, others...) }
	if len(chunks) == 1 {
		return describe(ctx, matching(chunks[0])...)
	}
	found := make([][]T, len(chunks))
	g, gctx := parallel.WithContext(ctx)
	g.SetLimit(readsAtOnce)
	for i, some := range chunks {
		g.Go(func() (err error) {
			found[i], err = describe(gctx, matching(some)...)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// readsAtOnce bounds the calls into which one read is split. One containment never
// comes near it; a look at a whole fleet must not empty EC2's buckets.
const readsAtOnce = 8

// describeInstances reads instances, those that an AWS service operates included:
// EC2 hides them from reads by filter unless it is asked not to.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/amazon-ec2-managed-instances.html
func (c *Client) describeInstances(ctx context.Context, filters ...types.Filter) ([]types.Reservation, error) {
	var all []types.Reservation
	pages := ec2.NewDescribeInstancesPaginator(c.ec2, &ec2.DescribeInstancesInput{
		Filters: filters, IncludeManagedResources: aws.Bool(true),
	})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing instances: %w", err)
		}
		all = append(all, out.Reservations...)
	}
	return all, nil
}

// describeInterfaces reads network interfaces, those that an AWS service operates
// included; see describeInstances.
func (c *Client) describeInterfaces(ctx context.Context, filters ...types.Filter) ([]types.NetworkInterface, error) {
	var all []types.NetworkInterface
	pages := ec2.NewDescribeNetworkInterfacesPaginator(c.ec2, &ec2.DescribeNetworkInterfacesInput{
		Filters: filters, IncludeManagedResources: aws.Bool(true),
	})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing network interfaces: %w", err)
		}
		all = append(all, out.NetworkInterfaces...)
	}
	return all, nil
}

func (c *Client) describeSubnets(ctx context.Context, filters ...types.Filter) ([]types.Subnet, error) {
	var all []types.Subnet
	pages := ec2.NewDescribeSubnetsPaginator(c.ec2, &ec2.DescribeSubnetsInput{Filters: filters})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing subnets: %w", err)
		}
		all = append(all, out.Subnets...)
	}
	return all, nil
}

func (c *Client) describeVPCs(ctx context.Context, filters ...types.Filter) ([]types.Vpc, error) {
	var all []types.Vpc
	pages := ec2.NewDescribeVpcsPaginator(c.ec2, &ec2.DescribeVpcsInput{Filters: filters})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing VPCs: %w", err)
		}
		all = append(all, out.Vpcs...)
	}
	return all, nil
}

func (c *Client) describeACLs(ctx context.Context, filters ...types.Filter) ([]types.NetworkAcl, error) {
	var all []types.NetworkAcl
	pages := ec2.NewDescribeNetworkAclsPaginator(c.ec2, &ec2.DescribeNetworkAclsInput{Filters: filters})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing network ACLs: %w", err)
		}
		all = append(all, out.NetworkAcls...)
	}
	return all, nil
}

func (c *Client) describeGroups(ctx context.Context, filters ...types.Filter) ([]types.SecurityGroup, error) {
	var all []types.SecurityGroup
	pages := ec2.NewDescribeSecurityGroupsPaginator(c.ec2, &ec2.DescribeSecurityGroupsInput{Filters: filters})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing security groups: %w", err)
		}
		all = append(all, out.SecurityGroups...)
	}
	return all, nil
}
