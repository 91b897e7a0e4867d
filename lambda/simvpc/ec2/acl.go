package ec2

import (
	"net/netip"
	"slices"
	"strconv"

	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// ownACL is the ACL that a call wants to change. In a shared VPC only the owner
// may (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-sharing.html).
func (r *request) ownACL() (*world.NetworkACL, error) {
	a, err := r.acl()
	if err != nil {
		return nil, err
	}
	if a.Owner != r.w.Account {
		return nil, fail("UnauthorizedOperation", "You are not authorized to perform this operation.")
	}
	return a, nil
}

func createACL(r *request) (answer, error) {
	id, err := r.once(func() (string, error) {
		v, err := one(kindVPC, r.p.str("VpcId"), r.w.VPC)
		if err != nil {
			return "", err
		}
		if v.Owner != r.w.Account {
			return "", fail("UnauthorizedOperation", "You are not authorized to perform this operation.")
		}
		tags, err := r.p.tagsFor(kindACL.name)
		if err != nil {
			return "", err
		}
		a := &world.NetworkACL{ID: r.newID("acl-"), VPC: v.ID, Owner: v.Owner, Quota: world.DefaultACLQuota, Tags: tags}
		r.w.ACLs = append(r.w.ACLs, a)
		return a.ID, nil
	})
	if err != nil {
		return nil, err
	}
	a, err := one(kindACL, id, r.w.ACL)
	if err != nil {
		return nil, err
	}
	return &struct {
		reply
		ACL   aclShape `xml:"networkAcl"`
		Token string   `xml:"clientToken,omitempty"`
	}{ACL: shapeOfACL(r.w, a), Token: r.p.str("ClientToken")}, nil
}

func deleteACL(r *request) (answer, error) {
	a, err := r.ownACL()
	if err != nil {
		return nil, err
	}
	if a.Default {
		return nil, fail("InvalidParameterValue", "cannot delete default network ACL %s", a.ID)
	}
	if len(associationsOf(r.w, a)) > 0 {
		return nil, fail("DependencyViolation", "The networkAcl '%s' has dependencies and cannot be deleted.", a.ID)
	}
	r.w.ACLs = slices.DeleteFunc(r.w.ACLs, func(other *world.NetworkACL) bool { return other == a })
	return done(nil)
}

func createEntry(r *request) (answer, error) {
	a, err := r.ownACL()
	if err != nil {
		return nil, err
	}
	e, err := r.newEntry()
	if err != nil {
		return nil, err
	}
	if a.Entry(e.Number, e.Egress) != nil {
		return nil, fail("NetworkAclEntryAlreadyExists", "The network acl entry identified by %d already exists.", e.Number)
	}
	if a.Count(e.Egress, e.CIDR.Addr().BitLen()) >= a.Quota {
		return nil, fail("NetworkAclEntryLimitExceeded", "The maximum number of network acl entries has been reached.")
	}
	a.Entries = append(a.Entries, e)
	slices.SortFunc(a.Entries, world.CompareEntries)
	return done(nil)
}

func replaceEntry(r *request) (answer, error) {
	a, err := r.ownACL()
	if err != nil {
		return nil, err
	}
	e, err := r.newEntry()
	if err != nil {
		return nil, err
	}
	has := a.Entry(e.Number, e.Egress)
	if has == nil {
		return nil, errNoEntry(e.Number)
	}
	bits := e.CIDR.Addr().BitLen()
	if has.CIDR.Addr().BitLen() != bits && a.Count(e.Egress, bits) >= a.Quota {
		return nil, fail("NetworkAclEntryLimitExceeded", "The maximum number of network acl entries has been reached.")
	}
	*has = e
	return done(nil)
}

func deleteEntry(r *request) (answer, error) {
	a, err := r.ownACL()
	if err != nil {
		return nil, err
	}
	number, egress, err := r.entryName()
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
	return done(nil)
}

func errNoEntry(number int) *wire.Error {
	return fail("InvalidNetworkAclEntry.NotFound", "The network acl entry identified by %d does not exist.", number)
}

// entryName reads the number and direction that name an entry.
func (r *request) entryName() (number int, egress bool, err error) {
	number, given, err := r.p.integer("RuleNumber")
	if err != nil {
		return 0, false, err
	}
	if !given {
		return 0, false, fail("MissingParameter", "The request must contain the parameter ruleNumber")
	}
	if number < 1 || number > world.LastEntry {
		return 0, false, fail("InvalidParameterValue",
			"Value (%d) for parameter ruleNumber is invalid. Must be between 1 and %d.", number, world.LastEntry)
	}
	if r.p.str("Egress") == "" {
		return 0, false, fail("MissingParameter", "The request must contain the parameter egress")
	}
	egress, err = r.p.boolean("Egress", false)
	return number, egress, err
}

// newEntry reads the entry that a call describes
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAclEntry.html).
func (r *request) newEntry() (world.Entry, error) {
	var e world.Entry
	var err error
	if e.Number, e.Egress, err = r.entryName(); err != nil {
		return e, err
	}
	switch action := r.p.str("RuleAction"); action {
	case "allow", "deny":
		e.Allow = action == "allow"
	case "":
		return e, fail("MissingParameter", "The request must contain the parameter ruleAction")
	default:
		return e, fail("InvalidParameterValue", "Value (%s) for parameter ruleAction is invalid.", action)
	}
	if e.CIDR, err = r.entryCIDR(); err != nil {
		return e, err
	}
	e.Protocol, e.Ports, err = r.entryProtocol()
	return e, err
}

