package fabric

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// natIdle is after how long a NAT gateway forgets an idle connection
// (https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html).
const natIdle = 350 * time.Second

// natPorts are the ports that a NAT gateway uses: 1024 to 65535
// (https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html).
const natPorts = 1024

// A natKey names one end's view of a connection: the end here, and the remote one.
type natKey struct {
	protocol     int
	here, remote netip.AddrPort // an echo has its identifier for the port here
}

// A mapping is one connection through a NAT gateway.
type mapping struct {
	private netip.AddrPort
	public  netip.AddrPort
	seen    time.Time
}

// translations is what a NAT gateway remembers.
type translations struct {
	gateway NAT
	out     map[natKey]*mapping // by the private end
	back    map[natKey]*mapping // by the public end
	next    uint16
}

// translate takes a packet out through a NAT gateway.
func (t *trip) translate(n *Interface, g *NAT) bool {
	known := t.f.nats[g.Public]
	if known == nil {
		known = &translations{out: map[natKey]*mapping{}, back: map[natKey]*mapping{}}
		t.f.nats[g.Public] = known
	}
	known.gateway = *g
	crosses := g.Subnet != "" && g.Subnet != n.Subnet
	if crosses && !t.acl(g.Subnet, false, t.p.from.Addr()) {
		return false
	}
	k := natKey{t.p.protocol, t.p.natEnd(t.p.from), t.p.to}
	m := known.recall(known.out, k, t.now)
	if m == nil {
		if m = t.mapping(known, k); m == nil {
			return false
		}
	}
	m.seen = t.now
	if g.Subnet != "" && !t.acl(g.Subnet, true, t.p.to.Addr()) {
		return false
	}
	t.p.rewriteFrom(m.public)
	if _, echo := t.p.echoes(); echo {
		t.p.rewriteEcho(m.public.Port())
	}
	return true
}

// mapping opens a connection through a NAT gateway, if the packet may open one.
func (t *trip) mapping(known *translations, k natKey) *mapping {
	request, echo := t.p.echoes()
	switch {
	case t.p.protocol == TCP && !t.p.begins():
		t.reset()
		t.stop(Reason{Hop: Gateway, At: "the NAT gateway"})
		return nil
	case !hasPorts(t.p.protocol) && (!echo || !request):
		t.stop(Reason{Hop: Gateway, At: "the NAT gateway"})
		return nil
	}
	m := &mapping{private: k.here}
	for range 1 << 16 {
		known.next++
		m.public = netip.AddrPortFrom(known.gateway.Public, max(known.next, natPorts))
		known.next = m.public.Port()
		if known.recall(known.back, natKey{k.protocol, m.public, k.remote}, t.now) == nil {
			known.out[k] = m
			known.back[natKey{k.protocol, m.public, k.remote}] = m
			return m
		}
	}
	t.stop(Reason{Hop: Gateway, At: "the NAT gateway, which has no port left,"})
	return nil
}

// reset answers a packet of a forgotten connection, as a NAT gateway does.
func (t *trip) reset() {
	if t.p.flags&flagRST != 0 {
		return
	}
	h := t.p.raw[t.p.at:]
	answer := Probe{
		Protocol: TCP, From: t.p.to, To: t.p.from, Flags: flagRST | flagACK,
		Seq: binary.BigEndian.Uint32(h[8:]), Ack: binary.BigEndian.Uint32(h[4:]) + uint32(t.p.payload), //nolint:gosec // a length
	}
	p, err := parse(answer.Packet())
	if err != nil {
		return
	}
	n := t.r.inside[t.p.from.Addr()]
	t.back = &trip{f: t.f, r: t.r, p: &p, now: t.now, from: p.from, to: p.to}
	_ = t.back.edge(n, false, p.from.Addr()) && t.back.reach(n, nil, viaNAT)
}

// untranslate takes a packet from outside in through a NAT gateway.
func (t *trip) untranslate(known *translations) bool {
	g := known.gateway
	if g.Subnet != "" && !t.acl(g.Subnet, false, t.p.from.Addr()) {
		return false
	}
	m := known.recall(known.back, natKey{t.p.protocol, t.p.natEnd(t.p.to), t.p.from}, t.now)
	if m == nil {
		return t.stop(Reason{Hop: Gateway, At: "the NAT gateway"})
	}
	m.seen = t.now
	n := t.r.inside[m.private.Addr()]
	if n == nil {
		return t.stop(Reason{Hop: Nobody, At: m.private.Addr().String()})
	}
	t.p.rewriteTo(m.private)
	if _, echo := t.p.echoes(); echo {
		t.p.rewriteEcho(m.private.Port())
	}
	if g.Subnet != "" && g.Subnet != n.Subnet && !t.acl(g.Subnet, true, m.private.Addr()) {
		return false
	}
	return t.edge(n, false, t.p.from.Addr()) && t.reach(n, nil, viaNAT)
}

// recall finds a mapping that hasn't been idle for too long.
func (g *translations) recall(from map[natKey]*mapping, k natKey, now time.Time) *mapping {
	m := from[k]
	if m != nil && now.Sub(m.seen) >= natIdle && !m.seen.IsZero() {
		delete(g.out, natKey{k.protocol, m.private, k.remote})
		delete(g.back, natKey{k.protocol, m.public, k.remote})
		return nil
	}
	return m
}

// natEnd is an end of the packet, with an echo's identifier for the port.
func (p *packet) natEnd(end netip.AddrPort) netip.AddrPort {
	if _, echo := p.echoes(); echo {
		return netip.AddrPortFrom(end.Addr(), p.echo)
	}
	return end
}
