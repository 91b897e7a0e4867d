package fabric

import (
	"net/netip"
	"slices"
)

// What makes an interface track a flow whatever its groups say.
const (
	viaNAT      = "nat"
	viaBalancer = "nlb"
)

// nat64 is the prefix behind which a NAT gateway reaches IPv4
// (https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-nat64-dns64.html).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// travel takes a packet from its sender on.
func (t *trip) travel() bool {
	if n := t.r.inside[t.p.from.Addr()]; n != nil {
		return t.leave(n)
	}
	return t.enter()
}

// leave takes a packet out of an interface.
func (t *trip) leave(n *Interface) bool {
	if n.Down {
		return t.stop(Reason{Hop: Stopped, At: n.Host, Out: true})
	}
	if !t.hostPasses(n, true) {
		return false
	}
	to := t.p.to.Addr()
	if other := t.r.inside[to]; unfiltered(t.r, n, to) || other != nil && unfiltered(t.r, other, t.p.from.Addr()) {
		return t.arrive()
	}
	if b := t.answeredBalancer(); b != nil {
		return t.out(n, viaBalancer) && t.leaveBalancer(b, n)
	}
	if other := t.r.inside[to]; other != nil && t.r.balancerAt(to) == nil {
		return t.groups(n, true, other, "") && t.across(n, other)
	}
	return t.leaveVPC(n)
}

// leaveVPC takes a packet out of the VPC. What is inside again at a public address, an
// instance or a load balancer, comes in as from anybody.
func (t *trip) leaveVPC(n *Interface) bool {
	front, public := t.r.balancer[t.p.to] != nil, t.r.public[t.p.to.Addr()] != nil
	via := t.device(n, t.p.to.Addr())
	switch {
	case front:
		via = viaBalancer
	case t.natOf(n) != nil:
		via = viaNAT
	}
	if !t.out(n, via) || !t.outside(n) {
		return false
	}
	if front || public {
		return t.enter()
	}
	return t.arrive()
}

// out takes a packet through the interface's groups and its subnet's ACL.
func (t *trip) out(n *Interface, via string) bool {
	return t.groups(n, true, nil, via) && t.edge(n, true, t.p.to.Addr())
}

// across takes a packet to another interface of the VPC, at its private address.
func (t *trip) across(from, to *Interface) bool {
	inside := from.Subnet == to.Subnet || t.edge(from, true, t.p.to.Addr()) && t.edge(to, false, t.p.from.Addr())
	return inside && t.reach(to, from, "")
}

// reach hands a packet to an interface; its subnet has let it in.
func (t *trip) reach(n, member *Interface, via string) bool {
	return t.groups(n, false, member, via) && t.hostPasses(n, false) && t.running(n) && t.arrive()
}

func (t *trip) running(n *Interface) bool {
	return !n.Down || t.stop(Reason{Hop: Stopped, At: n.Host})
}

// outside takes a packet out of the VPC: through the internet gateway, which maps
// the public address, or through a NAT gateway, or as it is.
func (t *trip) outside(n *Interface) bool {
	if g := t.natOf(n); g != nil {
		return t.translate(n, g)
	}
	if t.mapped(n) {
		t.p.rewriteFrom(netip.AddrPortFrom(n.Public, t.p.from.Port()))
	}
	return true
}

// mapped reports whether the internet gateway has a public address for the packet's
// source. It has one for the first private address of an interface only.
func (t *trip) mapped(n *Interface) bool {
	return n.Public.IsValid() && t.p.from.Addr() == n.Addresses[0]
}

// natOf is the NAT gateway that a packet leaves through. Answers to a flow that came
// in without one go out without one.
func (t *trip) natOf(n *Interface) *NAT {
	g := t.r.Subnets[n.Subnet].NAT
	if g == nil || t.p.v6 || t.mapped(n) {
		return nil
	}
	if f := t.f.tables[n.ID].recall(t.p.key(true), n.Idle, t.now); f != nil && !f.outbound && f.via == "" {
		return nil
	}
	return g
}

// enter takes a packet that comes from outside into the VPC.
func (t *trip) enter() bool {
	to := t.p.to.Addr()
	if b := t.r.balancer[t.p.to]; b != nil {
		return t.enterBalancer(b)
	}
	if n := t.r.public[to]; n != nil {
		t.p.rewriteTo(netip.AddrPortFrom(n.Addresses[0], t.p.to.Port()))
		return t.edge(n, false, t.p.from.Addr()) && t.reach(n, nil, t.device(n, t.p.from.Addr()))
	}
	if n := t.r.inside[to]; n != nil {
		if unfiltered(t.r, n, t.p.from.Addr()) {
			return t.hostPasses(n, false) && t.running(n) && t.arrive()
		}
		if n.Public.IsValid() && to == n.Addresses[0] {
			return t.stop(Reason{Hop: Gateway, At: "the internet gateway"})
		}
		return t.edge(n, false, t.p.from.Addr()) && t.reach(n, nil, t.device(n, t.p.from.Addr()))
	}
	if known, ok := t.f.nats[to]; ok {
		return t.untranslate(known)
	}
	return t.arrive() // between two hosts outside
}

// device names what is in the way between an interface and an address outside.
func (t *trip) device(n *Interface, remote netip.Addr) string {
	if nat64.Contains(remote) {
		return viaNAT
	}
	for _, d := range t.r.Subnets[n.Subnet].Devices {
		if d.Remote.Contains(remote) {
			return d.Name
		}
	}
	return ""
}

// edge judges the packet at the edge of the subnets of an interface.
func (t *trip) edge(n *Interface, egress bool, remote netip.Addr) bool {
	if t.acl(n.Subnet, egress, remote) {
		return true
	}
	if !slices.ContainsFunc(n.Associated, func(s string) bool { return t.acl(s, egress, remote) }) {
		return false
	}
	t.reason = Reason{}
	return true
}

// acl judges the packet at the edge of a subnet.
func (t *trip) acl(subnet string, egress bool, remote netip.Addr) bool {
	id := t.r.Subnets[subnet].ACL
	if id == "" {
		return true
	}
	e, found := t.r.aclJudges(id, t.p, remote, egress)
	if found && e.Allow {
		return true
	}
	return t.stop(Reason{Hop: ACL, At: id, Out: egress, Number: e.Number})
}

// groups judges the packet at an interface.
func (t *trip) groups(n *Interface, outbound bool, member *Interface, via string) bool {
	known := t.f.tables[n.ID]
	if known == nil {
		known = table{}
		t.f.tables[n.ID] = known
	}
	remote := t.p.to
	if !outbound {
		remote = t.p.from
	}
	o := opening{port: t.p.to.Port(), kind: t.p.kind, outbound: outbound, remote: remote.Addr(), member: member}
	if ok, _ := known.pass(t.r, n, t.p, o, via, t.now); ok {
		return true
	}
	return t.stop(Reason{Hop: Groups, At: n.ID, Out: outbound})
}
