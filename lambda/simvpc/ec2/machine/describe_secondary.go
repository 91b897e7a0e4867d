package machine

import (
	"net/netip"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/ec2/nic"
	"tourniquet/lambda/simvpc/world"
)

// secondaryShape is what DescribeInstances shows of a secondary interface
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceSecondaryInterface.html).
type secondaryShape struct {
	ID         string                     `xml:"secondaryInterfaceId"`
	Network    string                     `xml:"secondaryNetworkId"`
	Subnet     string                     `xml:"secondarySubnetId"`
	Type       string                     `xml:"interfaceType"`
	MAC        string                     `xml:"macAddress"`
	Owner      string                     `xml:"ownerId"`
	Status     string                     `xml:"status"`
	Check      bool                       `xml:"sourceDestCheck"`
	Attachment nic.InterfaceAttachment    `xml:"attachment"`
	Addresses  call.Set[secondaryAddress] `xml:"privateIpAddressSet"`
}

type secondaryAddress struct {
	Address string `xml:"privateIpAddress"`
}

func shapeOfSecondary(w *world.World, n *world.SecondaryInterface) secondaryShape {
	return secondaryShape{
		ID: n.ID, Network: call.HashID("sn-", w.Account), Subnet: call.HashID("ss-", w.Account), Type: "secondary", MAC: nic.MAC(n.ID),
		Owner: w.Account, Status: "in-use", Check: true,
		Attachment: nic.InterfaceAttachment{
			ID: call.HashID("eni-attach-", n.ID, n.Instance), Card: 1, Status: "attached", Time: call.Epoch, Delete: true,
		},
		Addresses: call.SetOf(n.Private, func(a netip.Addr) secondaryAddress { return secondaryAddress{a.String()} }),
	}
}
