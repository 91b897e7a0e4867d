package network

import (
	"net/netip"
	"slices"
	"strconv"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

// Sizes of ranges, in bits of their prefix
// (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html).
const (
	largest, smallest       = 16, 28
	ipv6VPCBits, ipv6Subnet = 56, 64
	vpcsPerRegion           = 5
	subnetsPerVPC           = 200
)

func createVPC(r *call.Request) (call.Answer, error) {
	cidr, err := range4(r, "CidrBlock", "InvalidVpc.Range")
	if err != nil {
		return nil, err
	}
	six, err := r.Params.Boolean("AmazonProvidedIpv6CidrBlock", false)
	if err != nil {
		return nil, err
	}
	if len(r.World.VPCs) >= vpcsPerRegion {
		return nil, call.Fail("VpcLimitExceeded", "The maximum number of VPCs has been reached.")
	}
	tags, err := r.Params.TagsFor(call.KindVPC.Name)
	if err != nil {
		return nil, err
	}
	v := &world.VPC{ID: r.NewID("vpc-"), Owner: r.World.Account, CIDRs: []netip.Prefix{cidr}, Tags: tags}
	if six {
		v.CIDRs = append(v.CIDRs, provided(r))
	}
	r.World.VPCs = append(r.World.VPCs, v)
	return &struct {
		call.Reply
		VPC vpcShape `xml:"vpc"`
	}{VPC: shapeOfVPC(v)}, nil
}

// range4 reads an IPv4 range of a size that EC2 allows. It clears host bits, as EC2
// does.
func range4(r *call.Request, name, code string) (netip.Prefix, error) {
	text, err := r.Params.Required(name)
	if err != nil {
		return netip.Prefix{}, err
	}
	p, err := world.ParseCIDR(text)
	if err != nil || !p.Addr().Is4() {
		return netip.Prefix{}, call.Fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", text, name)
	}
	if p.Bits() < largest || p.Bits() > smallest {
		return netip.Prefix{}, call.Fail(code, "The CIDR '%s' is invalid.", text)
	}
	return p, nil
}

// provided is the next IPv6 range that Amazon has not given away: of addresses for
// documentation.
func provided(r *call.Request) netip.Prefix {
	for n := 1; ; n++ {
		p := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0xa, byte(n)}), ipv6VPCBits)
		taken := slices.ContainsFunc(r.World.VPCs, func(v *world.VPC) bool { return slices.ContainsFunc(v.CIDRs, p.Overlaps) })
		if !taken {
			return p
		}
	}
}

// deleteVPC deletes a VPC that has nothing in it but what it was made with.
func deleteVPC(r *call.Request) (call.Answer, error) {
	v, err := call.One(call.KindVPC, r.Params.Str("VpcId"), r.World.VPC)
	if err != nil {
		return nil, err
	}
	used := slices.ContainsFunc(r.World.Subnets, func(s *world.Subnet) bool { return s.VPC == v.ID }) ||
		slices.ContainsFunc(r.World.Groups, func(g *world.SecurityGroup) bool { return g.VPC == v.ID && !g.Default }) ||
		slices.ContainsFunc(r.World.ACLs, func(a *world.NetworkACL) bool { return a.VPC == v.ID && !a.Default }) ||
		slices.ContainsFunc(r.World.Gateways, func(g *world.InternetGateway) bool { return g.VPC == v.ID }) ||
		slices.ContainsFunc(r.World.RouteTables, func(t *world.RouteTable) bool { return t.VPC == v.ID && !t.Main })
	if used {
		return nil, call.Fail("DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted.", v.ID)
	}
	r.World.Groups = slices.DeleteFunc(r.World.Groups, func(g *world.SecurityGroup) bool { return g.VPC == v.ID })
	r.World.ACLs = slices.DeleteFunc(r.World.ACLs, func(a *world.NetworkACL) bool { return a.VPC == v.ID })
	r.World.RouteTables = slices.DeleteFunc(r.World.RouteTables, func(t *world.RouteTable) bool { return t.VPC == v.ID })
	r.World.VPCs = slices.DeleteFunc(r.World.VPCs, func(other *world.VPC) bool { return other == v })
	return call.Done(nil)
}

