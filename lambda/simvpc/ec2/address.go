package ec2

import (
	"net/netip"
	"slices"

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

func allocateAddress(r *request) (answer, error) {
	tags, err := r.p.tagsFor(kindEIP.name)
	if err != nil {
		return nil, err
	}
	if len(r.w.Addresses) >= addressesPerRegion {
		return nil, fail("AddressLimitExceeded", "The maximum number of addresses has been reached.")
	}
	e := &world.ElasticIP{ID: r.newID("eipalloc-"), Address: r.publicAddress(), Tags: tags}
	r.w.Addresses = append(r.w.Addresses, e)
	return &struct {
		reply
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
	return hashID("eipassoc-", e.ID, n.ID)
}

// associateAddress gives an interface, or the first one of an instance, an address.
func associateAddress(r *request) (answer, error) {
	e, err := one(kindEIP, r.p.str("AllocationId"), findAddress(r.w))
	if err != nil {
		return nil, err
	}
	n, err := r.toAddress()
	if err != nil {
		return nil, err
	}
	again, err := r.p.boolean("AllowReassociation", true)
	if err != nil {
		return nil, err
	}
	if holder := holderOf(r.w, e); holder != nil && holder != n {
		if !again {
			return nil, fail("Resource.AlreadyAssociated", "resource %s is already associated", e.ID)
		}
		holder.Public = netip.Addr{}
	}
	n.Public = e.Address
	return &struct {
		reply
		Return bool   `xml:"return"`
		ID     string `xml:"associationId"`
	}{Return: true, ID: addressAssociation(e, n)}, nil
}

// toAddress is the interface that is to get an address.
func (r *request) toAddress() (*world.Interface, error) {
	var n *world.Interface
	if r.p.has("NetworkInterfaceId") {
		var err error
		if n, err = r.networkInterface(); err != nil {
			return nil, err
		}
	} else {
		i, err := one(kindInst, r.p.str("InstanceId"), r.w.Instance)
		if err != nil {
			return nil, err
		}
		attached := r.w.InterfacesOf(i.ID)
		if len(attached) != 1 {
			return nil, fail("InvalidInstanceID", "There are multiple interfaces attached to instance '%s'. "+
				"Please specify an interface ID for the operation instead.", i.ID)
		}
		n = attached[0]
	}
	if len(n.Private) == 0 {
		return nil, fail("InvalidParameterValue", "The interface '%s' has no private IPv4 address", n.ID)
	}
	return n, r.changeable(n)
}

func disassociateAddress(r *request) (answer, error) {
	id, err := r.p.required("AssociationId")
	if err != nil {
		return nil, err
	}
	for _, e := range r.w.Addresses {
		if n := holderOf(r.w, e); n != nil && addressAssociation(e, n) == id {
			n.Public = netip.Addr{}
			return done(nil)
		}
	}
	return nil, fail("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
}

func releaseAddress(r *request) (answer, error) {
	e, err := one(kindEIP, r.p.str("AllocationId"), findAddress(r.w))
	if err != nil {
		return nil, err
	}
	if holderOf(r.w, e) != nil {
		return nil, fail("InvalidIPAddress.InUse", "Address %s is in use.", e.Address)
	}
	r.w.Addresses = slices.DeleteFunc(r.w.Addresses, func(other *world.ElasticIP) bool { return other == e })
	return done(nil)
}

type addressShape struct {
	Address     string        `xml:"publicIp"`
	ID          string        `xml:"allocationId"`
	Association string        `xml:"associationId,omitempty"`
	Interface   string        `xml:"networkInterfaceId,omitempty"`
	Instance    string        `xml:"instanceId,omitempty"`
	Private     string        `xml:"privateIpAddress,omitempty"`
	Domain      string        `xml:"domain"`
	Tags        set[tagShape] `xml:"tagSet"`
}

func shapeOfAddress(w *world.World, e *world.ElasticIP) addressShape {
	shape := addressShape{Address: e.Address.String(), ID: e.ID, Domain: "vpc", Tags: shapeOfTags(e.Tags)}
	if n := holderOf(w, e); n != nil {
		shape.Association, shape.Interface, shape.Instance, shape.Private = addressAssociation(e, n), n.ID, n.Instance, n.Private[0].String()
	}
	return shape
}

var addresses = catalogue[*world.ElasticIP]{
	kind: kindEIP, ids: "AllocationId",
	id:   func(e *world.ElasticIP) string { return e.ID },
	tags: func(e *world.ElasticIP) world.Tags { return e.Tags },
	fields: map[string]func(*world.World, *world.ElasticIP) []string{
		"allocation-id": func(_ *world.World, e *world.ElasticIP) []string { return []string{e.ID} },
		"public-ip":     func(_ *world.World, e *world.ElasticIP) []string { return []string{e.Address.String()} },
		"domain":        func(*world.World, *world.ElasticIP) []string { return []string{"vpc"} },
		"instance-id":   func(w *world.World, e *world.ElasticIP) []string { return given(shapeOfAddress(w, e).Instance) },
		"network-interface-id": func(w *world.World, e *world.ElasticIP) []string {
			return given(shapeOfAddress(w, e).Interface)
		},
	},
}

func describeAddresses(r *request) (answer, error) {
	found, _, err := addresses.describe(r, r.w.Addresses)
	return &struct {
		reply
		Addresses set[addressShape] `xml:"addressesSet"`
	}{Addresses: setOf(found, func(e *world.ElasticIP) addressShape { return shapeOfAddress(r.w, e) })}, err
}

// publicAddress is the next one that nobody has: of addresses for benchmarks.
func (r *request) publicAddress() netip.Addr {
	for a := netip.AddrFrom4([4]byte{198, 18, 0, 1}); ; a = a.Next() {
		taken := r.w.Holder(a) != nil || slices.ContainsFunc(r.w.Addresses, func(e *world.ElasticIP) bool { return e.Address == a })
		if !taken {
			return a
		}
	}
}
