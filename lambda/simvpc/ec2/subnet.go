package ec2

import (
	"cmp"
	"net/netip"
	"slices"

	"tourniquet/lambda/simvpc/world"
)

func createSubnet(r *request) (answer, error) {
	v, err := one(kindVPC, r.p.str("VpcId"), r.w.VPC)
	if err != nil {
		return nil, err
	}
	cidr, err := r.range4("CidrBlock", "InvalidSubnet.Range")
	if err != nil {
		return nil, err
	}
	s := &world.Subnet{VPC: v.ID, CIDRs: []netip.Prefix{cidr}, Zone: cmp.Or(r.p.str("AvailabilityZone"), r.w.Region+"a")}
	if !slices.Contains(zonesOf(r.w), s.Zone) {
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter availabilityZone is invalid.", s.Zone)
	}
	if text := r.p.str("Ipv6CidrBlock"); text != "" {
		six, err := r.range6(text)
		if err != nil {
			return nil, err
		}
		s.CIDRs = append(s.CIDRs, six)
	}
	if err := r.fits(v, s.CIDRs); err != nil {
		return nil, err
	}
	if len(subnetsOf(r.w, v)) >= subnetsPerVPC {
		return nil, fail("SubnetLimitExceeded", "The maximum number of subnets has been reached.")
	}
	if s.Tags, err = r.p.tagsFor(kindSub.name); err != nil {
		return nil, err
	}
	s.ID = r.newID("subnet-")
	r.w.Subnets = append(r.w.Subnets, s)
	r.w.Normalize() // the default ACL serves it
	return &struct {
		reply
		Subnet subnetShape `xml:"subnet"`
	}{Subnet: shapeOfSubnet(r.w, s)}, nil
}

// range6 reads an IPv6 range of the one size that a subnet can have here.
func (r *request) range6(text string) (netip.Prefix, error) {
	p, err := world.ParseCIDR(text)
	if err != nil || !p.Addr().Is6() || p.Bits() != ipv6Subnet {
		return netip.Prefix{}, fail("InvalidParameterValue", "invalid value for parameter ipv6CidrBlock: %s", text)
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
func (r *request) fits(v *world.VPC, ranges []netip.Prefix) error {
	for _, p := range ranges {
		if !world.Within(p, v.CIDRs) {
			return fail("InvalidSubnet.Range", "The CIDR '%s' is invalid.", p)
		}
		for _, s := range subnetsOf(r.w, v) {
			if slices.ContainsFunc(s.CIDRs, p.Overlaps) {
				return fail("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", p)
			}
		}
	}
	return nil
}

func deleteSubnet(r *request) (answer, error) {
	s, err := one(kindSub, r.p.str("SubnetId"), r.w.Subnet)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(r.w.Interfaces, func(n *world.Interface) bool { return n.Subnet == s.ID || slices.Contains(n.Associated, s.ID) }) {
		return nil, fail("DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted.", s.ID)
	}
	r.w.Subnets = slices.DeleteFunc(r.w.Subnets, func(other *world.Subnet) bool { return other == s })
	r.w.FlowLogs = slices.DeleteFunc(r.w.FlowLogs, func(f *world.FlowLog) bool { return f.Resource == s.ID })
	return done(nil)
}

// modifySubnet sets one attribute of a subnet
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySubnetAttribute.html).
func modifySubnet(r *request) (answer, error) {
	s, err := one(kindSub, r.p.str("SubnetId"), r.w.Subnet)
	if err != nil {
		return nil, err
	}
	attributes := map[string]*bool{"MapPublicIpOnLaunch": &s.MapPublic, "EnableDns64": &s.DNS64}
	given := 0
	for name, value := range attributes {
		if !r.p.has(name) {
			continue
		}
		if *value, err = r.p.boolean(name+".Value", false); err != nil {
			return nil, err
		}
		given++
	}
	if given != 1 {
		return nil, fail("InvalidParameterCombination", "Want one attribute at a time.")
	}
	return done(nil)
}

// associateSubnet gives a subnet an IPv6 range.
func associateSubnet(r *request) (answer, error) {
	s, err := one(kindSub, r.p.str("SubnetId"), r.w.Subnet)
	if err != nil {
		return nil, err
	}
	p, err := r.range6(r.p.str("Ipv6CidrBlock"))
	if err != nil {
		return nil, err
	}
	if _, has := world.Families(s.CIDRs); len(has) > 0 {
		return nil, fail("InvalidSubnet.Conflict", "The subnet '%s' has an IPv6 range", s.ID)
	}
	if err := r.fits(r.w.VPC(s.VPC), []netip.Prefix{p}); err != nil {
		return nil, err
	}
	s.CIDRs = append(s.CIDRs, p)
	return &struct {
		reply
		Subnet string    `xml:"subnetId"`
		IPv6   ipv6Block `xml:"ipv6CidrBlockAssociation"`
	}{Subnet: s.ID, IPv6: ipv6Block{hashID("subnet-cidr-assoc-", s.ID, p), p.String(), associated}}, nil
}
