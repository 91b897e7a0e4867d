package network

import "net/netip"

// NAT64 is the prefix in which a NAT gateway translates IPv6 addresses to the IPv4
// ones in their last 32 bits.
// https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-nat64-dns64.html
// https://www.rfc-editor.org/rfc/rfc6052#section-2.1
var NAT64 = netip.MustParsePrefix("64:ff9b::/96")

// ToNAT64 is the address under which a host of an IPv6 network reaches an IPv4 one.
func ToNAT64(a netip.Addr) netip.Addr {
	b, v4 := NAT64.Addr().As16(), a.As4()
	copy(b[12:], v4[:])
	return netip.AddrFrom16(b)
}

// FromNAT64 is the IPv4 address that a host has by itself, given the one under which
// it is reached; any other address is given back as it is.
func FromNAT64(a netip.Addr) netip.Addr {
	if !NAT64.Contains(a) {
		return a
	}
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}

// FromNAT64Prefix is the prefix of IPv4 addresses that one of translated addresses
// stands for; false for any other prefix.
func FromNAT64Prefix(p netip.Prefix) (netip.Prefix, bool) {
	if p.Bits() < NAT64.Bits() || !NAT64.Contains(p.Addr()) {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(FromNAT64(p.Addr()), p.Bits()-NAT64.Bits()), true
}
