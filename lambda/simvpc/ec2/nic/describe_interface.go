package nic

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"strconv"
	"strings"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

type interfaceAssociation struct {
	PublicIP string `xml:"publicIp"`
	DNS      string `xml:"publicDnsName"`
	Owner    string `xml:"ipOwnerId"`
}

type privateAddress struct {
	Address     string                `xml:"privateIpAddress"`
	Primary     bool                  `xml:"primary"`
	Association *interfaceAssociation `xml:"association"`
}

type ipv6Address struct {
	Address string `xml:"ipv6Address"`
	Primary bool   `xml:"isPrimaryIpv6"`
}

// InterfaceAttachment is what holds an interface, as answers show it.
type InterfaceAttachment struct {
	ID       string `xml:"attachmentId"`
	Instance string `xml:"instanceId,omitempty"`
	Owner    string `xml:"instanceOwnerId,omitempty"`
	Device   int    `xml:"deviceIndex"`
	Card     int    `xml:"networkCardIndex"`
	Status   string `xml:"status"`
	Time     string `xml:"attachTime"`
	Delete   bool   `xml:"deleteOnTermination"`
}

type trackingShape struct {
	TCP       int `xml:"tcpEstablishedTimeout,omitempty"`
	UDPStream int `xml:"udpStreamTimeout,omitempty"`
	UDP       int `xml:"udpTimeout,omitempty"`
}

// OperatorShape is the service that operates a resource, as answers show it.
type OperatorShape struct {
	Managed   bool   `xml:"managed"`
	Principal string `xml:"principal,omitempty"`
	Hidden    bool   `xml:"hiddenByDefault"`
}

// ShapeOfOperator is how a service that operates a resource is shown; none is empty.
func ShapeOfOperator(w *world.World, principal string) OperatorShape {
	return OperatorShape{principal != "", principal, principal != "" && !w.ShowManaged}
}

// InterfaceShape is an interface as answers show it.
type InterfaceShape struct {
	ID               string                   `xml:"networkInterfaceId"`
	Subnet           string                   `xml:"subnetId"`
	Associated       *call.Set[string]        `xml:"associatedSubnetSet"`
	VPC              string                   `xml:"vpcId"`
	Zone             string                   `xml:"availabilityZone,omitempty"`
	Description      string                   `xml:"description"`
	Owner            string                   `xml:"ownerId"`
	RequesterID      string                   `xml:"requesterId,omitempty"`
	RequesterManaged *bool                    `xml:"requesterManaged"`
	Status           string                   `xml:"status"`
	MAC              string                   `xml:"macAddress"`
	Address          string                   `xml:"privateIpAddress,omitempty"`
	SourceDestCheck  bool                     `xml:"sourceDestCheck"`
	Groups           call.Set[call.GroupName] `xml:"groupSet"`
	Attachment       *InterfaceAttachment     `xml:"attachment"`
	Association      *interfaceAssociation    `xml:"association"`
	Tags             *call.Set[call.TagShape] `xml:"tagSet"`
	Addresses        call.Set[privateAddress] `xml:"privateIpAddressesSet"`
	IPv6             call.Set[ipv6Address]    `xml:"ipv6AddressesSet"`
	Type             string                   `xml:"interfaceType"`
	Tracking         *trackingShape           `xml:"connectionTrackingConfiguration"`
	Operator         OperatorShape            `xml:"operator"`
}

func shapeOfInterface(w *world.World, n *world.Interface) InterfaceShape {
	shape := ShapeOfSharedInterface(w, n)
	managed, tags := n.Managed(), call.ShapeOfTags(n.Tags)
	shape.RequesterID, shape.RequesterManaged, shape.Tags = n.RequesterID, &managed, &tags
	if len(n.Associated) > 0 {
		shape.Associated = &call.Set[string]{Items: n.Associated}
	}
	if s := w.Subnet(n.Subnet); s != nil {
		shape.Zone = s.Zone
	}
	if a := shape.Attachment; a != nil {
		a.Instance, a.Owner = n.Instance, n.Owner
		if n.Instance == "" {
			a.Owner = n.RequesterID
		}
	}
	return shape
}

