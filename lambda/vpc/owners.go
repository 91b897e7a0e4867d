package vpc

import (
	"context"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
)

// readOwners asks which interfaces of this account have the peers' addresses, except
// for addresses that were asked for moments ago. Filters on different fields can't be
// joined in one call.
func (s *survey) readOwners(ctx context.Context) error {
	asked := s.unknownOwners()
	byFilter := map[string][]string{}
	for a := range asked {
		for _, name := range addressFilters(a) {
			byFilter[name] = append(byFilter[name], a.String())
		}
	}
	found := make(chan []types.NetworkInterface, len(byFilter))
	g, gctx := parallel.WithContext(ctx)
	for name, values := range byFilter {
		g.Go(func() error {
			interfaces, err := filtered(gctx, s.describeInterfaces, name, values)
			found <- interfaces
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for range byFilter {
		for _, i := range <-found {
			for _, a := range addresses(i, true) {
				if asked[a] {
					s.owners[a] = append(s.owners[a], i)
				}
			}
		}
	}
	for a := range asked {
		s.memory.owners.put(a, s.owners[a])
	}
	return nil
}

// unknownOwners are the peers' addresses whose owners are not remembered. It takes over
// those that are.
func (s *survey) unknownOwners() map[netip.Addr]bool {
	s.owners = map[netip.Addr][]types.NetworkInterface{}
	unknown := map[netip.Addr]bool{}
	for _, t := range s.targets {
		for _, a := range t.Peers {
			if have, known := s.memory.owners.get(a); known {
				s.owners[a] = have
			} else {
				unknown[a] = true
			}
		}
	}
	return unknown
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

// own notes who has the peers' addresses. Where VPCs with the same range have an
// address each, the one in a VPC of the instance is meant.
func (s *survey) own(n network.Network, peers []netip.Addr) {
	vpcs := n.VPCs()
	near := func(i types.NetworkInterface) bool { return slices.Contains(vpcs, aws.ToString(i.VpcId)) }
	for _, a := range peers {
		have := s.owners[a]
		if len(have) == 0 {
			continue
		}
		one := have[max(slices.IndexFunc(have, near), 0)]
		owner := fromSDKOwner(one)
		if n.Contains(owner.Interface) { // a pod's interface shows no instance
			owner.Instance = n.Instance.ID
		}
		n.Owners[a] = owner
	}
}
