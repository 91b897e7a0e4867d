package network

import (
	"net/netip"
	"slices"
	"strconv"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// ownACL is the ACL that a call wants to change. In a shared VPC only the owner
// may (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-sharing.html).
func ownACL(r *call.Request) (*world.NetworkACL, error) {
	a, err := r.ACL()
	if err != nil {
		return nil, err
	}
	if a.Owner != r.World.Account {
		return nil, call.Fail("UnauthorizedOperation", "You are not authorized to perform this operation.")
	}
	return a, nil
}

func createACL(r *call.Request) (call.Answer, error) {
	id, err := r.Once(func() (string, error) {
		v, err := call.One(call.KindVPC, r.Params.Str("VpcId"), r.World.VPC)
		if err != nil {
			return "", err
		}
		if v.Owner != r.World.Account {
			return "", call.Fail("UnauthorizedOperation", "You are not authorized to perform this operation.")
		}
		tags, err := r.Params.TagsFor(call.KindACL.Name)
		if err != nil {
			return "", err
		}
		a := &world.NetworkACL{ID: r.NewID("acl-"), VPC: v.ID, Owner: v.Owner, Quota: world.DefaultACLQuota, Tags: tags}
		r.World.ACLs = append(r.World.ACLs, a)
		return a.ID, nil
	})
	if err != nil {
		return nil, err
	}
	a, err := call.One(call.KindACL, id, r.World.ACL)
	if err != nil {
		return nil, err
	}
	return &struct {
		call.Reply
		ACL   aclShape `xml:"networkAcl"`
		Token string   `xml:"clientToken,omitempty"`
	}{ACL: shapeOfACL(r.World, a), Token: r.Params.Str("ClientToken")}, nil
}

func deleteACL(r *call.Request) (call.Answer, error) {
	a, err := ownACL(r)
	if err != nil {
		return nil, err
	}
	if a.Default {
		return nil, call.Fail("InvalidParameterValue", "cannot delete default network ACL %s", a.ID)
	}
	if len(associationsOf(r.World, a)) > 0 {
		return nil, call.Fail("DependencyViolation", "The networkAcl '%s' has dependencies and cannot be deleted.", a.ID)
	}
	r.World.ACLs = slices.DeleteFunc(r.World.ACLs, func(other *world.NetworkACL) bool { return other == a })
	return call.Done(nil)
}

func createEntry(r *call.Request) (call.Answer, error) {
	a, err := ownACL(r)
	if err != nil {
		return nil, err
	}
	e, err := newEntry(r)
	if err != nil {
		return nil, err
	}
	if a.Entry(e.Number, e.Egress) != nil {
		return nil, call.Fail("NetworkAclEntryAlreadyExists", "The network acl entry identified by %d already exists.", e.Number)
	}
	if a.Count(e.Egress, e.CIDR.Addr().BitLen()) >= a.Quota {
		return nil, call.Fail("NetworkAclEntryLimitExceeded", "The maximum number of network acl entries has been reached.")
	}
	a.Entries = append(a.Entries, e)
	slices.SortFunc(a.Entries, world.CompareEntries)
	return call.Done(nil)
}

func replaceEntry(r *call.Request) (call.Answer, error) {
	a, err := ownACL(r)
	if err != nil {
		return nil, err
	}
	e, err := newEntry(r)
	if err != nil {
		return nil, err
	}
	has := a.Entry(e.Number, e.Egress)
	if has == nil {
		return nil, errNoEntry(e.Number)
	}
	bits := e.CIDR.Addr().BitLen()
	if has.CIDR.Addr().BitLen() != bits && a.Count(e.Egress, bits) >= a.Quota {
		return nil, call.Fail("NetworkAclEntryLimitExceeded", "The maximum number of network acl entries has been reached.")
	}
	*has = e
	return call.Done(nil)
}

func deleteEntry(r *call.Request) (call.Answer, error) {
	a, err := ownACL(r)
	if err != nil {
		return nil, err
	}
	number, egress, err := entryName(r)
	if err != nil {
		return nil, err
	}
	if a.Entry(number, egress) == nil {
		return nil, errNoEntry(number)
	}
	a.Entries = slices.DeleteFunc(a.Entries, func(e world.Entry) bool { return e.Number == number && e.Egress == egress })
	if len(a.Entries) == 0 {
		a.Entries = nil
	}
	return call.Done(nil)
}

func errNoEntry(number int) *wire.Error {
	return call.Fail("InvalidNetworkAclEntry.NotFound", "The network acl entry identified by %d does not exist.", number)
}

// entryName reads the number and direction that name an entry.
func entryName(r *call.Request) (number int, egress bool, err error) {
	number, given, err := r.Params.Integer("RuleNumber")
	if err != nil {
		return 0, false, err
	}
	if !given {
		return 0, false, call.Fail("MissingParameter", "The request must contain the parameter ruleNumber")
	}
	if number < 1 || number > world.LastEntry {
		return 0, false, call.Fail("InvalidParameterValue",
			"Value (%d) for parameter ruleNumber is invalid. Must be between 1 and %d.", number, world.LastEntry)
	}
	if r.Params.Str("Egress") == "" {
		return 0, false, call.Fail("MissingParameter", "The request must contain the parameter egress")
	}
	egress, err = r.Params.Boolean("Egress", false)
	return number, egress, err
}

// newEntry reads the entry that a call describes
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAclEntry.html).
func newEntry(r *call.Request) (world.Entry, error) {
	var e world.Entry
	var err error
	if e.Number, e.Egress, err = entryName(r); err != nil {
		return e, err
	}
	switch action := r.Params.Str("RuleAction"); action {
	case "allow", "deny":
		e.Allow = action == "allow"
	case "":
		return e, call.Fail("MissingParameter", "The request must contain the parameter ruleAction")
	default:
		return e, call.Fail("InvalidParameterValue", "Value (%s) for parameter ruleAction is invalid.", action)
	}
	if e.CIDR, err = entryCIDR(r); err != nil {
		return e, err
	}
	e.Protocol, e.Ports, err = entryProtocol(r)
	return e, err
}

