package simvpc_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/simvpc"
)

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	_, c := start(t, web, simvpc.Options{})
	interfaces := func(f ...types.Filter) ([]string, error) {
		out, err := c.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{Filters: f})
		var ids []string
		if err == nil {
			for _, n := range out.NetworkInterfaces {
				ids = append(ids, *n.NetworkInterfaceId)
			}
		}
		return ids, err
	}
	for name, test := range map[string]struct {
		filters []types.Filter
		want    []string
	}{
		"instance":         {[]types.Filter{filter("attachment.instance-id", "i-0aaaaaaaaaaaaaaa1")}, []string{"eni-1", "eni-2"}},
		"both must hold":   {[]types.Filter{filter("attachment.instance-id", "i-0aaaaaaaaaaaaaaa1"), filter("subnet-id", "subnet-2")}, []string{"eni-2"}},
		"either value":     {[]types.Filter{filter("network-interface-id", "eni-1", "eni-lb")}, []string{"eni-1", "eni-lb"}},
		"wildcard":         {[]types.Filter{filter("network-interface-id", "eni-?")}, []string{"eni-1", "eni-2", "eni-3"}},
		"star":             {[]types.Filter{filter("group-name", "w*b")}, []string{"eni-1", "eni-2", "eni-ecs", "eni-free", "eni-lb"}},
		"escaped star":     {[]types.Filter{filter("group-name", `w\*`)}, nil},
		"secondary":        {[]types.Filter{filter("addresses.private-ip-address", "10.0.2.11")}, []string{"eni-2"}},
		"primary only":     {[]types.Filter{filter("private-ip-address", "10.0.2.11")}, nil},
		"ipv6":             {[]types.Filter{filter("ipv6-addresses.ipv6-address", "2001:db8:1:1::10")}, []string{"eni-1"}},
		"public":           {[]types.Filter{filter("association.public-ip", "203.0.113.10")}, []string{"eni-1"}},
		"address's public": {[]types.Filter{filter("addresses.association.public-ip", "203.0.113.10")}, []string{"eni-1"}},
		"available":        {[]types.Filter{filter("status", "available")}, []string{"eni-free"}},
		"managed":          {[]types.Filter{filter("requester-managed", "true")}, []string{"eni-lb"}},
		"none":             {[]types.Filter{filter("vpc-id", "vpc-2")}, nil},
	} {
		got, err := interfaces(test.filters...)
		if err != nil || cmp.Diff(test.want, got) != "" {
			t.Errorf("%s: %v, %s", name, err, cmp.Diff(test.want, got))
		}
	}
	if _, err := interfaces(filter("no-such-filter", "x")); code(err) != "InvalidParameterValue" {
		t.Errorf("unknown filter: %v", err)
	}
	values := make([]string, 201)
	for i := range values {
		values[i] = fmt.Sprint(i)
	}
	if _, err := interfaces(filter("subnet-id", values...)); code(err) != "FilterLimitExceeded" {
		t.Errorf("201 values: %v", err)
	}
	if _, err := interfaces(filter("subnet-id", values[:200]...)); err != nil {
		t.Errorf("200 values: %v", err)
	}
}

func TestDescribeInstances(t *testing.T) {
	t.Parallel()
	_, c := start(t, web, simvpc.Options{})
	out, err := c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{"i-0aaaaaaaaaaaaaaa1"}})
	permit(t, err)
	i := out.Reservations[0].Instances[0]
	got := []any{
		*out.Reservations[0].OwnerId, i.InstanceType, i.State.Name, *i.VpcId, *i.SubnetId, *i.PublicIpAddress, *i.Placement.AvailabilityZone,
		*i.NetworkInterfaces[1].NetworkInterfaceId, *i.NetworkInterfaces[1].Attachment.DeviceIndex,
		*i.NetworkInterfaces[1].Groups[1].GroupName, *i.NetworkInterfaces[0].Ipv6Addresses[0].Ipv6Address,
		*i.Tags[0].Value, *i.NetworkInterfaces[0].InterfaceType, *i.NetworkInterfaces[0].Association.PublicIp,
	}
	want := []any{
		"111122223333", types.InstanceTypeM5Large, types.InstanceStateNameRunning, "vpc-1", "subnet-1", "203.0.113.10", "eu-central-1a",
		"eni-2", int32(1), "web", "2001:db8:1:1::10", "web", "interface", "203.0.113.10",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, test := range map[string]struct {
		filter types.Filter
		want   int
	}{
		"tag":            {filter("tag:Name", "web"), 1},
		"tag key":        {filter("tag-key", "Name"), 1},
		"state":          {filter("instance-state-name", "running", "stopped"), 2},
		"subnet":         {filter("subnet-id", "subnet-2"), 0}, // of the primary interface
		"any interface":  {filter("network-interface.subnet-id", "subnet-2"), 1},
		"interface":      {filter("network-interface.network-interface-id", "eni-2"), 1},
		"by address":     {filter("network-interface.addresses.private-ip-address", "10.0.2.11"), 1},
		"group":          {filter("instance.group-id", "sg-web"), 1},
		"network's zone": {filter("availability-zone", "eu-central-1*"), 2},
	} {
		out, err := c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: []types.Filter{test.filter}})
		permit(t, err)
		if len(out.Reservations) != test.want {
			t.Errorf("%s: %d instances, want %d", name, len(out.Reservations), test.want)
		}
	}
}

