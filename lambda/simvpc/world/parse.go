package world

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A Tracker says which interfaces track a flow that begins now.
type Tracker func(*World, *Flow) []string

// Parse reads a world from its text; the package comment describes the
// format. The tracker decides where the text doesn't say which interfaces track
// a flow. The error names line and field, of every line that is wrong.
func Parse(text string, tracked Tracker) (*World, error) {
	p := &parser{w: &World{}, lineOf: map[any]*line{}}
	var errs []error
	number := 0
	for text := range strings.Lines(text) {
		number++
		l, err := tokenize(number, text)
		if err == nil && len(l.words) > 0 {
			err = p.parse(l)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p.associate()
	p.w.Normalize()
	if err := p.check(); err != nil {
		return nil, err
	}
	for _, f := range p.derived {
		f.Tracked = tracked(p.w, f)
	}
	return p.w, nil
}

// A parser reads a world line by line. Lines may refer to later ones, so
// references are checked at the end.
type parser struct {
	w       *World
	group   *SecurityGroup // whose rules follow
	acl     *NetworkACL    // whose entries follow
	table   *RouteTable    // whose routes follow
	lineOf  map[any]*line  // where each thing was declared
	serves  []served       // ACLs and the subnets they name
	derived []*Flow        // flows that don't say where they are tracked
}

type served struct {
	acl    *NetworkACL
	subnet string
}

func (p *parser) parse(l *line) error {
	word := l.words[0]
	l.kind = word
	switch {
	case word == "in" || word == "out":
		return p.rule(l)
	case word == "to":
		return p.route(l)
	case word[0] >= '0' && word[0] <= '9':
		return p.entry(l)
	}
	l.words = l.words[1:]
	p.group, p.acl, p.table = nil, nil, nil
	declare := map[string]func(*line) error{
		"account": p.account, "region": p.region, "vpc": p.vpc, "subnet": p.subnet, "group": p.securityGroup,
		"acl": p.networkACL, "groups-per-interface": p.groupsPerInterface, "instance": p.instance, "interface": p.networkInterface, "flow": p.flow,
		"managed-resources": p.managedResources, "secondary": p.secondary, "internet-gateway": p.internetGateway, "route-table": p.routeTable, "elastic-ip": p.elasticIP,
		"volume": p.volume, "snapshot": p.snapshot, "autoscaling-group": p.autoScalingGroup, "log-group": p.logGroup, "flow-log": p.flowLog,
	}[word]
	if declare == nil {
		return l.errorf("keyword", "unknown; want account, region, groups-per-interface, managed-resources, vpc, subnet, group, acl, instance, interface, secondary, elastic-ip, internet-gateway, route-table, "+
			"volume, snapshot, autoscaling-group, log-group, flow-log or flow")
	}
	return declare(l)
}

func (p *parser) account(l *line) (err error) {
	if p.w.Account != "" {
		return l.errorf("account", "given twice")
	}
	if p.w.Account, err = l.next("account"); err != nil {
		return err
	}
	if len(p.w.Account) != 12 || strings.Trim(p.w.Account, "0123456789") != "" {
		return l.errorf("account", "%q: want 12 digits", p.w.Account)
	}
	return l.options(nil)
}

func (p *parser) region(l *line) (err error) {
	if p.w.Region != "" {
		return l.errorf("region", "given twice")
	}
	if p.w.Region, err = l.next("region"); err != nil {
		return err
	}
	if p.w.Region == "" {
		return l.errorf("region", "empty")
	}
	return l.options(nil)
}

func (p *parser) groupsPerInterface(l *line) (err error) {
	if p.w.GroupsPerInterface != 0 {
		return l.errorf("number", "given twice")
	}
	n, err := l.integer("number")
	if err == nil && (n < 1 || n > MostGroupsPerInterface) {
		err = l.errorf("number", "%d: EC2 allows 1 to %d", n, MostGroupsPerInterface)
	}
	if err != nil {
		return err
	}
	p.w.GroupsPerInterface = n
	return l.options(nil)
}

func (p *parser) managedResources(l *line) (err error) {
	if p.w.ShowManaged, err = l.either("visibility", "hidden", "visible"); err != nil {
		return err
	}
	return l.options(nil)
}

func (p *parser) vpc(l *line) (err error) {
	v := &VPC{}
	p.lineOf[v] = l
	p.w.VPCs = append(p.w.VPCs, v)
	if v.ID, err = l.id("id", "vpc-"); err != nil {
		return err
	}
	if v.CIDRs, err = l.prefixes("CIDR"); err != nil {
		return err
	}
	return l.options(map[string]func() error{
		"owner": l.set("owner", &v.Owner), "no-dns": mark(&v.NoDNSSupport), "dns-names": mark(&v.DNSHostnames), "tags": l.setTags(&v.Tags),
	})
}

func (p *parser) subnet(l *line) (err error) {
	s := &Subnet{}
	p.lineOf[s] = l
	p.w.Subnets = append(p.w.Subnets, s)
	if s.ID, err = l.id("id", "subnet-"); err != nil {
		return err
	}
	if s.VPC, err = l.id("VPC", "vpc-"); err != nil {
		return err
	}
	if s.CIDRs, err = l.prefixes("CIDR"); err != nil {
		return err
	}
	return l.options(map[string]func() error{
		"zone": l.set("zone", &s.Zone), "dns64": mark(&s.DNS64), "map-public": mark(&s.MapPublic), "tags": l.setTags(&s.Tags),
	})
}

func (p *parser) securityGroup(l *line) (err error) {
	g := &SecurityGroup{}
	p.lineOf[g] = l
	p.w.Groups = append(p.w.Groups, g)
	p.group = g
	if g.ID, err = l.id("id", "sg-"); err != nil {
		return err
	}
	if g.VPC, err = l.id("VPC", "vpc-"); err != nil {
		return err
	}
	return l.options(map[string]func() error{
		"name": l.set("name", &g.Name), "description": l.set("description", &g.Description),
		"owner": l.set("owner", &g.Owner), "default": mark(&g.Default), "tags": l.setTags(&g.Tags),
	})
}

// rule reads "in tcp 443 0.0.0.0/0 desc TEXT" below a group.
func (p *parser) rule(l *line) error {
	way, err := l.next("direction")
	if err != nil {
		return err
	}
	if p.group == nil {
		return l.errorf("direction", "a rule must stand below its group")
	}
	var r Rule
	if r.Protocol, r.Ports, err = l.match(); err != nil {
		return err
	}
	source, err := l.next("CIDR or group")
	if err != nil {
		return err
	}
	if strings.HasPrefix(source, "sg-") {
		if !ValidID(source, "sg-") {
			return l.errorf("group", "invalid group %q", source)
		}
		r.Group = source
	} else if r.CIDR, err = ParseCIDR(source); err != nil {
		return l.errorf("CIDR or group", "%w", err)
	}
	if err := l.options(map[string]func() error{"desc": l.set("desc", &r.Description)}); err != nil {
		return err
	}
	rules := &p.group.In
	if way == "out" {
		rules = &p.group.Out
	}
	if slices.ContainsFunc(*rules, r.Same) {
		return l.errorf("rule", "the group has it already")
	}
	*rules = append(*rules, r)
	return nil
}

func (p *parser) networkACL(l *line) (err error) {
	a := &NetworkACL{}
	p.lineOf[a] = l
	p.w.ACLs = append(p.w.ACLs, a)
	p.acl = a
	if a.ID, err = l.id("id", "acl-"); err != nil {
		return err
	}
	if a.VPC, err = l.id("VPC", "vpc-"); err != nil {
		return err
	}
	return l.options(map[string]func() error{
		"subnets": func() error {
			ids, err := l.ids("subnets", "subnet-")
			for _, id := range ids {
				p.serves = append(p.serves, served{a, id})
			}
			return err
		},
		"quota": func() (err error) {
			if a.Quota, err = l.integer("quota"); err == nil && (a.Quota < 1 || a.Quota > 40) {
				err = l.errorf("quota", "%d: EC2 allows 1 to 40", a.Quota)
			}
			return err
		},
		"owner": l.set("owner", &a.Owner), "default": mark(&a.Default), "tags": l.setTags(&a.Tags),
	})
}

// entry reads "100 in allow tcp 443 0.0.0.0/0" below an ACL.
func (p *parser) entry(l *line) error {
	l.kind = "entry"
	if p.acl == nil {
		return l.errorf("number", "an entry must stand below its acl")
	}
	var e Entry
	number, err := l.next("number")
	if err != nil {
		return err
	}
	if e.Number, err = strconv.Atoi(number); err != nil || e.Number < 1 || e.Number > LastEntry {
		return l.errorf("number", "%q: want 1 to %d", number, LastEntry)
	}
	if e.Egress, err = l.either("direction", "in", "out"); err != nil {
		return err
	}
	if e.Allow, err = l.either("action", "deny", "allow"); err != nil {
		return err
	}
	if e.Protocol, e.Ports, err = l.match(); err != nil {
		return err
	}
	cidr, err := l.next("CIDR")
	if err != nil {
		return err
	}
	if e.CIDR, err = ParseCIDR(cidr); err != nil {
		return l.errorf("CIDR", "%w", err)
	}
	if p.acl.Entry(e.Number, e.Egress) != nil {
		return l.errorf("number", "%d %s is taken", e.Number, Direction(e.Egress))
	}
	p.acl.Entries = append(p.acl.Entries, e)
	return l.options(nil)
}

// either takes one of two words, and reports whether it was the second.
func (l *line) either(field, first, second string) (bool, error) {
	s, err := l.next(field)
	if err == nil && s != first && s != second {
		err = l.errorf(field, "%q: want %s or %s", s, first, second)
	}
	return s == second, err
}

// match reads a protocol, and its ports when they are given.
func (l *line) match() (Protocol, Ports, error) {
	name, err := l.next("protocol")
	if err != nil {
		return 0, Ports{}, err
	}
	proto, err := ParseProtocol(name)
	if err != nil {
		return 0, Ports{}, l.errorf("protocol", "%w", err)
	}
	if !proto.HasPorts() && !proto.IsICMP() || len(l.words) < 2 {
		return proto, AnyPorts(proto), nil
	}
	if _, err := netip.ParsePrefix(l.words[0]); err == nil || strings.HasPrefix(l.words[0], "sg-") {
		return proto, AnyPorts(proto), nil
	}
	word, err := l.next("ports")
	if err != nil {
		return 0, Ports{}, err
	}
	ports, err := parsePorts(proto, word)
	if err != nil {
		return 0, Ports{}, l.errorf("ports", "%w", err)
	}
	return proto, ports, nil
}

// associate gives each subnet that an ACL names its ACL.
func (p *parser) associate() {
	for _, serve := range p.serves {
		if s := p.w.Subnet(serve.subnet); s != nil && s.ACL == "" {
			s.ACL = serve.acl.ID
		}
	}
}
