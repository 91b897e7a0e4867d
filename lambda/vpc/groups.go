package vpc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/network"
	"tourniquet/lambda/pause"
)

// Prepare makes or repairs the quarantine groups of the interfaces' VPCs; see
// containment.EC2.
func (c *Client) Prepare(ctx context.Context, seen network.Network) (map[string][]network.Quarantined, error) {
	var mu sync.Mutex
	groups := maps.Clone(seen.Quarantine)
	g, gctx := errgroup.WithContext(ctx)
	for _, vpc := range seen.VPCs() {
		g.Go(func() error {
			ready, err := c.prepare(gctx, vpc, seen.Quarantine[vpc])
			mu.Lock()
			defer mu.Unlock()
			groups[vpc] = ready
			return err
		})
	}
	return groups, g.Wait()
}

// prepare sees to one VPC: it makes a group if there is none, and empties those
// that have rules.
func (c *Client) prepare(ctx context.Context, vpc string, have []network.Quarantined) ([]network.Quarantined, error) {
	if len(have) == 0 {
		id, err := c.createGroup(ctx, vpc)
		if err != nil {
			return nil, fmt.Errorf("creating a quarantine group in %s: %w", vpc, err)
		}
		have = []network.Quarantined{{Group: id}}
	}
	ready := slices.Clone(have)
	for i, q := range ready {
		if q.Empty {
			continue
		}
		if err := c.emptyGroup(ctx, q.Group); err != nil {
			return nil, fmt.Errorf("removing the rules of the quarantine group %s: %w", q.Group, err)
		}
		ready[i].Empty = true
	}
	return ready, nil
}

// maxNames bounds the names to try when others have groups of the name we use.
const maxNames = 10

var errNamesTaken = errors.New("all names for it are taken by groups without the tag " + network.RoleTag)

// createGroup makes a group under the first name that nobody has. A group's name
// is unique in its VPC, so of two invocations that create it at once one is told
// of a duplicate, and uses the other's.
func (c *Client) createGroup(ctx context.Context, vpc string) (string, error) {
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
			return aws.ToString(out.GroupId), nil
		}
		if code(err) != codeGroupExists {
			return "", err
		}
		id, ours, err := c.named(ctx, vpc, name)
		if err != nil || ours {
			return id, err
		}
	}
	return "", errNamesTaken
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

// emptyGroup removes every rule of a group of ours, until a look shows none. A new
// group comes with rules that allow all egress, and may take a while to be seen.
// https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
func (c *Client) emptyGroup(ctx context.Context, id string) error {
	return eventually(ctx, func() (bool, error) {
		found, err := c.describeGroups(ctx, filter("group-id", id))
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
		_, err := c.ec2.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{
			GroupId: g.GroupId, IpPermissions: g.IpPermissionsEgress,
		})
		if err != nil && !passingOnGroup(err) {
			return err
		}
	}
	return nil
}

// passingOnGroup: another invocation removed the rules first, or the group is too
// new. The next look decides.
func passingOnGroup(err error) bool {
	return code(err) == codeNoSuchRule || code(err) == codeGroupMissing
}

var errNotVisible = errors.New("EC2 does not show it yet")

// eventually repeats a look until it is done: EC2 may take a moment to show what
// has changed. https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
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
