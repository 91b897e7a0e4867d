package containment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tourniquet/lambda/network"
	"tourniquet/lambda/order"
	"tourniquet/lambda/record"
)

// ErrGroup says that an instance can't be released to a group that a person has chosen.
var ErrGroup = errors.New("can't be released to")

// choose looks at the groups that a person has chosen to release to, before anything is
// changed. Its error wraps ErrGroup when one is not for that: it lacks the tag, does not
// exist, or is of a VPC in which the instance has no interface.
func (c *releasing) choose(ctx context.Context, seen network.Network, known record.Known) error {
	if len(c.ask.ToGroups) == 0 || c.to != nil {
		return nil
	}
	if known.Record == nil || known.Record.Status == record.Observed {
		return fmt.Errorf("%w %s: without a record, an instance is released to its original groups only", ErrGroup, strings.Join(c.ask.ToGroups, ", "))
	}
	found, err := c.r.EC2.DescribeGroups(ctx, c.ask.ToGroups)
	if err != nil {
		return c.rounds.unfinished(nil, fmt.Errorf("looking at %s: %w", strings.Join(c.ask.ToGroups, ", "), err))
	}
	to := []record.ReleaseGroup{}
	for _, id := range c.ask.ToGroups {
		i := slices.IndexFunc(found, func(g network.Group) bool { return g.ID == id })
		if i < 0 {
			return fmt.Errorf("%w %s: EC2 does not show it", ErrGroup, id)
		}
		if _, tagged := found[i].Tags[network.ReleaseTag]; !tagged {
			return fmt.Errorf("%w %s: it does not carry the tag %s", ErrGroup, id, network.ReleaseTag)
		}
		if !slices.Contains(seen.VPCs(), found[i].VPC) {
			return fmt.Errorf("%w %s: the instance has no interface in its VPC %s", ErrGroup, id, found[i].VPC)
		}
		to = append(to, record.ReleaseGroup{VPC: found[i].VPC, Group: id})
	}
	order.Sort(to, func(a, b record.ReleaseGroup) int { return strings.Compare(a.VPC+a.Group, b.VPC+b.Group) })
	c.to = slices.Compact(to)
	return nil
}
