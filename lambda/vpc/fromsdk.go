package vpc

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
)

func fromSDKInterface(i types.NetworkInterface) network.Interface {
	eni := network.Interface{
		ID: aws.ToString(i.NetworkInterfaceId), VPC: aws.ToString(i.VpcId), Subnet: aws.ToString(i.SubnetId),
		Associated: i.AssociatedSubnets, Addresses: addresses(i, false), Originals: network.Originals(fromSDKTags(i.TagSet)),
		TrackingTimeout: network.DefaultTracking, ManagedBy: managedBy(i),
	}
	for _, g := range i.Groups {
		eni.Groups = append(eni.Groups, aws.ToString(g.GroupId))
	}
	slices.Sort(eni.Groups)
	if t := i.ConnectionTrackingConfiguration; t != nil {
		eni.Timeouts = network.Timeouts{
			TCP: seconds(t.TcpEstablishedTimeout), UDPStream: seconds(t.UdpStreamTimeout), UDP: seconds(t.UdpTimeout),
		}
		eni.TrackingTimeout = cmp.Or(eni.Timeouts.TCP, eni.TrackingTimeout)
	}
	return eni
}

// fromSDKShown are the interfaces in EC2's description of an instance, in the form of a
// description of interfaces.
func fromSDKShown(i types.Instance) []types.NetworkInterface {
	var all []types.NetworkInterface
	for _, n := range i.NetworkInterfaces {
		eni := types.NetworkInterface{
			NetworkInterfaceId: n.NetworkInterfaceId, VpcId: n.VpcId, SubnetId: n.SubnetId, Groups: n.Groups, Operator: n.Operator,
			InterfaceType: types.NetworkInterfaceType(aws.ToString(n.InterfaceType)),
			Attachment:    &types.NetworkInterfaceAttachment{InstanceId: i.InstanceId},
		}
		for _, a := range n.PrivateIpAddresses {
			eni.PrivateIpAddresses = append(eni.PrivateIpAddresses, types.NetworkInterfacePrivateIpAddress{PrivateIpAddress: a.PrivateIpAddress})
		}
		for _, a := range n.Ipv6Addresses {
			eni.Ipv6Addresses = append(eni.Ipv6Addresses, types.NetworkInterfaceIpv6Address{Ipv6Address: a.Ipv6Address})
		}
		if t := n.ConnectionTrackingConfiguration; t != nil {
			eni.ConnectionTrackingConfiguration = &types.ConnectionTrackingConfiguration{
				TcpEstablishedTimeout: t.TcpEstablishedTimeout, UdpStreamTimeout: t.UdpStreamTimeout, UdpTimeout: t.UdpTimeout,
			}
		}
		all = append(all, eni)
	}
	return all
}

// managedBy is the service that alone may change an interface, or empty. A service
// that made the interface is its requester; one that operates it together with the
// instance, as EKS Auto Mode does, is its operator.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/amazon-ec2-managed-instances.html
func managedBy(i types.NetworkInterface) string {
	switch {
	case aws.ToBool(i.RequesterManaged):
		return cmp.Or(aws.ToString(i.RequesterId), "another AWS service")
	case i.Operator != nil && aws.ToBool(i.Operator.Managed):
		return cmp.Or(aws.ToString(i.Operator.Principal), "another AWS service")
	default:
		return ""
	}
}

func seconds(n *int32) time.Duration { return time.Duration(aws.ToInt32(n)) * time.Second }

// fromSDKOwner says who is behind an address. A load balancer's interface has the
// ordinary type and a requester; a NAT gateway's or an endpoint's has its own type.
// An interface that a service operates on an instance of this account, such as a node
// of EKS Auto Mode, belongs to that instance and is not shared infrastructure.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html
func fromSDKOwner(i types.NetworkInterface) network.Owner {
	owner := network.Owner{Interface: aws.ToString(i.NetworkInterfaceId)}
	if i.Attachment != nil {
		owner.Instance = aws.ToString(i.Attachment.InstanceId)
	}
	switch i.InterfaceType {
	case "", types.NetworkInterfaceTypeInterface, types.NetworkInterfaceTypeEfa, types.NetworkInterfaceTypeTrunk,
		types.NetworkInterfaceTypeBranch, types.NetworkInterfaceTypeEfaOnly, types.NetworkInterfaceType("evs"):
		if aws.ToBool(i.RequesterManaged) || owner.Instance == "" {
			owner.Service = managedBy(i)
		}
	default:
		owner.Service = string(i.InterfaceType)
	}
	return owner
}

