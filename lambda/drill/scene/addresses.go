package scene

import (
	"net/netip"
	"slices"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/simvpc/world"
)

// place gives subnets and VPCs ranges that hold the addresses of their interfaces,
// and interfaces that have no address left one.
func (b *builder) place() {
	for _, n := range b.nics {
		n.Private = b.claim(n, n.Private, "private address")
		n.IPv6 = b.claim(n, n.IPv6, "IPv6 address")
	}
	for _, v := range b.w.VPCs {
		b.ranges(v)
	}
	for _, n := range b.nics {
		s := b.w.Subnet(n.Subnet)
		n.Private = b.within(n, n.Private, s)
		n.IPv6 = b.within(n, n.IPv6, s)
		if len(n.Private) == 0 {
			a := b.free(s.CIDRs[0])
			n.Private = []netip.Addr{a}
			b.taken[a] = n.ID
			b.note("%s has no usable private address in the finding; rehearsed with %s", n.ID, a)
		}
		b.publish(n)
	}
}

// claim keeps the addresses that an interface can have and no other one has.
func (b *builder) claim(n *nic, addrs []netip.Addr, what string) []netip.Addr {
	var kept []netip.Addr
	for _, a := range addrs {
		switch owner, taken := b.taken[a]; {
		case taken && owner == n.ID:
		case taken:
			b.note("%s: the %s %s belongs to %s too; the first keeps it", n.ID, what, a, owner)
		case !usable(a):
			b.note("%s: %s is not an address that an interface can have", n.ID, a)
		default:
			kept = append(kept, a)
			b.taken[a] = n.ID
		}
	}
	return kept
}

// usable reports whether an interface can have an address.
func usable(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && !a.IsLinkLocalUnicast() &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// free is an address of a range that no interface and no peer has; EC2 keeps the
// first four (https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html).
func (b *builder) free(cidr netip.Prefix) netip.Addr {
	const kept = 4
	a := cidr.Addr()
	for range kept {
		a = a.Next()
	}
	for {
		_, peer := b.peers[a]
		if b.taken[a] == "" && !peer {
			return a
		}
		a = a.Next()
	}
}

// publish gives an interface its public address, unless something else has it.
func (b *builder) publish(n *nic) {
	if !n.public.IsValid() {
		return
	}
	owner := b.taken[n.public]
	switch _, peer := b.peers[n.public]; {
	case !n.public.Is4() || !usable(n.public):
		b.note("%s: the public address %s is not one", n.ID, n.public)
	case owner != "":
		b.note("%s: the public address %s is an address of %s; rehearsed without a public one", n.ID, n.public, owner)
	case peer:
		b.note("%s: the public address %s is the peer's too; rehearsed without a public one, as a connection with somebody else", n.ID, n.public)
	default:
		n.Public = n.public
		b.taken[n.public] = n.ID
	}
}

// within keeps the addresses that lie in the subnet of their interface.
func (b *builder) within(n *nic, addrs []netip.Addr, s *world.Subnet) []netip.Addr {
	return slices.DeleteFunc(addrs, func(a netip.Addr) bool {
		if world.Within(netip.PrefixFrom(a, a.BitLen()), s.CIDRs) {
			return false
		}
		b.note("%s: %s can't be in one subnet with the others; left out", n.ID, a)
		delete(b.taken, a)
		return true
	})
}

// Sizes of ranges: what is usual, and the least and the most that EC2 allows
// (https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html).
const (
	usualSubnet, leastSubnet, mostSubnet = 24, 28, 16
	usualVPC                             = 16
	ipv6Subnet, ipv6VPC                  = 64, 56
)

// ranges gives the subnets of a VPC ranges that don't overlap, as wide as usual
// where that is possible, and the VPC ranges around them.
func (b *builder) ranges(v *world.VPC) {
	var done []netip.Prefix
	for _, s := range b.w.Subnets {
		if s.VPC != v.ID {
			continue
		}
		cidr := b.range4(s, done)
		s.CIDRs = []netip.Prefix{cidr}
		if addrs := b.addressesIn(s, false); len(addrs) > 0 {
			if six := netip.PrefixFrom(addrs[0], ipv6Subnet).Masked(); !overlaps(six, done) {
				s.CIDRs = append(s.CIDRs, six)
			}
		}
		done = append(done, s.CIDRs...)
		for _, p := range s.CIDRs {
			around := netip.PrefixFrom(p.Addr(), usualVPC).Masked()
			if p.Addr().Is6() {
				around = netip.PrefixFrom(p.Addr(), ipv6VPC).Masked()
			}
			if !slices.Contains(v.CIDRs, around) {
				v.CIDRs = append(v.CIDRs, around)
			}
		}
	}
}

// range4 is the IPv4 range of a subnet: wide enough for all of its addresses, and
// clear of the other subnets of the VPC, those still to come included.
func (b *builder) range4(s *world.Subnet, done []netip.Prefix) netip.Prefix {
	addrs := b.addressesIn(s, true)
	if len(addrs) > 0 {
		bits := usualSubnet
		for bits > mostSubnet && !all(netip.PrefixFrom(addrs[0], bits).Masked(), addrs) {
			bits--
		}
		if !all(netip.PrefixFrom(addrs[0], bits).Masked(), addrs) {
			bits = usualSubnet // no range has them all
		}
		for ; bits <= leastSubnet; bits++ {
			p := netip.PrefixFrom(addrs[0], bits).Masked()
			if !overlaps(p, done) && (bits == leastSubnet || !b.covers(p, s)) {
				return p
			}
		}
	}
	for n := range 256 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(n), 0}), usualSubnet)
		if !overlaps(p, done) && !b.covers(p, s) {
			return p
		}
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 255, 0, 0}), usualSubnet) // an instance has at most 15 interfaces
}

