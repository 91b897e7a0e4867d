// Package network is the part of a simulated EC2 that is about VPCs, subnets, network
// ACLs and flow logs.
package network

import "tourniquet/lambda/simvpc/ec2/call"

const aclEntry = "NetworkAclId RuleNumber Egress Protocol RuleAction CidrBlock Ipv6CidrBlock PortRange Icmp"

// Operations are the actions on VPCs, subnets and network ACLs.
var Operations = map[string]call.Operation{
	"DescribeSubnets":              call.Reads(call.Paged+"SubnetId", describeSubnets),
	"DescribeVpcs":                 call.Reads(call.Paged+"VpcId", describeVPCs),
	"DescribeNetworkAcls":          call.Reads(call.Paged+"NetworkAclId", describeACLs),
	"CreateFlowLogs":               call.Changes("ResourceId ResourceType TrafficType LogGroupName LogDestination LogDestinationType DeliverLogsPermissionArn "+"LogFormat MaxAggregationInterval ClientToken TagSpecification", createFlowLogs),
	"DescribeFlowLogs":             call.Reads(call.Paged+"FlowLogId", describeFlowLogs),
	"DeleteFlowLogs":               call.Changes("FlowLogId", deleteFlowLogs),
	"CreateNetworkAcl":             call.Changes("VpcId ClientToken TagSpecification", createACL),
	"DeleteNetworkAcl":             call.Changes("NetworkAclId", deleteACL),
	"CreateNetworkAclEntry":        call.Changes(aclEntry, createEntry),
	"ReplaceNetworkAclEntry":       call.Changes(aclEntry, replaceEntry),
	"DeleteNetworkAclEntry":        call.Changes("NetworkAclId RuleNumber Egress", deleteEntry),
	"ReplaceNetworkAclAssociation": call.Changes("AssociationId NetworkAclId", replaceAssociation),
	"DescribeAvailabilityZones":    call.Reads("Filter ZoneName AllAvailabilityZones", describeZones),
	"CreateVpc":                    call.Changes("CidrBlock AmazonProvidedIpv6CidrBlock InstanceTenancy TagSpecification", createVPC),
	"DeleteVpc":                    call.Changes("VpcId", deleteVPC),
	"AssociateVpcCidrBlock":        call.Changes("VpcId CidrBlock AmazonProvidedIpv6CidrBlock", associateVPC),
	"ModifyVpcAttribute":           call.Changes("VpcId EnableDnsSupport EnableDnsHostnames", modifyVPC),
	"DescribeVpcAttribute":         call.Reads("VpcId Attribute", describeVPCAttribute),
	"CreateSubnet":                 call.Changes("VpcId CidrBlock Ipv6CidrBlock AvailabilityZone TagSpecification", createSubnet),
	"DeleteSubnet":                 call.Changes("SubnetId", deleteSubnet),
	"ModifySubnetAttribute":        call.Changes("SubnetId MapPublicIpOnLaunch EnableDns64", modifySubnet),
	"AssociateSubnetCidrBlock":     call.Changes("SubnetId Ipv6CidrBlock", associateSubnet),
}
