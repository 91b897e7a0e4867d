package oracle

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tourniquet/lambda/simvpc/world"
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
func Connects(w *world.World, f world.Flow) Verdict {
	f.Tracked = nil
	v := judge(w, f)
	if f.Protocol != world.TCP {
		v.Passes = v.Forward
	}
	return v
}

// Passes says whether an established flow still passes. Tracking entries are
// those of the world's flow between the same ends; a flow that the world
// doesn't list has none, so that only the rules speak for it.
func Passes(w *world.World, f world.Flow) Verdict {
	f.Tracked = nil
	if listed := listedFlow(w, f); listed != nil {
		f = *listed
	}
	return judge(w, f)
}

// A path is a flow with its ends as the network sees them.
type path struct {
	world.Flow
	from, to *end // nil outside
	local    bool // both in one subnet: no ACL between them
}

// An end is the inside end of a flow.
type end struct {
	*world.Interface
	subnet   *world.Subnet
	outbound bool             // it initiated the flow
	remote   netip.AddrPort   // the other end, as seen from here
	direct   *world.Interface // the other end's interface, when seen at its private address
}

// judge follows the packets of a flow both ways.
func judge(w *world.World, f world.Flow) Verdict {
	if v, ok := secondary(w, f); ok {
		return v
	}
	p := pathOf(w, f)
	if why := nobody(w, p); why != "" {
		return Verdict{Why: why}
	}
	for _, e := range p.ends() {
		if name := unfiltered(w, e); name != "" {
			return Verdict{true, true, true, name + " is not filtered by groups or ACLs"}
		}
	}
	forward, why := follow(w, p, true)
	backward, whyBack := follow(w, p, false)
	v := Verdict{Passes: forward && backward, Forward: forward, Backward: backward, Why: why}
	if forward && !backward {
		v.Why = whyBack
	}
	if forward != backward && p.Protocol != world.TCP {
		v.Passes, v.Why = true, "one way only: "+v.Why
	}
	return v
}

// secondary judges a flow at a secondary interface, which has neither groups nor
// an ACL, if it is one.
func secondary(w *world.World, f world.Flow) (v Verdict, ok bool) {
	for _, a := range []netip.Addr{f.From.Addr(), f.To.Addr()} {
		n := w.SecondaryHolder(a)
		if n == nil {
			continue
		}
		if i := w.Instance(n.Instance); i == nil || i.State != "running" {
			return Verdict{Why: fmt.Sprintf("%s is not running", n.Instance)}, true
		}
		if why := hostBlocks(w, n.Instance, f); why != "" {
			return Verdict{Why: why}, true
		}
		v, ok = Verdict{true, true, true, n.ID + " is a secondary interface, which has neither groups nor an ACL"}, true
	}
	return v, ok
}

// nobody says why there can't be traffic at all, if there can't.
func nobody(w *world.World, p path) string {
	if p.from == nil && p.to == nil {
		return "neither end is an interface of this world"
	}
	for _, e := range p.ends() {
		i := w.Instance(e.Instance)
		if i != nil && i.State != "running" {
			return fmt.Sprintf("%s is %s", i.ID, i.State)
		}
		if why := hostBlocks(w, e.Instance, p.Flow); why != "" {
			return why
		}
		if i != nil && i.MetadataOff && services[e.remote.Addr()] == metadataService {
			return "the metadata service is off for " + i.ID
		}
	}
	return ""
}

// ends are the inside ends of a path.
func (p path) ends() []*end {
	return slices.DeleteFunc([]*end{p.from, p.to}, func(e *end) bool { return e == nil })
}

// pathOf finds the interfaces at the ends of a flow. An instance that is spoken to
// at its public address sees and is seen through the internet gateway.
func pathOf(w *world.World, f world.Flow) path {
	p := path{Flow: f}
	from, to := w.Holder(f.From.Addr()), w.Holder(f.To.Addr())
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
	p.to.remote = netip.AddrPortFrom(w.PrivateOf(f.From.Addr()), f.From.Port())
	p.local = from.Subnet == to.Subnet
	return p
}

