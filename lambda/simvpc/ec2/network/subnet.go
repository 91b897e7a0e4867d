package network

import (
	"cmp"
	"net/netip"
	"slices"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

func createSubnet(r *call.Request) (call.Answer, error) {
	v, err := call.One(call.KindVPC, r.Params.Str("VpcId"), r.World.VPC)
	if err != nil {
		return nil, err
	}
	cidr, err := range4(r, "CidrBlock", "InvalidSubnet.Range")
	if err != nil {
		return nil, err
	}
	s := &world.Subnet{VPC: v.ID, CIDRs: []netip.Prefix{cidr}, Zone: cmp.Or(r.Params.Str("AvailabilityZone"), r.World.Region+"a")}
	if !slices.Contains(zonesOf(r.World), s.Zone) {
		return nil, call.Fail("InvalidParameterValue", "Value (%s) for parameter availabilityZone is invalid.", s.Zone)
	}
	if text := r.Params.Str("Ipv6CidrBlock"); text != "" {
		six, err := range6(text)
		if err != nil {
			return nil, err
		}
		s.CIDRs = append(s.CIDRs, six)
	}
	if err := fits(r, v, s.CIDRs); err != nil {
		return nil, err
	}
	if len(subnetsOf(r.World, v)) >= subnetsPerVPC {
		return nil, call.Fail("SubnetLimitExceeded", "The maximum number of subnets has been reached.")
	}
	if s.Tags, err = r.Params.TagsFor(call.KindSub.Name); err != nil {
		return nil, err
	}
	s.ID = r.NewID("subnet-")
	r.World.Subnets = append(r.World.Subnets, s)
	r.World.Normalize() // the default ACL serves it
	return &struct {
		call.Reply
		Subnet subnetShape `xml:"subnet"`
	}{Subnet: shapeOfSubnet(r.World, s)}, nil
}

// range6 reads an IPv6 range of the one size that a subnet can have here.
func range6(text string) (netip.Prefix, error) {
	p, err := world.ParseCIDR(text)
	if err != nil || !p.Addr().Is6() || p.Bits() != ipv6Subnet {
		return netip.Prefix{}, call.Fail("InvalidParameterValue", "invalid value for parameter ipv6CidrBlock: %s", text)
	}
	return p, nil
}

func subnetsOf(w *world.World, v *world.VPC) []*world.Subnet {
	var all []*world.Subnet
	for _, s := range w.Subnets {
		if s.VPC == v.ID {
			all = append(all, s)
		}
	}
	return all
}

// fits reports whether ranges lie in a VPC and overlap with none of its subnets.
func fits(r *call.Request, v *world.VPC, ranges []netip.Prefix) error {
	for _, p := range ranges {
		if !world.Within(p, v.CIDRs) {
			return call.Fail("InvalidSubnet.Range", "The CIDR '%s' is invalid.", p)
		}
		for _, s := range subnetsOf(r.World, v) {
			if slices.ContainsFunc(s.CIDRs, p.Overlaps) {
				return call.Fail("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", p)
			}
		}
	}
	return nil
}

func deleteSubnet(r *call.Request) (call.Answer, error) {
	s, err := call.One(call.KindSub, r.Params.Str("SubnetId"), r.World.Subnet)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(r.World.Interfaces, func(n *world.Interface) bool { return n.Subnet == s.ID || slices.Contains(n.Associated, s.ID) }) {
		return nil, call.Fail("DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted.", s.ID)
	}
	r.World.Subnets = slices.DeleteFunc(r.World.Subnets, func(other *world.Subnet) bool { return other == s })
	for _, t := range r.World.RouteTables {
		t.Subnets = slices.DeleteFunc(t.Subnets, func(id string) bool { return id == s.ID })
	}
	r.World.FlowLogs = slices.DeleteFunc(r.World.FlowLogs, func(f *world.FlowLog) bool { return f.Resource == s.ID })
	return call.Done(nil)
}

// modifySubnet sets one attribute of a subnet
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySubnetAttribute.html).
func modifySubnet(r *call.Request) (call.Answer, error) {
	s, err := call.One(call.KindSub, r.Params.Str("SubnetId"), r.World.Subnet)
	if err != nil {
		return nil, err
	}
	attributes := map[string]*bool{"MapPublicIpOnLaunch": &s.MapPublic, "EnableDns64": &s.DNS64}
	given := 0
	for name, value := range attributes {
		if !r.Params.Has(name) {
			continue
		}
		if *value, err = r.Params.Boolean(name+".Value", false); err != nil {
			return nil, err
		}
		given++
	}
	if given != 1 {
		return nil, call.Fail("InvalidParameterCombination", "Want one attribute at a time.")
	}
	return call.Done(nil)
}

// associateSubnet gives a subnet an IPv6 range.
func associateSubnet(r *call.Request) (call.Answer, error) {
	s, err := call.One(call.KindSub, r.Params.Str("SubnetId"), r.World.Subnet)
	if err != nil {
		return nil, err
	}
	p, err := range6(r.Params.Str("Ipv6CidrBlock"))
	if err != nil {
		return nil, err
	}
	if _, has := world.Families(s.CIDRs); len(has) > 0 {
		return nil, call.Fail("InvalidSubnet.Conflict", "The subnet '%s' has an IPv6 range", s.ID)
	}
	if err := fits(r, r.World.VPC(s.VPC), []netip.Prefix{p}); err != nil {
		return nil, err
	}
	s.CIDRs = append(s.CIDRs, p)
	return &struct {
		call.Reply
		Subnet string    `xml:"subnetId"`
		IPv6   ipv6Block `xml:"ipv6CidrBlockAssociation"`
	}{Subnet: s.ID, IPv6: ipv6Block{call.HashID("subnet-cidr-assoc-", s.ID, p), p.String(), associated}}, nil
}