// covers reports whether a range has an address of another subnet of the VPC.
func (b *builder) covers(p netip.Prefix, s *world.Subnet) bool {
	for _, other := range b.w.Subnets {
		if other.VPC != s.VPC || other == s {
			continue
		}
		if slices.ContainsFunc(b.addressesIn(other, true), p.Contains) {
			return true
		}
	}
	return false
}

// addressesIn are the addresses of a family of the interfaces in a subnet.
func (b *builder) addressesIn(s *world.Subnet, v4 bool) []netip.Addr {
	var addrs []netip.Addr
	for _, n := range b.nics {
		if n.Subnet != s.ID {
			continue
		}
		if v4 {
			addrs = append(addrs, n.Private...)
		} else {
			addrs = append(addrs, n.IPv6...)
		}
	}
	return addrs
}

func all(p netip.Prefix, addrs []netip.Addr) bool {
	return !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return !p.Contains(a) })
}

func overlaps(p netip.Prefix, others []netip.Prefix) bool {
	return slices.ContainsFunc(others, p.Overlaps)
}

// ipv6For gives the first interface an IPv6 address where a peer has one and no
// interface does: a finding may leave the instance's out.
func (b *builder) ipv6For(peers []guardduty.Peer) {
	needed := slices.ContainsFunc(peers, func(p guardduty.Peer) bool { return p.Addr.Is6() && usable(p.Addr) })
	if !needed || slices.ContainsFunc(b.nics, func(n *nic) bool { return len(n.IPv6) > 0 }) {
		return
	}
	n := b.nics[0]
	s := b.w.Subnet(n.Subnet)
	for k := range 256 {
		cidr := netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 'd', 'r', 'i', 'l', 'l', byte(k)}), ipv6VPC)
		if slices.ContainsFunc(peers, func(p guardduty.Peer) bool { return cidr.Contains(p.Addr) }) {
			continue
		}
		v := b.w.VPC(s.VPC)
		v.CIDRs = append(v.CIDRs, cidr)
		s.CIDRs = append(s.CIDRs, netip.PrefixFrom(cidr.Addr(), ipv6Subnet))
		n.IPv6 = []netip.Addr{host(cidr.Addr(), 10)}
		b.taken[n.IPv6[0]] = n.ID
		b.note("a peer has an IPv6 address and no interface in the finding does; rehearsed with %s on %s", n.IPv6[0], n.ID)
		return
	}
}

// host is an address of a range of 64 bits.
func host(a netip.Addr, n byte) netip.Addr {
	bytes := a.As16()
	bytes[15] = n
	return netip.AddrFrom16(bytes)
}
