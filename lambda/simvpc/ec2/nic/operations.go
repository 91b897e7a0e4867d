// Package nic is the part of a simulated EC2 that is about network interfaces and
// public addresses.
package nic

import "tourniquet/lambda/simvpc/ec2/call"

// Operations are the actions on interfaces and addresses.
var Operations = map[string]call.Operation{
	"DescribeNetworkInterfaces":         call.Reads(call.Paged+"NetworkInterfaceId IncludeManagedResources", describeInterfaces),
	"DescribeNetworkInterfaceAttribute": call.Reads("NetworkInterfaceId Attribute", describeInterfaceAttribute),
	"ModifyNetworkInterfaceAttribute":   call.Changes("NetworkInterfaceId SecurityGroupId AssociatedSubnetId Description SourceDestCheck ConnectionTrackingSpecification", modifyInterface),
	"CreateNetworkInterface":            call.Changes("SubnetId Description SecurityGroupId PrivateIpAddress Ipv6Addresses Ipv6AddressCount ClientToken TagSpecification "+"ConnectionTrackingSpecification", createInterface),
	"AttachNetworkInterface":            call.Changes("NetworkInterfaceId InstanceId DeviceIndex NetworkCardIndex", attachInterface),
	"DetachNetworkInterface":            call.Changes("AttachmentId Force", detachInterface),
	"DeleteNetworkInterface":            call.Changes("NetworkInterfaceId", deleteInterface),
	"AssignPrivateIpAddresses":          call.Changes("NetworkInterfaceId PrivateIpAddress SecondaryPrivateIpAddressCount", assignPrivate),
	"UnassignPrivateIpAddresses":        call.Changes("NetworkInterfaceId PrivateIpAddress", unassignPrivate),
	"AssignIpv6Addresses":               call.Changes("NetworkInterfaceId Ipv6Addresses Ipv6AddressCount", assignIPv6),
	"UnassignIpv6Addresses":             call.Changes("NetworkInterfaceId Ipv6Addresses", unassignIPv6),
	"AllocateAddress":                   call.Changes("Domain TagSpecification", allocateAddress),
	"AssociateAddress":                  call.Changes("AllocationId InstanceId NetworkInterfaceId AllowReassociation", associateAddress),
	"DisassociateAddress":               call.Changes("AssociationId", disassociateAddress),
	"ReleaseAddress":                    call.Changes("AllocationId", releaseAddress),
	"DescribeAddresses":                 call.Reads("Filter AllocationId", describeAddresses),
}
