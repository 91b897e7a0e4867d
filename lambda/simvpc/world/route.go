package world

import (
	"net/netip"
	"slices"
	"strings"
)

// An InternetGateway leads out of the VPC that it is attached to. It is kept for
// those who make and read it; the oracle doesn't follow routes.
type InternetGateway struct {
	ID   string
	VPC  string // empty while it is attached to none
	Tags Tags
}

// A RouteTable says where the traffic of subnets goes, beyond the VPC. It is kept for
// those who make and read it; the oracle doesn't follow routes.
type RouteTable struct {
	ID      string
	VPC     string
	Main    bool     // of the subnets that no other table names
	Subnets []string // that it serves, sorted
	Routes  []Route  // but those within the VPC, sorted
	Tags    Tags
}

// A Route leads to a target.
type Route struct {
	CIDR   netip.Prefix
	Target string // ID of a gateway or an interface
}

// InternetGateway returns the internet gateway of that ID, or nil.
func (w *World) InternetGateway(id string) *InternetGateway {
	return Find(w.Gateways, func(g *InternetGateway) bool { return g.ID == id })
}

// RouteTable returns the route table of that ID, or nil.
func (w *World) RouteTable(id string) *RouteTable {
	return Find(w.RouteTables, func(t *RouteTable) bool { return t.ID == id })
}

// Route finds the route of a table to a range, or nil.
func (t *RouteTable) Route(to netip.Prefix) *Route {
	for i := range t.Routes {
		if t.Routes[i].CIDR == to {
			return &t.Routes[i]
		}
	}
	return nil
}

// derivedTable is the main route table that EC2 gives a VPC
// (https://docs.aws.amazon.com/vpc/latest/userguide/RouteTables.html).
func derivedTable(v *VPC) *RouteTable {
	return &RouteTable{ID: "rtb-default-" + strings.TrimPrefix(v.ID, "vpc-"), VPC: v.ID, Main: true}
}

func (w *World) normalizeRoutes() {
	for _, v := range w.VPCs {
		if Find(w.RouteTables, func(t *RouteTable) bool { return t.VPC == v.ID && t.Main }) == nil {
			w.RouteTables = append(w.RouteTables, derivedTable(v))
		}
	}
	for _, t := range w.RouteTables {
		slices.Sort(t.Subnets)
		slices.SortFunc(t.Routes, func(a, b Route) int { return comparePrefixes(a.CIDR, b.CIDR) })
	}
}

func (w *World) asDerivedTable(t *RouteTable) bool {
	v := w.VPC(t.VPC)
	return v != nil && t.Main && t.ID == derivedTable(v).ID && len(t.Subnets)+len(t.Routes)+len(t.Tags) == 0
}

// printRoutes writes gateways and route tables; in full, those as derived too.
func (w *World) printRoutes(b *strings.Builder, full bool) {
	for _, g := range w.Gateways {
		vpc := g.VPC
		if vpc == "" {
			vpc = "-"
		}
		printLine(b, "internet-gateway", g.ID, vpc, g.Tags.text())
	}
	for _, t := range w.RouteTables {
		if !full && w.asDerivedTable(t) {
			continue
		}
		subnets := ""
		if len(t.Subnets) > 0 {
			subnets = "subnets " + strings.Join(t.Subnets, " ")
		}
		printLine(b, "route-table", t.ID, t.VPC, flag("main", t.Main), subnets, t.Tags.text())
		for _, r := range t.Routes {
			printLine(b, "  to", r.CIDR.String(), r.Target)
		}
	}
}

func (p *parser) internetGateway(l *line) (err error) {
	g := &InternetGateway{}
	p.lineOf[g] = l
	p.w.Gateways = append(p.w.Gateways, g)
	if g.ID, err = l.id("id", "igw-"); err != nil {
		return err
	}
	if len(l.words) > 0 && l.words[0] == "-" {
		l.words = l.words[1:]
	} else if g.VPC, err = l.id("VPC", "vpc-"); err != nil {
		return err
	}
	return l.fields([]field{tagged(&g.Tags)})
}

func (p *parser) routeTable(l *line) (err error) {
	t := &RouteTable{}
	p.lineOf[t] = l
	p.w.RouteTables = append(p.w.RouteTables, t)
	p.table = t
	if t.ID, err = l.id("id", "rtb-"); err != nil {
		return err
	}
	if t.VPC, err = l.id("VPC", "vpc-"); err != nil {
		return err
	}
	return l.options(map[string]func() error{
		"main": mark(&t.Main), "tags": l.setTags(&t.Tags),
		"subnets": func() (err error) { t.Subnets, err = l.ids("subnets", "subnet-"); return err },
	})
}

// route reads "to 0.0.0.0/0 igw-1" below a route table.
func (p *parser) route(l *line) error {
	if p.table == nil {
		return l.errorf("to", "a route must stand below its route-table")
	}
	l.words = l.words[1:]
	text, err := l.next("CIDR")
	if err != nil {
		return err
	}
	r := Route{}
	if r.CIDR, err = ParseCIDR(text); err != nil {
		return l.errorf("CIDR", "%w", err)
	}
	if p.table.Route(r.CIDR) != nil {
		return l.errorf("CIDR", "%s is given twice", r.CIDR)
	}
	if r.Target, err = l.next("target"); err != nil {
		return err
	}
	if !ValidID(r.Target, "igw-") && !ValidID(r.Target, "eni-") {
		return l.errorf("target", "%q: want an internet gateway or an interface", r.Target)
	}
	p.table.Routes = append(p.table.Routes, r)
	return l.options(nil)
}

// checkRoutes checks gateways and route tables.
func (p *parser) checkRoutes() []error {
	var errs []error
	for _, g := range p.w.Gateways {
		errs = append(errs, unique(p, p.w.Gateways, g, func(g *InternetGateway) string { return g.ID }))
		if g.VPC != "" && p.w.VPC(g.VPC) == nil {
			errs = append(errs, p.at(g).errorf("VPC", "%s is not declared", g.VPC))
		}
	}
	return append(errs, p.checkTables()...)
}

func (p *parser) checkTables() []error {
	var errs []error
	served := map[string]bool{}
	for _, t := range p.w.RouteTables {
		errs = append(errs, unique(p, p.w.RouteTables, t, func(t *RouteTable) string { return t.ID }))
		if p.w.VPC(t.VPC) == nil {
			errs = append(errs, p.at(t).errorf("VPC", "%s is not declared", t.VPC))
		}
		if main := Find(p.w.RouteTables, func(o *RouteTable) bool { return o.VPC == t.VPC && o.Main }); t.Main && main != t {
			errs = append(errs, p.at(t).errorf("main", "%s has a main route table already", t.VPC))
		}
		for _, id := range t.Subnets {
			if s := p.w.Subnet(id); s == nil || s.VPC != t.VPC || served[id] {
				errs = append(errs, p.at(t).errorf("subnets", "%s is not a subnet of %s without a table", id, t.VPC))
			}
			served[id] = true
		}
	}
	return errs
}