// entryCIDR reads the one CIDR of an entry, whose host bits EC2 clears.
func entryCIDR(r *call.Request) (netip.Prefix, error) {
	v4, v6 := r.Params.Str("CidrBlock"), r.Params.Str("Ipv6CidrBlock")
	switch {
	case v4 == "" && v6 == "":
		return netip.Prefix{}, call.Fail("MissingParameter", "The request must contain the parameter cidrBlock or ipv6CidrBlock")
	case v4 != "" && v6 != "":
		return netip.Prefix{}, call.Fail("InvalidParameterCombination", "Only one of cidrBlock and ipv6CidrBlock may be specified")
	}
	p, err := world.ParseCIDR(v4 + v6)
	if err != nil || p.Addr().Is4() != (v4 != "") {
		return netip.Prefix{}, call.Fail("InvalidParameterValue", "Invalid value '%s' for cidrBlock. Must be a valid CIDR.", v4+v6)
	}
	return p, nil
}

// entryProtocol reads protocol, a number here, and ports or ICMP type.
func entryProtocol(r *call.Request) (world.Protocol, world.Ports, error) {
	name, err := r.Params.Required("Protocol")
	if err != nil {
		return 0, world.Ports{}, err
	}
	number, err := strconv.Atoi(name)
	if err != nil || number < -1 || number > 255 {
		return 0, world.Ports{}, call.Fail("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", name)
	}
	proto := world.Protocol(number)
	first, second := "PortRange.From", "PortRange.To"
	switch {
	case proto.IsICMP():
		first, second = "Icmp.Type", "Icmp.Code"
	case !proto.HasPorts():
		return proto, world.Ports{}, nil // ports given with such a protocol are ignored
	}
	ports, err := r.Params.Ports(proto, first, second)
	return proto, ports, err
}

// replaceAssociation gives a subnet another ACL.
func replaceAssociation(r *call.Request) (call.Answer, error) {
	a, err := ownACL(r)
	if err != nil {
		return nil, err
	}
	id, err := r.Params.Required("AssociationId")
	if err != nil {
		return nil, err
	}
	s := world.Find(r.World.Subnets, func(s *world.Subnet) bool { return associationID(s) == id })
	if s == nil {
		return nil, call.Fail("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
	}
	if s.VPC != a.VPC {
		return nil, call.Fail("InvalidParameterValue", "The networkAcl '%s' and subnet '%s' belong to different networks", a.ID, s.ID)
	}
	s.ACL = a.ID
	return &struct {
		call.Reply
		ID string `xml:"newAssociationId"`
	}{ID: associationID(s)}, nil
}
