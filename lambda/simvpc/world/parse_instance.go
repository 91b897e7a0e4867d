package world

import (
	"net/netip"
	"slices"
	"strings"
)

// States are the states an instance can be in, with EC2's codes
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html).
var States = map[string]int{
	"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80,
}

// routes are the ways through which EC2 always tracks a flow
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html).
var routes = []string{
	"nat", "nlb", "endpoint", "egress-only-igw", "global-accelerator", "network-firewall", "gwlb", "tgw",
}

func (p *parser) instance(l *line) (err error) {
	i := &Instance{}
	p.lineOf[i] = l
	p.w.Instances = append(p.w.Instances, i)
	if i.ID, err = l.id("id", "i-"); err != nil {
		return err
	}
	return l.fields(i.fields())
}

func (p *parser) networkInterface(l *line) (err error) {
	n := &Interface{Device: -1}
	p.lineOf[n] = l
	if n.ID, err = l.id("id", "eni-"); err != nil {
		return err
	}
	if len(l.words) > 0 && l.words[0] == "-" {
		l.words = l.words[1:]
	} else if n.Instance, err = l.id("instance", "i-"); err != nil {
		return err
	}
	if n.Subnet, err = l.id("subnet", "subnet-"); err != nil {
		return err
	}
	for _, a := range l.addresses() {
		if a.Is4() {
			n.Private = append(n.Private, a)
		} else {
			n.IPv6 = append(n.IPv6, a)
		}
	}
	if err := l.options(p.interfaceOptions(l, n)); err != nil {
		return err
	}
	if n.Device < 0 {
		n.Device = p.w.freeDevice(n.Instance)
	}
	p.w.Interfaces = append(p.w.Interfaces, n)
	return nil
}

func (p *parser) interfaceOptions(l *line, n *Interface) map[string]func() error {
	return map[string]func() error{
		"public": func() error {
			s, err := l.next("public")
			if err != nil {
				return err
			}
			if n.Public, err = netip.ParseAddr(s); err != nil || !n.Public.Is4() {
				return l.errorf("public", "invalid IPv4 address %q", s)
			}
			return nil
		},
		"associated":         func() (err error) { n.Associated, err = l.ids("associated", "subnet-"); return err },
		"groups":             func() (err error) { n.Groups, err = l.ids("groups", "sg-"); return err },
		"device":             func() (err error) { n.Device, err = l.integer("device"); return err },
		"timeout":            func() (err error) { n.TCPTimeout, err = l.duration("timeout"); return err },
		"udp-timeout":        func() (err error) { n.UDPTimeout, err = l.duration("udp-timeout"); return err },
		"udp-stream-timeout": func() (err error) { n.UDPStreamTimeout, err = l.duration("udp-stream-timeout"); return err },
		"type":               l.set("type", &n.Type),
		"managed":            l.set("managed", &n.RequesterID),
		"operator":           l.set("operator", &n.Operator),
		"owner":              l.set("owner", &n.Owner),
		"description":        l.set("description", &n.Description),
		"unchangeable":       mark(&n.Unchangeable),
		"nocheck":            mark(&n.NoSourceDestCheck),
		"keep":               mark(&n.Keep),
		"tags":               l.setTags(&n.Tags),
	}
}

// secondary reads "secondary si-1 i-1 10.9.0.5".
func (p *parser) secondary(l *line) (err error) {
	n := &SecondaryInterface{}
	p.lineOf[n] = l
	p.w.Secondary = append(p.w.Secondary, n)
	if n.ID, err = l.id("id", "si-"); err != nil {
		return err
	}
	if n.Instance, err = l.id("instance", "i-"); err != nil {
		return err
	}
	if n.Private = l.addresses(); len(n.Private) == 0 {
		return l.errorf("address", "missing")
	}
	return l.options(nil)
}

// freeDevice is the lowest device index of an instance that no interface has.
func (w *World) freeDevice(instance string) int {
	device := 0
	for _, n := range w.InterfacesOf(instance) {
		if n.Device == device {
			device++
		}
	}
	return device
}

func (p *parser) flow(l *line) (err error) {
	f := &Flow{}
	p.lineOf[f] = l
	p.w.Flows = append(p.w.Flows, f)
	name, err := l.next("protocol")
	if err != nil {
		return err
	}
	if f.Protocol, err = ParseProtocol(name); err != nil || f.Protocol == All {
		return l.errorf("protocol", "%q: want one protocol", name)
	}
	if f.From, err = l.endpoint("from", f.Protocol); err != nil {
		return err
	}
	if arrow, err := l.next("arrow"); err != nil || arrow != "->" {
		return l.errorf("arrow", "want -> between initiator and responder")
	}
	if f.To, err = l.endpoint("to", f.Protocol); err != nil {
		return err
	}
	if f.From.Addr().BitLen() != f.To.Addr().BitLen() {
		return l.errorf("to", "both ends must be of one address family")
	}
	return p.flowOptions(l, f)
}

// ParseFlow reads a flow as worlds write it, such as
// "tcp 10.0.1.10:44321 -> 198.51.100.7:443 via nat".
func ParseFlow(text string) (Flow, error) {
	l, err := tokenize(1, text)
	if err != nil {
		return Flow{}, err
	}
	l.kind = "flow"
	p := &parser{w: &World{}, lineOf: map[any]*line{}}
	if err := p.flow(l); err != nil {
		return Flow{}, err
	}
	return *p.w.Flows[0], nil
}

func (p *parser) flowOptions(l *line, f *Flow) error {
	var tracked, untracked bool
	err := l.options(map[string]func() error{
		"via": func() error {
			err := l.set("via", &f.Via)()
			if err == nil && !slices.Contains(routes, f.Via) {
				err = l.errorf("via", "%q: want one of %s", f.Via, strings.Join(routes, ", "))
			}
			return err
		},
		"tracked": func() (err error) {
			tracked = true
			f.Tracked, err = l.ids("tracked", "eni-")
			return err
		},
		"untracked": mark(&untracked),
		"agent":     mark(&f.Agent), "quiet": mark(&f.Quiet),
		"idle": func() (err error) { f.Idle, err = l.duration("idle"); return err },
	})
	if err == nil && tracked && untracked {
		err = l.errorf("tracked", "either tracked or untracked")
	}
	if !tracked && !untracked {
		p.derived = append(p.derived, f)
	}
	return err
}

// endpoint reads an address, with a port where the protocol has ports.
func (l *line) endpoint(field string, proto Protocol) (netip.AddrPort, error) {
	s, err := l.next(field)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if proto.HasPorts() {
		end, err := netip.ParseAddrPort(s)
		if err != nil || end.Addr().Zone() != "" || end.Addr().Is4In6() {
			return netip.AddrPort{}, l.errorf(field, "%q: want ADDRESS:PORT, or [ADDRESS]:PORT for IPv6", s)
		}
		return end, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return netip.AddrPort{}, l.errorf(field, "%q: want an address", s)
	}
	return netip.AddrPortFrom(a, 0), nil
}
