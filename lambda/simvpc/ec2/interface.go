package ec2

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// interfaceAttributes are what ModifyNetworkInterfaceAttribute can change here,
// one at a time (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html).
var interfaceAttributes = map[string]func(*request, *world.Interface) error{
	"SecurityGroupId":                 (*request).setGroups,
	"AssociatedSubnetId":              (*request).setAssociated,
	"Description":                     (*request).setDescription,
	"SourceDestCheck":                 (*request).setSourceDestCheck,
	"ConnectionTrackingSpecification": (*request).setTracking,
}

func modifyInterface(r *request) (answer, error) {
	n, err := r.networkInterface()
	if err != nil {
		return nil, err
	}
	var given []string
	for name := range maps.Keys(interfaceAttributes) {
		if r.p.has(name) {
			given = append(given, name)
		}
	}
	switch len(given) {
	case 0:
		return nil, fail("InvalidParameterCombination", "No attributes specified.")
	case 1:
	default:
		return nil, fail("InvalidParameterCombination", "Fields for multiple attribute types specified.")
	}
	if err := r.changeable(n); err != nil {
		return nil, err
	}
	return done(interfaceAttributes[given[0]](r, n))
}

// changeable refuses to change what another service or account holds; only tags
// of such an interface can be changed
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html).
func (r *request) changeable(n *world.Interface) error {
	switch {
	case n.Unchangeable || n.Owner != r.w.Account:
		return fail("AuthFailure", "You do not have permission to access the specified resource.")
	case n.Managed():
		return fail("OperationNotPermitted", "You are not allowed to manage '%s' network interfaces.", n.RequesterID)
	case r.w.OperatorOf(n) != "":
		return errOperated(n.ID, r.w.OperatorOf(n))
	}
	return nil
}

func (r *request) setGroups(n *world.Interface) error {
	ids, err := r.groupsFor(r.p.list("SecurityGroupId"), n.Subnet, "InvalidGroup.NotFound")
	if err != nil {
		return err
	}
	n.Groups = ids
	return nil
}

// groupsFor checks the groups that are to be on an interface in a subnet. Groups
// of another VPC are refused with the code given, which depends on the operation.
func (r *request) groupsFor(ids []string, subnet, foreign string) ([]string, error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	s := r.w.Subnet(subnet)
	for _, id := range ids {
		g, err := one(kindSG, id, r.w.Group)
		if err != nil {
			return nil, err
		}
		if s != nil && g.VPC != s.VPC {
			return nil, fail(foreign, "You have specified two resources that belong to different networks.")
		}
		if !r.usable(id) {
			return nil, kindSG.missing(id)
		}
	}
	if len(ids) == 0 {
		return nil, fail("InvalidParameterValue", "At least one security group is required")
	}
	if len(ids) > r.w.GroupsPerInterface {
		return nil, fail("SecurityGroupsPerInterfaceLimitExceeded",
			"The maximum number of security groups per interface has been reached.")
	}
	return ids, nil
}

// errOperated refuses to change what an AWS service operates
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/amazon-ec2-managed-instances.html).
func errOperated(id, principal string) *wire.Error {
	return fail("OperationNotPermitted", "The resource %s is managed by %s.", id, principal)
}

// setAssociated sets the further subnets that an interface is in.
func (r *request) setAssociated(n *world.Interface) error {
	own, ids := r.w.Subnet(n.Subnet), r.p.list("AssociatedSubnetId")
	for _, id := range ids {
		s, err := one(kindSub, id, r.w.Subnet)
		if err != nil {
			return err
		}
		if own == nil || s.VPC != own.VPC || s == own {
			return fail("InvalidParameterValue", "The subnet '%s' is not another subnet of the interface's VPC", id)
		}
	}
	n.Associated = slices.Clone(ids)
	return nil
}

func (r *request) setDescription(n *world.Interface) error {
	n.Description = r.p.str("Description.Value")
	return nil
}

func (r *request) setSourceDestCheck(n *world.Interface) error {
	check, err := r.p.boolean("SourceDestCheck.Value", true)
	if err == nil {
		n.NoSourceDestCheck = !check
	}
	return err
}

