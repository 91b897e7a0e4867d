package vpc

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/network"
)

// Places are where interfaces are: subnets and VPCs by id.
type placeIDs struct{ subnets, vpcs []string }

// placesIn are the places that targets name.
func placesIn(targets []network.Target) placeIDs {
	var ids placeIDs
	for _, t := range targets {
		ids.subnets, ids.vpcs = append(ids.subnets, t.Subnets...), append(ids.vpcs, t.VPCs...)
	}
	return ids
}

// missing are the places of interfaces that have not been read yet.
func (s *survey) missing() placeIDs {
	var ids placeIDs
	for _, list := range s.interfaces {
		for _, i := range list {
			for _, subnet := range subnetsOf(i) {
				if _, read := s.subnets[subnet]; !read {
					ids.subnets = append(ids.subnets, subnet)
				}
			}
			if _, read := s.vpcs[aws.ToString(i.VpcId)]; !read {
				ids.vpcs = append(ids.vpcs, aws.ToString(i.VpcId))
			}
		}
	}
	return ids
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

// readPlaces reads subnets with their ACLs, and VPCs; nothing of what is not asked for.
func (s *survey) readPlaces(ctx context.Context, ids placeIDs) (places, error) {
	var p places
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		p.subnets, err = filtered(gctx, s.describeSubnets, "subnet-id", ids.subnets)
		return err
	})
	g.Go(func() (err error) {
		p.acls, err = filtered(gctx, s.describeACLs, "association.subnet-id", ids.subnets)
		return err
	})
	g.Go(func() (err error) {
		p.vpcs, err = filtered(gctx, s.describeVPCs, "vpc-id", ids.vpcs)
		return err
	})
	return p, g.Wait()
}

// take adds what a turn has read.
func (s *survey) take(p places) {
	if s.subnets == nil {
		s.subnets, s.acls, s.vpcs = map[string]types.Subnet{}, map[string]types.NetworkAcl{}, map[string]types.Vpc{}
		s.serves = map[string]string{}
	}
	for _, subnet := range p.subnets {
		s.subnets[aws.ToString(subnet.SubnetId)] = subnet
	}
	for _, a := range p.acls {
		s.acls[aws.ToString(a.NetworkAclId)] = a
		for _, as := range a.Associations {
			s.serves[aws.ToString(as.SubnetId)] = aws.ToString(a.NetworkAclId)
		}
	}
	for _, v := range p.vpcs {
		s.vpcs[aws.ToString(v.VpcId)] = v
	}
}

// wanted are the subnets of an instance's interfaces, sorted.
func (s *survey) wanted(instance string) []string {
	ids := map[string]bool{}
	for _, i := range s.interfaces[instance] {
		for _, subnet := range subnetsOf(i) {
			ids[subnet] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}
