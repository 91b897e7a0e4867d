package containment

import (
	"fmt"
	"net/netip"
	"slices"

	"tourniquet/lambda/guardduty"
)

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// undeniable is why no ACL may ever deny an address, or empty. None of them is
// the address of somebody on the other side of the subnet's boundary.
func undeniable(a netip.Addr) string {
	switch {
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
	default:
		return ""
	}
}

// deniable sorts the peers into those to deny and the exposure that each of the
// others leaves. Whether a peer shares a subnet with an interface is left to
// each ACL: what is next to one interface may be remote to another.
func deniable(peers []guardduty.Peer, seen Network, rules Rules) ([]netip.Addr, []Exposure) {
	var deny []netip.Addr
	var left []Exposure
	for _, p := range peers {
		if e, ok := refuse(p.Addr, seen, rules); ok {
			left = append(left, e)
			continue
		}
		deny = append(deny, p.Addr)
	}
	return deny, left
}

// refuse is the exposure that a peer leaves because it must not be denied.
func refuse(a netip.Addr, seen Network, rules Rules) (Exposure, bool) {
	if why := undeniable(a); why != "" {
		return Exposure{UndeniablePeer, fmt.Sprintf("%s is %s: no network ACL denies it", a, why)}, true
	}
	exempt := func(p netip.Prefix) bool { return p.Contains(a) }
	if i := slices.IndexFunc(rules.NeverDeny, exempt); i >= 0 {
		return Exposure{ExemptPeer, fmt.Sprintf("%s is in %s, which is never denied", a, rules.NeverDeny[i])}, true
	}
	if o, ok := seen.Owners[a]; ok && o.Service != "" {
		return Exposure{SharedInfrastructurePeer, fmt.Sprintf(
			"%s belongs to %s (%s), which the whole subnet uses: it is not denied", a, o.Interface, o.Service)}, true
	}
	return Exposure{}, false
}
