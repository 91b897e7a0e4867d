package vpc

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/network"
)

// Observe reads the instance and all that decides its traffic, side by side; see
// containment.EC2. Interfaces in other subnets than the target says cost a second
// turn.
func (c *Client) Observe(ctx context.Context, t network.Target) (network.Network, error) {
	o := observation{Client: c, target: t, instance: network.Instance{ID: t.Instance}}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return o.readInstance(gctx) })
	g.Go(func() error { return o.readInterfaces(gctx) })
	g.Go(func() error { return o.readGroups(gctx) })
	o.readOwners(gctx, g)
	o.readPlaces(gctx, g, t.Subnets, t.VPCs)
	o.readRecorded(gctx, g)
	if err := g.Wait(); err != nil {
		return network.Network{}, err
	}
	g, gctx = errgroup.WithContext(ctx)
	o.readPlaces(gctx, g, o.missingSubnets(), o.missingVPCs())
	if err := g.Wait(); err != nil {
		return network.Network{}, err
	}
	return o.network()
}

// readPlaces reads subnets with their ACLs, and VPCs; nothing of what is not asked for.
func (o *observation) readPlaces(ctx context.Context, g *errgroup.Group, subnets, vpcs []string) {
	if len(subnets) > 0 {
		g.Go(func() error { return o.readSubnets(ctx, subnets) })
		g.Go(func() error { return o.readACLs(ctx, subnets) })
	}
	if len(vpcs) > 0 {
		g.Go(func() error { return o.readVPCs(ctx, vpcs) })
	}
}

// An observation collects what the calls of one Observe find. Each call has fields
// of its own.
type observation struct {
	*Client
	target network.Target

	instance   network.Instance
	interfaces []types.NetworkInterface
	vpcs       []types.Vpc
	subnets    []types.Subnet
	acls       []types.NetworkAcl
	groups     map[string][]network.Quarantined
	owners     [][]types.NetworkInterface // one list per call
	recorded   recorded
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

// readInstance asks with a filter: that makes a missing instance an empty answer
// instead of an error.
func (o *observation) readInstance(ctx context.Context) error {
	out, err := o.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{
		Filters: []types.Filter{filter("instance-id", o.target.Instance)},
	})
	if err != nil {
		return fmt.Errorf("describing the instance: %w", err)
	}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			o.instance = fromSDKInstance(i, aws.ToString(r.OwnerId))
		}
	}
	return nil
}

func fromSDKInstance(i types.Instance, owner string) network.Instance {
	instance := network.Instance{
		ID: aws.ToString(i.InstanceId), Account: owner, Type: string(i.InstanceType), Tags: fromSDKTags(i.Tags),
	}
	if i.State != nil {
		instance.State = string(i.State.Name)
	}
	served := i.MetadataOptions == nil || i.MetadataOptions.HttpEndpoint != types.InstanceMetadataEndpointStateDisabled
	if i.IamInstanceProfile != nil && served {
		instance.Profile = aws.ToString(i.IamInstanceProfile.Arn)
	}
	return instance
}

// readInterfaces reads the instance's interfaces, and where one is a trunk those of
// the pods behind it.
func (o *observation) readInterfaces(ctx context.Context) (err error) {
	o.interfaces, err = o.describeInterfaces(ctx, filter("attachment.instance-id", o.target.Instance))
	if err != nil {
		return fmt.Errorf("describing the network interfaces: %w", err)
	}
	var trunks []string
	for _, i := range o.interfaces {
		if i.InterfaceType == types.NetworkInterfaceTypeTrunk {
			trunks = append(trunks, aws.ToString(i.NetworkInterfaceId))
		}
	}
	if len(trunks) == 0 {
		return nil
	}
	branches, err := o.describeInterfaces(ctx, filter("tag:"+trunkTag, trunks...), filter("interface-type", "branch"))
	if err != nil {
		return fmt.Errorf("describing the pods' network interfaces: %w", err)
	}
	o.interfaces = append(o.interfaces, branches...)
	return nil
}

