package nic

import (
	"net/netip"
	"slices"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

// addressesPerRegion is the quota of Elastic IP addresses
// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html).
const addressesPerRegion = 5

func findAddress(w *world.World) func(id string) *world.ElasticIP {
	return func(id string) *world.ElasticIP {
		return world.Find(w.Addresses, func(e *world.ElasticIP) bool { return e.ID == id })
	}
}

func allocateAddress(r *call.Request) (call.Answer, error) {
	tags, err := r.Params.TagsFor(call.KindEIP.Name)
	if err != nil {
		return nil, err
	}
	if len(r.World.Addresses) >= addressesPerRegion {
		return nil, call.Fail("AddressLimitExceeded", "The maximum number of addresses has been reached.")
	}
	e := &world.ElasticIP{ID: r.NewID("eipalloc-"), Address: PublicAddress(r), Tags: tags}
	r.World.Addresses = append(r.World.Addresses, e)
	return &struct {
		call.Reply
		Address string `xml:"publicIp"`
		ID      string `xml:"allocationId"`
		Domain  string `xml:"domain"`
	}{Address: e.Address.String(), ID: e.ID, Domain: "vpc"}, nil
}

// holderOf is the interface that has an Elastic IP address.
func holderOf(w *world.World, e *world.ElasticIP) *world.Interface {
	return world.Find(w.Interfaces, func(n *world.Interface) bool { return n.Public == e.Address })
}

func addressAssociation(e *world.ElasticIP, n *world.Interface) string {
	return call.HashID("eipassoc-", e.ID, n.ID)
}

// associateAddress gives an interface, or the first one of an instance, an address.
func associateAddress(r *call.Request) (call.Answer, error) {
	e, err := call.One(call.KindEIP, r.Params.Str("AllocationId"), findAddress(r.World))
	if err != nil {
		return nil, err
	}
	n, err := toAddress(r)
	if err != nil {
		return nil, err
	}
	again, err := r.Params.Boolean("AllowReassociation", true)
	if err != nil {
		return nil, err
	}
	if holder := holderOf(r.World, e); holder != nil && holder != n {
		if !again {
			return nil, call.Fail("Resource.AlreadyAssociated", "resource %s is already associated", e.ID)
		}
		holder.Public = netip.Addr{}
	}
	n.Public = e.Address
	return &struct {
		call.Reply
		Return bool   `xml:"return"`
		ID     string `xml:"associationId"`
	}{Return: true, ID: addressAssociation(e, n)}, nil
}

// toAddress is the interface that is to get an address.
func toAddress(r *call.Request) (*world.Interface, error) {
	var n *world.Interface
	if r.Params.Has("NetworkInterfaceId") {
		var err error
		if n, err = r.NetworkInterface(); err != nil {
			return nil, err
		}
	} else {
		i, err := call.One(call.KindInst, r.Params.Str("InstanceId"), r.World.Instance)
		if err != nil {
			return nil, err
		}
		attached := r.World.InterfacesOf(i.ID)
		if len(attached) != 1 {
			return nil, call.Fail("InvalidInstanceID", "There are multiple interfaces attached to instance '%s'. "+
				"Please specify an interface ID for the operation instead.", i.ID)
		}
		n = attached[0]
	}
	if len(n.Private) == 0 {
		return nil, call.Fail("InvalidParameterValue", "The interface '%s' has no private IPv4 address", n.ID)
	}
	return n, Changeable(r, n)
}

func disassociateAddress(r *call.Request) (call.Answer, error) {
	id, err := r.Params.Required("AssociationId")
	if err != nil {
		return nil, err
	}
	for _, e := range r.World.Addresses {
		if n := holderOf(r.World, e); n != nil && addressAssociation(e, n) == id {
			n.Public = netip.Addr{}
			return call.Done(nil)
		}
	}
	return nil, call.Fail("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
}

func releaseAddress(r *call.Request) (call.Answer, error) {
	e, err := call.One(call.KindEIP, r.Params.Str("AllocationId"), findAddress(r.World))
	if err != nil {
		return nil, err
	}
	if holderOf(r.World, e) != nil {
		return nil, call.Fail("InvalidIPAddress.InUse", "Address %s is in use.", e.Address)
	}
	r.World.Addresses = slices.DeleteFunc(r.World.Addresses, func(other *world.ElasticIP) bool { return other == e })
	return call.Done(nil)
}

type addressShape struct {
	Address     string                  `xml:"publicIp"`
	ID          string                  `xml:"allocationId"`
	Association string                  `xml:"associationId,omitempty"`
	Interface   string                  `xml:"networkInterfaceId,omitempty"`
	Instance    string                  `xml:"instanceId,omitempty"`
	Private     string                  `xml:"privateIpAddress,omitempty"`
	Domain      string                  `xml:"domain"`
	Tags        call.Set[call.TagShape] `xml:"tagSet"`
}

func shapeOfAddress(w *world.World, e *world.ElasticIP) addressShape {
	shape := addressShape{Address: e.Address.String(), ID: e.ID, Domain: "vpc", Tags: call.ShapeOfTags(e.Tags)}
	if n := holderOf(w, e); n != nil {
		shape.Association, shape.Interface, shape.Instance, shape.Private = addressAssociation(e, n), n.ID, n.Instance, n.Private[0].String()
	}
	return shape
}

var addresses = call.Catalogue[*world.ElasticIP]{
	Kind: call.KindEIP, IDs: "AllocationId",
	ID:   func(e *world.ElasticIP) string { return e.ID },
	Tags: func(e *world.ElasticIP) world.Tags { return e.Tags },
	Fields: map[string]func(*world.World, *world.ElasticIP) []string{
		"allocation-id": func(_ *world.World, e *world.ElasticIP) []string { return []string{e.ID} },
		"public-ip":     func(_ *world.World, e *world.ElasticIP) []string { return []string{e.Address.String()} },
		"domain":        func(*world.World, *world.ElasticIP) []string { return []string{"vpc"} },
		"instance-id":   func(w *world.World, e *world.ElasticIP) []string { return call.Given(shapeOfAddress(w, e).Instance) },
		"network-interface-id": func(w *world.World, e *world.ElasticIP) []string {
			return call.Given(shapeOfAddress(w, e).Interface)
		},
	},
}

func describeAddresses(r *call.Request) (call.Answer, error) {
	found, _, err := addresses.Describe(r, r.World.Addresses)
	return &struct {
		call.Reply
		Addresses call.Set[addressShape] `xml:"addressesSet"`
	}{Addresses: call.SetOf(found, func(e *world.ElasticIP) addressShape { return shapeOfAddress(r.World, e) })}, err
}

// PublicAddress is the next one that nobody has: of addresses for benchmarks.
func PublicAddress(r *call.Request) netip.Addr {
	for a := netip.AddrFrom4([4]byte{198, 18, 0, 1}); ; a = a.Next() {
		taken := r.World.Holder(a) != nil || slices.ContainsFunc(r.World.Addresses, func(e *world.ElasticIP) bool { return e.Address == a })
		if !taken {
			return a
		}
	}
}