func TestDescribeNetwork(t *testing.T) {
	t.Parallel()
	_, c := start(t, web, simvpc.Options{})
	vpcs, err := c.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{"vpc-1"}})
	permit(t, err)
	if v := vpcs.Vpcs[0]; *v.CidrBlock != "10.0.0.0/16" || *v.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock != "2001:db8:1::/56" {
		t.Errorf("VPC %+v", v)
	}
	subnets, err := c.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{Filters: []types.Filter{filter("tag:tier", "*")}})
	permit(t, err)
	if s := subnets.Subnets[0]; len(subnets.Subnets) != 1 || *s.SubnetId != "subnet-1" || *s.AvailableIpAddressCount != 247 ||
		*s.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock != "2001:db8:1:1::/64" {
		t.Errorf("subnet %+v", s)
	}
	acls, err := c.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{
		Filters: []types.Filter{filter("association.subnet-id", "subnet-1")},
	})
	permit(t, err)
	var entries []string
	for _, e := range acls.NetworkAcls[0].Entries {
		entries = append(entries, fmt.Sprintf("%d %t %s %s %s%s", *e.RuleNumber, *e.Egress, e.RuleAction, *e.Protocol,
			aws.ToString(e.CidrBlock), aws.ToString(e.Ipv6CidrBlock)))
	}
	want := []string{
		"100 true allow -1 0.0.0.0/0", "32767 true deny -1 0.0.0.0/0", "32768 true deny -1 ::/0",
		"100 false allow -1 0.0.0.0/0", "32767 false deny -1 0.0.0.0/0", "32768 false deny -1 ::/0",
	}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Error(diff)
	}
	acls, err = c.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{
		Filters: []types.Filter{filter("default", "true"), filter("vpc-id", "vpc-1")},
	})
	permit(t, err)
	if a := acls.NetworkAcls[0]; len(acls.NetworkAcls) != 1 || len(a.Entries) != 8 || len(a.Associations) != 1 || *a.Associations[0].SubnetId != "subnet-2" {
		t.Errorf("default ACLs %+v", acls.NetworkAcls)
	}
}

func TestDescribeGroups(t *testing.T) {
	t.Parallel()
	_, c := start(t, web, simvpc.Options{})
	out, err := c.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{filter("vpc-id", "vpc-1"), filter("group-name", "web", "db", "default")},
	})
	permit(t, err)
	var text []string
	for _, g := range out.SecurityGroups {
		text = append(text, *g.GroupId)
		for _, p := range g.IpPermissions {
			line := fmt.Sprint("  in ", *p.IpProtocol, " ", aws.ToInt32(p.FromPort), " ", aws.ToInt32(p.ToPort))
			for _, r := range p.IpRanges {
				line += fmt.Sprint(" ", *r.CidrIp, " ", aws.ToString(r.Description))
			}
			for _, g := range p.UserIdGroupPairs {
				line += fmt.Sprint(" ", *g.GroupId, " of ", *g.UserId)
			}
			text = append(text, line)
		}
	}
	want := []string{
		"sg-db", "  in tcp 5432 5432 sg-web of 111122223333",
		"sg-default-1", "  in -1 0 0 sg-default-1 of 111122223333",
		"sg-web", "  in tcp 22 22 10.0.0.0/8 staff only", "  in tcp 443 443 0.0.0.0/0 ",
	}
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
	rules, err := c.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{
		Filters: []types.Filter{filter("group-id", "sg-web")},
	})
	permit(t, err)
	if len(rules.SecurityGroupRules) != 3 {
		t.Errorf("%d rules, want 3", len(rules.SecurityGroupRules))
	}
	one, err := c.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{
		SecurityGroupRuleIds: []string{*rules.SecurityGroupRules[0].SecurityGroupRuleId},
	})
	permit(t, err)
	if len(one.SecurityGroupRules) != 1 {
		t.Errorf("%d rules by ID, want 1", len(one.SecurityGroupRules))
	}
}

