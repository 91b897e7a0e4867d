package route

import (
	"slices"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

type attachment struct {
	VPC   string `xml:"vpcId"`
	State string `xml:"state"`
}

type gatewayShape struct {
	ID          string                  `xml:"internetGatewayId"`
	Owner       string                  `xml:"ownerId"`
	Attachments call.Set[attachment]    `xml:"attachmentSet"`
	Tags        call.Set[call.TagShape] `xml:"tagSet"`
}

func shapeOfGateway(w *world.World, g *world.InternetGateway) gatewayShape {
	shape := gatewayShape{ID: g.ID, Owner: w.Account, Tags: call.ShapeOfTags(g.Tags)}
	if g.VPC != "" {
		shape.Attachments.Items = []attachment{{g.VPC, "available"}}
	}
	return shape
}

func gateway(r *call.Request) (*world.InternetGateway, error) {
	return call.One(call.KindIGW, r.Params.Str("InternetGatewayId"), r.World.InternetGateway)
}

func createGateway(r *call.Request) (call.Answer, error) {
	tags, err := r.Params.TagsFor(call.KindIGW.Name)
	if err != nil {
		return nil, err
	}
	g := &world.InternetGateway{ID: r.NewID("igw-"), Tags: tags}
	r.World.Gateways = append(r.World.Gateways, g)
	return &struct {
		call.Reply
		Gateway gatewayShape `xml:"internetGateway"`
	}{Gateway: shapeOfGateway(r.World, g)}, nil
}

func attachGateway(r *call.Request) (call.Answer, error) {
	g, err := gateway(r)
	if err != nil {
		return nil, err
	}
	v, err := call.One(call.KindVPC, r.Params.Str("VpcId"), r.World.VPC)
	if err != nil {
		return nil, err
	}
	if g.VPC != "" {
		return nil, call.Fail("Resource.AlreadyAssociated", "resource %s is already attached to network %s", g.ID, g.VPC)
	}
	if slices.ContainsFunc(r.World.Gateways, func(other *world.InternetGateway) bool { return other.VPC == v.ID }) {
		return nil, call.Fail("InvalidParameterValue", "Network %s already has an internet gateway attached", v.ID)
	}
	g.VPC = v.ID
	return call.Done(nil)
}

func detachGateway(r *call.Request) (call.Answer, error) {
	g, err := gateway(r)
	if err != nil {
		return nil, err
	}
	v, err := call.One(call.KindVPC, r.Params.Str("VpcId"), r.World.VPC)
	if err != nil {
		return nil, err
	}
	if g.VPC != v.ID {
		return nil, call.Fail("Gateway.NotAttached", "resource %s is not attached to network %s", g.ID, v.ID)
	}
	public := func(n *world.Interface) bool { in := r.World.VPCOf(n); return in == v && n.Public.IsValid() }
	if slices.ContainsFunc(r.World.Interfaces, public) {
		return nil, call.Fail("DependencyViolation", "Network %s has some mapped public address(es). "+
			"Please unmap those public address(es) before detaching the gateway.", v.ID)
	}
	g.VPC = ""
	return call.Done(nil)
}

func deleteGateway(r *call.Request) (call.Answer, error) {
	g, err := gateway(r)
	if err != nil {
		return nil, err
	}
	if g.VPC != "" {
		return nil, call.Fail("DependencyViolation", "The internetGateway '%s' has dependencies and cannot be deleted.", g.ID)
	}
	r.World.Gateways = slices.DeleteFunc(r.World.Gateways, func(other *world.InternetGateway) bool { return other == g })
	return call.Done(nil)
}

var gateways = call.Catalogue[*world.InternetGateway]{
	Kind: call.KindIGW, IDs: "InternetGatewayId",
	ID:   func(g *world.InternetGateway) string { return g.ID },
	Tags: func(g *world.InternetGateway) world.Tags { return g.Tags },
	Fields: map[string]func(*world.World, *world.InternetGateway) []string{
		"internet-gateway-id": func(_ *world.World, g *world.InternetGateway) []string { return []string{g.ID} },
		"owner-id":            func(w *world.World, _ *world.InternetGateway) []string { return []string{w.Account} },
		"attachment.vpc-id":   func(_ *world.World, g *world.InternetGateway) []string { return call.Given(g.VPC) },
		"attachment.state": func(_ *world.World, g *world.InternetGateway) []string {
			if g.VPC == "" {
				return nil
			}
			return []string{"available"}
		},
	},
}

func describeGateways(r *call.Request) (call.Answer, error) {
	found, next, err := gateways.Describe(r, r.World.Gateways)
	return &struct {
		call.Reply
		Gateways call.Set[gatewayShape] `xml:"internetGatewaySet"`
		Next     string                 `xml:"nextToken,omitempty"`
	}{Gateways: call.SetOf(found, func(g *world.InternetGateway) gatewayShape { return shapeOfGateway(r.World, g) }), Next: next}, err
}
