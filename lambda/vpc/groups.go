package vpc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
	"tourniquet/lambda/pause"
)

// Prepare makes the quarantine groups of the interfaces' VPCs that are missing; see
// containment.EC2.
func (c *Client) Prepare(ctx context.Context, seen network.Network) (map[string][]network.Quarantined, func(context.Context) error, error) {
	var mu sync.Mutex
	groups := maps.Clone(seen.Quarantine)
	if groups == nil {
		groups = map[string][]network.Quarantined{}
	}
	var full []fullGroup
	g, gctx := parallel.WithContext(ctx)
	for _, vpc := range seen.VPCs() {
		g.Go(func() error {
			have, rules, err := c.prepare(gctx, vpc, seen.Ranges[vpc], seen.Quarantine[vpc])
			mu.Lock()
			defer mu.Unlock()
			groups[vpc], full = have, append(full, rules...)
			return err
		})
	}
	err := g.Wait()
	return groups, func(ctx context.Context) error { return c.emptyAll(ctx, full) }, err
}

// A fullGroup is a quarantine group that has rules.
type fullGroup struct {
	id    string
	rules []types.IpPermission // the egress rules that EC2 has just given it, if it is new
}

// prepare makes a quarantine group in a VPC that has none. It returns the VPC's groups
// as they will be, and those that have to be emptied first.
func (c *Client) prepare(ctx context.Context, vpc string, ranges []netip.Prefix, have []network.Quarantined) ([]network.Quarantined, []fullGroup, error) {
	if len(have) == 0 {
		full, err := c.newGroup(ctx, vpc, ranges)
		if err != nil {
			return nil, nil, fmt.Errorf("creating a quarantine group in %s: %w", vpc, err)
		}
		return []network.Quarantined{{Group: full.id, Empty: true}}, []fullGroup{full}, nil
	}
	ready := slices.Clone(have)
	var full []fullGroup
	for i, q := range ready {
		if !q.Empty {
			full, ready[i].Empty = append(full, fullGroup{id: q.Group}), true
		}
	}
	return ready, full, nil
}

// newGroup creates a quarantine group, and says which rules it has. They go by the VPC's
// ranges, which are read beside if they are not known.
func (c *Client) newGroup(ctx context.Context, vpc string, ranges []netip.Prefix) (full fullGroup, err error) {
	var made bool
	g, gctx := parallel.WithContext(ctx)
	g.Go(func() (err error) { full.id, made, err = c.createGroup(gctx, vpc); return err })
	if len(ranges) == 0 {
		g.Go(func() error {
			found, err := c.describeVPCs(gctx, filter("vpc-id", vpc))
			for _, v := range found {
				ranges = fromSDKRanges(v)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fullGroup{}, err
	}
	if made {
		full.rules = defaultRules(ranges)
	}
	return full, nil
}

func (c *Client) emptyAll(ctx context.Context, groups []fullGroup) error {
	g, gctx := parallel.WithContext(ctx)
	for _, full := range groups {
		g.Go(func() error {
			if err := c.emptyGroup(gctx, full); err != nil {
				return fmt.Errorf("removing the rules of the quarantine group %s: %w", full.id, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// maxNames bounds the names to try when other people's groups have the name we use.
const maxNames = 10

var errNamesTaken = errors.New("groups without the tag " + network.RoleTag + " have all of its names")

// createGroup makes a group under the first free name. A group's name is unique in its
// VPC. If two invocations create the group at once, EC2 tells one of them of a duplicate,
// and that one uses the other's group.
func (c *Client) createGroup(ctx context.Context, vpc string) (id string, made bool, err error) {
	for n := 1; n <= maxNames; n++ {
		name := network.GroupName
		if n > 1 {
			name = fmt.Sprintf("%s-%d", name, n)
		}
		out, err := c.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
			VpcId: aws.String(vpc), GroupName: aws.String(name),
			Description: aws.String("Tourniquet: quarantine of compromised instances. Has no rules and must never have any."),
			TagSpecifications: []types.TagSpecification{{
				ResourceType: types.ResourceTypeSecurityGroup,
				Tags:         toSDKTags(map[string]string{network.RoleTag: network.RoleValue, "Name": name}),
			}},
		})
		if err == nil {
			return aws.ToString(out.GroupId), true, nil
		}
		if code(err) != codeGroupExists {
			return "", false, err
		}
		id, ours, err := c.named(ctx, vpc, name)
		if err != nil || ours {
			return id, false, err
		}
	}
	return "", false, errNamesTaken
}

// named finds the group of a name that EC2 says exists, and whether it has our tag.
func (c *Client) named(ctx context.Context, vpc, name string) (id string, ours bool, err error) {
	err = eventually(ctx, func() (bool, error) {
		found, err := c.describeGroups(ctx, filter("vpc-id", vpc), filter("group-name", name))
		if err != nil || len(found) == 0 {
			return false, err
		}
		id = aws.ToString(found[0].GroupId)
		ours = fromSDKTags(found[0].Tags)[network.RoleTag] == network.RoleValue
		return true, nil
	})
	return id, ours, err
}

// emptyGroup removes the rules of a group of ours until a look shows none. The rules of
// a new group are known, so they are removed before the first look.
func (c *Client) emptyGroup(ctx context.Context, full fullGroup) error {
	if len(full.rules) > 0 {
		if err := c.revokeEgress(ctx, full.id, full.rules); err != nil {
			return err
		}
	}
	return eventually(ctx, func() (bool, error) {
		found, err := c.describeGroups(ctx, filter("group-id", full.id))
		if err != nil || len(found) == 0 {
			return false, err
		}
		g := found[0]
		if empty(g) {
			return true, nil
		}
		return false, c.revokeAll(ctx, g)
	})
}

// defaultRules are the rules of a new group: all egress, in the address families of the
// VPC's ranges.
// https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
func defaultRules(ranges []netip.Prefix) []types.IpPermission {
	all := types.IpPermission{IpProtocol: aws.String("-1"), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}
	if slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		all.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: aws.String("::/0")}}
	}
	return []types.IpPermission{all}
}

func (c *Client) revokeEgress(ctx context.Context, id string, rules []types.IpPermission) error {
	_, err := c.ec2.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: aws.String(id), IpPermissions: rules})
	if err != nil && !passingOnGroup(err) {
		return err
	}
	return nil
}

func (c *Client) revokeAll(ctx context.Context, g types.SecurityGroup) error {
	if len(g.IpPermissions) > 0 {
		_, err := c.ec2.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{
			GroupId: g.GroupId, IpPermissions: g.IpPermissions,
		})
		if err != nil && !passingOnGroup(err) {
			return err
		}
	}
	if len(g.IpPermissionsEgress) > 0 {
		return c.revokeEgress(ctx, aws.ToString(g.GroupId), g.IpPermissionsEgress)
	}
	return nil
}

// passingOnGroup reports whether the next look decides: another invocation removed the
// rules first, or the group is too new to be found.
func passingOnGroup(err error) bool {
	return code(err) == codeNoSuchRule || code(err) == codeGroupMissing
}

var errNotVisible = errors.New("EC2 does not show it yet")

// eventually repeats a look until it is done. EC2 may take a moment to show what has
// changed. https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
func eventually(ctx context.Context, look func() (done bool, err error)) error {
	const tries, first, most = 12, 25 * time.Millisecond, 2 * time.Second
	for attempt := range tries {
		done, err := look()
		if done || err != nil {
			return err
		}
		if err := pause.Backoff(ctx, attempt, first, most); err != nil {
			return err
		}
	}
	return errNotVisible
}
