package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/order"
	"tourniquet/lambda/record"
)

// mergePeers adds to the peers known so far those with a new address. A finding of
// higher severity on a known address lends it its severity.
func mergePeers(known, more []guardduty.Peer) []guardduty.Peer {
	merged := slices.Clone(known)
	place := make(map[netip.Addr]int, len(merged))
	for i, p := range merged {
		place[p.Addr] = i
	}
	for _, p := range more {
		i, there := place[p.Addr]
		if !there {
			place[p.Addr] = len(merged)
			merged = append(merged, p)
			continue
		}
		merged[i].Severity = max(merged[i].Severity, p.Severity)
	}
	return merged
}

// byImportance orders peers for the places in an ACL: first those of the most severe
// findings, then those that the instance called before those that called it, then
// those seen last. Peers that weigh the same keep their order. Documentation
// addresses belong to nobody and are last: they take no place from a real peer.
func byImportance(peers []guardduty.Peer) []guardduty.Peer {
	ordered := slices.Clone(peers)
	order.Stable(ordered, func(a, b guardduty.Peer) int {
		return cmp.Or(
			compareBools(documentation(a.Addr), documentation(b.Addr)),
			cmp.Compare(b.Severity, a.Severity),
			cmp.Compare(urgency(a.Direction), urgency(b.Direction)),
			b.Seen.Compare(a.Seen),
		)
	})
	return ordered
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// urgency orders directions: a connection that the instance opened is the attacker's
// work; one that it was sent may have come to nothing.
func urgency(d guardduty.Direction) int {
	switch d {
	case guardduty.Outbound:
		return 0
	case guardduty.Inbound:
		return 1
	default:
		return 2
	}
}

// The prefixes that documents use for addresses. GuardDuty's sample findings have
// such peers; they are told by their mark, and change nothing. A denial of such an
// address harms nobody, so that one in another finding is a peer like any other.
// https://www.rfc-editor.org/rfc/rfc5737 https://www.rfc-editor.org/rfc/rfc3849
var documentationPrefixes = prefixes("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")

func documentation(a netip.Addr) bool { return inAny(documentationPrefixes, network.FromNAT64(a)) }

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range texts {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

func inAny(all []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(a) })
}

// services are addresses behind which AWS serves each instance. Neither groups nor
// ACLs filter them.
// https://docs.aws.amazon.com/vpc/latest/userguide/nacl-basics.html
// https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
var services = map[netip.Addr]string{
	netip.MustParseAddr("169.254.169.253"): "the VPC's DNS resolver",
	netip.MustParseAddr("fd00:ec2::253"):   "the VPC's DNS resolver",
	netip.MustParseAddr("169.254.169.254"): "the instance metadata service",
	netip.MustParseAddr("fd00:ec2::254"):   "the instance metadata service",
	netip.MustParseAddr("169.254.169.123"): "Amazon's time service",
	netip.MustParseAddr("fd00:ec2::123"):   "Amazon's time service",
	netip.MustParseAddr("169.254.170.2"):   "the metadata service of ECS tasks",
	netip.MustParseAddr("169.254.170.23"):  "the credential service of EKS pods",
	netip.MustParseAddr("fd00:ec2::23"):    "the credential service of EKS pods",
	netip.MustParseAddr("169.254.169.250"): "Windows activation",
	netip.MustParseAddr("169.254.169.251"): "Windows activation",
}

var (
	broadcast  = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	awsPrivate = netip.MustParsePrefix("fd00:ec2::/32") // the IPv6 side of 169.254.0.0/16
)

// undeniable is why no ACL may ever deny an address, or empty. None of them is
// the address of somebody on the other side of the subnet's boundary.
func undeniable(a netip.Addr) string {
	switch service := services[a]; {
	case service != "":
		return service
	case a.IsUnspecified():
		return "unspecified"
	case a.IsLoopback():
		return "loopback"
	case a.IsLinkLocalUnicast():
		return "link-local"
	case a.IsMulticast():
		return "multicast"
	case a == broadcast:
		return "broadcast"
	case awsPrivate.Contains(a):
		return "one of Amazon's own services"
	default:
		return ""
	}
}

// deniable sorts the peers into those to deny and the exposure that each of the
// others leaves. Whether a peer shares a subnet with an interface is left to
// each ACL: what is next to one interface may be remote to another.
func deniable(peers []guardduty.Peer, seen network.Network, rules Rules) ([]netip.Addr, []record.Exposure) {
	var deny []netip.Addr
	var left []record.Exposure
	for _, p := range peers {
		if e, ok := refuse(p.Addr, seen, rules); ok {
			left = append(left, e)
			continue
		}
		deny = append(deny, p.Addr)
	}
	return deny, left
}

// refuse is the exposure that a peer leaves because it must not be denied. What holds
// for an IPv4 address holds for the one under which NAT64 reaches it, too.
func refuse(a netip.Addr, seen network.Network, rules Rules) (record.Exposure, bool) {
	host := network.FromNAT64(a)
	if why := cmp.Or(undeniable(a), undeniable(host)); why != "" {
		return record.Exposure{Kind: record.UndeniablePeer, Detail: fmt.Sprintf("%s is %s: no network ACL denies it", a, why)}, true
	}
	if slices.Contains(seen.Resolvers(), host) {
		return record.Exposure{Kind: record.UndeniablePeer, Detail: fmt.Sprintf("%s is the VPC's DNS resolver: no network ACL denies it", a)}, true
	}
	if i := slices.IndexFunc(rules.NeverDeny, func(p netip.Prefix) bool { return p.Contains(a) || p.Contains(host) }); i >= 0 {
		return record.Exposure{Kind: record.ExemptPeer, Detail: fmt.Sprintf("%s is in %s, which is never denied", a, rules.NeverDeny[i])}, true
	}
	o, ours := seen.Owners[host]
	switch {
	case seen.Has(host) || ours && o.Instance == seen.Instance.ID:
		return record.Exposure{Kind: record.UndeniablePeer, Detail: fmt.Sprintf("%s is the instance's own address: it is not denied", a)}, true
	case o.Service != "":
		return record.Exposure{Kind: record.SharedInfrastructurePeer, Detail: fmt.Sprintf(
			"%s belongs to %s (%s), which the whole subnet uses: it is not denied", a, o.Interface, o.Service)}, true
	}
	return record.Exposure{}, false
}

// exposeOwn names a peer that is ours: whoever talks with a compromised host may be
// compromised too. It is denied like any other.
func (p *planner) exposeOwn(peer netip.Addr) {
	o, ours := p.seen.Owners[network.FromNAT64(peer)]
	switch {
	case !ours:
	case o.Instance != "":
		p.expose(record.OwnInstancePeer, "%s is %s (%s) of this account, which may be compromised too", peer, o.Instance, o.Interface)
	default:
		p.expose(record.OwnInstancePeer, "%s is %s of this account, whose user may be compromised too", peer, o.Interface)
	}
}
