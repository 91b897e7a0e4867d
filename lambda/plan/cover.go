package plan

import (
	"cmp"
	"math/bits"
	"net/netip"
	"slices"

	"go4.org/netipx"

	"tourniquet/lambda/network"
	"tourniquet/lambda/order"
)

// A span is what one entry of an ACL is to deny: a peer, or by a covering prefix
// several peers that are near each other.
type span struct {
	prefix netip.Prefix
	peers  []netip.Addr // most important first
	rank   int          // of the first peer
}

// covers reports whether the entry denies more than one address.
func (t span) covers() bool { return t.prefix.Bits() < t.prefix.Addr().BitLen() }

// cover makes spans of peers of one address family, given by importance. As long
// as there are more spans than places, it joins the two neighbours that have the
// longest prefix in common, if that prefix may be denied; so no prefix is shorter
// than it has to be, and none is made when there are places enough. The spans come
// by importance; there may still be too many of them.
func cover(peers []netip.Addr, places int, may func(netip.Prefix) bool) []span {
	var spans []span // by address
	for rank, p := range peers {
		spans = append(spans, span{network.Host(p), []netip.Addr{p}, rank})
	}
	order.Sort(spans, func(a, b span) int { return a.prefix.Addr().Compare(b.prefix.Addr()) })
	for places > 0 && len(spans) > places {
		first, prefix := nearest(spans, may)
		if first < 0 {
			break
		}
		last := first + 1
		for last < len(spans) && prefix.Contains(spans[last].prefix.Addr()) {
			last++
		}
		spans = slices.Replace(spans, first, last, joined(prefix, spans[first:last]))
	}
	byRank(spans)
	return spans
}

func byRank(spans []span) {
	order.Stable(spans, func(a, b span) int { return cmp.Compare(a.rank, b.rank) })
}

// nearest finds the neighbours with the longest prefix in common, among the
// prefixes that may be denied; -1 when there are none.
func nearest(spans []span, may func(netip.Prefix) bool) (first int, prefix netip.Prefix) {
	first = -1
	for i := range len(spans) - 1 {
		common := commonPrefix(spans[i].prefix, spans[i+1].prefix)
		if (first < 0 || common.Bits() > prefix.Bits()) && may(common) {
			first, prefix = i, common
		}
	}
	for first > 0 && prefix.Contains(spans[first-1].prefix.Addr()) {
		first--
	}
	return first, prefix
}

func joined(prefix netip.Prefix, spans []span) span {
	one := span{prefix: prefix, rank: spans[0].rank}
	byRank(spans)
	for _, t := range spans {
		one.peers = append(one.peers, t.peers...)
		one.rank = min(one.rank, t.rank)
	}
	return one
}

// commonPrefix is the longest prefix that contains both.
func commonPrefix(a, b netip.Prefix) netip.Prefix {
	length := min(a.Bits(), b.Bits())
	x, y := a.Addr().AsSlice(), b.Addr().AsSlice()
	for i := range x {
		if diff := x[i] ^ y[i]; diff != 0 {
			length = min(length, 8*i+bits.LeadingZeros8(diff))
			break
		}
	}
	return netip.PrefixFrom(a.Addr(), length).Masked()
}

// internal are ranges in which a peer's neighbours are somebody's own hosts, on
// this side of the internet, or nobody's: no covering prefix reaches into them.
// https://www.iana.org/assignments/iana-ipv4-special-registry
// https://www.iana.org/assignments/iana-ipv6-special-registry
var internal = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3",
	"::/8", "fc00::/7", "fe80::/10", "ff00::/8",
)

// uncoverable are the addresses that no covering prefix may contain: exempt ones,
// those of the VPCs and of our interfaces, and the neighbours in internal ranges. It is nil
// where none covers anything.
func (p *planner) uncoverable() *netipx.IPSet {
	if !p.rules.covers() {
		return nil
	}
	var b netipx.IPSetBuilder
	add := func(all []netip.Prefix) {
		for _, prefix := range all {
			b.AddPrefix(prefix)
		}
	}
	add(internal)
	b.RemovePrefix(network.NAT64) // stands for the IPv4 addresses in it
	add(p.rules.NeverDeny)
	for _, ranges := range p.seen.Ranges {
		add(ranges)
	}
	for _, s := range p.seen.Subnets {
		add(s.Prefixes)
	}
	for _, i := range p.seen.Interfaces {
		for _, a := range i.Addresses {
			b.Add(a)
		}
	}
	for a := range p.seen.Owners {
		b.Add(a)
	}
	set, err := b.IPSet()
	if err != nil { // an invalid prefix: nothing is covered then
		return nil
	}
	return set
}

// shortest is how short a covering prefix may be, in bits; an address's own length
// when there is none.
func (r Rules) shortest(v6 bool) int {
	if v6 {
		return cmp.Or(r.CoverIPv6, 128)
	}
	return cmp.Or(r.CoverIPv4, 32)
}

// covers reports whether a prefix may cover more than one address.
func (r Rules) covers() bool { return r.shortest(false) < 32 || r.shortest(true) < 128 }

// mayCover reports whether a prefix may be denied as a whole: within the configured
// bound, without an address that must not be denied along with a peer, and without
// a part that somebody wrote an entry of its own for to allow it.
func (d *denier) mayCover(prefix netip.Prefix) bool {
	if d.never == nil || d.never.OverlapsPrefix(prefix) {
		return false
	}
	hosts, translated := network.FromNAT64Prefix(prefix)
	if !translated {
		hosts = prefix
	}
	if hosts.Bits() < d.rules.shortest(hosts.Addr().Is6()) || d.never.OverlapsPrefix(hosts) {
		return false
	}
	return !slices.ContainsFunc(d.acl.Entries, func(e network.Entry) bool {
		return e.Allow && e.Prefix.Bits() > prefix.Bits() && prefix.Contains(e.Prefix.Addr())
	})
}