// trunkTag names the trunk interface of a pod's branch interface. A branch is
// attached to nothing that EC2 shows, and has groups of its own: the node's groups
// don't hold for it. Anybody who may tag interfaces can set the tag, but not make an
// ordinary interface a branch.
// https://docs.aws.amazon.com/eks/latest/userguide/security-groups-for-pods.html
// https://github.com/aws/amazon-vpc-resource-controller-k8s
const trunkTag = "vpcresources.k8s.aws/trunk-eni-id"

func (c *Client) describeInterfaces(ctx context.Context, filters ...types.Filter) ([]types.NetworkInterface, error) {
	var all []types.NetworkInterface
	pages := ec2.NewDescribeNetworkInterfacesPaginator(c.ec2, &ec2.DescribeNetworkInterfacesInput{Filters: filters})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, out.NetworkInterfaces...)
	}
	return all, nil
}

func (o *observation) readSubnets(ctx context.Context, ids []string) error {
	o.subnets = nil
	pages := ec2.NewDescribeSubnetsPaginator(o.ec2, &ec2.DescribeSubnetsInput{
		Filters: []types.Filter{filter("subnet-id", ids...)},
	})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("describing the subnets: %w", err)
		}
		o.subnets = append(o.subnets, out.Subnets...)
	}
	return nil
}

func (o *observation) readVPCs(ctx context.Context, ids []string) (err error) {
	o.vpcs, err = o.describeVPCs(ctx, filter("vpc-id", ids...))
	return err
}

func (c *Client) describeVPCs(ctx context.Context, filters ...types.Filter) ([]types.Vpc, error) {
	var all []types.Vpc
	pages := ec2.NewDescribeVpcsPaginator(c.ec2, &ec2.DescribeVpcsInput{Filters: filters})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing the VPCs: %w", err)
		}
		all = append(all, out.Vpcs...)
	}
	return all, nil
}

func (o *observation) readACLs(ctx context.Context, subnets []string) (err error) {
	o.acls, err = o.describeACLs(ctx, filter("association.subnet-id", subnets...))
	return err
}

func (c *Client) describeACLs(ctx context.Context, filters ...types.Filter) ([]types.NetworkAcl, error) {
	var all []types.NetworkAcl
	pages := ec2.NewDescribeNetworkAclsPaginator(c.ec2, &ec2.DescribeNetworkAclsInput{Filters: filters})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing the network ACLs: %w", err)
		}
		all = append(all, out.NetworkAcls...)
	}
	return all, nil
}

// readGroups finds the quarantine groups of all VPCs by their tag: there is one a
// VPC, and a finding may be wrong about the VPC.
func (o *observation) readGroups(ctx context.Context) (err error) {
	o.groups, err = o.quarantineGroups(ctx)
	return err
}

// maxFilterValues is how many values one filter takes.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Filter.html
const maxFilterValues = 200

// readOwners asks which interfaces of this account have the peers' addresses.
// Filters on different fields can't be joined in one call.
func (o *observation) readOwners(ctx context.Context, g *errgroup.Group) {
	byFilter := map[string][]string{}
	for _, a := range o.target.Peers {
		for _, name := range addressFilters(a) {
			byFilter[name] = append(byFilter[name], a.String())
		}
	}
	var asks []types.Filter
	for _, name := range slices.Sorted(maps.Keys(byFilter)) {
		for values := range slices.Chunk(byFilter[name], maxFilterValues) {
			asks = append(asks, filter(name, values...))
		}
	}
	o.owners = make([][]types.NetworkInterface, len(asks))
	for i, f := range asks {
		g.Go(func() (err error) {
			if o.owners[i], err = o.describeInterfaces(ctx, f); err != nil {
				return fmt.Errorf("describing the owners of the peers: %w", err)
			}
			return nil
		})
	}
}

