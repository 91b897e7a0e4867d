package packets

import (
	"net/netip"
	"slices"
	"sync"

	"tourniquet/lambda/packets/fabric"
	"tourniquet/lambda/simvpc/world"
)

// A Source is a world that changes: a simvpc server.
type Source interface {
	World() *world.World // a copy of it as it is now
	Changes() uint64     // how often it has changed
}

// live is the rules that follow from a source, as it is at every moment.
type live struct {
	source Source
	routes routes

	mu      sync.Mutex
	changes uint64
	rules   *fabric.Rules
}

// Rules are the rules now.
func (l *live) Rules() *fabric.Rules {
	l.mu.Lock()
	defer l.mu.Unlock()
	if changes := l.source.Changes(); l.rules == nil || changes != l.changes {
		// Counted before the world is read: a change in between is read twice.
		l.changes, l.rules = changes, rulesOf(l.source.World(), l.routes)
	}
	return l.rules
}

// rulesOf are the rules that follow from a world.
func rulesOf(w *world.World, via routes) *fabric.Rules {
	r := &fabric.Rules{
		Groups: map[string]fabric.Group{}, Subnets: map[string]fabric.Subnet{}, ACLs: map[string][]fabric.Entry{},
		Hosts: hostRules(w), Balancers: via.balancers,
	}
	for _, n := range w.Interfaces {
		if !via.gateways[n.ID] {
			r.Interfaces = append(r.Interfaces, interfaceOf(w, n))
		}
	}
	for _, g := range w.Groups {
		r.Groups[g.ID] = fabric.Group{In: groupRules(g.In), Out: groupRules(g.Out)}
	}
	for _, s := range w.Subnets {
		r.Subnets[s.ID] = fabric.Subnet{
			VPC: s.VPC, ACL: s.ACL, Prefixes: s.CIDRs, Resolver: resolver(w, s), NAT: via.nats[s.ID], Devices: via.devices[s.ID],
		}
	}
	for _, a := range w.ACLs {
		entries := make([]fabric.Entry, len(a.Entries))
		for i, e := range a.Entries {
			entries[i] = fabric.Entry{
				Number: e.Number, Egress: e.Egress, Allow: e.Allow,
				Protocol: int(e.Protocol), From: e.Ports.From, To: e.Ports.To, Prefix: e.CIDR,
			}
		}
		r.ACLs[a.ID] = entries
	}
	return r.Index()
}

func interfaceOf(w *world.World, n *world.Interface) fabric.Interface {
	f := fabric.Interface{
		ID: n.ID, Host: hostName(n), Subnet: n.Subnet, Associated: n.Associated, Addresses: slices.Concat(n.Private, n.IPv6), Public: n.Public, Groups: n.Groups,
		Idle: fabric.Idle{TCP: n.TCPTimeout, UDP: n.UDPTimeout, UDPStream: n.UDPStreamTimeout},
	}
	if i := w.Instance(n.Instance); i != nil {
		f.Down = i.State != "running"
		if f.Idle.TCP == 0 && world.OnNitroV6(i.Type) {
			f.Idle.TCP = fabric.NitroV6TCP
		}
	}
	return f
}

// hostRules are the own rules of instances that isolated themselves. Such a one keeps
// its Systems Manager agent's connections and the metadata service.
func hostRules(w *world.World) map[string]fabric.HostRules {
	all := map[string]fabric.HostRules{}
	for _, i := range w.Instances {
		if i.Isolated {
			all[i.ID] = fabric.HostRules{Isolated: true, Keep: []fabric.Kept{
				{Protocol: fabric.TCP, Remote: netip.MustParsePrefix("169.254.169.254/32"), Port: 80},
				{Protocol: fabric.TCP, Remote: netip.MustParsePrefix("fd00:ec2::254/128"), Port: 80},
			}}
		}
	}
	for _, f := range w.Flows {
		n := w.Holder(f.From.Addr())
		if n == nil || !f.Agent || !all[n.Instance].Isolated {
			continue
		}
		rules := all[n.Instance]
		rules.Keep = append(rules.Keep, fabric.Kept{Protocol: int(f.Protocol), Remote: single(f.To.Addr()), Port: f.To.Port()})
		all[n.Instance] = rules
	}
	return all
}

// hostName is the instance of an interface, or the interface itself where a service
// has it.
func hostName(n *world.Interface) string {
	if n.Instance != "" {
		return n.Instance
	}
	return n.ID
}

func groupRules(rules []world.Rule) []fabric.Rule {
	all := make([]fabric.Rule, len(rules))
	for i, r := range rules {
		all[i] = fabric.Rule{Protocol: int(r.Protocol), From: r.Ports.From, To: r.Ports.To, Prefix: r.CIDR, Group: r.Group}
	}
	return all
}

// resolver is the address of Amazon's resolver in a VPC: its base plus two
// (https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html).
func resolver(w *world.World, s *world.Subnet) netip.Addr {
	v := w.VPC(s.VPC)
	if v == nil {
		return netip.Addr{}
	}
	v4, _ := world.Families(v.CIDRs)
	if len(v4) == 0 {
		return netip.Addr{}
	}
	return v4[0].Addr().Next().Next()
}
