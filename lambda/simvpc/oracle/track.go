package oracle

import (
	"net/netip"
	"slices"
	"time"

	"tourniquet/lambda/simvpc/world"
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
func Establish(w *world.World, f world.Flow) Verdict {
	v := Connects(w, f)
	if !v.Passes {
		return v
	}
	f = canonical(w, f)
	f.Tracked, f.Idle = TrackedBy(w, &f), 0
	w.Flows = slices.DeleteFunc(w.Flows, func(old *world.Flow) bool { return old.String() == f.String() })
	w.Flows = append(w.Flows, &f)
	w.Sort()
	return v
}

// Send tries a packet each way on an established flow. What the packets meet
// brings tracking up to date: entries are refreshed and made, and an entry goes
// when by now the rules let everything through both ways. A packet leaving its
// interface refreshes the entry there even when an ACL then drops it.
func Send(w *world.World, f world.Flow) Verdict {
	listed := listedFlow(w, f)
	if listed == nil {
		return Passes(w, f)
	}
	before := judge(w, *listed)
	p := pathOf(w, *listed)
	for _, e := range p.ends() {
		if !e.outbound && !before.Forward || allowing(w, p, e) == "" {
			continue // no packet gets to begin the flow here
		}
		listed.Tracked = slices.DeleteFunc(listed.Tracked, func(id string) bool { return id == e.ID })
		if tracks(w, p, e) {
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
func Advance(w *world.World, d time.Duration) {
	for _, f := range w.Flows {
		f.Idle += d
		f.Tracked = slices.DeleteFunc(f.Tracked, func(id string) bool {
			n := w.Interface(id)
			return n == nil || f.Idle >= TrackingTimeout(w, n, *f)
		})
		if len(f.Tracked) == 0 {
			f.Tracked = nil
		}
	}
}

// TrackingTimeout is how long an interface tracks an established flow without a
// packet.
func TrackingTimeout(w *world.World, n *world.Interface, f world.Flow) time.Duration {
	switch {
	case f.Via == "nlb" && f.Protocol == world.TCP:
		return throughNLBTCP
	case f.Via == "nlb" && f.Protocol == world.UDP:
		return throughNLBUDP
	case f.Protocol == world.UDP && n.UDPStreamTimeout != 0:
		return n.UDPStreamTimeout
	case f.Protocol == world.UDP:
		return udpStream
	case f.Protocol != world.TCP:
		return otherProtocols
	case n.TCPTimeout != 0:
		return n.TCPTimeout
	}
	if i := w.Instance(n.Instance); i != nil && world.OnNitroV6(i.Type) {
		return tcpEstablishedNitroV6
	}
	return tcpEstablished
}

// listedFlow finds the world's flow between the same ends.
func listedFlow(w *world.World, f world.Flow) *world.Flow {
	same := canonical(w, f)
	return world.Find(w.Flows, func(listed *world.Flow) bool {
		c := canonical(w, *listed)
		return c.Protocol == same.Protocol && c.From == same.From && c.To == same.To
	})
}

// canonical names a flow by private addresses, except that an instance which
// another one speaks to at its public address keeps that.
func canonical(w *world.World, f world.Flow) world.Flow {
	inside := w.Holder(f.From.Addr()) != nil
	f.From = netip.AddrPortFrom(w.PrivateOf(f.From.Addr()), f.From.Port())
	if !inside {
		f.To = netip.AddrPortFrom(w.PrivateOf(f.To.Addr()), f.To.Port())
	}
	return f
}

// TrackedBy lists the interfaces that would track a flow that begins now.
func TrackedBy(w *world.World, f *world.Flow) []string {
	var ids []string
	p := pathOf(w, *f)
	for _, e := range p.ends() {
		if unfiltered(w, e) == "" && allowing(w, p, e) != "" && tracks(w, p, e) && !slices.Contains(ids, e.ID) {
			ids = append(ids, e.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// tracks reports whether EC2 tracks a flow that the rules at one end let begin.
// It doesn't track TCP and UDP flows let through for everybody where everything
// is let through in the other direction too, unless the way they take always is.
func tracks(w *world.World, p path, e *end) bool {
	if !p.Protocol.HasPorts() || p.Via != "" || NAT64.Contains(p.To.Addr()) {
		return true
	}
	open := world.AnyIPv4
	if !p.To.Addr().Is4() {
		open = world.AnyIPv6
	}
	begins := slices.ContainsFunc(rulesAt(w, e, e.outbound), func(r world.Rule) bool {
		return r.CIDR == open && admits(r, p, e)
	})
	responds := slices.ContainsFunc(rulesAt(w, e, !e.outbound), func(r world.Rule) bool {
		return r.CIDR == open && (r.Protocol == world.All || r.Protocol == p.Protocol && r.Ports == world.AnyPorts(p.Protocol))
	})
	return !begins || !responds
}

// rulesAt are the rules of all groups at one end.
func rulesAt(w *world.World, e *end, egress bool) []world.Rule {
	var all []world.Rule
	for _, id := range e.Groups {
		if g := w.Group(id); g != nil {
			all = append(all, g.Rules(egress)...)
		}
	}
	return all
}

const metadataService = "the instance metadata service"

// services are the addresses that neither groups nor ACLs filter
// (https://docs.aws.amazon.com/vpc/latest/userguide/nacl-basics.html).
var services = map[netip.Addr]string{
	netip.MustParseAddr("169.254.169.253"): "the Amazon resolver",
	netip.MustParseAddr("fd00:ec2::253"):   "the Amazon resolver",
	netip.MustParseAddr("169.254.169.254"): metadataService,
	netip.MustParseAddr("fd00:ec2::254"):   metadataService,
	netip.MustParseAddr("169.254.169.123"): "the time service",
	netip.MustParseAddr("fd00:ec2::123"):   "the time service",
	netip.MustParseAddr("169.254.170.2"):   "the ECS task metadata service",
	netip.MustParseAddr("169.254.169.250"): "the Windows activation service",
	netip.MustParseAddr("169.254.169.251"): "the Windows activation service",
	netip.MustParseAddr("fd00:ec2::240"):   "the Windows activation service",
}

// unfiltered names the AWS service at the other end that nothing filters, if it
// is one: the resolver at the VPC's base plus two and the subnet's router too.
func unfiltered(w *world.World, e *end) string {
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
		if v4, _ := world.Families(v.CIDRs); len(v4) > 0 && v4[0].Addr().Next().Next() == remote {
			return "the Amazon resolver"
		}
	}
	return ""
}
