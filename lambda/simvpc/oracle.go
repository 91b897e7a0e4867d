package simvpc

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A Verdict says whether traffic passes, and why.
type Verdict struct {
	// Passes is the answer: for TCP, packets get through both ways, as a
	// connection needs; for other protocols, a new flow's first packet arrives,
	// or packets of an established flow arrive in at least one direction,
	// since that is enough to leak.
	Passes   bool
	Forward  bool   // packets from initiator to responder arrive
	Backward bool   // packets from responder to initiator arrive
	Why      string // in plain words, naming what decides
}

// Connects says whether a new connection comes about, whatever flows there are.
func (w *World) Connects(f Flow) Verdict {
	f.Tracked = nil
	v := w.judge(f)
	if f.Protocol != TCP {
		v.Passes = v.Forward
	}
	return v
}

// Passes says whether an established flow still passes. Tracking entries are
// those of the world's flow between the same ends; a flow that the world
// doesn't list has none, so that only the rules speak for it.
func (w *World) Passes(f Flow) Verdict {
	f.Tracked = nil
	if listed := w.flow(f); listed != nil {
		f = *listed
	}
	return w.judge(f)
}

// A path is a flow with its ends as the network sees them.
type path struct {
	Flow
	from, to *end // nil outside
	local    bool // both in one subnet: no ACL between them
}

// An end is the inside end of a flow.
type end struct {
	*Interface
	subnet   *Subnet
	outbound bool           // it initiated the flow
	remote   netip.AddrPort // the other end, as seen from here
	direct   *Interface     // the other end's interface, when seen at its private address
}

// judge follows the packets of a flow both ways.
func (w *World) judge(f Flow) Verdict {
	p := w.path(f)
	if why := w.nobody(p); why != "" {
		return Verdict{Why: why}
	}
	for _, e := range p.ends() {
		if name := w.unfiltered(e); name != "" {
			return Verdict{true, true, true, name + " is not filtered by groups or ACLs"}
		}
	}
	forward, why := w.follow(p, true)
	backward, whyBack := w.follow(p, false)
	v := Verdict{Passes: forward && backward, Forward: forward, Backward: backward, Why: why}
	if forward && !backward {
		v.Why = whyBack
	}
	if forward != backward && p.Protocol != TCP {
		v.Passes, v.Why = true, "one way only: "+v.Why
	}
	return v
}

// nobody says why there can't be traffic at all, if there can't.
func (w *World) nobody(p path) string {
	if p.from == nil && p.to == nil {
		return "neither end is an interface of this world"
	}
	for _, e := range p.ends() {
		if i := w.Instance(e.Instance); i != nil && i.State != "running" {
			return fmt.Sprintf("%s is %s", i.ID, i.State)
		}
	}
	return ""
}

// ends are the inside ends of a path.
func (p path) ends() []*end {
	return slices.DeleteFunc([]*end{p.from, p.to}, func(e *end) bool { return e == nil })
}

// path finds the interfaces at the ends of a flow. An instance that is spoken to
// at its public address sees and is seen through the internet gateway.
func (w *World) path(f Flow) path {
	p := path{Flow: f}
	from, to := w.holder(f.From.Addr()), w.holder(f.To.Addr())
	public := to != nil && to.Public == f.To.Addr()
	if from != nil {
		p.from = &end{Interface: from, subnet: w.Subnet(from.Subnet), outbound: true, remote: f.To}
	}
	if to != nil {
		p.to = &end{Interface: to, subnet: w.Subnet(to.Subnet), remote: f.From}
	}
	if from == nil || to == nil {
		return p
	}
	if public {
		if from.Public.IsValid() {
			p.to.remote = netip.AddrPortFrom(from.Public, f.From.Port())
		}
		return p
	}
	p.from.direct, p.to.direct = to, from
	p.to.remote = netip.AddrPortFrom(w.private(f.From.Addr()), f.From.Port())
	p.local = from.Subnet == to.Subnet
	return p
}

// holder finds the interface that has an address, private or public.
func (w *World) holder(a netip.Addr) *Interface {
	return find(w.Interfaces, func(n *Interface) bool {
		return n.Public == a && a.IsValid() || slices.Contains(n.Private, a) || slices.Contains(n.IPv6, a)
	})
}

// private is the private address behind a public one; any other stays as it is.
func (w *World) private(a netip.Addr) netip.Addr {
	if n := w.holder(a); n != nil && n.Public == a {
		return n.primary()
	}
	return a
}