// associateVPC gives a VPC another range.
func associateVPC(r *call.Request) (call.Answer, error) {
	v, err := call.One(call.KindVPC, r.Params.Str("VpcId"), r.World.VPC)
	if err != nil {
		return nil, err
	}
	six, err := r.Params.Boolean("AmazonProvidedIpv6CidrBlock", false)
	if err != nil {
		return nil, err
	}
	a := &struct {
		call.Reply
		VPC  string     `xml:"vpcId"`
		IPv4 *cidrBlock `xml:"cidrBlockAssociation"`
		IPv6 *ipv6Block `xml:"ipv6CidrBlockAssociation"`
	}{VPC: v.ID}
	if six {
		p := provided(r)
		v.CIDRs = append(v.CIDRs, p)
		a.IPv6 = &ipv6Block{call.HashID("vpc-cidr-assoc-", v.ID, p), p.String(), associated}
		return a, nil
	}
	p, err := range4(r, "CidrBlock", "InvalidVpc.Range")
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(v.CIDRs, p.Overlaps) {
		return nil, call.Fail("InvalidVpc.Range", "The CIDR '%s' overlaps with another of the VPC.", p)
	}
	v.CIDRs = append(v.CIDRs, p)
	a.IPv4 = &cidrBlock{call.HashID("vpc-cidr-assoc-", v.ID, p), p.String(), associated}
	return a, nil
}

// modifyVPC sets whether DNS works in a VPC, and whether its instances have names.
func modifyVPC(r *call.Request) (call.Answer, error) {
	v, err := call.One(call.KindVPC, r.Params.Str("VpcId"), r.World.VPC)
	if err != nil {
		return nil, err
	}
	support, names := r.Params.Has("EnableDnsSupport"), r.Params.Has("EnableDnsHostnames")
	if support == names {
		return nil, call.Fail("InvalidParameterCombination", "Want one attribute at a time.")
	}
	on, err := r.Params.Boolean("EnableDnsSupport.Value", true)
	if names {
		on, err = r.Params.Boolean("EnableDnsHostnames.Value", false)
	}
	switch {
	case err != nil:
		return nil, err
	case names:
		v.DNSHostnames = on
	default:
		v.NoDNSSupport = !on
	}
	return call.Done(nil)
}

func describeVPCAttribute(r *call.Request) (call.Answer, error) {
	v, err := call.One(call.KindVPC, r.Params.Str("VpcId"), r.World.VPC)
	if err != nil {
		return nil, err
	}
	a := &struct {
		call.Reply
		VPC       string          `xml:"vpcId"`
		Support   *call.TextValue `xml:"enableDnsSupport"`
		Hostnames *call.TextValue `xml:"enableDnsHostnames"`
		Metrics   *call.TextValue `xml:"enableNetworkAddressUsageMetrics"`
	}{VPC: v.ID}
	switch name := r.Params.Str("Attribute"); name {
	case "enableDnsSupport":
		a.Support = &call.TextValue{Value: strconv.FormatBool(!v.NoDNSSupport)}
	case "enableDnsHostnames":
		a.Hostnames = &call.TextValue{Value: strconv.FormatBool(v.DNSHostnames)}
	case "enableNetworkAddressUsageMetrics":
		a.Metrics = &call.TextValue{Value: "false"}
	default:
		return nil, call.Fail("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. Unknown attribute.", name)
	}
	return a, nil
}

type zoneShape struct {
	Name   string `xml:"zoneName"`
	ID     string `xml:"zoneId"`
	State  string `xml:"zoneState"`
	Region string `xml:"regionName"`
	Type   string `xml:"zoneType"`
	OptIn  string `xml:"optInStatus"`
}

// zonesOf are the availability zones of the Region: three.
func zonesOf(w *world.World) []string {
	return []string{w.Region + "a", w.Region + "b", w.Region + "c"}
}

var zones = call.Catalogue[string]{
	ID: func(z string) string { return z },
	Fields: map[string]func(*world.World, string) []string{
		"zone-name":     func(_ *world.World, z string) []string { return []string{z} },
		"state":         func(*world.World, string) []string { return []string{"available"} },
		"region-name":   func(w *world.World, _ string) []string { return []string{w.Region} },
		"zone-type":     func(*world.World, string) []string { return []string{"availability-zone"} },
		"opt-in-status": func(*world.World, string) []string { return []string{"opt-in-not-required"} },
	},
}

func describeZones(r *call.Request) (call.Answer, error) {
	found, _, err := zones.Describe(r, zonesOf(r.World))
	if names := r.Params.List("ZoneName"); len(names) > 0 {
		found = slices.DeleteFunc(found, func(z string) bool { return !slices.Contains(names, z) })
	}
	return &struct {
		call.Reply
		Zones call.Set[zoneShape] `xml:"availabilityZoneInfo"`
	}{Zones: call.SetOf(found, func(z string) zoneShape {
		return zoneShape{z, "sim1-az" + strconv.Itoa(int(z[len(z)-1]-'a')+1), "available", r.World.Region, "availability-zone", "opt-in-not-required"}
	})}, err
}
