package oracle

import "net/netip"

// NAT64 is the prefix that a NAT gateway translates to IPv4: a flow there goes
// through it, whatever the subnet's DNS does
// (https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-nat64-dns64.html).
var NAT64 = netip.MustParsePrefix("64:ff9b::/96")

// Translated is the address at which NAT64 reaches an IPv4 address; any other
// stays as it is.
func Translated(a netip.Addr) netip.Addr {
	if !a.Is4() {
		return a
	}
	bytes := NAT64.Addr().As16()
	copy(bytes[12:], a.AsSlice())
	return netip.AddrFrom16(bytes)
}

// Behind is the IPv4 address that an address of NAT64 stands for; any other stays
// as it is.
func Behind(a netip.Addr) netip.Addr {
	if !NAT64.Contains(a) {
		return a
	}
	bytes := a.As16()
	return netip.AddrFrom4([4]byte(bytes[12:]))
}
