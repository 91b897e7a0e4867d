package vpc

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"

	"tourniquet/lambda/network"
	"tourniquet/lambda/order"
)

// network joins what was read of one target with what was seen of it before.
func (s *survey) network(t network.Target) (network.Network, error) {
	n := network.Network{Owners: map[netip.Addr]network.Owner{}, Quarantine: s.groups}
	switch t.Look {
	case network.Owners:
		n = *t.Since
		n.Owners = maps.Clone(t.Since.Owners)
		s.measure(&n)
		s.own(n, t.Peers)
		return n, nil
	case network.Again, network.AgainInterfaces, network.AgainACLs:
		n.Instance, n.Quarantine = s.since(t), t.Since.Quarantine
	case network.Whole, network.Standing, network.Recorded:
		n.Instance = s.instances[t.Instance]
	case network.Drift: // shows nothing of it
	}
	n.Instance.ID = t.Instance
	for _, i := range s.interfacesOf(t) {
		n.Interfaces = append(n.Interfaces, s.completed(fromSDKInterface(i), t))
	}
	order.Sort(n.Interfaces, func(a, b network.Interface) int { return cmp.Compare(a.ID, b.ID) })
	if t.Look == network.AgainACLs {
		n.Interfaces = t.Since.Interfaces
	}
	if t.Look.OfDrift() {
		s.standing(&n, t)
		return n, nil
	}
	if !n.Exists() || n.Bare() {
		n.Missing = append(n.Missing, t.Instance)
	}
	if err := s.place(&n); err != nil {
		return n, err
	}
	s.recorded.add(&n, t)
	s.own(n, t.Peers)
	return n, nil
}

// since is the instance as it was seen, with the tags that it got since if it was read.
func (s *survey) since(t network.Target) network.Instance {
	i := t.Since.Instance
	if now, read := s.instances[t.Instance]; read {
		i.Tags = maps.Clone(i.Tags)
		if i.Tags == nil {
			i.Tags = map[string]string{}
		}
		maps.Copy(i.Tags, now.Tags)
	}
	return i
}

// completed is an interface with what the look before showed of it and this one does not.
func (s *survey) completed(i network.Interface, t network.Target) network.Interface {
	if !s.scarce || t.Since == nil {
		return i
	}
	if before, known := t.Since.Find(i.ID); known {
		i.Originals, i.ManagedBy, i.Associated = before.Originals, before.ManagedBy, before.Associated
	}
	return i
}

// place adds the places of the interfaces.
func (s *survey) place(n *network.Network) error {
	n.Subnets, n.ACLs = map[string]network.Subnet{}, map[string]network.ACL{}
	for _, id := range wanted(n.Interfaces) {
		acl := s.serves[id]
		if acl == "" {
			return fmt.Errorf("describing network ACLs: none is associated with %s", id)
		}
		subnet, known := s.subnets[id]
		if !known {
			return fmt.Errorf("describing subnets: EC2 does not show %s", id)
		}
		subnet.ACL = acl
		n.Subnets[id] = subnet
		n.ACLs[acl] = s.acls[acl]
	}
	s.measure(n)
	return nil
}

// measure adds the ranges of the VPCs, as far as they are known.
func (s *survey) measure(n *network.Network) {
	n.Ranges = map[string][]netip.Prefix{}
	for _, id := range n.VPCs() {
		if ranges, known := s.ranges[id]; known {
			n.Ranges[id] = ranges
		}
	}
}

// standing adds which of the named ACLs stands before which subnet.
func (s *survey) standing(n *network.Network, t network.Target) {
	n.Subnets, n.ACLs, n.Elsewhere = map[string]network.Subnet{}, map[string]network.ACL{}, map[string]network.ACL{}
	for _, id := range wanted(n.Interfaces) {
		n.Subnets[id] = network.Subnet{ID: id}
	}
	for _, id := range t.ACLs {
		a, there := s.recorded.acls[id]
		if !there {
			continue
		}
		n.Elsewhere[id] = fromSDKACL(a)
		for _, as := range a.Associations {
			if subnet, ours := n.Subnets[aws.ToString(as.SubnetId)]; ours {
				subnet.ACL = id
				n.Subnets[subnet.ID], n.ACLs[id] = subnet, n.Elsewhere[id]
			}
		}
		if _, serves := n.ACLs[id]; serves {
			delete(n.Elsewhere, id)
		}
	}
}
