package vpc

import (
	"context"
	"maps"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
)

// Observe reads an instance and what decides its traffic, side by side; see
// containment.EC2. Interfaces in other subnets than the target says cost a second
// turn.
func (c *Client) Observe(ctx context.Context, t network.Target) (network.Network, error) {
	s, err := c.survey(ctx, []network.Target{t})
	if err != nil {
		return network.Network{}, err
	}
	return s.network(t)
}

// Survey reads what decides the traffic of many instances, in as few calls as it takes
// for one of them where there are few; see containment.Fleet.
func (c *Client) Survey(ctx context.Context, targets []network.Target) (map[string]network.Network, error) {
	s, err := c.survey(ctx, targets)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]network.Network, len(targets))
	for _, t := range targets {
		if n, err := s.network(t); err == nil {
			seen[t.Instance] = n
		}
	}
	return seen, nil
}

// A survey collects what decides the traffic of some instances. Each read of a turn
// has fields of its own, so that the reads need no lock.
type survey struct {
	*Client
	targets []network.Target
	scarce  bool // EC2 throttled when the survey began

	instances  map[string]network.Instance
	interfaces interfacesByInstance
	shown      interfacesByInstance      // as the instances show them
	subnets    map[string]network.Subnet // without their ACLs
	ranges     map[string][]netip.Prefix // of VPCs
	acls       map[string]network.ACL
	serves     map[string]string // the ACL of each subnet
	groups     map[string][]network.Quarantined
	owners     map[netip.Addr][]types.NetworkInterface
	recorded   recorded
}

