package vpc

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
)

// Quarantined names the instances with an interface in a quarantine group; see
// containment.Fleet.
func (c *Client) Quarantined(ctx context.Context) ([]string, error) {
	groups, err := c.quarantineGroups(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, list := range groups {
		for _, q := range list {
			ids = append(ids, q.Group)
		}
	}
	found, err := filtered(ctx, c.describeInterfaces, "group-id", ids)
	if err != nil {
		return nil, fmt.Errorf("looking for interfaces in quarantine: %w", err)
	}
	var instances []string
	for _, i := range found {
		if i.Attachment != nil && aws.ToString(i.Attachment.InstanceId) != "" {
			instances = append(instances, aws.ToString(i.Attachment.InstanceId))
		}
	}
	slices.Sort(instances)
	return slices.Compact(instances), nil
}

// Provision makes the quarantine groups of all VPCs, and empties those that have
// rules; see containment.Fleet.
func (c *Client) Provision(ctx context.Context) error {
	var vpcs []types.Vpc
	groups := map[string][]network.Quarantined{}
	g, gctx := parallel.WithContext(ctx)
	g.Go(func() (err error) { vpcs, err = c.describeVPCs(gctx); return err })
	g.Go(func() (err error) { groups, err = c.quarantineGroups(gctx); return err })
	if err := g.Wait(); err != nil {
		return err
	}
	work, wctx := parallel.WithContext(ctx)
	work.SetLimit(provisionAtOnce)
	for _, v := range vpcs {
		vpc := aws.ToString(v.VpcId)
		ready := !slices.ContainsFunc(groups[vpc], func(q network.Quarantined) bool { return !q.Empty })
		if len(groups[vpc]) > 0 && ready {
			continue
		}
		work.Go(func() error {
			_, full, err := c.prepare(wctx, vpc, fromSDKRanges(v), groups[vpc])
			if err != nil {
				return err
			}
			return c.emptyAll(wctx, full)
		})
	}
	return work.Wait()
}

// provisionAtOnce bounds the VPCs whose groups are made at once. Nobody waits for them.
const provisionAtOnce = 4