// ShapeOfSharedInterface is what DescribeInstances shows of an interface too.
func ShapeOfSharedInterface(w *world.World, n *world.Interface) InterfaceShape {
	shape := InterfaceShape{
		ID: n.ID, Subnet: n.Subnet, Description: n.Description, Owner: n.Owner, Status: statusOf(n), MAC: MAC(n.ID),
		SourceDestCheck: !n.NoSourceDestCheck, Groups: call.GroupNames(w, n.Groups), Type: n.Type, Tracking: shapeOfTracking(n),
		Operator: ShapeOfOperator(w, w.OperatorOf(n)), Attachment: shapeOfAttachment(n),
		Association: shapeOfAssociation(w, n),
		Addresses: call.SetOf(n.Private, func(a netip.Addr) privateAddress {
			if a == n.Private[0] {
				return privateAddress{a.String(), true, shapeOfAssociation(w, n)}
			}
			return privateAddress{Address: a.String()}
		}),
		IPv6: call.SetOf(n.IPv6, func(a netip.Addr) ipv6Address { return ipv6Address{Address: a.String()} }),
	}
	if v := w.VPCOf(n); v != nil {
		shape.VPC = v.ID
	}
	if len(n.Private) > 0 {
		shape.Address = n.Private[0].String()
	}
	return shape
}

// statusOf says whether something holds the interface: an instance, the service
// that made it, or the trunk of a branch interface.
func statusOf(n *world.Interface) string {
	if n.Instance != "" || n.RequesterID != "" || n.Branch() {
		return "in-use"
	}
	return "available"
}

func attachmentID(n *world.Interface) string { return call.HashID("eni-attach-", n.ID, n.Instance) }

func shapeOfAttachment(n *world.Interface) *InterfaceAttachment {
	if n.Instance == "" && !n.Managed() {
		return nil
	}
	return &InterfaceAttachment{
		ID: attachmentID(n), Device: n.Device, Status: "attached", Time: call.Epoch, Delete: !n.Keep,
	}
}

func shapeOfAssociation(w *world.World, n *world.Interface) *interfaceAssociation {
	if !n.Public.IsValid() {
		return nil
	}
	return &interfaceAssociation{n.Public.String(), PublicName(w, n.Public), "amazon"}
}

// PublicName is the DNS name of a public address.
func PublicName(w *world.World, a netip.Addr) string {
	return fmt.Sprintf("ec2-%s.%s.compute.amazonaws.com", strings.ReplaceAll(a.String(), ".", "-"), w.Region)
}

func shapeOfTracking(n *world.Interface) *trackingShape {
	if n.TCPTimeout == 0 && n.UDPStreamTimeout == 0 && n.UDPTimeout == 0 {
		return nil
	}
	return &trackingShape{
		int(n.TCPTimeout.Seconds()), int(n.UDPStreamTimeout.Seconds()), int(n.UDPTimeout.Seconds()),
	}
}

// MAC is a locally administered address that follows from the ID.
func MAC(id string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	sum := h.Sum(nil)
	return fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", sum[0], sum[1], sum[2], sum[3])
}

