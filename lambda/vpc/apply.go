package vpc

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
	"tourniquet/lambda/record"
)

// Apply makes all changes side by side; see containment.EC2.
func (c *Client) Apply(ctx context.Context, steps []record.Step) []error {
	errs := make([]error, len(steps))
	g := parallel.New()
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
	case record.Replacement:
		err = c.set(ctx, s, s.After)
	case record.Denial:
		err = c.deny(ctx, s)
	default:
		return fmt.Errorf("applying %s: unknown kind of step %T", s.ID(), s)
	}
	if err != nil {
		return refusal(fmt.Errorf("applying %s: %w", s.ID(), err))
	}
	return nil
}

// deny adds an entry. The call has no client token. If its answer is lost, the SDK's
// retry is told that the number is taken, and only a look shows whether we took it.
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

// Tag sets tags. Resources that get the same tags share a call; see containment.EC2.
func (c *Client) Tag(ctx context.Context, tags map[string]map[string]string) error {
	alike := map[string][]string{} // resources by their tags
	for _, resource := range slices.Sorted(maps.Keys(tags)) {
		key := fmt.Sprint(tags[resource]) // maps print in the order of their keys
		alike[key] = append(alike[key], resource)
	}
	errs := make(chan error, len(alike))
	g := parallel.New()
	for _, resources := range alike {
		g.Go(func() error {
			errs <- c.tag(ctx, resources, tags[resources[0]])
			return nil // one call's error stops no other
		})
	}
	_ = g.Wait()
	close(errs)
	var failed []string
	var last error
	for err := range errs {
		if err != nil {
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
