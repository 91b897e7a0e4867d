package vpc

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"tourniquet/lambda/network"
)

// network joins what was read of one target.
func (s *survey) network(t network.Target) (network.Network, error) {
	n := network.Network{
		Instance: s.instances[t.Instance], Ranges: map[string][]netip.Prefix{}, Subnets: map[string]network.Subnet{}, ACLs: map[string]network.ACL{},
		Owners: map[netip.Addr]network.Owner{}, Quarantine: s.groups,
	}
	n.Instance.ID = t.Instance
	for _, i := range s.interfaces[t.Instance] {
		n.Interfaces = append(n.Interfaces, fromSDKInterface(i))
	}
	slices.SortFunc(n.Interfaces, func(a, b network.Interface) int { return cmp.Compare(a.ID, b.ID) })
	if !n.Exists() || n.Bare() {
		n.Missing = append(n.Missing, t.Instance)
	}
	for _, id := range s.wanted(t.Instance) {
		acl := s.serves[id]
		if acl == "" {
			return n, fmt.Errorf("describing network ACLs: none is associated with %s", id)
		}
		subnet, read := s.subnets[id]
		if !read {
			return n, fmt.Errorf("describing subnets: EC2 does not show %s", id)
		}
		n.Subnets[id] = fromSDKSubnet(subnet, acl)
		n.ACLs[acl] = fromSDKACL(s.acls[acl])
	}
	for _, id := range n.VPCs() {
		if v, read := s.vpcs[id]; read {
			n.Ranges[id] = fromSDKRanges(v)
		}
	}
	s.recorded.add(&n, t)
	s.own(n, t.Peers)
	return n, nil
}
