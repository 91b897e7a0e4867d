package world

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A Protocol is an IP protocol number, or All.
type Protocol int

// The protocols EC2 knows by name.
const (
	All    Protocol = -1
	ICMP   Protocol = 1
	TCP    Protocol = 6
	UDP    Protocol = 17
	ICMPv6 Protocol = 58
)

// String is the protocol's name as EC2 writes it in security groups, "all" for
// All, and the number of any other.
func (p Protocol) String() string {
	switch p {
	case All:
		return "all"
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case ICMPv6:
		return "icmpv6"
	default:
		return strconv.Itoa(int(p))
	}
}

// ParseProtocol reads a protocol's name or number; "all" and "-1" both mean All.
func ParseProtocol(s string) (Protocol, error) {
	switch strings.ToLower(s) {
	case "all", "-1":
		return All, nil
	case "icmp":
		return ICMP, nil
	case "tcp":
		return TCP, nil
	case "udp":
		return UDP, nil
	case "icmpv6":
		return ICMPv6, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 255 {
		return 0, fmt.Errorf("invalid protocol %q: want all, tcp, udp, icmp, icmpv6 or a number up to 255", s)
	}
	return Protocol(n), nil
}

// HasPorts reports whether the protocol's packets carry ports.
func (p Protocol) HasPorts() bool { return p == TCP || p == UDP }

// IsICMP reports whether the protocol's packets carry a type and a code.
func (p Protocol) IsICMP() bool { return p == ICMP || p == ICMPv6 }

// Ports is a range of ports, both ends included. For ICMP, From is the type and
// To the code, -1 meaning any. It is zero for every other protocol.
type Ports struct{ From, To int }

// AnyPorts are all ports, or all ICMP types, of a protocol.
func AnyPorts(p Protocol) Ports {
	switch {
	case p.HasPorts():
		return Ports{0, 65535}
	case p.IsICMP():
		return Ports{-1, -1}
	default:
		return Ports{}
	}
}

// text is the range as worlds write it, empty when it is all of the protocol's.
func (r Ports) text(p Protocol) string {
	switch {
	case r == AnyPorts(p):
		return ""
	case p.IsICMP() && r.To == -1:
		return strconv.Itoa(r.From)
	case p.IsICMP():
		return fmt.Sprintf("%d/%d", r.From, r.To)
	case r.From == r.To:
		return strconv.Itoa(r.From)
	default:
		return fmt.Sprintf("%d-%d", r.From, r.To)
	}
}

// Check reports what is wrong with a range of that protocol.
func (r Ports) Check(p Protocol) error {
	switch {
	case p.HasPorts() && (r.From < 0 || r.To > 65535 || r.From > r.To):
		return fmt.Errorf("ports %d-%d: want 0 to 65535, the lower first", r.From, r.To)
	case p.IsICMP() && (r.From < -1 || r.From > 255 || r.To < -1 || r.To > 255 || r.From == -1 && r.To != -1):
		return fmt.Errorf("ICMP type %d code %d: want -1 to 255, and a type where there is a code", r.From, r.To)
	}
	return nil
}

// parsePorts reads the ports of a protocol in a world's text.
func parsePorts(p Protocol, s string) (Ports, error) {
	sep := "-"
	if p.IsICMP() {
		sep = "/"
	} else if !p.HasPorts() {
		return Ports{}, fmt.Errorf("protocol %s has no ports", p)
	}
	first, second, two := strings.Cut(s, sep)
	invalid := fmt.Errorf("invalid ports %q; want one such as 443, or two with %q between them", s, sep)
	from, err := strconv.Atoi(first)
	if err != nil {
		return Ports{}, invalid
	}
	r := Ports{from, from}
	if p.IsICMP() {
		r.To = -1
	}
	if two {
		if r.To, err = strconv.Atoi(second); err != nil {
			return Ports{}, invalid
		}
	}
	return r, r.Check(p)
}

// Same reports whether two rules are the same to EC2, which ignores descriptions.
func (r Rule) Same(other Rule) bool {
	r.Description, other.Description = "", ""
	return r == other
}

// CompareRules orders rules as worlds print them.
func CompareRules(a, b Rule) int {
	return cmp.Or(
		cmp.Compare(a.Protocol, b.Protocol),
		cmp.Compare(a.Ports.From, b.Ports.From),
		cmp.Compare(a.Ports.To, b.Ports.To),
		comparePrefixes(a.CIDR, b.CIDR),
		cmp.Compare(a.Group, b.Group),
		cmp.Compare(a.Description, b.Description))
}

// CompareEntries orders entries: in first, then by number.
func CompareEntries(a, b Entry) int {
	if a.Egress != b.Egress {
		if b.Egress {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.Number, b.Number)
}

// comparePrefixes orders IPv4 before IPv6, as the package prints them.
func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

func sortBy[T any, K cmp.Ordered](all []T, key func(T) K) {
	slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}

// Direction is the word for a direction, seen from the group or subnet.
func Direction(egress bool) string {
	if egress {
		return "out"
	}
	return "in"
}
