package ec2

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"strconv"
	"strings"

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

type interfaceAttachment struct {
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

type operatorShape struct {
	Managed   bool   `xml:"managed"`
	Principal string `xml:"principal,omitempty"`
	Hidden    bool   `xml:"hiddenByDefault"`
}

func shapeOfOperator(w *world.World, principal string) operatorShape {
	return operatorShape{principal != "", principal, principal != "" && !w.ShowManaged}
}

type interfaceShape struct {
	ID               string                `xml:"networkInterfaceId"`
	Subnet           string                `xml:"subnetId"`
	Associated       *set[string]          `xml:"associatedSubnetSet"`
	VPC              string                `xml:"vpcId"`
	Zone             string                `xml:"availabilityZone,omitempty"`
	Description      string                `xml:"description"`
	Owner            string                `xml:"ownerId"`
	RequesterID      string                `xml:"requesterId,omitempty"`
	RequesterManaged *bool                 `xml:"requesterManaged"`
	Status           string                `xml:"status"`
	MAC              string                `xml:"macAddress"`
	Address          string                `xml:"privateIpAddress,omitempty"`
	SourceDestCheck  bool                  `xml:"sourceDestCheck"`
	Groups           set[groupName]        `xml:"groupSet"`
	Attachment       *interfaceAttachment  `xml:"attachment"`
	Association      *interfaceAssociation `xml:"association"`
	Tags             *set[tagShape]        `xml:"tagSet"`
	Addresses        set[privateAddress]   `xml:"privateIpAddressesSet"`
	IPv6             set[ipv6Address]      `xml:"ipv6AddressesSet"`
	Type             string                `xml:"interfaceType"`
	Tracking         *trackingShape        `xml:"connectionTrackingConfiguration"`
	Operator         operatorShape         `xml:"operator"`
}

func shapeOfInterface(w *world.World, n *world.Interface) interfaceShape {
	shape := shapeOfSharedInterface(w, n)
	managed, tags := n.Managed(), shapeOfTags(n.Tags)
	shape.RequesterID, shape.RequesterManaged, shape.Tags = n.RequesterID, &managed, &tags
	if len(n.Associated) > 0 {
		shape.Associated = &set[string]{n.Associated}
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

// shapeOfSharedInterface is what DescribeInstances shows of an interface too.
func shapeOfSharedInterface(w *world.World, n *world.Interface) interfaceShape {
	shape := interfaceShape{
		ID: n.ID, Subnet: n.Subnet, Description: n.Description, Owner: n.Owner, Status: statusOf(n), MAC: mac(n.ID),
		SourceDestCheck: !n.NoSourceDestCheck, Groups: groupNames(w, n.Groups), Type: n.Type, Tracking: shapeOfTracking(n),
		Operator: shapeOfOperator(w, w.OperatorOf(n)), Attachment: shapeOfAttachment(n),
		Association: shapeOfAssociation(w, n),
		Addresses: setOf(n.Private, func(a netip.Addr) privateAddress {
			if a == n.Private[0] {
				return privateAddress{a.String(), true, shapeOfAssociation(w, n)}
			}
			return privateAddress{Address: a.String()}
		}),
		IPv6: setOf(n.IPv6, func(a netip.Addr) ipv6Address { return ipv6Address{Address: a.String()} }),
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

func attachmentID(n *world.Interface) string { return hashID("eni-attach-", n.ID, n.Instance) }

func shapeOfAttachment(n *world.Interface) *interfaceAttachment {
	if n.Instance == "" && !n.Managed() {
		return nil
	}
	return &interfaceAttachment{
		ID: attachmentID(n), Device: n.Device, Status: "attached", Time: epoch, Delete: !n.Keep,
	}
}

func shapeOfAssociation(w *world.World, n *world.Interface) *interfaceAssociation {
	if !n.Public.IsValid() {
		return nil
	}
	return &interfaceAssociation{n.Public.String(), publicName(w, n.Public), "amazon"}
}

func publicName(w *world.World, a netip.Addr) string {
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

// mac is a locally administered address that follows from the ID.
func mac(id string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	sum := h.Sum(nil)
	return fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", sum[0], sum[1], sum[2], sum[3])
}

var interfaces = catalogue[*world.Interface]{
	kind: kindENI, ids: "NetworkInterfaceId", alone: true,
	hidden: func(w *world.World, n *world.Interface) bool { return w.OperatorOf(n) != "" },
	id:     func(n *world.Interface) string { return n.ID },
	tags:   func(n *world.Interface) world.Tags { return n.Tags },
	fields: map[string]func(*world.World, *world.Interface) []string{
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
		"group-name":                      groupNamesOf,
		"addresses.private-ip-address":    func(_ *world.World, n *world.Interface) []string { return texts(n.Private) },
		"addresses.primary":               func(*world.World, *world.Interface) []string { return []string{"true"} },
		"addresses.association.public-ip": func(_ *world.World, n *world.Interface) []string { return given(addrText(n.Public)) },
		"association.public-ip":           func(_ *world.World, n *world.Interface) []string { return given(addrText(n.Public)) },
		"ipv6-addresses.ipv6-address":     func(_ *world.World, n *world.Interface) []string { return texts(n.IPv6) },
		"private-ip-address":              func(_ *world.World, n *world.Interface) []string { return texts(n.Private[:min(1, len(n.Private))]) },
		"attachment.instance-id":          func(_ *world.World, n *world.Interface) []string { return given(n.Instance) },
		"attachment.instance-owner-id": func(_ *world.World, n *world.Interface) []string {
			if n.Instance != "" {
				return []string{n.Owner}
			}
			if n.Managed() {
				return given(n.RequesterID)
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
		"requester-id":       func(_ *world.World, n *world.Interface) []string { return given(n.RequesterID) },
		"requester-managed":  func(_ *world.World, n *world.Interface) []string { return []string{fmt.Sprint(n.Managed())} },
		"operator.managed":   func(_ *world.World, n *world.Interface) []string { return []string{fmt.Sprint(n.Operator != "")} },
		"operator.principal": func(_ *world.World, n *world.Interface) []string { return given(n.Operator) },
		"mac-address":        func(_ *world.World, n *world.Interface) []string { return []string{mac(n.ID)} },
		"source-dest-check":  func(_ *world.World, n *world.Interface) []string { return []string{fmt.Sprint(!n.NoSourceDestCheck)} },
	},
}

func groupNamesOf(w *world.World, n *world.Interface) []string {
	var all []string
	for _, g := range groupNames(w, n.Groups).Items {
		all = append(all, g.GroupName)
	}
	return all
}

func describeInterfaces(r *request) (answer, error) {
	found, next, err := interfaces.describe(r, r.w.Interfaces)
	return &struct {
		reply
		Interfaces set[interfaceShape] `xml:"networkInterfaceSet"`
		Next       string              `xml:"nextToken,omitempty"`
	}{Interfaces: setOf(found, func(x *world.Interface) interfaceShape { return shapeOfInterface(r.w, x) }), Next: next}, err
}

type value[T any] struct {
	Value T `xml:"value"`
}

func describeInterfaceAttribute(r *request) (answer, error) {
	n, err := r.networkInterface()
	if err != nil {
		return nil, err
	}
	type attribute struct {
		reply
		ID          string               `xml:"networkInterfaceId"`
		Groups      *set[groupName]      `xml:"groupSet"`
		Description *value[string]       `xml:"description"`
		Check       *value[bool]         `xml:"sourceDestCheck"`
		Attachment  *interfaceAttachment `xml:"attachment"`
	}
	a := &attribute{ID: n.ID}
	switch name := r.p.str("Attribute"); name {
	case "groupSet":
		names := groupNames(r.w, n.Groups)
		a.Groups = &names
	case "description":
		a.Description = &value[string]{n.Description}
	case "sourceDestCheck":
		a.Check = &value[bool]{!n.NoSourceDestCheck}
	case "attachment":
		a.Attachment = shapeOfInterface(r.w, n).Attachment
	default:
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. Unknown attribute.", name)
	}
	return a, nil
}
