package network

import (
	"fmt"
	"strconv"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

type portRange struct {
	From int `xml:"from"`
	To   int `xml:"to"`
}

type typeCode struct {
	Code int `xml:"code"`
	Type int `xml:"type"`
}

type entryShape struct {
	Number   int        `xml:"ruleNumber"`
	Protocol string     `xml:"protocol"`
	Action   string     `xml:"ruleAction"`
	Egress   bool       `xml:"egress"`
	IPv4     string     `xml:"cidrBlock,omitempty"`
	IPv6     string     `xml:"ipv6CidrBlock,omitempty"`
	ICMP     *typeCode  `xml:"icmpTypeCode"`
	Ports    *portRange `xml:"portRange"`
}

type aclAssociation struct {
	ID     string `xml:"networkAclAssociationId"`
	ACL    string `xml:"networkAclId"`
	Subnet string `xml:"subnetId"`
}

type aclShape struct {
	ID           string                   `xml:"networkAclId"`
	VPC          string                   `xml:"vpcId"`
	Default      bool                     `xml:"default"`
	Entries      call.Set[entryShape]     `xml:"entrySet"`
	Associations call.Set[aclAssociation] `xml:"associationSet"`
	Tags         call.Set[call.TagShape]  `xml:"tagSet"`
	Owner        string                   `xml:"ownerId"`
}

func shapeOfEntry(e world.Entry) entryShape {
	shape := entryShape{
		Number: e.Number, Protocol: strconv.Itoa(int(e.Protocol)), Action: actionOf(e), Egress: e.Egress,
	}
	if e.CIDR.Addr().Is4() {
		shape.IPv4 = e.CIDR.String()
	} else {
		shape.IPv6 = e.CIDR.String()
	}
	switch {
	case e.Protocol.HasPorts():
		shape.Ports = &portRange{e.Ports.From, e.Ports.To}
	case e.Protocol.IsICMP():
		shape.ICMP = &typeCode{Type: e.Ports.From, Code: e.Ports.To}
	}
	return shape
}

func actionOf(e world.Entry) string {
	if e.Allow {
		return "allow"
	}
	return "deny"
}

// entriesOf are all entries of an ACL, the fixed "*" ones included: 32767 for
// IPv4, 32768 for IPv6 (https://docs.aws.amazon.com/vpc/latest/userguide/nacl-basics.html).
func entriesOf(w *world.World, a *world.NetworkACL) []world.Entry {
	var all []world.Entry
	for _, egress := range []bool{true, false} { // the order EC2 answers in
		for _, e := range a.Entries {
			if e.Egress == egress {
				all = append(all, e)
			}
		}
		all = append(all, world.Entry{Number: world.LastEntry + 1, Egress: egress, Protocol: world.All, CIDR: world.AnyIPv4})
		if v := w.VPC(a.VPC); v != nil && v.HasIPv6() {
			all = append(all, world.Entry{Number: world.LastEntry + 2, Egress: egress, Protocol: world.All, CIDR: world.AnyIPv6})
		}
	}
	return all
}

// associationID is the ID of the bond between a subnet and its ACL, a new one each
// time the subnet gets another ACL.
func associationID(s *world.Subnet) string { return call.HashID("aclassoc-", s.ACL, s.ID) }

func associationsOf(w *world.World, a *world.NetworkACL) []aclAssociation {
	var all []aclAssociation
	for _, s := range w.Subnets {
		if s.ACL == a.ID {
			all = append(all, aclAssociation{associationID(s), a.ID, s.ID})
		}
	}
	return all
}

func shapeOfACL(w *world.World, a *world.NetworkACL) aclShape {
	return aclShape{
		ID: a.ID, VPC: a.VPC, Default: a.Default, Owner: a.Owner, Tags: call.ShapeOfTags(a.Tags),
		Entries:      call.SetOf(entriesOf(w, a), shapeOfEntry),
		Associations: call.Set[aclAssociation]{Items: associationsOf(w, a)},
	}
}

// entryField makes a filter on a property of an ACL's entries.
func entryField(property func(world.Entry) string) func(*world.World, *world.NetworkACL) []string {
	return func(w *world.World, a *world.NetworkACL) []string {
		var all []string
		for _, e := range entriesOf(w, a) {
			all = append(all, call.Given(property(e))...)
		}
		return all
	}
}

// associationField makes a filter on a property of an ACL's associations.
func associationField(property func(aclAssociation) string) func(*world.World, *world.NetworkACL) []string {
	return func(w *world.World, a *world.NetworkACL) []string {
		var all []string
		for _, x := range associationsOf(w, a) {
			all = append(all, property(x))
		}
		return all
	}
}

var acls = call.Catalogue[*world.NetworkACL]{
	Kind: call.KindACL, IDs: "NetworkAclId",
	ID:   func(a *world.NetworkACL) string { return a.ID },
	Tags: func(a *world.NetworkACL) world.Tags { return a.Tags },
	Fields: map[string]func(*world.World, *world.NetworkACL) []string{
		"network-acl-id":             func(_ *world.World, a *world.NetworkACL) []string { return []string{a.ID} },
		"vpc-id":                     func(_ *world.World, a *world.NetworkACL) []string { return []string{a.VPC} },
		"owner-id":                   func(_ *world.World, a *world.NetworkACL) []string { return []string{a.Owner} },
		"default":                    func(_ *world.World, a *world.NetworkACL) []string { return []string{fmt.Sprint(a.Default)} },
		"association.association-id": associationField(func(x aclAssociation) string { return x.ID }),
		"association.network-acl-id": associationField(func(x aclAssociation) string { return x.ACL }),
		"association.subnet-id":      associationField(func(x aclAssociation) string { return x.Subnet }),
		"entry.cidr":                 entryField(func(e world.Entry) string { return call.OfFamily(e.CIDR, true) }),
		"entry.ipv6-cidr":            entryField(func(e world.Entry) string { return call.OfFamily(e.CIDR, false) }),
		"entry.egress":               entryField(func(e world.Entry) string { return fmt.Sprint(e.Egress) }),
		"entry.protocol":             entryField(func(e world.Entry) string { return strconv.Itoa(int(e.Protocol)) }),
		"entry.rule-action":          entryField(actionOf),
		"entry.rule-number":          entryField(func(e world.Entry) string { return strconv.Itoa(e.Number) }),
	},
}

func describeACLs(r *call.Request) (call.Answer, error) {
	found, next, err := acls.Describe(r, r.World.ACLs)
	return &struct {
		call.Reply
		ACLs call.Set[aclShape] `xml:"networkAclSet"`
		Next string             `xml:"nextToken,omitempty"`
	}{ACLs: call.SetOf(found, func(x *world.NetworkACL) aclShape { return shapeOfACL(r.World, x) }), Next: next}, err
}
