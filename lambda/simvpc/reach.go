package simvpc

import (
	"fmt"
	"net/netip"
	"slices"
)

// Reaches says whether any packet sent from one address can arrive at another:
// of a new connection to any port by any protocol, or of an established flow
// between the two, in either role.
func (w *World) Reaches(from, to netip.Addr) Verdict {
	for _, f := range w.Flows {
		a, b := w.private(f.From.Addr()), w.private(f.To.Addr())
		v := w.judge(*f)
		if a == w.private(from) && b == w.private(to) && v.Forward || a == w.private(to) && b == w.private(from) && v.Backward {
			return Verdict{Passes: true, Forward: true, Why: fmt.Sprintf("flow %s: %s", f, v.Why)}
		}
	}
	var v Verdict
	for _, proto := range w.protocols(from) {
		for _, port := range w.ports(proto) {
			f := Flow{Protocol: proto, From: netip.AddrPortFrom(from, 0), To: netip.AddrPortFrom(to, port)}
			if proto.hasPorts() {
				f.From = netip.AddrPortFrom(from, 49152)
			}
			if v = w.judge(f); v.Forward {
				return Verdict{Passes: true, Forward: true, Why: fmt.Sprintf("new flow %s: %s", f, v.Why)}
			}
		}
	}
	return Verdict{Why: v.Why}
}

// protocols are those between which some rule may tell, in one address family.
func (w *World) protocols(family netip.Addr) []Protocol {
	all := []Protocol{TCP, UDP, echo(family), 253} // 253 stands for those nobody names
	w.matches(func(p Protocol, _ Ports) {
		if p != All && !p.isICMP() && !slices.Contains(all, p) {
			all = append(all, p)
		}
	})
	return all
}

func echo(family netip.Addr) Protocol {
	if family.Is4() {
		return ICMP
	}
	return ICMPv6
}

// ports are the ports at which some rule's answer may change.
func (w *World) ports(proto Protocol) []uint16 {
	if !proto.hasPorts() {
		return []uint16{0}
	}
	all := []int{0, 65535}
	w.matches(func(p Protocol, r Ports) {
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

// matches visits what every rule and entry matches.
func (w *World) matches(visit func(Protocol, Ports)) {
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
