package ec2

const permissions = "GroupId IpPermissions IpProtocol FromPort ToPort CidrIp "

// nicOperations are the actions on security groups, interfaces and addresses.
var nicOperations = map[string]operation{
	"DescribeNetworkInterfaces":         reads(paged+"NetworkInterfaceId IncludeManagedResources", describeInterfaces),
	"DescribeNetworkInterfaceAttribute": reads("NetworkInterfaceId Attribute", describeInterfaceAttribute),
	"DescribeSecurityGroups":            reads(paged+"GroupId GroupName", describeGroups),
	"DescribeSecurityGroupRules":        reads(paged+"SecurityGroupRuleId", describeGroupRules),
	"CreateSecurityGroup":               changes("GroupName GroupDescription VpcId TagSpecification", createGroup),
	"DeleteSecurityGroup":               changes("GroupId", deleteGroup),
	"AuthorizeSecurityGroupIngress":     changes(permissions, authorizeIngress),
	"AuthorizeSecurityGroupEgress":      changes(permissions, authorizeEgress),
	"RevokeSecurityGroupIngress":        changes(permissions+"SecurityGroupRuleId", revokeIngress),
	"RevokeSecurityGroupEgress":         changes(permissions+"SecurityGroupRuleId", revokeEgress),
	"ModifyNetworkInterfaceAttribute":   changes("NetworkInterfaceId SecurityGroupId AssociatedSubnetId Description SourceDestCheck ConnectionTrackingSpecification", modifyInterface),
	"CreateNetworkInterface":            changes("SubnetId Description SecurityGroupId PrivateIpAddress Ipv6Addresses ClientToken TagSpecification "+"ConnectionTrackingSpecification", createInterface),
	"AttachNetworkInterface":            changes("NetworkInterfaceId InstanceId DeviceIndex NetworkCardIndex", attachInterface),
	"DetachNetworkInterface":            changes("AttachmentId Force", detachInterface),
	"DeleteNetworkInterface":            changes("NetworkInterfaceId", deleteInterface),
	"AllocateAddress":                   changes("Domain TagSpecification", allocateAddress),
	"AssociateAddress":                  changes("AllocationId InstanceId NetworkInterfaceId AllowReassociation", associateAddress),
	"DisassociateAddress":               changes("AssociationId", disassociateAddress),
	"ReleaseAddress":                    changes("AllocationId", releaseAddress),
	"DescribeAddresses":                 reads("Filter AllocationId", describeAddresses),
}