// addressFilters are the filters under which an address may be found. A VPC may
// use public ranges inside, so a public address is looked for on both sides.
func addressFilters(a netip.Addr) []string {
	switch {
	case a.Is6():
		return []string{"ipv6-addresses.ipv6-address"}
	case a.IsPrivate():
		return []string{"addresses.private-ip-address"}
	default:
		return []string{"addresses.private-ip-address", "association.public-ip"}
	}
}

// subnetIDs are the subnets that the interfaces really are in.
func (o *observation) subnetIDs() []string {
	var ids []string
	for _, i := range o.interfaces {
		ids = append(ids, aws.ToString(i.SubnetId))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// missingSubnets are all subnets of the interfaces, unless they have been read.
func (o *observation) missingSubnets() []string {
	var read []string
	for _, s := range o.subnets {
		read = append(read, aws.ToString(s.SubnetId))
	}
	return unlessRead(o.subnetIDs(), read)
}

// missingVPCs are all VPCs of the interfaces, unless they have been read.
func (o *observation) missingVPCs() []string {
	var ids, read []string
	for _, i := range o.interfaces {
		ids = append(ids, aws.ToString(i.VpcId))
	}
	for _, v := range o.vpcs {
		read = append(read, aws.ToString(v.VpcId))
	}
	slices.Sort(ids)
	return unlessRead(slices.Compact(ids), read)
}

func unlessRead(ids, read []string) []string {
	if slices.ContainsFunc(ids, func(id string) bool { return !slices.Contains(read, id) }) {
		return ids
	}
	return nil
}

// network joins what was read.
func (o *observation) network() (network.Network, error) {
	n := network.Network{
		Instance: o.instance, Ranges: map[string][]netip.Prefix{}, Subnets: map[string]network.Subnet{}, ACLs: map[string]network.ACL{},
		Owners: map[netip.Addr]network.Owner{}, Quarantine: o.groups,
	}
	for _, i := range o.interfaces {
		n.Interfaces = append(n.Interfaces, fromSDKInterface(i))
	}
	slices.SortFunc(n.Interfaces, func(a, b network.Interface) int { return cmp.Compare(a.ID, b.ID) })
	wanted := o.subnetIDs()
	for _, s := range o.subnets {
		if id := aws.ToString(s.SubnetId); slices.Contains(wanted, id) {
			n.Subnets[id] = fromSDKSubnet(s)
		}
	}
	vpcs := n.VPCs()
	for _, v := range o.vpcs {
		if id := aws.ToString(v.VpcId); slices.Contains(vpcs, id) {
			n.Ranges[id] = fromSDKRanges(v)
		}
	}
	for _, a := range o.acls {
		o.serve(n, a)
	}
	o.recorded.add(&n)
	for _, id := range wanted {
		if n.Subnets[id].ACL == "" {
			return n, fmt.Errorf("describing the network ACLs: none is associated with %s", id)
		}
	}
	o.own(n)
	return n, nil
}

// serve adds an ACL and notes it at the subnets that it serves.
func (o *observation) serve(n network.Network, a types.NetworkAcl) {
	id := aws.ToString(a.NetworkAclId)
	for _, as := range a.Associations {
		subnet, ours := n.Subnets[aws.ToString(as.SubnetId)]
		if !ours {
			continue
		}
		subnet.ACL = id
		n.Subnets[subnet.ID] = subnet
		n.ACLs[id] = fromSDKACL(a)
	}
}

// own notes who has the peers' addresses. Where VPCs with the same range have an
// address each, the one in a VPC of the instance is meant.
func (o *observation) own(n network.Network) {
	vpcs := n.VPCs()
	here := map[netip.Addr]bool{}
	for _, list := range o.owners {
		for _, i := range list {
			owner := fromSDKOwner(i)
			if n.Contains(owner.Interface) { // a pod's interface shows no instance
				owner.Instance = n.Instance.ID
			}
			near := slices.Contains(vpcs, aws.ToString(i.VpcId))
			for _, a := range addresses(i, true) {
				if _, known := n.Owners[a]; slices.Contains(o.target.Peers, a) && (!known || near && !here[a]) {
					n.Owners[a], here[a] = owner, near
				}
			}
		}
	}
}
