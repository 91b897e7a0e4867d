package ec2

const aclEntry = "NetworkAclId RuleNumber Egress Protocol RuleAction CidrBlock Ipv6CidrBlock PortRange Icmp"

// networkOperations are the actions on VPCs, subnets and network ACLs.
var networkOperations = map[string]operation{
	"DescribeSubnets":              reads(paged+"SubnetId", describeSubnets),
	"DescribeVpcs":                 reads(paged+"VpcId", describeVPCs),
	"DescribeNetworkAcls":          reads(paged+"NetworkAclId", describeACLs),
	"CreateFlowLogs":               changes("ResourceId ResourceType TrafficType LogGroupName LogDestination LogDestinationType DeliverLogsPermissionArn "+"LogFormat MaxAggregationInterval ClientToken TagSpecification", createFlowLogs),
	"DescribeFlowLogs":             reads(paged+"FlowLogId", describeFlowLogs),
	"DeleteFlowLogs":               changes("FlowLogId", deleteFlowLogs),
	"CreateNetworkAcl":             changes("VpcId ClientToken TagSpecification", createACL),
	"DeleteNetworkAcl":             changes("NetworkAclId", deleteACL),
	"CreateNetworkAclEntry":        changes(aclEntry, createEntry),
	"ReplaceNetworkAclEntry":       changes(aclEntry, replaceEntry),
	"DeleteNetworkAclEntry":        changes("NetworkAclId RuleNumber Egress", deleteEntry),
	"ReplaceNetworkAclAssociation": changes("AssociationId NetworkAclId", replaceAssociation),
	"DescribeAvailabilityZones":    reads("Filter ZoneName AllAvailabilityZones", describeZones),
	"CreateVpc":                    changes("CidrBlock AmazonProvidedIpv6CidrBlock InstanceTenancy TagSpecification", createVPC),
	"DeleteVpc":                    changes("VpcId", deleteVPC),
	"AssociateVpcCidrBlock":        changes("VpcId CidrBlock AmazonProvidedIpv6CidrBlock", associateVPC),
	"ModifyVpcAttribute":           changes("VpcId EnableDnsSupport EnableDnsHostnames", modifyVPC),
	"DescribeVpcAttribute":         reads("VpcId Attribute", describeVPCAttribute),
	"CreateSubnet":                 changes("VpcId CidrBlock Ipv6CidrBlock AvailabilityZone TagSpecification", createSubnet),
	"DeleteSubnet":                 changes("SubnetId", deleteSubnet),
	"ModifySubnetAttribute":        changes("SubnetId MapPublicIpOnLaunch EnableDns64", modifySubnet),
	"AssociateSubnetCidrBlock":     changes("SubnetId Ipv6CidrBlock", associateSubnet),
}
