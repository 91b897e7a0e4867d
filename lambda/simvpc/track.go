package simvpc

import (
	"net/netip"
	"slices"
	"time"
)

// Idle timeouts of connection tracking
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html).
const (
	tcpEstablished        = 432000 * time.Second // on everything before Nitro v6
	tcpEstablishedNitroV6 = 350 * time.Second
	udpStream             = 180 * time.Second
	otherProtocols        = 600 * time.Second // documented for all but ICMP, where it is a guess
	throughNLBTCP         = 350 * time.Second
	throughNLBUDP         = 120 * time.Second
)

// Establish opens a connection: if it comes about, the world lists its flow from
// now on, with the tracking entries that EC2 would make.
func (w *World) Establish(f Flow) Verdict {
	v := w.Connects(f)
	if !v.Passes {
		return v
	}
	f = w.canonical(f)
	f.Tracked, f.Idle = w.trackedBy(&f), 0
	w.Flows = slices.DeleteFunc(w.Flows, func(old *Flow) bool { return old.text() == f.text() })
	w.Flows = append(w.Flows, &f)
	w.sort()
	return v
}

// Send tries a packet each way on an established flow. What the packets meet
// brings tracking up to date: entries are refreshed and made, and an entry goes
// when by now the rules let everything through both ways. A packet leaving its
// interface refreshes the entry there even when an ACL then drops it.
func (w *World) Send(f Flow) Verdict {
	listed := w.flow(f)
	if listed == nil {
		return w.Passes(f)
	}
	before := w.judge(*listed)
	p := w.path(*listed)
	for _, e := range p.ends() {
		if !e.outbound && !before.Forward || w.allowing(p, e) == "" {
			continue // no packet gets to begin the flow here
		}
		listed.Tracked = slices.DeleteFunc(listed.Tracked, func(id string) bool { return id == e.ID })
		if w.tracks(p, e) {
			listed.Tracked = append(listed.Tracked, e.ID)
		}
	}
	slices.Sort(listed.Tracked)
	if len(listed.Tracked) == 0 {
		listed.Tracked = nil
	}
	listed.Idle = 0
	return before
}

// Advance lets time pass without a packet on any flow. Tracking entries idle for
// the timeout of their interface go.
func (w *World) Advance(d time.Duration) {
	for _, f := range w.Flows {
		f.Idle += d
		f.Tracked = slices.DeleteFunc(f.Tracked, func(id string) bool {
			n := w.Interface(id)
			return n == nil || f.Idle >= w.TrackingTimeout(n, *f)
		})
		if len(f.Tracked) == 0 {
			f.Tracked = nil
		}
	}
}

// TrackingTimeout is how long an interface tracks an established flow without a
// packet.
func (w *World) TrackingTimeout(n *Interface, f Flow) time.Duration {
	switch {
	case f.Via == "nlb" && f.Protocol == TCP:
		return throughNLBTCP
	case f.Via == "nlb" && f.Protocol == UDP:
		return throughNLBUDP
	case f.Protocol == UDP && n.UDPStreamTimeout != 0:
		return n.UDPStreamTimeout
	case f.Protocol == UDP:
		return udpStream
	case f.Protocol != TCP:
		return otherProtocols
	case n.TCPTimeout != 0:
		return n.TCPTimeout
	}
	if i := w.Instance(n.Instance); i != nil && onNitroV6(i.Type) {
		return tcpEstablishedNitroV6
	}
	return tcpEstablished
}

// flow finds the world's flow between the same ends.
func (w *World) flow(f Flow) *Flow {
	same := w.canonical(f)
	return find(w.Flows, func(listed *Flow) bool {
		c := w.canonical(*listed)
		return c.Protocol == same.Protocol && c.From == same.From && c.To == same.To
	})
}

// canonical names a flow by private addresses, except that an instance which
// another one speaks to at its public address keeps that.
func (w *World) canonical(f Flow) Flow {
	inside := w.holder(f.From.Addr()) != nil
	f.From = netip.AddrPortFrom(w.private(f.From.Addr()), f.From.Port())
	if !inside {
		f.To = netip.AddrPortFrom(w.private(f.To.Addr()), f.To.Port())
	}
	return f
}

// trackedBy lists the interfaces that would track a flow that begins now.
func (w *World) trackedBy(f *Flow) []string {
	var ids []string
	p := w.path(*f)
	for _, e := range p.ends() {
		if w.unfiltered(e) == "" && w.allowing(p, e) != "" && w.tracks(p, e) && !slices.Contains(ids, e.ID) {
			ids = append(ids, e.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// tracks reports whether EC2 tracks a flow that the rules at one end let begin.
// It doesn't track TCP and UDP flows let through for everybody where everything
// is let through in the other direction too, unless the way they take always is.
func (w *World) tracks(p path, e *end) bool {
	if !p.Protocol.hasPorts() || p.Via != "" {
		return true
	}
	open := anyIPv4
	if !p.To.Addr().Is4() {
		open = anyIPv6
	}
	begins := slices.ContainsFunc(w.rulesAt(e, e.outbound), func(r Rule) bool {
		return r.CIDR == open && r.admits(p, e)
	})
	responds := slices.ContainsFunc(w.rulesAt(e, !e.outbound), func(r Rule) bool {
		return r.CIDR == open && (r.Protocol == All || r.Protocol == p.Protocol && r.Ports == anyPorts(p.Protocol))
	})
	return !begins || !responds
}

// rulesAt are the rules of all groups at one end.
func (w *World) rulesAt(e *end, egress bool) []Rule {
	var all []Rule
	for _, id := range e.Groups {
		if g := w.Group(id); g != nil {
			all = append(all, g.rules(egress)...)
		}
	}
	return all
}

// services are the addresses that neither groups nor ACLs filter
// (https://docs.aws.amazon.com/vpc/latest/userguide/nacl-basics.html).
var services = map[netip.Addr]string{
	netip.MustParseAddr("169.254.169.253"): "the Amazon resolver",
	netip.MustParseAddr("fd00:ec2::253"):   "the Amazon resolver",
	netip.MustParseAddr("169.254.169.254"): "the instance metadata service",
	netip.MustParseAddr("fd00:ec2::254"):   "the instance metadata service",
	netip.MustParseAddr("169.254.169.123"): "the time service",
	netip.MustParseAddr("fd00:ec2::123"):   "the time service",
	netip.MustParseAddr("169.254.170.2"):   "the ECS task metadata service",
	netip.MustParseAddr("169.254.169.250"): "the Windows activation service",
	netip.MustParseAddr("169.254.169.251"): "the Windows activation service",
	netip.MustParseAddr("fd00:ec2::240"):   "the Windows activation service",
}

// unfiltered names the AWS service at the other end that nothing filters, if it
// is one: the resolver at the VPC's base plus two and the subnet's router too.
func (w *World) unfiltered(e *end) string {
	remote := e.remote.Addr()
	if name := services[remote]; name != "" {
		return name
	}
	if e.subnet == nil {
		return ""
	}
	for _, cidr := range e.subnet.CIDRs {
		if cidr.Addr().Is4() && cidr.Addr().Next() == remote {
			return "the VPC router"
		}
	}
	if v := w.VPC(e.subnet.VPC); v != nil {
		if v4, _ := families(v.CIDRs); len(v4) > 0 && v4[0].Addr().Next().Next() == remote {
			return "the Amazon resolver"
		}
	}
	return ""
}
