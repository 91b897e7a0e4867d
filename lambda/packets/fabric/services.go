package fabric

import (
	"net/netip"
	"slices"
)

// services are the addresses of AWS's own that neither groups nor ACLs filter:
// the resolver, instance and task metadata, time, Windows activation
// (https://docs.aws.amazon.com/vpc/latest/userguide/nacl-basics.html).
var services = []netip.Addr{
	netip.MustParseAddr("169.254.169.253"), netip.MustParseAddr("fd00:ec2::253"),
	netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("169.254.169.123"), netip.MustParseAddr("fd00:ec2::123"),
	netip.MustParseAddr("169.254.170.2"),
	netip.MustParseAddr("169.254.169.250"), netip.MustParseAddr("169.254.169.251"), netip.MustParseAddr("fd00:ec2::240"),
}

func isService(a netip.Addr) bool { return slices.Contains(services, a) }

// unfiltered reports whether nothing filters what an interface exchanges with an
// address: a service, the VPC's resolver, or the subnet's router, which has the first
// address after the subnet's base.
func unfiltered(r *Rules, n *Interface, remote netip.Addr) bool {
	if isService(remote) {
		return true
	}
	s := r.Subnets[n.Subnet]
	return remote == s.Resolver || slices.ContainsFunc(s.Prefixes, func(p netip.Prefix) bool {
		return p.Addr().Is4() && p.Addr().Next() == remote
	})
}
