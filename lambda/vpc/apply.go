package vpc

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// Apply makes all changes side by side; see containment.EC2.
func (c *Client) Apply(ctx context.Context, steps []record.Step) []error {
	errs := make([]error, len(steps))
	var g errgroup.Group
	g.SetLimit(maxInFlight)
	for i, s := range steps {
		g.Go(func() error {
			errs[i] = c.apply(ctx, s)
			return nil // one step's error stops no other
		})
	}
	_ = g.Wait()
	return errs
}

func (c *Client) apply(ctx context.Context, s record.Step) error {
	var err error
	switch s := s.(type) {
	case record.Quarantine:
		err = c.quarantine(ctx, s)
	case record.Denial:
		err = c.deny(ctx, s)
	case record.Tracking:
		err = c.track(ctx, s.Interface, s.After)
	default:
		return fmt.Errorf("applying %s: no such kind of step: %T", s.ID(), s)
	}
	if err != nil {
		return refusal(fmt.Errorf("applying %s: %w", s.ID(), err))
	}
	return nil
}

// quarantine sets the groups of one interface outright. The call for an interface,
// never the one for an instance: that one fails when there are several.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html
func (c *Client) quarantine(ctx context.Context, q record.Quarantine) error {
	_, err := c.ec2.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
		NetworkInterfaceId: aws.String(q.Interface),
		Groups:             []string{q.Group},
	})
	return err
}

// track sets the timeouts of connection tracking of one interface. One attribute a
// call: groups and timeouts can't be changed by the same one. Only Nitro instances
// have them.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html
func (c *Client) track(ctx context.Context, eni string, t network.Timeouts) error {
	whole := func(d time.Duration) *int32 { return aws.Int32(int32(d.Seconds())) } // at most 432000
	_, err := c.ec2.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
		NetworkInterfaceId: aws.String(eni),
		ConnectionTrackingSpecification: &types.ConnectionTrackingSpecificationRequest{
			TcpEstablishedTimeout: whole(t.TCP), UdpStreamTimeout: whole(t.UDPStream), UdpTimeout: whole(t.UDP),
		},
	})
	return err
}

// deny adds an entry. The call has no client token: when its answer is lost, the
// SDK's retry is told that the number is taken. Only a look tells whether by us.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAclEntry.html
func (c *Client) deny(ctx context.Context, d record.Denial) error {
	in := &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: aws.String(d.ACL),
		RuleNumber:   aws.Int32(int32(d.Number)), //nolint:gosec // at most 32766
		Egress:       aws.Bool(d.Direction == network.Out),
		Protocol:     aws.String("-1"),
		RuleAction:   types.RuleActionDeny,
	}
	if d.Prefix.Addr().Is6() {
		in.Ipv6CidrBlock = aws.String(d.Prefix.String())
	} else {
		in.CidrBlock = aws.String(d.Prefix.String())
	}
	_, err := c.ec2.CreateNetworkAclEntry(ctx, in)
	return err
}

// Tag sets tags, in one call for all resources that get the same; see
// containment.EC2.
func (c *Client) Tag(ctx context.Context, tags map[string]map[string]string) error {
	alike := map[string][]string{} // resources by their tags
	for _, resource := range slices.Sorted(maps.Keys(tags)) {
		key := fmt.Sprint(tags[resource]) // maps print in the order of their keys
		alike[key] = append(alike[key], resource)
	}
	errs := make(chan error, len(alike))
	for _, resources := range alike {
		go func() { errs <- c.tag(ctx, resources, tags[resources[0]]) }()
	}
	var failed []string
	var last error
	for range alike {
		if err := <-errs; err != nil {
			failed, last = append(failed, err.Error()), err
		}
	}
	if len(failed) > 1 {
		slices.Sort(failed)
		return fmt.Errorf("%s; %w", strings.Join(failed[:len(failed)-1], "; "), last)
	}
	return last
}

func (c *Client) tag(ctx context.Context, resources []string, tags map[string]string) error {
	in := &ec2.CreateTagsInput{Resources: resources, Tags: toSDKTags(tags)}
	if _, err := c.ec2.CreateTags(ctx, in); err != nil {
		return fmt.Errorf("tagging %s: %w", strings.Join(resources, ", "), err)
	}
	return nil
}

func toSDKTags(tags map[string]string) []types.Tag {
	var sdk []types.Tag
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		sdk = append(sdk, types.Tag{Key: aws.String(k), Value: aws.String(tags[k])})
	}
	return sdk
}

func fromSDKTags(sdk []types.Tag) map[string]string {
	tags := map[string]string{}
	for _, t := range sdk {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return tags
}
