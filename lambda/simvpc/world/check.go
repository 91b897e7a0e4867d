package world

import (
	"errors"
	"net/netip"
	"time"
)

// check reports references to nothing, duplicates, and what EC2 would never have.
func (p *parser) check() error {
	var errs []error
	for _, v := range p.w.VPCs {
		errs = append(errs, unique(p, p.w.VPCs, v, func(v *VPC) string { return v.ID }))
	}
	for _, s := range p.w.Subnets {
		errs = append(errs, unique(p, p.w.Subnets, s, func(s *Subnet) string { return s.ID }), p.checkSubnet(s))
	}
	for _, g := range p.w.Groups {
		errs = append(errs, unique(p, p.w.Groups, g, func(g *SecurityGroup) string { return g.ID }), p.checkGroup(g))
	}
	for _, a := range p.w.ACLs {
		errs = append(errs, unique(p, p.w.ACLs, a, func(a *NetworkACL) string { return a.ID }), p.checkACL(a))
	}
	for _, i := range p.w.Instances {
		errs = append(errs, unique(p, p.w.Instances, i, func(i *Instance) string { return i.ID }))
	}
	taken := map[netip.Addr]string{} // by interface
	for _, n := range p.w.Interfaces {
		errs = append(errs, unique(p, p.w.Interfaces, n, func(n *Interface) string { return n.ID }),
			p.checkInterface(n), p.checkAddresses(n, taken))
	}
	for _, n := range p.w.Secondary {
		errs = append(errs, unique(p, p.w.Secondary, n, func(n *SecondaryInterface) string { return n.ID }), p.checkSecondary(n, taken))
	}
	for _, f := range p.w.Flows {
		errs = append(errs, unique(p, p.w.Flows, f, func(f *Flow) string { return f.text() }), p.checkFlow(f))
	}
	return errors.Join(append(errs, p.checkServed(), p.checkMachines())...)
}

// at is the line something was declared on; what was derived has none of its own.
func (p *parser) at(x any) *line {
	if l := p.lineOf[x]; l != nil {
		return l
	}
	return &line{kind: "derived default"}
}

// unique complains about x unless it is the first of its ID.
func unique[T any](p *parser, all []*T, x *T, id func(*T) string) error {
	if first := Find(all, func(y *T) bool { return id(y) == id(x) }); first != x {
		return p.at(x).errorf("id", "%s is declared twice", id(x))
	}
	return nil
}

func (p *parser) checkSubnet(s *Subnet) error {
	l, v := p.at(s), p.w.VPC(s.VPC)
	if v == nil {
		return l.errorf("VPC", "%s is not declared", s.VPC)
	}
	for _, cidr := range s.CIDRs {
		if !Within(cidr, v.CIDRs) {
			return l.errorf("CIDR", "%s is not in a CIDR of %s", cidr, v.ID)
		}
	}
	return nil
}

func (p *parser) checkGroup(g *SecurityGroup) error {
	l := p.at(g)
	if p.w.VPC(g.VPC) == nil {
		return l.errorf("VPC", "%s is not declared", g.VPC)
	}
	if g.Default && p.w.DefaultGroup(g.VPC) != g {
		return l.errorf("default", "%s has a default group already", g.VPC)
	}
	if same := p.w.GroupNamed(g.VPC, g.Name); same != g && same.ID != g.ID {
		return l.errorf("name", "%q is the name of %s too", g.Name, same.ID)
	}
	for _, rules := range [][]Rule{g.In, g.Out} {
		for _, r := range rules {
			if r.Group != "" && p.w.Group(r.Group) == nil {
				return l.errorf("rule", "%s is not declared", r.Group)
			}
		}
	}
	return nil
}

func (p *parser) checkACL(a *NetworkACL) error {
	l := p.at(a)
	if p.w.VPC(a.VPC) == nil {
		return l.errorf("VPC", "%s is not declared", a.VPC)
	}
	if a.Default && p.w.defaultACL(a.VPC) != a {
		return l.errorf("default", "%s has a default ACL already", a.VPC)
	}
	for _, egress := range []bool{false, true} {
		for _, family := range []netip.Prefix{AnyIPv4, AnyIPv6} {
			if a.Count(egress, family.Addr().BitLen()) > a.Quota {
				return l.errorf("quota", "more than %d entries %s of one address family, the * entry counted",
					a.Quota, Direction(egress))
			}
		}
	}
	return nil
}

// checkServed checks the subnets that ACLs name.
func (p *parser) checkServed() error {
	var errs []error
	for _, serve := range p.serves {
		l, s := p.at(serve.acl), p.w.Subnet(serve.subnet)
		switch {
		case s == nil:
			errs = append(errs, l.errorf("subnets", "%s is not declared", serve.subnet))
		case s.VPC != serve.acl.VPC:
			errs = append(errs, l.errorf("subnets", "%s is in %s, the ACL in %s", s.ID, s.VPC, serve.acl.VPC))
		case s.ACL != serve.acl.ID:
			errs = append(errs, l.errorf("subnets", "%s is served by %s already", s.ID, s.ACL))
		}
	}
	return errors.Join(errs...)
}