// follow takes a packet of the flow along its way: the sender's groups, the ACL
// out of its subnet, the ACL into the receiver's subnet, the receiver's groups.
func follow(w *world.World, p path, forward bool) (passes bool, why string) {
	sender, receiver := p.from, p.to
	if !forward {
		sender, receiver = p.to, p.from
	}
	var reasons []string
	for _, hop := range []func() (bool, string){
		func() (bool, string) { return groupsPass(w, p, sender) },
		func() (bool, string) { return aclPasses(w, p, sender, true, forward) },
		func() (bool, string) { return aclPasses(w, p, receiver, false, forward) },
		func() (bool, string) { return groupsPass(w, p, receiver) },
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
func groupsPass(w *world.World, p path, e *end) (bool, string) {
	if e == nil {
		return true, ""
	}
	rule := allowing(w, p, e)
	switch tracked := slices.Contains(p.Tracked, e.ID); {
	case tracked && rule == "":
		return true, fmt.Sprintf("%s still tracks it, though no rule of %s lets it %s now",
			e.ID, strings.Join(e.Groups, ", "), world.Direction(e.outbound))
	case tracked:
		return true, fmt.Sprintf("%s tracks it", e.ID)
	case rule == "":
		return false, fmt.Sprintf("no rule of %s lets it %s at %s", strings.Join(e.Groups, ", "), world.Direction(e.outbound), e.ID)
	default:
		return true, rule
	}
}

// allowing names the rule that lets a flow begin at one end, if any does.
func allowing(w *world.World, p path, e *end) string {
	for _, id := range e.Groups {
		g := w.Group(id)
		if g == nil {
			continue
		}
		for _, r := range g.Rules(e.outbound) {
			if admits(r, p, e) {
				return fmt.Sprintf("%s lets it %s: %s", g.ID, world.Direction(e.outbound), r.String())
			}
		}
	}
	return ""
}

// admits reports whether a rule lets a flow begin at one end.
func admits(r world.Rule, p path, e *end) bool {
	if !matchesPorts(r.Protocol, r.Ports, p.Protocol, int(p.To.Port()), echoRequest(p.Protocol)) {
		return false
	}
	if r.Group != "" {
		return e.direct != nil && slices.Contains(e.direct.Groups, r.Group)
	}
	return r.CIDR.Contains(e.remote.Addr())
}

// matchesPorts reports whether a rule's protocol and ports match a packet's.
func matchesPorts(p world.Protocol, r world.Ports, packet world.Protocol, port, icmpType int) bool {
	switch {
	case p == world.All:
		return true
	case p != packet:
		return false
	case p.HasPorts():
		return r.From <= port && port <= r.To
	case p.IsICMP():
		return r.From == -1 || r.From == icmpType && r.To <= 0 // echo has code 0
	default:
		return true
	}
}

// An ICMP flow is an echo: requests forward, replies backward.
func echoRequest(p world.Protocol) int {
	if p == world.ICMPv6 {
		return 128
	}
	return 8
}

func echoReply(p world.Protocol) int {
	if p == world.ICMPv6 {
		return 129
	}
	return 0
}

// aclPasses judges a packet that leaves or enters the subnet of one end. AWS
// doesn't say which ACL counts for an interface in several subnets: here each of
// them lets pass what its ACL does, so that only a denial in all of them is one.
func aclPasses(w *world.World, p path, e *end, egress, forward bool) (passes bool, why string) {
	if e == nil || e.subnet == nil || p.local {
		return true, ""
	}
	subnets := []*world.Subnet{e.subnet}
	for _, id := range e.Associated {
		if s := w.Subnet(id); s != nil {
			subnets = append(subnets, s)
		}
	}
	for _, s := range subnets {
		if passes, why = subnetPasses(w, p, e, s, egress, forward); passes {
			return true, ""
		}
	}
	return false, why
}

// subnetPasses judges a packet of one end by the ACL of a subnet.
func subnetPasses(w *world.World, p path, e *end, s *world.Subnet, egress, forward bool) (bool, string) {
	a := w.ACL(s.ACL)
	if a == nil {
		return true, ""
	}
	port, icmpType := int(p.To.Port()), echoRequest(p.Protocol)
	if !forward {
		port, icmpType = int(p.From.Port()), echoReply(p.Protocol)
	}
	first := deciding(a, func(entry world.Entry) bool {
		return entry.Egress == egress && entry.CIDR.Contains(e.remote.Addr()) &&
			matchesPorts(entry.Protocol, entry.Ports, p.Protocol, port, icmpType)
	})
	switch {
	case first == nil:
		return false, fmt.Sprintf("denied by %s entry * %s: no other matches", a.ID, world.Direction(egress))
	case !first.Allow:
		return false, fmt.Sprintf("denied by %s entry %d %s", a.ID, first.Number, world.Direction(egress))
	default:
		return true, ""
	}
}

// deciding is the entry that decides: of those that match, the one with the lowest number.
func deciding(a *world.NetworkACL, matches func(world.Entry) bool) *world.Entry {
	var first *world.Entry
	for i, e := range a.Entries {
		if matches(e) && (first == nil || e.Number < first.Number) {
			first = &a.Entries[i]
		}
	}
	return first
}