func TestDescribeTypesAndTags(t *testing.T) {
	t.Parallel()
	_, c := start(t, web, simvpc.Options{})
	out, err := c.DescribeInstanceTypes(t.Context(), &ec2.DescribeInstanceTypesInput{
		InstanceTypes: []types.InstanceType{"t2.micro", "m5.large", "m8i.large", "m5.metal"},
	})
	permit(t, err)
	got := map[types.InstanceType]types.InstanceTypeHypervisor{}
	for _, t := range out.InstanceTypes {
		got[t.InstanceType] = t.Hypervisor
	}
	want := map[types.InstanceType]types.InstanceTypeHypervisor{"t2.micro": "xen", "m5.large": "nitro", "m8i.large": "nitro", "m5.metal": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	tags, err := c.DescribeTags(t.Context(), &ec2.DescribeTagsInput{Filters: []types.Filter{filter("resource-type", "security-group")}})
	permit(t, err)
	if len(tags.Tags) != 1 || *tags.Tags[0].ResourceId != "sg-web" || *tags.Tags[0].Value != "blue" {
		t.Errorf("tags %+v", tags.Tags)
	}
	attribute, err := c.DescribeNetworkInterfaceAttribute(t.Context(), &ec2.DescribeNetworkInterfaceAttributeInput{
		NetworkInterfaceId: aws.String("eni-2"), Attribute: types.NetworkInterfaceAttributeGroupSet,
	})
	permit(t, err)
	if len(attribute.Groups) != 2 || *attribute.Groups[0].GroupId != "sg-db" {
		t.Errorf("groups %+v", attribute.Groups)
	}
}

func TestOtherFilters(t *testing.T) {
	t.Parallel()
	_, c := start(t, web, simvpc.Options{})
	for _, test := range []struct {
		filter       types.Filter
		groups, acls int
	}{
		{filter("vpc-id", "vpc-1"), 4, 2},
		{filter("owner-id", "1111*"), 6, 3},
		{filter("tag:team", "blue"), 1, 0},
		{filter("ip-permission.cidr", "10.0.0.0/8"), 1, -1},
		{filter("ip-permission.group-id", "sg-web"), 1, -1},
		{filter("ip-permission.from-port", "22"), 1, -1},
		{filter("ip-permission.protocol", "tcp"), 2, -1},
		{filter("egress.ip-permission.ipv6-cidr", "::/0"), 1, -1},
		{filter("egress.ip-permission.to-port", "*"), 0, -1},
		{filter("entry.rule-number", "101"), -1, 1},
		{filter("entry.ipv6-cidr", "::/0"), -1, 2},
		{filter("entry.cidr", "198.51.100.7/32"), -1, 0},
		{filter("entry.rule-action", "deny"), -1, 3},
		{filter("default", "false"), -1, 1},
	} {
		groups, err := c.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{test.filter}})
		if got := found(err, func() int { return len(groups.SecurityGroups) }); got != test.groups {
			t.Errorf("%s: %d groups, want %d", *test.filter.Name, got, test.groups)
		}
		acls, err := c.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{Filters: []types.Filter{test.filter}})
		if got := found(err, func() int { return len(acls.NetworkAcls) }); got != test.acls {
			t.Errorf("%s: %d ACLs, want %d", *test.filter.Name, got, test.acls)
		}
	}
}

// found is how many were found, -1 when the filter is unknown.
func found(err error, count func() int) int {
	if err != nil {
		return -1
	}
	return count()
}

func TestPages(t *testing.T) {
	t.Parallel()
	_, c := start(t, web, simvpc.Options{PageSize: 2})
	var ids []string
	pages := ec2.NewDescribeNetworkInterfacesPaginator(c, &ec2.DescribeNetworkInterfacesInput{})
	count := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		permit(t, err)
		count++
		for _, n := range page.NetworkInterfaces {
			ids = append(ids, *n.NetworkInterfaceId)
		}
	}
	if diff := cmp.Diff([]string{"eni-1", "eni-2", "eni-3", "eni-ecs", "eni-free", "eni-lb"}, ids); diff != "" || count != 3 {
		t.Errorf("%d pages, %s", count, diff)
	}
	for name, test := range map[string]struct {
		call call
		want string
	}{
		"too small": {func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{MaxResults: aws.Int32(4)}))
		}, "InvalidParameterValue"},
		"with IDs": {func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.DescribeInstances(ctx, &ec2.DescribeInstancesInput{
				MaxResults: aws.Int32(5), InstanceIds: []string{"i-0aaaaaaaaaaaaaaa1"},
			}))
		}, "InvalidParameterCombination"},
		"bad token": {func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{NextToken: aws.String("nonsense")}))
		}, "InvalidPaginationToken"},
	} {
		if got := code(test.call(t.Context(), c)); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