// addresses are an interface's private addresses and, with public, its public ones too.
func addresses(i types.NetworkInterface, public bool) []netip.Addr {
	var texts []string
	add := func(s *string) { texts = append(texts, aws.ToString(s)) }
	for _, a := range i.PrivateIpAddresses {
		add(a.PrivateIpAddress)
		if public && a.Association != nil {
			add(a.Association.PublicIp)
		}
	}
	if public && i.Association != nil {
		add(i.Association.PublicIp)
	}
	for _, a := range i.Ipv6Addresses {
		add(a.Ipv6Address)
	}
	var addrs []netip.Addr
	for _, s := range texts {
		if a, err := netip.ParseAddr(s); err == nil && !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

func fromSDKSubnet(s types.Subnet) network.Subnet {
	subnet := network.Subnet{ID: aws.ToString(s.SubnetId), VPC: aws.ToString(s.VpcId), DNS64: aws.ToBool(s.EnableDns64)}
	cidrs := []string{aws.ToString(s.CidrBlock)}
	for _, a := range s.Ipv6CidrBlockAssociationSet {
		cidrs = append(cidrs, aws.ToString(a.Ipv6CidrBlock))
	}
	subnet.Prefixes = fromSDKPrefixes(cidrs)
	return subnet
}

// fromSDKRanges are a VPC's prefixes, the primary IPv4 one first.
func fromSDKRanges(v types.Vpc) []netip.Prefix {
	cidrs := []string{aws.ToString(v.CidrBlock)}
	for _, a := range v.CidrBlockAssociationSet {
		cidrs = append(cidrs, aws.ToString(a.CidrBlock))
	}
	for _, a := range v.Ipv6CidrBlockAssociationSet {
		cidrs = append(cidrs, aws.ToString(a.Ipv6CidrBlock))
	}
	return fromSDKPrefixes(cidrs)
}

func fromSDKPrefixes(cidrs []string) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, c := range cidrs {
		if p, err := netip.ParsePrefix(c); err == nil && !slices.Contains(prefixes, p.Masked()) {
			prefixes = append(prefixes, p.Masked())
		}
	}
	return prefixes
}

func fromSDKACL(a types.NetworkAcl) network.ACL {
	acl := network.ACL{
		ID: aws.ToString(a.NetworkAclId), VPC: aws.ToString(a.VpcId), Account: aws.ToString(a.OwnerId),
	}
	for _, e := range a.Entries {
		acl.Entries = append(acl.Entries, fromSDKEntry(e))
	}
	return acl
}

// fromSDKEntry is an entry of an ACL. An entry whose prefix can't be read is kept, so that
// its number does not count as free.
func fromSDKEntry(e types.NetworkAclEntry) network.Entry {
	entry := network.Entry{
		Number: int(aws.ToInt32(e.RuleNumber)), Direction: network.In,
		Allow: e.RuleAction == types.RuleActionAllow, AllTraffic: aws.ToString(e.Protocol) == "-1",
	}
	if aws.ToBool(e.Egress) {
		entry.Direction = network.Out
	}
	for _, cidr := range []*string{e.CidrBlock, e.Ipv6CidrBlock} {
		if prefix, err := netip.ParsePrefix(aws.ToString(cidr)); err == nil {
			entry.Prefix = prefix.Masked()
		}
	}
	return entry
}

func fromSDKQuarantined(g types.SecurityGroup) network.Quarantined {
	return network.Quarantined{Group: aws.ToString(g.GroupId), Empty: empty(g)}
}

func empty(g types.SecurityGroup) bool {
	return len(g.IpPermissions) == 0 && len(g.IpPermissionsEgress) == 0
}

func fromSDKInstance(i types.Instance, owner string) network.Instance {
	instance := network.Instance{
		ID: aws.ToString(i.InstanceId), Account: owner, Type: string(i.InstanceType), Tags: fromSDKTags(i.Tags),
	}
	if i.State != nil {
		instance.State = string(i.State.Name)
	}
	instance.Machine = fromSDKMachine(i)
	for _, secondary := range i.SecondaryInterfaces {
		instance.Secondary = append(instance.Secondary, aws.ToString(secondary.SecondaryInterfaceId))
	}
	slices.Sort(instance.Secondary)
	served := i.MetadataOptions == nil || i.MetadataOptions.HttpEndpoint != types.InstanceMetadataEndpointStateDisabled
	if i.IamInstanceProfile != nil && served {
		instance.Profile = aws.ToString(i.IamInstanceProfile.Arn)
	}
	return instance
}
