package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/record"
	"tourniquet/lambda/report"
)

// originals looks at the groups that the interfaces had: who else uses each, and what
// it opens to the world. What the caller may not read is said with the group.
func (s *session) originals(ctx context.Context, rec record.Record) []report.Group {
	ids := report.OriginalGroups(rec)
	groups := []report.Group{}
	for _, id := range ids {
		groups = append(groups, report.Group{ID: id, UsedBy: []string{}, OpenToWorld: []string{}})
	}
	if len(ids) == 0 {
		return groups
	}
	client := ec2.NewFromConfig(s.aws)
	var rules []types.SecurityGroup
	var users []types.NetworkInterface
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { rules, err = describeGroups(gctx, client, ids); return err })
	g.Go(func() (err error) { users, err = describeUsers(gctx, client, ids); return err })
	if err := g.Wait(); err != nil {
		why := "not shown: " + s.explain("reading the original groups in EC2", err).Error()
		for i := range groups {
			groups[i].Unread = why
		}
		return groups
	}
	own := map[string]bool{}
	for _, step := range rec.Steps {
		if q, ok := record.AsQuarantine(step.Step); ok {
			own[q.Resource] = true
		}
	}
	for i := range groups {
		fill(&groups[i], rules, users, own)
	}
	return groups
}

// fill sets what is known of one group.
func fill(g *report.Group, rules []types.SecurityGroup, users []types.NetworkInterface, own map[string]bool) {
	i := slices.IndexFunc(rules, func(r types.SecurityGroup) bool { return aws.ToString(r.GroupId) == g.ID })
	if i < 0 {
		g.Gone = true
		return
	}
	g.Name, g.OpenToWorld = aws.ToString(rules[i].GroupName), openToWorld(rules[i])
	for _, u := range users {
		has := slices.ContainsFunc(u.Groups, func(id types.GroupIdentifier) bool { return aws.ToString(id.GroupId) == g.ID })
		if has && !own[aws.ToString(u.NetworkInterfaceId)] {
			g.UsedBy = append(g.UsedBy, user(u))
		}
	}
	slices.Sort(g.UsedBy)
}

// user names an interface by its instance, where it has one.
func user(u types.NetworkInterface) string {
	if u.Attachment != nil && u.Attachment.InstanceId != nil {
		return *u.Attachment.InstanceId
	}
	return aws.ToString(u.NetworkInterfaceId)
}

// openToWorld are the rules that let in from any address.
func openToWorld(g types.SecurityGroup) []string {
	open := []string{}
	for _, p := range g.IpPermissions {
		v4 := slices.ContainsFunc(p.IpRanges, func(r types.IpRange) bool { return aws.ToString(r.CidrIp) == "0.0.0.0/0" })
		v6 := slices.ContainsFunc(p.Ipv6Ranges, func(r types.Ipv6Range) bool { return aws.ToString(r.CidrIpv6) == "::/0" })
		if v4 || v6 {
			open = append(open, ports(p))
		}
	}
	slices.Sort(open)
	return slices.Compact(open)
}

// ports says which traffic a rule is for: "tcp 443", "udp 1000-2000", "everything".
func ports(p types.IpPermission) string {
	protocol := aws.ToString(p.IpProtocol)
	from, to := aws.ToInt32(p.FromPort), aws.ToInt32(p.ToPort)
	switch {
	case protocol == "-1":
		return "everything"
	case p.FromPort == nil || from == -1 || strings.HasPrefix(protocol, "icmp"):
		return protocol
	case from == to:
		return fmt.Sprintf("%s %d", protocol, from)
	default:
		return fmt.Sprintf("%s %d-%d", protocol, from, to)
	}
}

// describeGroups reads groups by filter, so that one which is gone is no error.
func describeGroups(ctx context.Context, client *ec2.Client, ids []string) ([]types.SecurityGroup, error) {
	pages := ec2.NewDescribeSecurityGroupsPaginator(client, &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{{Name: aws.String("group-id"), Values: ids}},
	})
	var all []types.SecurityGroup
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing groups: %w", err)
		}
		all = append(all, page.SecurityGroups...)
	}
	return all, nil
}

// describeUsers reads the interfaces that have one of the groups, those of services too.
func describeUsers(ctx context.Context, client *ec2.Client, ids []string) ([]types.NetworkInterface, error) {
	pages := ec2.NewDescribeNetworkInterfacesPaginator(client, &ec2.DescribeNetworkInterfacesInput{
		Filters: []types.Filter{{Name: aws.String("group-id"), Values: ids}}, IncludeManagedResources: aws.Bool(true),
	})
	var all []types.NetworkInterface
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing the groups' users: %w", err)
		}
		all = append(all, page.NetworkInterfaces...)
	}
	return all, nil
}

// names reads the Name tags of instances; what can't be read has none.
func (s *session) names(ctx context.Context, instances []string) (map[string]string, error) {
	const most = 200 // values of a filter: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Filter.html
	client := ec2.NewFromConfig(s.aws)
	names := map[string]string{}
	var failed []error
	for part := range slices.Chunk(instances, most) {
		pages := ec2.NewDescribeTagsPaginator(client, &ec2.DescribeTagsInput{Filters: []types.Filter{
			{Name: aws.String("resource-id"), Values: part}, {Name: aws.String("key"), Values: []string{"Name"}},
		}})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				failed = append(failed, err)
				break
			}
			for _, tag := range page.Tags {
				names[aws.ToString(tag.ResourceId)] = aws.ToString(tag.Value)
			}
		}
	}
	return names, errors.Join(failed...)
}
