package network

import (
	"fmt"
	"net/netip"
	"strconv"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

type cidrState struct {
	State string `xml:"state"`
}

type cidrBlock struct {
	ID    string     `xml:"associationId"`
	IPv4  string     `xml:"cidrBlock,omitempty"`
	State *cidrState `xml:"cidrBlockState"`
}

type ipv6Block struct {
	ID    string     `xml:"associationId"`
	IPv6  string     `xml:"ipv6CidrBlock"`
	State *cidrState `xml:"ipv6CidrBlockState"`
}

var associated = &cidrState{"associated"}

func ipv6Blocks(kind, owner string, cidrs []netip.Prefix) call.Set[ipv6Block] {
	return call.SetOf(cidrs, func(p netip.Prefix) ipv6Block {
		return ipv6Block{call.HashID(kind+"-cidr-assoc-", owner, p), p.String(), associated}
	})
}

type vpcShape struct {
	ID      string                  `xml:"vpcId"`
	Owner   string                  `xml:"ownerId"`
	State   string                  `xml:"state"`
	CIDR    string                  `xml:"cidrBlock"`
	CIDRs   call.Set[cidrBlock]     `xml:"cidrBlockAssociationSet"`
	IPv6    call.Set[ipv6Block]     `xml:"ipv6CidrBlockAssociationSet"`
	DHCP    string                  `xml:"dhcpOptionsId"`
	Tenancy string                  `xml:"instanceTenancy"`
	Default bool                    `xml:"isDefault"`
	Tags    call.Set[call.TagShape] `xml:"tagSet"`
}

func shapeOfVPC(v *world.VPC) vpcShape {
	v4, v6 := world.Families(v.CIDRs)
	shape := vpcShape{
		ID: v.ID, Owner: v.Owner, State: "available", DHCP: call.HashID("dopt-", v.ID), Tenancy: "default",
		IPv6: ipv6Blocks("vpc", v.ID, v6), Tags: call.ShapeOfTags(v.Tags),
		CIDRs: call.SetOf(v4, func(p netip.Prefix) cidrBlock {
			return cidrBlock{call.HashID("vpc-cidr-assoc-", v.ID, p), p.String(), associated}
		}),
	}
	if len(v4) > 0 {
		shape.CIDR = v4[0].String()
	}
	return shape
}

var vpcs = call.Catalogue[*world.VPC]{
	Kind: call.KindVPC, IDs: "VpcId",
	ID:   func(v *world.VPC) string { return v.ID },
	Tags: func(v *world.VPC) world.Tags { return v.Tags },
	Fields: map[string]func(*world.World, *world.VPC) []string{
		"vpc-id":     func(_ *world.World, v *world.VPC) []string { return []string{v.ID} },
		"owner-id":   func(_ *world.World, v *world.VPC) []string { return []string{v.Owner} },
		"state":      func(*world.World, *world.VPC) []string { return []string{"available"} },
		"is-default": func(*world.World, *world.VPC) []string { return []string{"false"} },
		"cidr": func(_ *world.World, v *world.VPC) []string {
			v4, _ := world.Families(v.CIDRs)
			return call.Texts(v4[:min(1, len(v4))])
		},
		"cidr-block-association.cidr-block": func(_ *world.World, v *world.VPC) []string {
			v4, _ := world.Families(v.CIDRs)
			return call.Texts(v4)
		},
		"ipv6-cidr-block-association.ipv6-cidr-block": func(_ *world.World, v *world.VPC) []string {
			_, v6 := world.Families(v.CIDRs)
			return call.Texts(v6)
		},
	},
}

func describeVPCs(r *call.Request) (call.Answer, error) {
	found, next, err := vpcs.Describe(r, r.World.VPCs)
	return &struct {
		call.Reply
		VPCs call.Set[vpcShape] `xml:"vpcSet"`
		Next string             `xml:"nextToken,omitempty"`
	}{VPCs: call.SetOf(found, shapeOfVPC), Next: next}, err
}

type subnetShape struct {
	ID     string                  `xml:"subnetId"`
	ARN    string                  `xml:"subnetArn"`
	Owner  string                  `xml:"ownerId"`
	VPC    string                  `xml:"vpcId"`
	State  string                  `xml:"state"`
	CIDR   string                  `xml:"cidrBlock,omitempty"`
	IPv6   call.Set[ipv6Block]     `xml:"ipv6CidrBlockAssociationSet"`
	Native bool                    `xml:"ipv6Native"`
	Free   int                     `xml:"availableIpAddressCount"`
	Zone   string                  `xml:"availabilityZone"`
	ForAZ  bool                    `xml:"defaultForAz"`
	Public bool                    `xml:"mapPublicIpOnLaunch"`
	DNS64  bool                    `xml:"enableDns64"`
	Tags   call.Set[call.TagShape] `xml:"tagSet"`
}

func shapeOfSubnet(w *world.World, s *world.Subnet) subnetShape {
	v4, v6 := world.Families(s.CIDRs)
	shape := subnetShape{
		ID: s.ID, Owner: ownerOf(w, s), VPC: s.VPC, State: "available", Zone: s.Zone,
		ARN:    fmt.Sprintf("arn:aws:ec2:%s:%s:subnet/%s", w.Region, ownerOf(w, s), s.ID),
		Native: len(v4) == 0, IPv6: ipv6Blocks("subnet", s.ID, v6), DNS64: s.DNS64, Tags: call.ShapeOfTags(s.Tags), Public: s.MapPublic,
	}
	if len(v4) > 0 {
		shape.CIDR = v4[0].String()
		// EC2 keeps five addresses of each subnet.
		shape.Free = max(0, 1<<min(32-v4[0].Bits(), 30)-5)
	}
	for _, n := range w.Interfaces {
		if n.Subnet == s.ID {
			shape.Free = max(0, shape.Free-len(n.Private))
		}
	}
	return shape
}

// ownerOf is the account that owns a subnet: its VPC's.
func ownerOf(w *world.World, s *world.Subnet) string {
	if v := w.VPC(s.VPC); v != nil {
		return v.Owner
	}
	return w.Account
}

var subnets = call.Catalogue[*world.Subnet]{
	Kind: call.KindSub, IDs: "SubnetId",
	ID:   func(s *world.Subnet) string { return s.ID },
	Tags: func(s *world.Subnet) world.Tags { return s.Tags },
	Fields: map[string]func(*world.World, *world.Subnet) []string{
		"subnet-id":         func(_ *world.World, s *world.Subnet) []string { return []string{s.ID} },
		"vpc-id":            func(_ *world.World, s *world.Subnet) []string { return []string{s.VPC} },
		"owner-id":          func(w *world.World, s *world.Subnet) []string { return []string{ownerOf(w, s)} },
		"availability-zone": func(_ *world.World, s *world.Subnet) []string { return []string{s.Zone} },
		"state":             func(*world.World, *world.Subnet) []string { return []string{"available"} },
		"enable-dns64":      func(_ *world.World, s *world.Subnet) []string { return []string{strconv.FormatBool(s.DNS64)} },
		"default-for-az":    func(*world.World, *world.Subnet) []string { return []string{"false"} },
		"cidr-block": func(_ *world.World, s *world.Subnet) []string {
			v4, _ := world.Families(s.CIDRs)
			return call.Texts(v4)
		},
		"ipv6-cidr-block-association.ipv6-cidr-block": func(_ *world.World, s *world.Subnet) []string {
			_, v6 := world.Families(s.CIDRs)
			return call.Texts(v6)
		},
	},
}

func describeSubnets(r *call.Request) (call.Answer, error) {
	found, next, err := subnets.Describe(r, r.World.Subnets)
	return &struct {
		call.Reply
		Subnets call.Set[subnetShape] `xml:"subnetSet"`
		Next    string                `xml:"nextToken,omitempty"`
	}{Subnets: call.SetOf(found, func(x *world.Subnet) subnetShape { return shapeOfSubnet(r.World, x) }), Next: next}, err
}
