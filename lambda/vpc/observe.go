package vpc

import (
	"context"
	"maps"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/network"
)

// Observe reads an instance and all that decides its traffic, side by side; see
// containment.EC2. Interfaces in other subnets than the target says cost a second
// turn.
func (c *Client) Observe(ctx context.Context, t network.Target) (network.Network, error) {
	s, err := c.survey(ctx, []network.Target{t})
	if err != nil {
		return network.Network{}, err
	}
	return s.network(t)
}

// A survey collects what decides the traffic of some instances. Each read of a turn
// has fields of its own, so that the reads need no lock.
type survey struct {
	*Client
	targets []network.Target

	instances  map[string]network.Instance
	interfaces interfacesByInstance
	vpcs       map[string]types.Vpc
	subnets    map[string]types.Subnet
	acls       map[string]types.NetworkAcl // those that serve the subnets
	serves     map[string]string           // the ACL of each subnet
	groups     map[string][]network.Quarantined
	owners     map[netip.Addr][]types.NetworkInterface
	recorded   recorded
}

// survey reads in two turns. The second one is for the places of interfaces that no
// target has named.
func (c *Client) survey(ctx context.Context, targets []network.Target) (*survey, error) {
	s := &survey{Client: c, targets: targets}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.readInstances(gctx) })
	g.Go(func() (err error) { s.interfaces, err = s.readInterfaces(gctx, s.instanceIDs()); return err })
	g.Go(func() (err error) { s.groups, err = s.quarantineGroups(gctx); return err })
	g.Go(func() error { return s.readOwners(gctx) })
	g.Go(func() (err error) { s.recorded, err = s.readRecorded(gctx, namesIn(targets)); return err })
	named := placesIn(targets)
	var first, second places
	g.Go(func() (err error) { first, err = s.readPlaces(gctx, named); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	s.take(first)
	second, err := s.readPlaces(ctx, s.missing())
	if err != nil {
		return nil, err
	}
	s.take(second)
	return s, nil
}

func (s *survey) instanceIDs() []string {
	var ids []string
	for _, t := range s.targets {
		ids = append(ids, t.Instance)
	}
	return ids
}

func (s *survey) readInstances(ctx context.Context) error {
	found, err := filtered(ctx, s.describeInstances, "instance-id", s.instanceIDs())
	if err != nil {
		return err
	}
	s.instances = map[string]network.Instance{}
	s.note(found)
	return nil
}

func (s *survey) note(found []types.Reservation) {
	for _, r := range found {
		for _, i := range r.Instances {
			s.instances[aws.ToString(i.InstanceId)] = fromSDKInstance(i, aws.ToString(r.OwnerId))
		}
	}
}

// interfacesByInstance are the instances' interfaces, those of their pods included.
type interfacesByInstance map[string][]types.NetworkInterface

// readInterfaces reads the instances' interfaces, and where one is a trunk those of
// the pods behind it.
func (c *Client) readInterfaces(ctx context.Context, instances []string) (interfacesByInstance, error) {
	attached, err := filtered(ctx, c.describeInterfaces, "attachment.instance-id", instances)
	if err != nil {
		return nil, err
	}
	all := interfacesByInstance{}
	trunks := map[string]string{} // the instance of each
	for _, i := range attached {
		if i.Attachment == nil {
			continue
		}
		instance := aws.ToString(i.Attachment.InstanceId)
		all[instance] = append(all[instance], i)
		if i.InterfaceType == types.NetworkInterfaceTypeTrunk {
			trunks[aws.ToString(i.NetworkInterfaceId)] = instance
		}
	}
	branches, err := filtered(ctx, c.describeInterfaces, "tag:"+trunkTag, slices.Collect(maps.Keys(trunks)), filter("interface-type", "branch"))
	if err != nil {
		return nil, err
	}
	for _, i := range branches {
		instance := trunks[fromSDKTags(i.TagSet)[trunkTag]]
		all[instance] = append(all[instance], i)
	}
	return all, nil
}

// trunkTag names the trunk interface of a pod's branch interface. A branch is
// attached to nothing that EC2 shows, and has groups of its own: the node's groups
// don't hold for it. Anybody who may tag interfaces can set the tag, but not make an
// ordinary interface a branch.
// https://docs.aws.amazon.com/eks/latest/userguide/security-groups-for-pods.html
// https://github.com/aws/amazon-vpc-resource-controller-k8s
const trunkTag = "vpcresources.k8s.aws/trunk-eni-id"

// quarantineGroups are the groups with our tag, by VPC. All are read: there is one
// a VPC, and a finding may be wrong about the VPC.
func (c *Client) quarantineGroups(ctx context.Context) (map[string][]network.Quarantined, error) {
	found, err := c.describeGroups(ctx, filter("tag:"+network.RoleTag, network.RoleValue))
	if err != nil {
		return nil, err
	}
	groups := map[string][]network.Quarantined{}
	for _, g := range found {
		vpc := aws.ToString(g.VpcId)
		groups[vpc] = append(groups[vpc], fromSDKQuarantined(g))
	}
	for _, list := range groups {
		network.SortQuarantined(list)
	}
	return groups, nil
}