// follow takes a packet of the flow along its way: the sender's groups, the ACL
// out of its subnet, the ACL into the receiver's subnet, the receiver's groups.
func (w *World) follow(p path, forward bool) (passes bool, why string) {
	sender, receiver := p.from, p.to
	if !forward {
		sender, receiver = p.to, p.from
	}
	var reasons []string
	for _, hop := range []func() (bool, string){
		func() (bool, string) { return w.groupsPass(p, sender) },
		func() (bool, string) { return w.aclPasses(p, sender, true, forward) },
		func() (bool, string) { return w.aclPasses(p, receiver, false, forward) },
		func() (bool, string) { return w.groupsPass(p, receiver) },
	} {
		ok, reason := hop()
		if !ok {
			return false, reason
		}
		if reason != "" {
			reasons = append(reasons, reason)
		}
	}
	return true, strings.Join(reasons, "; ")
}

// groupsPass judges a packet, of either direction, by the groups at one end.
func (w *World) groupsPass(p path, e *end) (bool, string) {
	if e == nil {
		return true, ""
	}
	rule := w.allowing(p, e)
	switch tracked := slices.Contains(p.Tracked, e.ID); {
	case tracked && rule == "":
		return true, fmt.Sprintf("%s still tracks it, though no rule of %s lets it %s now",
			e.ID, strings.Join(e.Groups, ", "), direction(e.outbound))
	case tracked:
		return true, fmt.Sprintf("%s tracks it", e.ID)
	case rule == "":
		return false, fmt.Sprintf("no rule of %s lets it %s at %s", strings.Join(e.Groups, ", "), direction(e.outbound), e.ID)
	default:
		return true, rule
	}
}

// allowing names the rule that lets a flow begin at one end, if any does.
func (w *World) allowing(p path, e *end) string {
	for _, id := range e.Groups {
		g := w.Group(id)
		if g == nil {
			continue
		}
		for _, r := range g.rules(e.outbound) {
			if r.admits(p, e) {
				return fmt.Sprintf("%s lets it %s: %s", g.ID, direction(e.outbound), r.text())
			}
		}
	}
	return ""
}

// admits reports whether a rule lets a flow begin at one end.
func (r Rule) admits(p path, e *end) bool {
	if !matchesPorts(r.Protocol, r.Ports, p.Protocol, int(p.To.Port()), echoRequest(p.Protocol)) {
		return false
	}
	if r.Group != "" {
		return e.direct != nil && slices.Contains(e.direct.Groups, r.Group)
	}
	return r.CIDR.Contains(e.remote.Addr())
}

// matchesPorts reports whether a rule's protocol and ports match a packet's.
func matchesPorts(p Protocol, r Ports, packet Protocol, port, icmpType int) bool {
	switch {
	case p == All:
		return true
	case p != packet:
		return false
	case p.hasPorts():
		return r.From <= port && port <= r.To
	case p.isICMP():
		return r.From == -1 || r.From == icmpType && r.To <= 0 // echo has code 0
	default:
		return true
	}
}

// An ICMP flow is an echo: requests forward, replies backward.
func echoRequest(p Protocol) int {
	if p == ICMPv6 {
		return 128
	}
	return 8
}

func echoReply(p Protocol) int {
	if p == ICMPv6 {
		return 129
	}
	return 0
}

// aclPasses judges a packet that leaves or enters the subnet of one end.
func (w *World) aclPasses(p path, e *end, egress, forward bool) (bool, string) {
	if e == nil || e.subnet == nil || p.local {
		return true, ""
	}
	a := w.ACL(e.subnet.ACL)
	if a == nil {
		return true, ""
	}
	port, icmpType := int(p.To.Port()), echoRequest(p.Protocol)
	if !forward {
		port, icmpType = int(p.From.Port()), echoReply(p.Protocol)
	}
	first := a.first(func(entry Entry) bool {
		return entry.Egress == egress && entry.CIDR.Contains(e.remote.Addr()) &&
			matchesPorts(entry.Protocol, entry.Ports, p.Protocol, port, icmpType)
	})
	switch {
	case first == nil:
		return false, fmt.Sprintf("denied by %s entry * %s: no other matches", a.ID, direction(egress))
	case !first.Allow:
		return false, fmt.Sprintf("denied by %s entry %d %s", a.ID, first.Number, direction(egress))
	default:
		return true, ""
	}
}

// first is the entry that decides: of those that match, the one with the lowest number.
func (a *NetworkACL) first(matches func(Entry) bool) *Entry {
	var first *Entry
	for i, e := range a.Entries {
		if matches(e) && (first == nil || e.Number < first.Number) {
			first = &a.Entries[i]
		}
	}
	return first
}
