package nic

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// interfaceAttributes are what ModifyNetworkInterfaceAttribute can change here,
// one at a time (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html).
var interfaceAttributes = map[string]func(*call.Request, *world.Interface) error{
	"SecurityGroupId":                 setGroups,
	"AssociatedSubnetId":              setAssociated,
	"Description":                     setDescription,
	"SourceDestCheck":                 setSourceDestCheck,
	"ConnectionTrackingSpecification": setTracking,
}

func modifyInterface(r *call.Request) (call.Answer, error) {
	n, err := r.NetworkInterface()
	if err != nil {
		return nil, err
	}
	var given []string
	for name := range maps.Keys(interfaceAttributes) {
		if r.Params.Has(name) {
			given = append(given, name)
		}
	}
	switch len(given) {
	case 0:
		return nil, call.Fail("InvalidParameterCombination", "No attributes specified.")
	case 1:
	default:
		return nil, call.Fail("InvalidParameterCombination", "Fields for multiple attribute types specified.")
	}
	if err := Changeable(r, n); err != nil {
		return nil, err
	}
	return call.Done(interfaceAttributes[given[0]](r, n))
}

// Changeable refuses to change what another service or account holds; only tags
// of such an interface can be changed
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html).
func Changeable(r *call.Request, n *world.Interface) error {
	switch {
	case n.Unchangeable || n.Owner != r.World.Account:
		return call.Fail("AuthFailure", "You do not have permission to access the specified resource.")
	case n.Managed():
		return call.Fail("OperationNotPermitted", "You are not allowed to manage '%s' network interfaces.", n.RequesterID)
	case r.World.OperatorOf(n) != "":
		return ErrOperated(n.ID, r.World.OperatorOf(n))
	}
	return nil
}

func setGroups(r *call.Request, n *world.Interface) error {
	ids, err := GroupsFor(r, r.Params.List("SecurityGroupId"), n.Subnet, "InvalidGroup.NotFound")
	if err != nil {
		return err
	}
	n.Groups = ids
	return nil
}

// GroupsFor checks the groups that are to be on an interface in a subnet. Groups
// of another VPC are refused with the code given, which depends on the operation.
func GroupsFor(r *call.Request, ids []string, subnet, foreign string) ([]string, error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	s := r.World.Subnet(subnet)
	for _, id := range ids {
		g, err := call.One(call.KindSG, id, r.World.Group)
		if err != nil {
			return nil, err
		}
		if s != nil && g.VPC != s.VPC {
			return nil, call.Fail(foreign, "You have specified two resources that belong to different networks.")
		}
		if !r.Usable(id) {
			return nil, call.KindSG.Missing(id)
		}
	}
	if len(ids) == 0 {
		return nil, call.Fail("InvalidParameterValue", "At least one security group is required")
	}
	if len(ids) > r.World.GroupsPerInterface {
		return nil, call.Fail("SecurityGroupsPerInterfaceLimitExceeded",
			"The maximum number of security groups per interface has been reached.")
	}
	return ids, nil
}

// ErrOperated refuses to change what an AWS service operates
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/amazon-ec2-managed-instances.html).
func ErrOperated(id, principal string) *wire.Error {
	return call.Fail("OperationNotPermitted", "The resource %s is managed by %s.", id, principal)
}

// setAssociated sets the further subnets that an interface is in.
func setAssociated(r *call.Request, n *world.Interface) error {
	own, ids := r.World.Subnet(n.Subnet), r.Params.List("AssociatedSubnetId")
	for _, id := range ids {
		s, err := call.One(call.KindSub, id, r.World.Subnet)
		if err != nil {
			return err
		}
		if own == nil || s.VPC != own.VPC || s == own {
			return call.Fail("InvalidParameterValue", "The subnet '%s' is not another subnet of the interface's VPC", id)
		}
	}
	n.Associated = slices.Clone(ids)
	return nil
}

func setDescription(r *call.Request, n *world.Interface) error {
	n.Description = r.Params.Str("Description.Value")
	return nil
}

func setSourceDestCheck(r *call.Request, n *world.Interface) error {
	check, err := r.Params.Boolean("SourceDestCheck.Value", true)
	if err == nil {
		n.NoSourceDestCheck = !check
	}
	return err
}

