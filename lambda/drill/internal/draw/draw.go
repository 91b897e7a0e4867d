// Package draw draws random findings for property tests.
package draw

import (
	"net/netip"

	"pgregory.net/rapid"

	"tourniquet/lambda/guardduty"
)

// Finding draws what the parser may hand on: ids and words of any kind,
// addresses of any kind, and each of them repeated at will.
func Finding(t *rapid.T) guardduty.Finding {
	names := rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "A", "sg-1", "eni-1", "vpc-1", "subnet-1", "GeneratedFindingId", "Replace with valid ID", "é☃", "-", "\""}),
		rapid.StringN(0, 80, 200),
	)
	addrs := rapid.OneOf(
		rapid.SampledFrom([]string{
			"10.0.0.1", "10.0.0.2", "10.0.1.1", "10.9.0.1", "192.168.0.1", "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255",
			"169.254.169.254", "198.51.100.7", "203.0.113.9", "2001:db8::1", "2001:db8:0:1::2", "::", "::1", "fe80::1", "ff02::1", "fd64:7269:6c6c::a",
		}),
	)
	list := func(v4 bool, label string) []netip.Addr {
		var all []netip.Addr
		for _, s := range rapid.SliceOfN(addrs, 0, 3).Draw(t, label) {
			if a := netip.MustParseAddr(s); a.Is4() == v4 {
				all = append(all, a)
			}
		}
		return all
	}
	i := guardduty.Instance{ID: "i-0123456789abcdef0", Type: names.Draw(t, "type")}
	for range rapid.IntRange(0, 4).Draw(t, "interfaces") {
		n := guardduty.Interface{
			ID: names.Draw(t, "eni"), Subnet: names.Draw(t, "subnet"), VPC: names.Draw(t, "vpc"),
			PrivateIPs: list(true, "private"), IPv6: list(false, "ipv6"), Groups: rapid.SliceOfN(names, 0, 20).Draw(t, "groups"),
		}
		if public := list(true, "public"); len(public) > 0 {
			n.PublicIP = public[0]
		}
		i.Interfaces = append(i.Interfaces, n)
	}
	for range rapid.IntRange(0, 4).Draw(t, "peers") {
		i.Peers = append(i.Peers, guardduty.Peer{
			Addr: netip.MustParseAddr(addrs.Draw(t, "peer")), Direction: guardduty.Direction(rapid.IntRange(0, 2).Draw(t, "direction")), //nolint:gosec // at most 2
			Protocol:  rapid.OneOf(rapid.SampledFrom([]string{"", "TCP", "udp", "ICMP", "17", "-1", "all", "GRE"}), names).Draw(t, "protocol"),
			LocalPort: rapid.IntRange(-1, 70000).Draw(t, "local"), RemotePort: rapid.IntRange(-1, 70000).Draw(t, "remote"),
			Interface: names.Draw(t, "peer's interface"),
		})
	}
	return guardduty.Finding{
		ID: "f", AccountID: "111122223333", Region: names.Draw(t, "region"), Type: "Backdoor:EC2/C&CActivity.B", Severity: 8,
		ResourceType: "Instance", Sample: rapid.Bool().Draw(t, "sample"), Instances: []guardduty.Instance{i},
	}
}