func (p *parser) checkInterface(n *Interface) error {
	l, s := p.at(n), p.w.Subnet(n.Subnet)
	if s == nil {
		return l.errorf("subnet", "%s is not declared", n.Subnet)
	}
	i := p.w.Instance(n.Instance)
	if n.Instance != "" && i == nil {
		return l.errorf("instance", "%s is not declared", n.Instance)
	}
	if i != nil && i.State == "terminated" {
		return l.errorf("instance", "%s is terminated and has no interfaces", i.ID)
	}
	for _, t := range TimeoutsOf(n) {
		if t.Value != 0 && (t.Value < t.Min || t.Value > t.Max) {
			return l.errorf(t.name, "want %s to %s", t.Min, t.Max)
		}
	}
	return errors.Join(p.checkAssociated(n, s), p.checkDevice(n), p.checkGroups(n, s.VPC))
}

func (p *parser) checkAssociated(n *Interface, s *Subnet) error {
	for _, id := range n.Associated {
		if other := p.w.Subnet(id); other == nil || other.VPC != s.VPC || other == s {
			return p.at(n).errorf("associated", "%s is not another subnet of %s", id, s.VPC)
		}
	}
	return nil
}

func (p *parser) checkDevice(n *Interface) error {
	for _, other := range p.w.InterfacesOf(n.Instance) {
		if other != n && other.Device == n.Device {
			return p.at(n).errorf("device", "%d is the index of %s too", n.Device, other.ID)
		}
	}
	return nil
}

func (p *parser) checkGroups(n *Interface, vpc string) error {
	for _, id := range n.Groups {
		if g := p.w.Group(id); g == nil || g.VPC != vpc {
			return p.at(n).errorf("groups", "%s has no group %s", vpc, id)
		}
	}
	if len(n.Groups) > p.w.GroupsPerInterface {
		return p.at(n).errorf("groups", "at most %d", p.w.GroupsPerInterface)
	}
	return nil
}

func (p *parser) checkAddresses(n *Interface, taken map[netip.Addr]string) error {
	l, s := p.at(n), p.w.Subnet(n.Subnet)
	if s == nil {
		return nil // reported already
	}
	all := n.addresses()
	if len(all) == 0 {
		return l.errorf("address", "missing, and %s has none left", s.ID)
	}
	for _, a := range all {
		if !Within(netip.PrefixFrom(a, a.BitLen()), s.CIDRs) {
			return l.errorf("address", "%s is not in %s", a, s.ID)
		}
	}
	if n.Public.IsValid() {
		if len(n.Private) == 0 {
			return l.errorf("public", "needs a private IPv4 address")
		}
		all = append(all, n.Public)
	}
	for _, a := range all {
		if other := taken[a]; other != "" {
			return l.errorf("address", "%s belongs to %s", a, other)
		}
		taken[a] = n.ID
	}
	return nil
}

func (p *parser) checkSecondary(n *SecondaryInterface, taken map[netip.Addr]string) error {
	l, i := p.at(n), p.w.Instance(n.Instance)
	if i == nil {
		return l.errorf("instance", "%s is not declared", n.Instance)
	}
	if i.State == "terminated" {
		return l.errorf("instance", "%s is terminated and has no interfaces", i.ID)
	}
	for _, a := range n.Private {
		if !a.Is4() {
			return l.errorf("address", "%s: want IPv4 addresses", a)
		}
		if other := taken[a]; other != "" {
			return l.errorf("address", "%s belongs to %s", a, other)
		}
		taken[a] = n.ID
	}
	return nil
}

func (p *parser) checkFlow(f *Flow) error {
	for _, id := range f.Tracked {
		if n := p.w.Interface(id); n == nil || n != p.w.Holder(f.From.Addr()) && n != p.w.Holder(f.To.Addr()) {
			return p.at(f).errorf("tracked", "%s is not at an end of the flow", id)
		}
	}
	return nil
}

// A Timeout is one of the idle timeouts of connection tracking, with EC2's bounds
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ConnectionTrackingSpecificationRequest.html).
type Timeout struct {
	name            string // in worlds
	Param           string // in requests
	Value, Min, Max time.Duration
}

// TimeoutsOf are the idle timeouts that an interface has.
func TimeoutsOf(n *Interface) []Timeout {
	return []Timeout{
		{"timeout", "TcpEstablishedTimeout", n.TCPTimeout, 60 * time.Second, 432000 * time.Second},
		{"udp-stream-timeout", "UdpStreamTimeout", n.UDPStreamTimeout, 60 * time.Second, 180 * time.Second},
		{"udp-timeout", "UdpTimeout", n.UDPTimeout, 30 * time.Second, 60 * time.Second},
	}
}