// Interfaces is how interfaces are described: its filters serve those of instances too.
var Interfaces = call.Catalogue[*world.Interface]{
	Kind: call.KindENI, IDs: "NetworkInterfaceId", Alone: true,
	Hidden: func(w *world.World, n *world.Interface) bool { return w.OperatorOf(n) != "" },
	ID:     func(n *world.Interface) string { return n.ID },
	Tags:   func(n *world.Interface) world.Tags { return n.Tags },
	Fields: map[string]func(*world.World, *world.Interface) []string{
		"network-interface-id": func(_ *world.World, n *world.Interface) []string { return []string{n.ID} },
		"subnet-id":            func(_ *world.World, n *world.Interface) []string { return []string{n.Subnet} },
		"vpc-id": func(w *world.World, n *world.Interface) []string {
			if v := w.VPCOf(n); v != nil {
				return []string{v.ID}
			}
			return nil
		},
		"availability-zone": func(w *world.World, n *world.Interface) []string {
			if s := w.Subnet(n.Subnet); s != nil {
				return []string{s.Zone}
			}
			return nil
		},
		"group-id":                        func(_ *world.World, n *world.Interface) []string { return n.Groups },
		"group-name":                      GroupNamesOf,
		"addresses.private-ip-address":    func(_ *world.World, n *world.Interface) []string { return call.Texts(n.Private) },
		"addresses.primary":               func(*world.World, *world.Interface) []string { return []string{"true"} },
		"addresses.association.public-ip": func(_ *world.World, n *world.Interface) []string { return call.Given(call.AddrText(n.Public)) },
		"association.public-ip":           func(_ *world.World, n *world.Interface) []string { return call.Given(call.AddrText(n.Public)) },
		"ipv6-addresses.ipv6-address":     func(_ *world.World, n *world.Interface) []string { return call.Texts(n.IPv6) },
		"private-ip-address": func(_ *world.World, n *world.Interface) []string {
			return call.Texts(n.Private[:min(1, len(n.Private))])
		},
		"attachment.instance-id": func(_ *world.World, n *world.Interface) []string { return call.Given(n.Instance) },
		"attachment.instance-owner-id": func(_ *world.World, n *world.Interface) []string {
			if n.Instance != "" {
				return []string{n.Owner}
			}
			if n.Managed() {
				return call.Given(n.RequesterID)
			}
			return nil
		},
		"attachment.attachment-id": func(_ *world.World, n *world.Interface) []string {
			if shapeOfAttachment(n) == nil {
				return nil
			}
			return []string{attachmentID(n)}
		},
		"attachment.device-index": func(_ *world.World, n *world.Interface) []string {
			if n.Instance == "" {
				return nil
			}
			return []string{strconv.Itoa(n.Device)}
		},
		"attachment.status": func(_ *world.World, n *world.Interface) []string {
			if shapeOfAttachment(n) == nil {
				return []string{"detached"}
			}
			return []string{"attached"}
		},
		"status":             func(_ *world.World, n *world.Interface) []string { return []string{statusOf(n)} },
		"owner-id":           func(_ *world.World, n *world.Interface) []string { return []string{n.Owner} },
		"description":        func(_ *world.World, n *world.Interface) []string { return []string{n.Description} },
		"interface-type":     func(_ *world.World, n *world.Interface) []string { return []string{n.Type} },
		"requester-id":       func(_ *world.World, n *world.Interface) []string { return call.Given(n.RequesterID) },
		"requester-managed":  func(_ *world.World, n *world.Interface) []string { return []string{fmt.Sprint(n.Managed())} },
		"operator.managed":   func(_ *world.World, n *world.Interface) []string { return []string{fmt.Sprint(n.Operator != "")} },
		"operator.principal": func(_ *world.World, n *world.Interface) []string { return call.Given(n.Operator) },
		"mac-address":        func(_ *world.World, n *world.Interface) []string { return []string{MAC(n.ID)} },
		"source-dest-check":  func(_ *world.World, n *world.Interface) []string { return []string{fmt.Sprint(!n.NoSourceDestCheck)} },
	},
}

// GroupNamesOf are the names of the groups of an interface.
func GroupNamesOf(w *world.World, n *world.Interface) []string {
	var all []string
	for _, g := range call.GroupNames(w, n.Groups).Items {
		all = append(all, g.GroupName)
	}
	return all
}

func describeInterfaces(r *call.Request) (call.Answer, error) {
	found, next, err := Interfaces.Describe(r, r.World.Interfaces)
	return &struct {
		call.Reply
		Interfaces call.Set[InterfaceShape] `xml:"networkInterfaceSet"`
		Next       string                   `xml:"nextToken,omitempty"`
	}{Interfaces: call.SetOf(found, func(x *world.Interface) InterfaceShape { return shapeOfInterface(r.World, x) }), Next: next}, err
}

type value[T any] struct {
	Value T `xml:"value"`
}

func describeInterfaceAttribute(r *call.Request) (call.Answer, error) {
	n, err := r.NetworkInterface()
	if err != nil {
		return nil, err
	}
	type attribute struct {
		call.Reply
		ID          string                    `xml:"networkInterfaceId"`
		Groups      *call.Set[call.GroupName] `xml:"groupSet"`
		Description *value[string]            `xml:"description"`
		Check       *value[bool]              `xml:"sourceDestCheck"`
		Attachment  *InterfaceAttachment      `xml:"attachment"`
	}
	a := &attribute{ID: n.ID}
	switch name := r.Params.Str("Attribute"); name {
	case "groupSet":
		names := call.GroupNames(r.World, n.Groups)
		a.Groups = &names
	case "description":
		a.Description = &value[string]{n.Description}
	case "sourceDestCheck":
		a.Check = &value[bool]{!n.NoSourceDestCheck}
	case "attachment":
		a.Attachment = shapeOfInterface(r.World, n).Attachment
	default:
		return nil, call.Fail("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. Unknown attribute.", name)
	}
	return a, nil
}