// setTracking sets idle timeouts, which needs a Nitro instance
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ConnectionTrackingSpecificationRequest.html).
func (r *request) setTracking(n *world.Interface) error {
	if i := r.w.Instance(n.Instance); i != nil && !world.OnNitro(i.Type) {
		return fail("UnsupportedOperation", "Connection tracking timeouts are not supported for instance type %s.", i.Type)
	}
	values := map[string]time.Duration{}
	for _, t := range world.TimeoutsOf(n) {
		seconds, given, err := r.p.integer("ConnectionTrackingSpecification." + t.Param)
		if err != nil {
			return err
		}
		values[t.Param] = t.Value
		if !given {
			continue
		}
		values[t.Param] = time.Duration(seconds) * time.Second
		if d := values[t.Param]; d < t.Min || d > t.Max {
			return fail("InvalidParameterValue", "Value (%d) for parameter %s is invalid: from %.0f to %.0f.",
				seconds, t.Param, t.Min.Seconds(), t.Max.Seconds())
		}
	}
	n.TCPTimeout, n.UDPStreamTimeout, n.UDPTimeout = values["TcpEstablishedTimeout"], values["UdpStreamTimeout"], values["UdpTimeout"]
	return nil
}

type createInterfaceAnswer struct {
	reply
	Interface interfaceShape `xml:"networkInterface"`
	Token     string         `xml:"clientToken,omitempty"`
}

func createInterface(r *request) (answer, error) {
	id, err := r.once(func() (string, error) {
		n, err := r.newInterface()
		if err != nil {
			return "", err
		}
		r.w.Interfaces = append(r.w.Interfaces, n)
		return n.ID, nil
	})
	if err != nil {
		return nil, err
	}
	n, err := one(kindENI, id, r.w.Interface)
	if err != nil {
		return nil, err
	}
	return &createInterfaceAnswer{Interface: shapeOfInterface(r.w, n), Token: r.p.str("ClientToken")}, nil
}

// newInterface is the interface a call asks for, if EC2 would make it.
func (r *request) newInterface() (*world.Interface, error) {
	s, err := one(kindSub, r.p.str("SubnetId"), r.w.Subnet)
	if err != nil {
		return nil, err
	}
	n := &world.Interface{
		Subnet: s.ID, Type: "interface", Owner: r.w.Account, Description: r.p.str("Description"), Keep: true,
	}
	if ids := r.p.list("SecurityGroupId"); len(ids) > 0 {
		n.Groups, err = r.groupsFor(ids, s.ID, "InvalidParameter")
	} else if g := r.w.DefaultGroup(s.VPC); g != nil {
		n.Groups = []string{g.ID}
	}
	if err != nil {
		return nil, err
	}
	if n.Tags, err = r.p.tagsFor(kindENI.name); err != nil {
		return nil, err
	}
	if err := r.setAddresses(n, s); err != nil {
		return nil, err
	}
	if r.p.has("ConnectionTrackingSpecification") {
		if err := r.setTracking(n); err != nil {
			return nil, err
		}
	}
	n.ID = r.newID("eni-")
	return n, nil
}

// setAddresses gives a new interface the addresses asked for, or a free one.
func (r *request) setAddresses(n *world.Interface, s *world.Subnet) error {
	var asked []string
	if text := r.p.str("PrivateIpAddress"); text != "" {
		asked = append(asked, text)
	}
	for _, x := range r.p.structs("Ipv6Addresses") {
		asked = append(asked, x.str("Ipv6Address"))
	}
	for _, text := range asked {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return fail("InvalidParameterValue", "invalid value for parameter address: %s", text)
		}
		if !world.Within(netip.PrefixFrom(a, a.BitLen()), s.CIDRs) {
			return fail("InvalidParameterValue", "Address does not fall within the subnet's address range")
		}
		if reserved(a, s.CIDRs) {
			return fail("InvalidParameterValue", "Address %s is in subnet's reserved address range", text)
		}
		if r.w.HolderIn(s.VPC, a) != nil {
			return fail("InvalidIPAddress.InUse", "Address %s is in use.", text)
		}
		if a.Is4() {
			n.Private = append(n.Private, a)
		} else {
			n.IPv6 = append(n.IPv6, a)
		}
	}
	if v4, _ := world.Families(s.CIDRs); len(n.Private) == 0 && len(v4) > 0 {
		a := r.w.FreeAddress(s)
		if !a.IsValid() {
			return fail("InsufficientFreeAddressesInSubnet", "The specified subnet does not have enough free addresses.")
		}
		n.Private = []netip.Addr{a}
	}
	return nil
}

// reserved reports whether EC2 keeps an address of a range for itself: the first
// four and the last
// (https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html).
func reserved(a netip.Addr, ranges []netip.Prefix) bool {
	for _, p := range ranges {
		first := p.Addr()
		for range 4 {
			if a == first {
				return true
			}
			first = first.Next()
		}
		if p.Contains(a) && !p.Contains(a.Next()) {
			return true
		}
	}
	return false
}
