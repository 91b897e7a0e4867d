package fabric

import (
	"net/netip"
	"slices"
	"time"
)

// Rules are everything that decides about packets at one moment. They are plain
// data; Index prepares them for use, after which they must not change.
type Rules struct {
	Interfaces []Interface
	Groups     map[string]Group
	Subnets    map[string]Subnet
	ACLs       map[string][]Entry // in any order; what no entry matches is denied
	Hosts      map[string]HostRules
	Balancers  []Balancer

	inside   map[netip.Addr]*Interface // by private and IPv6 address
	public   map[netip.Addr]*Interface
	byID     map[string]*Interface
	balancer map[netip.AddrPort]*Balancer // by what clients speak to
}

// An Interface is an elastic network interface.
type Interface struct {
	ID     string
	Host   string // the instance
	Down   bool   // the instance isn't running
	Subnet string
	// Associated are further subnets that it is in. AWS doesn't say which ACL counts
	// then; here a packet passes where one of them lets it.
	Associated []string
	Addresses  []netip.Addr // private and IPv6; the public one stands for the first
	Public     netip.Addr   // none if invalid
	Groups     []string
	Idle       Idle
}

// Idle says for how long an interface remembers an idle connection.
type Idle struct {
	TCP       time.Duration // established
	UDP       time.Duration // one request, or one with its answer
	UDPStream time.Duration
}

// A Subnet is a range of addresses behind one network ACL.
type Subnet struct {
	VPC      string
	ACL      string
	Prefixes []netip.Prefix
	Resolver netip.Addr // the VPC's base address plus two
	// NAT is the gateway to which the subnet's route for IPv4 points; without one,
	// interfaces without a public address speak directly, as over a VPN.
	NAT *NAT
	// Devices are what else stands in the way and makes connections always tracked.
	Devices []Device
}

// A Device is something on the way to some addresses outside that makes an interface
// track connections whatever the rules: an egress-only internet gateway, Global
// Accelerator, a Network Firewall endpoint, a transit gateway, an interface endpoint
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html#automatic-tracking).
type Device struct {
	Name   string
	Remote netip.Prefix
}

// A NAT is a NAT gateway.
type NAT struct {
	Public  netip.Addr
	Private netip.Addr // its address in its own subnet; invalid if that isn't modelled
	Subnet  string     // whose ACL it is behind
}

// A Group is a security group.
type Group struct{ In, Out []Rule }

// A Rule of a group allows what it matches.
type Rule struct {
	Protocol int
	From, To int          // ports; for ICMP a type and a code, -1 for any
	Prefix   netip.Prefix // zero when Group is set
	Group    string       // the other end is a member, seen at its private address
}

// An Entry is one rule of a network ACL.
type Entry struct {
	Number   int
	Egress   bool
	Allow    bool
	Protocol int
	From, To int
	Prefix   netip.Prefix
}

// Index prepares rules for use.
func (r *Rules) Index() *Rules {
	r.inside, r.public = map[netip.Addr]*Interface{}, map[netip.Addr]*Interface{}
	r.byID, r.balancer = map[string]*Interface{}, map[netip.AddrPort]*Balancer{}
	for i := range r.Interfaces {
		n := &r.Interfaces[i]
		r.byID[n.ID] = n
		for _, a := range n.Addresses {
			r.inside[a] = n
		}
		if n.Public.IsValid() {
			r.public[n.Public] = n
		}
	}
	for i := range r.Balancers {
		b := &r.Balancers[i]
		r.balancer[netip.AddrPortFrom(b.Address, b.Port)] = b
	}
	for id, entries := range r.ACLs {
		sorted := slices.Clone(entries)
		slices.SortFunc(sorted, func(a, b Entry) int { return a.Number - b.Number })
		r.ACLs[id] = sorted
	}
	return r
}

// matches reports whether a rule's protocol and ports are those of a packet. With
// reply, the packet is an answer to what the rule would let begin.
func matches(protocol, from, to int, p *packet, port uint16, kind int) bool {
	switch {
	case protocol == All:
		return true
	case protocol != p.protocol:
		return false
	case hasPorts(protocol):
		return from <= int(port) && int(port) <= to
	case protocol == ICMP || protocol == ICMPv6:
		return from == -1 || from == kind && (to == -1 || to == p.code)
	default:
		return true
	}
}

// aclJudges finds the entry that decides about a packet at the edge of a subnet;
// remote is the end outside it. Nothing found means denied.
func (r *Rules) aclJudges(acl string, p *packet, remote netip.Addr, egress bool) (Entry, bool) {
	for _, e := range r.ACLs[acl] {
		if e.Egress == egress && e.Prefix.Contains(remote) && matches(e.Protocol, e.From, e.To, p, p.to.Port(), p.kind) {
			return e, true
		}
	}
	return Entry{}, false
}

// An opening is what a group rule decides on: the first packet of a flow, as the
// interface sees it.
type opening struct {
	port     uint16 // the responder's
	kind     int    // ICMP type
	outbound bool
	remote   netip.Addr
	member   *Interface // the other end, seen at its private address
}

// allows reports whether the groups of an interface let a flow begin.
func (r *Rules) allows(n *Interface, p *packet, o opening) bool {
	for _, id := range n.Groups {
		if slices.ContainsFunc(r.rulesOf(id, o.outbound), func(rule Rule) bool { return rule.admits(p, o) }) {
			return true
		}
	}
	return false
}

func (r *Rules) rulesOf(group string, outbound bool) []Rule {
	if outbound {
		return r.Groups[group].Out
	}
	return r.Groups[group].In
}

func (rule Rule) admits(p *packet, o opening) bool {
	if !matches(rule.Protocol, rule.From, rule.To, p, o.port, o.kind) {
		return false
	}
	if rule.Group != "" {
		return o.member != nil && slices.Contains(o.member.Groups, rule.Group)
	}
	return rule.Prefix.Contains(o.remote)
}

// tracks reports whether an interface tracks a flow that its groups let begin. It
// doesn't track TCP and UDP flows that are let through for everybody while answers
// to everybody are let through on all ports.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html#untracked-connections
func (r *Rules) tracks(n *Interface, p *packet, o opening) bool {
	if !hasPorts(p.protocol) {
		return true
	}
	begins := r.anyOpen(n, p, o.outbound, func(rule Rule) bool { return rule.admits(p, o) })
	answers := r.anyOpen(n, p, !o.outbound, func(rule Rule) bool {
		return rule.Protocol == All || rule.Protocol == p.protocol && rule.From == 0 && rule.To == 65535
	})
	return !begins || !answers
}

// anyOpen reports whether a rule for everybody of the packet's family is such.
func (r *Rules) anyOpen(n *Interface, p *packet, outbound bool, such func(Rule) bool) bool {
	return slices.ContainsFunc(n.Groups, func(id string) bool {
		return slices.ContainsFunc(r.rulesOf(id, outbound), func(rule Rule) bool {
			return rule.Group == "" && rule.Prefix.Bits() == 0 && rule.Prefix.Addr().Is6() == p.v6 && such(rule)
		})
	})
}
