package ec2

import (
	"net/netip"

	"tourniquet/lambda/simvpc/world"
)

// secondaryShape is what DescribeInstances shows of a secondary interface
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceSecondaryInterface.html).
type secondaryShape struct {
	ID         string                `xml:"secondaryInterfaceId"`
	Network    string                `xml:"secondaryNetworkId"`
	Subnet     string                `xml:"secondarySubnetId"`
	Type       string                `xml:"interfaceType"`
	MAC        string                `xml:"macAddress"`
	Owner      string                `xml:"ownerId"`
	Status     string                `xml:"status"`
	Check      bool                  `xml:"sourceDestCheck"`
	Attachment interfaceAttachment   `xml:"attachment"`
	Addresses  set[secondaryAddress] `xml:"privateIpAddressSet"`
}

type secondaryAddress struct {
	Address string `xml:"privateIpAddress"`
}

func shapeOfSecondary(w *world.World, n *world.SecondaryInterface) secondaryShape {
	return secondaryShape{
		ID: n.ID, Network: hashID("sn-", w.Account), Subnet: hashID("ss-", w.Account), Type: "secondary", MAC: mac(n.ID),
		Owner: w.Account, Status: "in-use", Check: true,
		Attachment: interfaceAttachment{
			ID: hashID("eni-attach-", n.ID, n.Instance), Card: 1, Status: "attached", Time: epoch, Delete: true,
		},
		Addresses: setOf(n.Private, func(a netip.Addr) secondaryAddress { return secondaryAddress{a.String()} }),
	}
}