// entryCIDR reads the one CIDR of an entry, whose host bits EC2 clears.
func (r *request) entryCIDR() (netip.Prefix, error) {
	v4, v6 := r.p.str("CidrBlock"), r.p.str("Ipv6CidrBlock")
	switch {
	case v4 == "" && v6 == "":
		return netip.Prefix{}, fail("MissingParameter", "The request must contain the parameter cidrBlock or ipv6CidrBlock")
	case v4 != "" && v6 != "":
		return netip.Prefix{}, fail("InvalidParameterCombination", "Only one of cidrBlock and ipv6CidrBlock may be specified")
	}
	p, err := world.ParseCIDR(v4 + v6)
	if err != nil || p.Addr().Is4() != (v4 != "") {
		return netip.Prefix{}, fail("InvalidParameterValue", "Invalid value '%s' for cidrBlock. Must be a valid CIDR.", v4+v6)
	}
	return p, nil
}

// entryProtocol reads protocol, a number here, and ports or ICMP type.
func (r *request) entryProtocol() (world.Protocol, world.Ports, error) {
	name, err := r.p.required("Protocol")
	if err != nil {
		return 0, world.Ports{}, err
	}
	number, err := strconv.Atoi(name)
	if err != nil || number < -1 || number > 255 {
		return 0, world.Ports{}, fail("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", name)
	}
	proto := world.Protocol(number)
	first, second := "PortRange.From", "PortRange.To"
	switch {
	case proto.IsICMP():
		first, second = "Icmp.Type", "Icmp.Code"
	case !proto.HasPorts():
		return proto, world.Ports{}, nil // ports given with such a protocol are ignored
	}
	ports, err := r.p.ports(proto, first, second)
	return proto, ports, err
}

// replaceAssociation gives a subnet another ACL.
func replaceAssociation(r *request) (answer, error) {
	a, err := r.ownACL()
	if err != nil {
		return nil, err
	}
	id, err := r.p.required("AssociationId")
	if err != nil {
		return nil, err
	}
	s := world.Find(r.w.Subnets, func(s *world.Subnet) bool { return associationID(s) == id })
	if s == nil {
		return nil, fail("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
	}
	if s.VPC != a.VPC {
		return nil, fail("InvalidParameterValue", "The networkAcl '%s' and subnet '%s' belong to different networks", a.ID, s.ID)
	}
	s.ACL = a.ID
	return &struct {
		reply
		ID string `xml:"newAssociationId"`
	}{ID: associationID(s)}, nil
}
