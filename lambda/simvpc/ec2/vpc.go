package ec2

import (
	"net/netip"
	"slices"
	"strconv"

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

func createVPC(r *request) (answer, error) {
	cidr, err := r.range4("CidrBlock", "InvalidVpc.Range")
	if err != nil {
		return nil, err
	}
	six, err := r.p.boolean("AmazonProvidedIpv6CidrBlock", false)
	if err != nil {
		return nil, err
	}
	if len(r.w.VPCs) >= vpcsPerRegion {
		return nil, fail("VpcLimitExceeded", "The maximum number of VPCs has been reached.")
	}
	tags, err := r.p.tagsFor(kindVPC.name)
	if err != nil {
		return nil, err
	}
	v := &world.VPC{ID: r.newID("vpc-"), Owner: r.w.Account, CIDRs: []netip.Prefix{cidr}, Tags: tags}
	if six {
		v.CIDRs = append(v.CIDRs, r.provided())
	}
	r.w.VPCs = append(r.w.VPCs, v)
	return &struct {
		reply
		VPC vpcShape `xml:"vpc"`
	}{VPC: shapeOfVPC(v)}, nil
}

// range4 reads an IPv4 range of a size that EC2 allows. It clears host bits, as EC2
// does.
func (r *request) range4(name, code string) (netip.Prefix, error) {
	text, err := r.p.required(name)
	if err != nil {
		return netip.Prefix{}, err
	}
	p, err := world.ParseCIDR(text)
	if err != nil || !p.Addr().Is4() {
		return netip.Prefix{}, fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", text, name)
	}
	if p.Bits() < largest || p.Bits() > smallest {
		return netip.Prefix{}, fail(code, "The CIDR '%s' is invalid.", text)
	}
	return p, nil
}

// provided is the next IPv6 range that Amazon has not given away: of addresses for
// documentation.
func (r *request) provided() netip.Prefix {
	for n := 1; ; n++ {
		p := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0xa, byte(n)}), ipv6VPCBits) //nolint:gosec // VPCs are few
		taken := slices.ContainsFunc(r.w.VPCs, func(v *world.VPC) bool { return slices.ContainsFunc(v.CIDRs, p.Overlaps) })
		if !taken {
			return p
		}
	}
}

// deleteVPC deletes a VPC that has nothing in it but what it was made with.
func deleteVPC(r *request) (answer, error) {
	v, err := one(kindVPC, r.p.str("VpcId"), r.w.VPC)
	if err != nil {
		return nil, err
	}
	used := slices.ContainsFunc(r.w.Subnets, func(s *world.Subnet) bool { return s.VPC == v.ID }) ||
		slices.ContainsFunc(r.w.Groups, func(g *world.SecurityGroup) bool { return g.VPC == v.ID && !g.Default }) ||
		slices.ContainsFunc(r.w.ACLs, func(a *world.NetworkACL) bool { return a.VPC == v.ID && !a.Default })
	if used {
		return nil, fail("DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted.", v.ID)
	}
	r.w.Groups = slices.DeleteFunc(r.w.Groups, func(g *world.SecurityGroup) bool { return g.VPC == v.ID })
	r.w.ACLs = slices.DeleteFunc(r.w.ACLs, func(a *world.NetworkACL) bool { return a.VPC == v.ID })
	r.w.VPCs = slices.DeleteFunc(r.w.VPCs, func(other *world.VPC) bool { return other == v })
	return done(nil)
}

// associateVPC gives a VPC another range.
func associateVPC(r *request) (answer, error) {
	v, err := one(kindVPC, r.p.str("VpcId"), r.w.VPC)
	if err != nil {
		return nil, err
	}
	six, err := r.p.boolean("AmazonProvidedIpv6CidrBlock", false)
	if err != nil {
		return nil, err
	}
	a := &struct {
		reply
		VPC  string     `xml:"vpcId"`
		IPv4 *cidrBlock `xml:"cidrBlockAssociation"`
		IPv6 *ipv6Block `xml:"ipv6CidrBlockAssociation"`
	}{VPC: v.ID}
	if six {
		p := r.provided()
		v.CIDRs = append(v.CIDRs, p)
		a.IPv6 = &ipv6Block{hashID("vpc-cidr-assoc-", v.ID, p), p.String(), associated}
		return a, nil
	}
	p, err := r.range4("CidrBlock", "InvalidVpc.Range")
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(v.CIDRs, p.Overlaps) {
		return nil, fail("InvalidVpc.Range", "The CIDR '%s' overlaps with another of the VPC.", p)
	}
	v.CIDRs = append(v.CIDRs, p)
	a.IPv4 = &cidrBlock{hashID("vpc-cidr-assoc-", v.ID, p), p.String(), associated}
	return a, nil
}

// modifyVPC sets whether DNS works in a VPC, and whether its instances have names.
func modifyVPC(r *request) (answer, error) {
	v, err := one(kindVPC, r.p.str("VpcId"), r.w.VPC)
	if err != nil {
		return nil, err
	}
	support, names := r.p.has("EnableDnsSupport"), r.p.has("EnableDnsHostnames")
	if support == names {
		return nil, fail("InvalidParameterCombination", "Want one attribute at a time.")
	}
	on, err := r.p.boolean("EnableDnsSupport.Value", true)
	if names {
		on, err = r.p.boolean("EnableDnsHostnames.Value", false)
	}
	switch {
	case err != nil:
		return nil, err
	case names:
		v.DNSHostnames = on
	default:
		v.NoDNSSupport = !on
	}
	return done(nil)
}

func describeVPCAttribute(r *request) (answer, error) {
	v, err := one(kindVPC, r.p.str("VpcId"), r.w.VPC)
	if err != nil {
		return nil, err
	}
	a := &struct {
		reply
		VPC       string     `xml:"vpcId"`
		Support   *textValue `xml:"enableDnsSupport"`
		Hostnames *textValue `xml:"enableDnsHostnames"`
		Metrics   *textValue `xml:"enableNetworkAddressUsageMetrics"`
	}{VPC: v.ID}
	switch name := r.p.str("Attribute"); name {
	case "enableDnsSupport":
		a.Support = &textValue{strconv.FormatBool(!v.NoDNSSupport)}
	case "enableDnsHostnames":
		a.Hostnames = &textValue{strconv.FormatBool(v.DNSHostnames)}
	case "enableNetworkAddressUsageMetrics":
		a.Metrics = &textValue{"false"}
	default:
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. Unknown attribute.", name)
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

var zones = catalogue[string]{
	id: func(z string) string { return z },
	fields: map[string]func(*world.World, string) []string{
		"zone-name":     func(_ *world.World, z string) []string { return []string{z} },
		"state":         func(*world.World, string) []string { return []string{"available"} },
		"region-name":   func(w *world.World, _ string) []string { return []string{w.Region} },
		"zone-type":     func(*world.World, string) []string { return []string{"availability-zone"} },
		"opt-in-status": func(*world.World, string) []string { return []string{"opt-in-not-required"} },
	},
}

func describeZones(r *request) (answer, error) {
	found, _, err := zones.describe(r, zonesOf(r.w))
	if names := r.p.list("ZoneName"); len(names) > 0 {
		found = slices.DeleteFunc(found, func(z string) bool { return !slices.Contains(names, z) })
	}
	return &struct {
		reply
		Zones set[zoneShape] `xml:"availabilityZoneInfo"`
	}{Zones: setOf(found, func(z string) zoneShape {
		return zoneShape{z, "sim1-az" + strconv.Itoa(int(z[len(z)-1]-'a')+1), "available", r.w.Region, "availability-zone", "opt-in-not-required"}
	})}, err
}
