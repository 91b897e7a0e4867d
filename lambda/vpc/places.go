package vpc

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
)

// A search is what to read of places: the ACLs of some subnets, and what is not
// remembered of subnets and VPCs.
type search struct {
	acls          []string // by the subnets that they serve
	subnets, vpcs []string // by id
	subnetsIn     []string // all of some VPCs
}

// named are the places that the targets name.
func (s *survey) named() search {
	var f search
	for _, t := range s.with(network.Owners) {
		f.vpcs = append(f.vpcs, s.unknownRanges(t, t.VPCs...)...)
	}
	for _, t := range s.with(network.Whole, network.Again, network.AgainACLs, network.Recorded) {
		f.acls = append(f.acls, t.Subnets...)
		f.subnets = append(f.subnets, recall(&s.memory.subnets, s.subnets, t.Subnets...)...)
		f.vpcs = append(f.vpcs, s.unknownRanges(t, t.VPCs...)...)
		if len(f.subnets) > 0 && s.scarce {
			f.subnetsIn = append(f.subnetsIn, t.VPCs...)
		}
	}
	if len(f.subnetsIn) > 0 { // one read for this incident and the next ones
		f.subnets = nil
	}
	return f
}

// unnamed are the places of interfaces that have not been read yet.
func (s *survey) unnamed() search {
	var f search
	for _, t := range s.with(network.Whole, network.Again, network.AgainInterfaces, network.Recorded) {
		for _, i := range s.interfacesOf(t) {
			for _, subnet := range subnetsOf(i) {
				if s.serves[subnet] == "" {
					f.acls = append(f.acls, subnet)
				}
				f.subnets = append(f.subnets, recall(&s.memory.subnets, s.subnets, subnet)...)
			}
			f.vpcs = append(f.vpcs, s.unknownRanges(t, aws.ToString(i.VpcId))...)
		}
	}
	return f
}

// unknownRanges recalls the ranges of VPCs, and returns those to read for a target.
func (s *survey) unknownRanges(t network.Target, vpcs ...string) []string {
	unknown := recall(&s.memory.ranges, s.ranges, vpcs...)
	if t.SkipRanges {
		return nil
	}
	return unknown
}

// recall adds to what is read what is remembered of some ids, and returns the others.
func recall[V any](c *cache[string, V], read map[string]V, ids ...string) (unknown []string) {
	for _, id := range ids {
		if _, there := read[id]; there {
			continue
		}
		if value, kept := c.get(id); kept {
			read[id] = value
			continue
		}
		unknown = append(unknown, id)
	}
	return unknown
}

// subnetsOf are the subnets of an interface: that in which it was made, and those
// that it was associated with since.
func subnetsOf(i types.NetworkInterface) []string {
	all := append([]string{aws.ToString(i.SubnetId)}, i.AssociatedSubnets...)
	slices.Sort(all)
	return slices.Compact(all)
}

// places are what one turn has read of some places.
type places struct {
	subnets []types.Subnet
	acls    []types.NetworkAcl
	vpcs    []types.Vpc
}

// readPlaces reads what is searched for, and nothing of what is not.
func (s *survey) readPlaces(ctx context.Context, f search) (places, error) {
	var p places
	g, gctx := parallel.WithContext(ctx)
	g.Go(func() error {
		some, err := filtered(gctx, s.describeSubnets, "subnet-id", f.subnets)
		if err != nil {
			return err
		}
		all, err := filtered(gctx, s.describeSubnets, "vpc-id", f.subnetsIn)
		p.subnets = slices.Concat(some, all)
		return err
	})
	g.Go(func() (err error) {
		p.acls, err = filtered(gctx, s.describeACLs, "association.subnet-id", f.acls)
		return err
	})
	g.Go(func() (err error) {
		p.vpcs, err = filtered(gctx, s.describeVPCs, "vpc-id", f.vpcs)
		return err
	})
	return p, g.Wait()
}

// take adds what a turn has read, and remembers it.
func (s *survey) take(p places) {
	for _, sdk := range p.subnets {
		subnet := fromSDKSubnet(sdk)
		s.subnets[subnet.ID] = subnet
		s.memory.subnets.put(subnet.ID, subnet)
	}
	for _, v := range p.vpcs {
		id := aws.ToString(v.VpcId)
		s.ranges[id] = fromSDKRanges(v)
		s.memory.ranges.put(id, s.ranges[id])
	}
	for _, a := range p.acls {
		s.serve(a)
	}
}

func (s *survey) serve(a types.NetworkAcl) {
	s.acls[aws.ToString(a.NetworkAclId)] = fromSDKACL(a)
	for _, as := range a.Associations {
		s.serves[aws.ToString(as.SubnetId)] = aws.ToString(a.NetworkAclId)
	}
}

// interfacesOf are the interfaces of a target's instance, as far as they were read.
func (s *survey) interfacesOf(t network.Target) []types.NetworkInterface {
	if t.Look == network.Recorded || s.scarce && (t.Look == network.Again || t.Look == network.AgainInterfaces) {
		return s.shown[t.Instance]
	}
	return s.interfaces[t.Instance]
}

// wanted are the subnets of interfaces, sorted.
func wanted(interfaces []network.Interface) []string {
	ids := map[string]bool{}
	for _, i := range interfaces {
		ids[i.Subnet] = true
		for _, subnet := range i.Associated {
			ids[subnet] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}