// setTracking sets idle timeouts, which needs a Nitro instance
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ConnectionTrackingSpecificationRequest.html).
func setTracking(r *call.Request, n *world.Interface) error {
	if i := r.World.Instance(n.Instance); i != nil && !world.OnNitro(i.Type) {
		return call.Fail("UnsupportedOperation", "Connection tracking timeouts are not supported for instance type %s.", i.Type)
	}
	values := map[string]time.Duration{}
	for _, t := range world.TimeoutsOf(n) {
		seconds, given, err := r.Params.Integer("ConnectionTrackingSpecification." + t.Param)
		if err != nil {
			return err
		}
		values[t.Param] = t.Value
		if !given {
			continue
		}
		values[t.Param] = time.Duration(seconds) * time.Second
		if d := values[t.Param]; d < t.Min || d > t.Max {
			return call.Fail("InvalidParameterValue", "Value (%d) for parameter %s is invalid: from %.0f to %.0f.",
				seconds, t.Param, t.Min.Seconds(), t.Max.Seconds())
		}
	}
	n.TCPTimeout, n.UDPStreamTimeout, n.UDPTimeout = values["TcpEstablishedTimeout"], values["UdpStreamTimeout"], values["UdpTimeout"]
	return nil
}

type createInterfaceAnswer struct {
	call.Reply
	Interface InterfaceShape `xml:"networkInterface"`
	Token     string         `xml:"clientToken,omitempty"`
}

func createInterface(r *call.Request) (call.Answer, error) {
	id, err := r.Once(func() (string, error) {
		n, err := NewInterface(r)
		if err != nil {
			return "", err
		}
		r.World.Interfaces = append(r.World.Interfaces, n)
		return n.ID, nil
	})
	if err != nil {
		return nil, err
	}
	n, err := call.One(call.KindENI, id, r.World.Interface)
	if err != nil {
		return nil, err
	}
	return &createInterfaceAnswer{Interface: shapeOfInterface(r.World, n), Token: r.Params.Str("ClientToken")}, nil
}

// NewInterface is the interface a call asks for, if EC2 would make it.
func NewInterface(r *call.Request) (*world.Interface, error) {
	s, err := call.One(call.KindSub, r.Params.Str("SubnetId"), r.World.Subnet)
	if err != nil {
		return nil, err
	}
	n := &world.Interface{
		Subnet: s.ID, Type: "interface", Owner: r.World.Account, Description: r.Params.Str("Description"), Keep: true,
	}
	if ids := r.Params.List("SecurityGroupId"); len(ids) > 0 {
		n.Groups, err = GroupsFor(r, ids, s.ID, "InvalidParameter")
	} else if g := r.World.DefaultGroup(s.VPC); g != nil {
		n.Groups = []string{g.ID}
	}
	if err != nil {
		return nil, err
	}
	if n.Tags, err = r.Params.TagsFor(call.KindENI.Name); err != nil {
		return nil, err
	}
	if err := setAddresses(r, n, s); err != nil {
		return nil, err
	}
	if r.Params.Has("ConnectionTrackingSpecification") {
		if err := setTracking(r, n); err != nil {
			return nil, err
		}
	}
	n.ID = r.NewID("eni-")
	return n, nil
}

// setAddresses gives a new interface the addresses asked for, or a free one.
func setAddresses(r *call.Request, n *world.Interface, s *world.Subnet) error {
	var asked []string
	if text := r.Params.Str("PrivateIpAddress"); text != "" {
		asked = append(asked, text)
	}
	for _, x := range r.Params.Structs("Ipv6Addresses") {
		asked = append(asked, x.Str("Ipv6Address"))
	}
	for _, text := range asked {
		a, err := askedAddress(r, s, text)
		if err != nil {
			return err
		}
		if a.Is4() {
			n.Private = append(n.Private, a)
		} else {
			n.IPv6 = append(n.IPv6, a)
		}
	}
	count, _, err := r.Params.Integer("Ipv6AddressCount")
	if err != nil {
		return err
	}
	for range count {
		a := r.World.FreeAddress(s, true, n.IPv6...)
		if !a.IsValid() {
			return call.Fail("InvalidParameterValue", "The subnet '%s' has no IPv6 address left", s.ID)
		}
		n.IPv6 = append(n.IPv6, a)
	}
	if v4, _ := world.Families(s.CIDRs); len(n.Private) == 0 && len(v4) > 0 {
		a := r.World.FreeAddress(s, false)
		if !a.IsValid() {
			return call.Fail("InsufficientFreeAddressesInSubnet", "The specified subnet does not have enough free addresses.")
		}
		n.Private = []netip.Addr{a}
	}
	return nil
}

// askedAddress is an address that a call wants a new interface in a subnet to have.
func askedAddress(r *call.Request, s *world.Subnet, text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil || a.Zone() != "":
		return a, call.Fail("InvalidParameterValue", "invalid value for parameter address: %s", text)
	case !world.Within(netip.PrefixFrom(a, a.BitLen()), s.CIDRs):
		return a, call.Fail("InvalidParameterValue", "Address does not fall within the subnet's address range")
	case reserved(a, s.CIDRs):
		return a, call.Fail("InvalidParameterValue", "Address %s is in subnet's reserved address range", text)
	case r.World.HolderIn(s.VPC, a) != nil:
		return a, call.Fail("InvalidIPAddress.InUse", "Address %s is in use.", text)
	}
	return a, nil
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
