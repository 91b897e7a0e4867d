package world

import (
	"net/netip"
	"slices"
)

// Holder finds the interface that has an address, private or public.
func (w *World) Holder(a netip.Addr) *Interface {
	return Find(w.Interfaces, func(n *Interface) bool {
		return n.Public == a && a.IsValid() || slices.Contains(n.Private, a) || slices.Contains(n.IPv6, a)
	})
}

// SecondaryHolder finds the secondary interface that has an address.
func (w *World) SecondaryHolder(a netip.Addr) *SecondaryInterface {
	return Find(w.Secondary, func(n *SecondaryInterface) bool { return slices.Contains(n.Private, a) })
}

// HolderIn finds the interface in a VPC that has a private address.
func (w *World) HolderIn(vpc string, a netip.Addr) *Interface {
	return Find(w.Interfaces, func(n *Interface) bool {
		s := w.Subnet(n.Subnet)
		return s != nil && s.VPC == vpc && slices.Contains(n.addresses(), a)
	})
}

// PrivateOf is the private address behind a public one; any other stays as it is.
func (w *World) PrivateOf(a netip.Addr) netip.Addr {
	if n := w.Holder(a); n != nil && n.Public == a {
		return n.primary()
	}
	return a
}

// addresses are all private addresses of the interface.
func (n *Interface) addresses() []netip.Addr {
	return append(append([]netip.Addr(nil), n.Private...), n.IPv6...)
}

// primary is the address the public one belongs to.
func (n *Interface) primary() netip.Addr {
	if len(n.Private) > 0 {
		return n.Private[0]
	}
	if len(n.IPv6) > 0 {
		return n.IPv6[0]
	}
	return netip.Addr{}
}

// FreeAddress is the lowest address of a subnet, of one family, that nobody holds and
// that is not among others; EC2 keeps the first four and the last. It is not valid
// when there is none
// (https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html).
func (w *World) FreeAddress(s *Subnet, six bool, others ...netip.Addr) netip.Addr {
	taken := map[netip.Addr]bool{}
	for _, a := range others {
		taken[a] = true
	}
	for _, n := range w.Interfaces {
		if w.Subnet(n.Subnet) != nil && w.Subnet(n.Subnet).VPC == s.VPC {
			for _, a := range n.addresses() {
				taken[a] = true
			}
		}
	}
	for _, cidr := range s.CIDRs {
		if cidr.Addr().Is6() != six {
			continue
		}
		a := cidr.Addr()
		for range 4 {
			a = a.Next()
		}
		for ; cidr.Contains(a.Next()); a = a.Next() {
			if !taken[a] {
				return a
			}
		}
	}
	return netip.Addr{}
}

// Families splits CIDRs into IPv4 and IPv6 ones.
func Families(cidrs []netip.Prefix) (v4, v6 []netip.Prefix) {
	for _, p := range cidrs {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	return v4, v6
}

// Within reports whether a CIDR lies in one of others.
func Within(cidr netip.Prefix, outer []netip.Prefix) bool {
	for _, o := range outer {
		if o.Bits() <= cidr.Bits() && o.Contains(cidr.Addr()) {
			return true
		}
	}
	return false
}

// Remove deletes an interface, with its flows and its flow logs.
func (w *World) Remove(n *Interface) {
	w.Forget(n)
	w.FlowLogs = slices.DeleteFunc(w.FlowLogs, func(f *FlowLog) bool { return f.Resource == n.ID })
	w.Interfaces = slices.DeleteFunc(w.Interfaces, func(other *Interface) bool { return other == n })
}

// Forget ends the flows at an interface: the sockets behind it are gone.
func (w *World) Forget(n *Interface) {
	w.Flows = slices.DeleteFunc(w.Flows, func(f *Flow) bool {
		return w.Holder(f.From.Addr()) == n || w.Holder(f.To.Addr()) == n
	})
}
