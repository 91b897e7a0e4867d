// Package nic is the part of a simulated EC2 that is about security groups, network
// interfaces and public addresses.
package nic

import "tourniquet/lambda/simvpc/ec2/call"

const permissions = "GroupId IpPermissions IpProtocol FromPort ToPort CidrIp "

// Operations are the actions on security groups, interfaces and addresses.
var Operations = map[string]call.Operation{
	"DescribeNetworkInterfaces":         call.Reads(call.Paged+"NetworkInterfaceId IncludeManagedResources", describeInterfaces),
	"DescribeNetworkInterfaceAttribute": call.Reads("NetworkInterfaceId Attribute", describeInterfaceAttribute),
	"DescribeSecurityGroups":            call.Reads(call.Paged+"GroupId GroupName", describeGroups),
	"DescribeSecurityGroupRules":        call.Reads(call.Paged+"SecurityGroupRuleId", describeGroupRules),
	"CreateSecurityGroup":               call.Changes("GroupName GroupDescription VpcId TagSpecification", createGroup),
	"DeleteSecurityGroup":               call.Changes("GroupId", deleteGroup),
	"AuthorizeSecurityGroupIngress":     call.Changes(permissions, authorizeIngress),
	"AuthorizeSecurityGroupEgress":      call.Changes(permissions, authorizeEgress),
	"RevokeSecurityGroupIngress":        call.Changes(permissions+"SecurityGroupRuleId", revokeIngress),
	"RevokeSecurityGroupEgress":         call.Changes(permissions+"SecurityGroupRuleId", revokeEgress),
	"ModifyNetworkInterfaceAttribute":   call.Changes("NetworkInterfaceId SecurityGroupId AssociatedSubnetId Description SourceDestCheck ConnectionTrackingSpecification", modifyInterface),
	"CreateNetworkInterface":            call.Changes("SubnetId Description SecurityGroupId PrivateIpAddress Ipv6Addresses Ipv6AddressCount ClientToken TagSpecification "+"ConnectionTrackingSpecification", createInterface),
	"AttachNetworkInterface":            call.Changes("NetworkInterfaceId InstanceId DeviceIndex NetworkCardIndex", attachInterface),
	"DetachNetworkInterface":            call.Changes("AttachmentId Force", detachInterface),
	"DeleteNetworkInterface":            call.Changes("NetworkInterfaceId", deleteInterface),
	"AllocateAddress":                   call.Changes("Domain TagSpecification", allocateAddress),
	"AssociateAddress":                  call.Changes("AllocationId InstanceId NetworkInterfaceId AllowReassociation", associateAddress),
	"DisassociateAddress":               call.Changes("AssociationId", disassociateAddress),
	"ReleaseAddress":                    call.Changes("AllocationId", releaseAddress),
	"DescribeAddresses":                 call.Reads("Filter AllocationId", describeAddresses),
}
