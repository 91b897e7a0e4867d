package plan

import (
	"net/netip"
	"slices"

	"tourniquet/lambda/network"
)

// forms are the addresses under which packets of peers pass an ACL, by the peers'
// importance. A peer that NAT64 translates is seen under the address of its family
// that the instance uses. Where hosts reach IPv4 peers through NAT64, that may be
// either; a finding that names a translated one has seen it used. A form that must
// not be denied is exposure.
func (p *planner) forms(acl network.ACL, peers []netip.Addr) []netip.Addr {
	var forms []netip.Addr
	for _, peer := range peers {
		forms = append(forms, peer)
		switch {
		case network.NAT64.Contains(peer):
			forms = append(forms, network.FromNAT64(peer))
		case peer.Is4() && p.translates(acl):
			forms = append(forms, network.ToNAT64(peer))
		}
	}
	seen := map[netip.Addr]bool{}
	return slices.DeleteFunc(forms, func(a netip.Addr) bool {
		twice := seen[a]
		seen[a] = true
		if twice {
			return true
		}
		e, refused := refuse(a, p.seen, p.rules)
		if refused {
			p.expose(e.Kind, "%s", e.Detail)
		}
		return refused
	})
}

// translates reports whether an ACL serves a subnet in which IPv4 peers are reached
// through NAT64.
func (p *planner) translates(acl network.ACL) bool {
	for _, s := range p.seen.Subnets {
		if s.ACL == acl.ID && s.Translates() {
			return true
		}
	}
	return false
}
