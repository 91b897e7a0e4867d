package fabric

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// A Balancer is a listener of a Network Load Balancer, at its address in one subnet.
type Balancer struct {
	ID      string
	Address netip.Addr // what clients speak to
	Private netip.Addr // what targets see when the client's address isn't kept
	Subnet  string
	Port    uint16
	Targets []netip.AddrPort // interfaces' private addresses; never empty
	// KeepClient lets targets see the client's address, which is the default for
	// instances as targets
	// (https://docs.aws.amazon.com/elasticloadbalancing/latest/network/edit-target-group-attributes.html#client-ip-preservation).
	KeepClient bool
}

// A balanced connection, client to target.
type balanced struct {
	protocol int
	client   netip.AddrPort
	seenAs   netip.AddrPort // the client as the target sees it
	target   netip.AddrPort
	seen     time.Time
}

// balancing is what a load balancer remembers.
type balancing struct {
	Balancer
	seed    maphash.Seed
	clients map[natKey]*balanced // by client
	targets map[natKey]*balanced // by target and the client as seen there
	next    uint16
}

// balancerAt is the load balancer that has a private address.
func (r *Rules) balancerAt(a netip.Addr) *Balancer {
	for i := range r.Balancers {
		if r.Balancers[i].Private == a {
			return &r.Balancers[i]
		}
	}
	return nil
}

// enterBalancer takes a client's packet to a target.
func (t *trip) enterBalancer(b *Balancer) bool {
	if !t.acl(b.Subnet, false, t.p.from.Addr()) {
		return false
	}
	at := netip.AddrPortFrom(b.Address, b.Port)
	known := t.f.balancers[at]
	if known == nil {
		known = &balancing{seed: maphash.MakeSeed(), clients: map[natKey]*balanced{}, targets: map[natKey]*balanced{}}
		t.f.balancers[at] = known
	}
	known.Balancer = *b
	c := known.connection(t.p, t.now)
	if c == nil {
		return t.stop(Reason{Hop: Gateway, At: b.ID})
	}
	n := t.r.inside[c.target.Addr()]
	if n == nil {
		return t.stop(Reason{Hop: Nobody, At: c.target.Addr().String()})
	}
	t.p.rewriteFrom(c.seenAs)
	t.p.rewriteTo(c.target)
	inside := b.Subnet == n.Subnet || t.acl(b.Subnet, true, c.target.Addr()) && t.edge(n, false, c.seenAs.Addr())
	return inside && t.reach(n, nil, viaBalancer)
}

// connection finds a client's connection, or opens it.
func (g *balancing) connection(p *packet, now time.Time) *balanced {
	k := natKey{p.protocol, p.from, netip.AddrPort{}}
	c := g.clients[k]
	if c != nil && now.Sub(c.seen) < balancedIdle(p.protocol) {
		c.seen = now
		return c
	}
	if p.protocol == TCP && !p.begins() {
		return nil
	}
	if c != nil {
		delete(g.targets, natKey{p.protocol, c.target, c.seenAs})
	}
	target := g.Targets[maphash.Comparable(g.seed, p.from)%uint64(len(g.Targets))]
	c = &balanced{protocol: p.protocol, client: p.from, seenAs: p.from, target: target, seen: now}
	if !g.KeepClient {
		g.next++
		g.next = max(g.next, natPorts)
		c.seenAs = netip.AddrPortFrom(g.Private, g.next)
	}
	g.clients[k] = c
	g.targets[natKey{p.protocol, c.target, c.seenAs}] = c
	return c
}

func balancedIdle(protocol int) time.Duration {
	if protocol == TCP {
		return balancedTCP
	}
	return balancedUDP
}

// answeredBalancer is the load balancer through which an answer goes back.
func (t *trip) answeredBalancer() *balancing {
	for _, g := range t.f.balancers {
		c := g.targets[natKey{t.p.protocol, t.p.from, t.p.to}]
		if c != nil && t.now.Sub(c.seen) < balancedIdle(t.p.protocol) {
			return g
		}
	}
	return nil
}

// leaveBalancer takes a target's answer back to the client.
func (t *trip) leaveBalancer(g *balancing, n *Interface) bool {
	c := g.targets[natKey{t.p.protocol, t.p.from, t.p.to}]
	c.seen = t.now
	if g.Subnet != n.Subnet && !t.acl(g.Subnet, false, c.target.Addr()) {
		return false
	}
	t.p.rewriteFrom(netip.AddrPortFrom(g.Address, g.Port))
	t.p.rewriteTo(c.client)
	if !t.acl(g.Subnet, true, c.client.Addr()) {
		return false
	}
	if client := t.r.public[c.client.Addr()]; client != nil {
		return t.enter()
	}
	return t.arrive()
}
