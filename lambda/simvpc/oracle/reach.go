package oracle

import (
	"fmt"
	"net/netip"
	"slices"

	"tourniquet/lambda/simvpc/world"
)

// Reaches says whether any packet sent from one address can arrive at another:
// of a new connection to any port by any protocol, or of an established flow
// between the two, in either role. Between an IPv6 and an IPv4 address it goes by
// NAT64.
func Reaches(w *world.World, from, to netip.Addr) Verdict {
	if from.Is6() != to.Is6() {
		from, to = Translated(from), Translated(to)
	}
	for _, f := range w.Flows {
		a, b := w.PrivateOf(f.From.Addr()), w.PrivateOf(f.To.Addr())
		v := judge(w, *f)
		if a == w.PrivateOf(from) && b == w.PrivateOf(to) && v.Forward || a == w.PrivateOf(to) && b == w.PrivateOf(from) && v.Backward {
			return Verdict{Passes: true, Forward: true, Why: fmt.Sprintf("flow %s: %s", f, v.Why)}
		}
	}
	return newReaches(w, from, to)
}

// newReaches says whether a packet of a new connection can arrive.
func newReaches(w *world.World, from, to netip.Addr) Verdict {
	var v Verdict
	for _, proto := range protocols(w, from) {
		for _, port := range ports(w, proto) {
			f := world.Flow{Protocol: proto, From: netip.AddrPortFrom(from, 0), To: netip.AddrPortFrom(to, port)}
			if proto.HasPorts() {
				f.From = netip.AddrPortFrom(from, 49152)
			}
			if v = judge(w, f); v.Forward {
				return Verdict{Passes: true, Forward: true, Why: fmt.Sprintf("new flow %s: %s", f, v.Why)}
			}
		}
	}
	return Verdict{Why: v.Why}
}

// protocols are those between which some rule may tell, in one address family.
func protocols(w *world.World, family netip.Addr) []world.Protocol {
	all := []world.Protocol{world.TCP, world.UDP, echo(family), 253} // 253 stands for those nobody names
	visitMatches(w, func(p world.Protocol, _ world.Ports) {
		if p != world.All && !p.IsICMP() && !slices.Contains(all, p) {
			all = append(all, p)
		}
	})
	return all
}

func echo(family netip.Addr) world.Protocol {
	if family.Is4() {
		return world.ICMP
	}
	return world.ICMPv6
}

// ports are the ports at which some rule's answer may change.
func ports(w *world.World, proto world.Protocol) []uint16 {
	if !proto.HasPorts() {
		return []uint16{0}
	}
	all := []int{0, 65535}
	visitMatches(w, func(p world.Protocol, r world.Ports) {
		if p == proto {
			all = append(all, r.From-1, r.From, r.To, r.To+1)
		}
	})
	slices.Sort(all)
	var ports []uint16
	for _, port := range slices.Compact(all) {
		if port >= 0 && port <= 65535 {
			ports = append(ports, uint16(port))
		}
	}
	return ports
}

// visitMatches visits what every rule and entry matches.
func visitMatches(w *world.World, visit func(world.Protocol, world.Ports)) {
	for _, g := range w.Groups {
		for _, r := range slices.Concat(g.In, g.Out) {
			visit(r.Protocol, r.Ports)
		}
	}
	for _, a := range w.ACLs {
		for _, e := range a.Entries {
			visit(e.Protocol, e.Ports)
		}
	}
}