// survey reads in two turns. The second one is for the places of interfaces that no
// target has named.
func (c *Client) survey(ctx context.Context, targets []network.Target) (*survey, error) {
	s := &survey{
		Client: c, targets: targets, scarce: c.Scarce(), shown: interfacesByInstance{}, subnets: map[string]network.Subnet{}, ranges: map[string][]netip.Prefix{},
		acls: map[string]network.ACL{}, serves: map[string]string{},
	}
	s.recallSince()
	g, gctx := parallel.WithContext(ctx)
	byInstance, byInterface := s.split()
	g.Go(func() error { return s.readInstances(gctx, byInstance) })
	g.Go(func() error { return s.readInterfaces(gctx, byInterface) })
	g.Go(func() error { return s.readGroups(gctx) })
	g.Go(func() error { return s.readOwners(gctx) })
	g.Go(func() (err error) { s.recorded, err = s.readRecorded(gctx, namesIn(targets)); return err })
	var first places
	g.Go(func() (err error) { first, err = s.readPlaces(gctx, s.named()); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if err := s.readHidden(ctx); err != nil {
		return nil, err
	}
	s.take(first)
	second, err := s.readPlaces(ctx, s.unnamed())
	if err != nil {
		return nil, err
	}
	s.take(second)
	return s, nil
}

// split says for which targets to read instances, and for which interfaces. The second
// look at an instance's groups can go by either: while EC2 throttles, it goes by the one
// that fewer others go by.
func (s *survey) split() (byInstance, byInterface []network.Target) {
	byInstance = s.with(network.Whole, network.Standing, network.Recorded)
	byInterface = s.with(network.Whole, network.Drift, network.Standing)
	again := s.with(network.Again, network.AgainInterfaces)
	if s.scarce {
		return append(byInstance, again...), byInterface
	}
	return byInstance, append(byInterface, again...)
}

// readHidden reads the interfaces of instances that do not show one which they had at the
// look before: a pod's interface is in no description of an instance.
func (s *survey) readHidden(ctx context.Context) error {
	hidden := slices.DeleteFunc(s.with(network.Again, network.AgainInterfaces), func(t network.Target) bool {
		return !s.scarce || !slices.ContainsFunc(t.Since.Interfaces, func(i network.Interface) bool {
			return !slices.ContainsFunc(s.shown[t.Instance], func(n types.NetworkInterface) bool { return aws.ToString(n.NetworkInterfaceId) == i.ID })
		})
	})
	if len(hidden) == 0 {
		return nil
	}
	if err := s.readInterfaces(ctx, hidden); err != nil {
		return err
	}
	for _, t := range hidden {
		s.shown[t.Instance] = s.interfaces[t.Instance]
	}
	return nil
}

// recallSince takes over the ranges of VPCs that were seen, and which ACLs were seen to
// stand before which subnets.
func (s *survey) recallSince() {
	for _, t := range s.targets {
		if t.Since != nil {
			maps.Copy(s.ranges, t.Since.Ranges)
		}
	}
	for _, t := range s.with(network.AgainInterfaces) {
		maps.Copy(s.acls, t.Since.ACLs)
		for id, subnet := range t.Since.Subnets {
			s.serves[id] = subnet.ACL
		}
	}
}

// with are the targets to look at in one of some ways.
func (s *survey) with(looks ...network.Look) []network.Target {
	return slices.DeleteFunc(slices.Clone(s.targets), func(t network.Target) bool { return !slices.Contains(looks, t.Look) })
}

func instanceIDs(targets []network.Target) []string {
	var ids []string
	for _, t := range targets {
		ids = append(ids, t.Instance)
	}
	return ids
}

func (s *survey) readInstances(ctx context.Context, targets []network.Target) error {
	found, err := filtered(ctx, s.describeInstances, "instance-id", instanceIDs(targets))
	if err != nil {
		return err
	}
	s.instances = map[string]network.Instance{}
	for _, r := range found {
		for _, i := range r.Instances {
			id := aws.ToString(i.InstanceId)
			s.instances[id] = fromSDKInstance(i, aws.ToString(r.OwnerId))
			s.shown[id] = fromSDKShown(i)
		}
	}
	return nil
}

// interfacesByInstance are the instances' interfaces, those of their pods included.
type interfacesByInstance map[string][]types.NetworkInterface

// readInterfaces reads the instances' interfaces, and where one is a trunk those of
// the pods behind it.
func (s *survey) readInterfaces(ctx context.Context, targets []network.Target) error {
	attached, err := filtered(ctx, s.describeInterfaces, "attachment.instance-id", instanceIDs(targets))
	if err != nil {
		return err
	}
	s.interfaces = interfacesByInstance{}
	trunks := map[string]string{} // the instance of each
	for _, i := range attached {
		if i.Attachment == nil {
			continue
		}
		instance := aws.ToString(i.Attachment.InstanceId)
		s.interfaces[instance] = append(s.interfaces[instance], i)
		if i.InterfaceType == types.NetworkInterfaceTypeTrunk {
			trunks[aws.ToString(i.NetworkInterfaceId)] = instance
		}
	}
	branches, err := filtered(ctx, s.describeInterfaces, "tag:"+trunkTag, slices.Collect(maps.Keys(trunks)), filter("interface-type", "branch"))
	if err != nil {
		return err
	}
	for _, i := range branches {
		instance := trunks[fromSDKTags(i.TagSet)[trunkTag]]
		s.interfaces[instance] = append(s.interfaces[instance], i)
	}
	return nil
}

// trunkTag names the trunk interface of a pod's branch interface. A branch is
// attached to nothing that EC2 shows, and has groups of its own: the node's groups
// don't hold for it. Anybody who may tag interfaces can set the tag, but not make an
// ordinary interface a branch.
// https://docs.aws.amazon.com/eks/latest/userguide/security-groups-for-pods.html
// https://github.com/aws/amazon-vpc-resource-controller-k8s
const trunkTag = "vpcresources.k8s.aws/trunk-eni-id"

// readGroups reads the quarantine groups of all VPCs: a finding may be wrong about the VPC.
// While EC2 throttles, those of an instance whose swap is on record may be moments old.
func (s *survey) readGroups(ctx context.Context) (err error) {
	if len(s.with(network.Whole, network.Drift, network.Standing)) == 0 {
		if len(s.with(network.Recorded)) == 0 {
			return nil
		}
		if groups, kept := s.memory.groups.get(network.RoleTag); kept {
			s.groups = groups
			return nil
		}
	}
	s.groups, err = s.quarantineGroups(ctx)
	return err
}

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
	c.memory.groups.put(network.RoleTag, groups)
	return groups, nil
}
