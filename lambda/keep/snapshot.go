package keep

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// snapshots are those of an incident, found by their tag. One that EC2 could not finish
// does not count as evidence.
func (c *Client) snapshots(ctx context.Context, s record.Creation) ([]string, error) {
	ids := []string{}
	pages := ec2.NewDescribeSnapshotsPaginator(c.ec2, &ec2.DescribeSnapshotsInput{
		OwnerIds: []string{"self"},
		Filters:  []types.Filter{{Name: aws.String("tag:" + network.IncidentTag), Values: []string{s.Tags[network.IncidentTag]}}},
	})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, snapshot := range out.Snapshots {
			if snapshot.State != types.SnapshotStateError {
				ids = append(ids, aws.ToString(snapshot.SnapshotId))
			}
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// snapshot copies all volumes of an instance at one moment, unless there are copies. The
// call has no client token: made once more, it makes a second set. So the SDK does not
// repeat it, and after a lost answer only a look tells.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html
func (c *Client) snapshot(ctx context.Context, s record.Creation) ([]string, error) {
	if s.Tags[network.IncidentTag] == "" {
		return nil, fmt.Errorf("%s has no tag to be found by", s.ID())
	}
	ids, err := twice(ctx, func() ([]string, error) { return c.snapshots(ctx, s) })
	if err != nil || len(ids) > 0 {
		return ids, err
	}
	var tags []types.Tag
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		tags = append(tags, types.Tag{Key: aws.String(key), Value: aws.String(s.Tags[key])})
	}
	out, err := c.ec2.CreateSnapshots(ctx, &ec2.CreateSnapshotsInput{
		InstanceSpecification: &types.InstanceSpecification{InstanceId: aws.String(s.Resource)},
		Description:           aws.String("Tourniquet: evidence of " + s.Tags[network.IncidentTag]),
		TagSpecifications:     []types.TagSpecification{{ResourceType: types.ResourceTypeSnapshot, Tags: tags}},
	}, func(o *ec2.Options) { o.Retryer = aws.NopRetryer{} })
	if err != nil {
		return nil, err
	}
	for _, made := range out.Snapshots {
		ids = append(ids, aws.ToString(made.SnapshotId))
	}
	slices.Sort(ids)
	return ids, nil
}
