package route

import (
	"net/netip"
	"slices"
	"strconv"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

func table(r *call.Request) (*world.RouteTable, error) {
	return call.One(call.KindRTB, r.Params.Str("RouteTableId"), r.World.RouteTable)
}

func createTable(r *call.Request) (call.Answer, error) {
	id, err := r.Once(func() (string, error) {
		v, err := call.One(call.KindVPC, r.Params.Str("VpcId"), r.World.VPC)
		if err != nil {
			return "", err
		}
		tags, err := r.Params.TagsFor(call.KindRTB.Name)
		if err != nil {
			return "", err
		}
		t := &world.RouteTable{ID: r.NewID("rtb-"), VPC: v.ID, Tags: tags}
		r.World.RouteTables = append(r.World.RouteTables, t)
		return t.ID, nil
	})
	if err != nil {
		return nil, err
	}
	t, err := call.One(call.KindRTB, id, r.World.RouteTable)
	if err != nil {
		return nil, err
	}
	return &struct {
		call.Reply
		Table tableShape `xml:"routeTable"`
	}{Table: shapeOfTable(r.World, t)}, nil
}

func deleteTable(r *call.Request) (call.Answer, error) {
	t, err := table(r)
	if err != nil {
		return nil, err
	}
	if t.Main || len(t.Subnets) > 0 {
		return nil, call.Fail("DependencyViolation", "The routeTable '%s' has dependencies and cannot be deleted.", t.ID)
	}
	r.World.RouteTables = slices.DeleteFunc(r.World.RouteTables, func(other *world.RouteTable) bool { return other == t })
	return call.Done(nil)
}

// destination is the one range that a call names.
func destination(r *call.Request) (netip.Prefix, error) {
	v4, v6 := r.Params.Str("DestinationCidrBlock"), r.Params.Str("DestinationIpv6CidrBlock")
	if (v4 == "") == (v6 == "") {
		return netip.Prefix{}, call.Fail("MissingParameter", "The request must contain exactly one of destinationCidrBlock and destinationIpv6CidrBlock")
	}
	p, err := world.ParseCIDR(v4 + v6)
	if err != nil || p.Addr().Is4() != (v4 != "") {
		return netip.Prefix{}, call.Fail("InvalidParameterValue", "Value (%s) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.", v4+v6)
	}
	return p, nil
}

// target is where a call wants a route to lead: an internet gateway of the table's
// VPC, or an interface.
func target(r *call.Request, t *world.RouteTable) (string, error) {
	if id := r.Params.Str("GatewayId"); id != "" {
		g, err := call.One(call.KindIGW, id, r.World.InternetGateway)
		if err != nil {
			return "", err
		}
		if g.VPC != t.VPC {
			return "", call.Fail("InvalidParameterValue", "route table %s and network gateway %s belong to different networks", t.ID, g.ID)
		}
		return g.ID, nil
	}
	n, err := r.NetworkInterface()
	if err != nil {
		return "", err
	}
	if v := r.World.VPCOf(n); v == nil || v.ID != t.VPC {
		return "", call.Fail("InvalidParameterValue", "route table %s and interface %s belong to different networks", t.ID, n.ID)
	}
	return n.ID, nil
}

// change reads a table, a destination and a target.
func change(r *call.Request) (t *world.RouteTable, to world.Route, err error) {
	if t, err = table(r); err != nil {
		return nil, to, err
	}
	if to.CIDR, err = destination(r); err != nil {
		return nil, to, err
	}
	to.Target, err = target(r, t)
	return t, to, err
}

func createRoute(r *call.Request) (call.Answer, error) {
	t, to, err := change(r)
	if err != nil {
		return nil, err
	}
	if t.Route(to.CIDR) != nil || local(r.World, t, to.CIDR) {
		return nil, call.Fail("RouteAlreadyExists", "The route identified by %s already exists.", to.CIDR)
	}
	t.Routes = append(t.Routes, to)
	return call.Done(nil)
}

func replaceRoute(r *call.Request) (call.Answer, error) {
	t, to, err := change(r)
	if err != nil {
		return nil, err
	}
	has := t.Route(to.CIDR)
	if has == nil {
		return nil, errNoRoute(to.CIDR, t)
	}
	*has = to
	return call.Done(nil)
}

func deleteRoute(r *call.Request) (call.Answer, error) {
	t, err := table(r)
	if err != nil {
		return nil, err
	}
	to, err := destination(r)
	switch {
	case err != nil:
		return nil, err
	case local(r.World, t, to):
		return nil, call.Fail("InvalidParameterValue", "cannot remove local route %s in route table %s", to, t.ID)
	case t.Route(to) == nil:
		return nil, errNoRoute(to, t)
	}
	t.Routes = slices.DeleteFunc(t.Routes, func(route world.Route) bool { return route.CIDR == to })
	return call.Done(nil)
}

func errNoRoute(to netip.Prefix, t *world.RouteTable) error {
	return call.Fail("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", to, t.ID)
}

// local reports whether a range is one of the VPC's own, to which there is a route
// always.
func local(w *world.World, t *world.RouteTable, to netip.Prefix) bool {
	v := w.VPC(t.VPC)
	return v != nil && slices.Contains(v.CIDRs, to)
}

func associationID(t *world.RouteTable, subnet string) string {
	return call.HashID("rtbassoc-", t.ID, subnet)
}

// serving finds the table that an association is of, and the subnet.
func serving(w *world.World, id string) (t *world.RouteTable, subnet string) {
	for _, t := range w.RouteTables {
		for _, s := range t.Subnets {
			if associationID(t, s) == id {
				return t, s
			}
		}
	}
	return nil, ""
}

type association struct {
	ID     string `xml:"routeTableAssociationId"`
	Table  string `xml:"routeTableId"`
	Subnet string `xml:"subnetId,omitempty"`
	Main   bool   `xml:"main"`
	State  string `xml:"associationState>state"`
}

func associate(r *call.Request) (call.Answer, error) {
	t, err := table(r)
	if err != nil {
		return nil, err
	}
	s, err := call.One(call.KindSub, r.Params.Str("SubnetId"), r.World.Subnet)
	if err != nil {
		return nil, err
	}
	if s.VPC != t.VPC {
		return nil, call.Fail("InvalidParameterValue", "Route table %s and subnet %s belong to different networks", t.ID, s.ID)
	}
	for _, other := range r.World.RouteTables {
		if slices.Contains(other.Subnets, s.ID) {
			return nil, call.Fail("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", t.ID)
		}
	}
	t.Subnets = append(t.Subnets, s.ID)
	return &struct {
		call.Reply
		ID string `xml:"associationId"`
	}{ID: associationID(t, s.ID)}, nil
}

func disassociate(r *call.Request) (call.Answer, error) {
	id, err := r.Params.Required("AssociationId")
	if err != nil {
		return nil, err
	}
	t, subnet := serving(r.World, id)
	if t == nil {
		return nil, call.Fail("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
	}
	t.Subnets = slices.DeleteFunc(t.Subnets, func(s string) bool { return s == subnet })
	return call.Done(nil)
}

func replaceAssociation(r *call.Request) (call.Answer, error) {
	t, err := table(r)
	if err != nil {
		return nil, err
	}
	id, err := r.Params.Required("AssociationId")
	if err != nil {
		return nil, err
	}
	old, subnet := serving(r.World, id)
	if old == nil {
		return nil, call.Fail("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
	}
	if old.VPC != t.VPC {
		return nil, call.Fail("InvalidParameterValue", "Route table %s and subnet %s belong to different networks", t.ID, subnet)
	}
	old.Subnets = slices.DeleteFunc(old.Subnets, func(s string) bool { return s == subnet })
	t.Subnets = append(t.Subnets, subnet)
	return &struct {
		call.Reply
		ID string `xml:"newAssociationId"`
	}{ID: associationID(t, subnet)}, nil
}

type routeShape struct {
	IPv4      string `xml:"destinationCidrBlock,omitempty"`
	IPv6      string `xml:"destinationIpv6CidrBlock,omitempty"`
	Gateway   string `xml:"gatewayId,omitempty"`
	Interface string `xml:"networkInterfaceId,omitempty"`
	State     string `xml:"state"`
	Origin    string `xml:"origin"`
}

type tableShape struct {
	ID           string                  `xml:"routeTableId"`
	VPC          string                  `xml:"vpcId"`
	Owner        string                  `xml:"ownerId"`
	Routes       call.Set[routeShape]    `xml:"routeSet"`
	Associations call.Set[association]   `xml:"associationSet"`
	Tags         call.Set[call.TagShape] `xml:"tagSet"`
}

// routesOf are the routes of a table, those within the VPC first.
func routesOf(w *world.World, t *world.RouteTable) []routeShape {
	var all []routeShape
	if v := w.VPC(t.VPC); v != nil {
		for _, p := range v.CIDRs {
			all = append(all, routeShape{
				IPv4: call.OfFamily(p, true), IPv6: call.OfFamily(p, false), Gateway: "local", State: "active", Origin: "CreateRouteTable",
			})
		}
	}
	for _, to := range t.Routes {
		shape := routeShape{IPv4: call.OfFamily(to.CIDR, true), IPv6: call.OfFamily(to.CIDR, false), State: "blackhole", Origin: "CreateRoute"}
		if g := w.InternetGateway(to.Target); g != nil && g.VPC == t.VPC || w.Interface(to.Target) != nil {
			shape.State = "active"
		}
		if world.ValidID(to.Target, "igw-") {
			shape.Gateway = to.Target
		} else {
			shape.Interface = to.Target
		}
		all = append(all, shape)
	}
	return all
}

func shapeOfTable(w *world.World, t *world.RouteTable) tableShape {
	shape := tableShape{ID: t.ID, VPC: t.VPC, Owner: w.Account, Tags: call.ShapeOfTags(t.Tags)}
	shape.Routes.Items = routesOf(w, t)
	if t.Main {
		shape.Associations.Items = append(shape.Associations.Items, association{associationID(t, "main"), t.ID, "", true, "associated"})
	}
	for _, s := range t.Subnets {
		shape.Associations.Items = append(shape.Associations.Items, association{associationID(t, s), t.ID, s, false, "associated"})
	}
	return shape
}

var tables = call.Catalogue[*world.RouteTable]{
	Kind: call.KindRTB, IDs: "RouteTableId",
	ID:   func(t *world.RouteTable) string { return t.ID },
	Tags: func(t *world.RouteTable) world.Tags { return t.Tags },
	Fields: map[string]func(*world.World, *world.RouteTable) []string{
		"route-table-id":        func(_ *world.World, t *world.RouteTable) []string { return []string{t.ID} },
		"vpc-id":                func(_ *world.World, t *world.RouteTable) []string { return []string{t.VPC} },
		"association.main":      func(_ *world.World, t *world.RouteTable) []string { return []string{strconv.FormatBool(t.Main)} },
		"association.subnet-id": func(_ *world.World, t *world.RouteTable) []string { return t.Subnets },
		"route.gateway-id": func(w *world.World, t *world.RouteTable) []string {
			var all []string
			for _, shape := range routesOf(w, t) {
				all = append(all, call.Given(shape.Gateway)...)
			}
			return all
		},
	},
}

func describeTables(r *call.Request) (call.Answer, error) {
	found, next, err := tables.Describe(r, r.World.RouteTables)
	return &struct {
		call.Reply
		Tables call.Set[tableShape] `xml:"routeTableSet"`
		Next   string               `xml:"nextToken,omitempty"`
	}{Tables: call.SetOf(found, func(t *world.RouteTable) tableShape { return shapeOfTable(r.World, t) }), Next: next}, err
}
