package ec2

// An operation is one action of the EC2 API.
type operation struct {
	mutating bool
	params   string // the parameters it takes; any other is refused
	run      func(*request) (answer, error)
}

const (
	paged       = "MaxResults NextToken Filter "
	permissions = "GroupId IpPermissions IpProtocol FromPort ToPort CidrIp "
	aclEntry    = "NetworkAclId RuleNumber Egress Protocol RuleAction CidrBlock Ipv6CidrBlock PortRange Icmp"
)

// operations are the actions this EC2 knows.
var operations = map[string]operation{
	"DescribeInstances":                 {false, paged + "InstanceId IncludeManagedResources", describeInstances},
	"DescribeInstanceTypes":             {false, paged + "InstanceType", describeInstanceTypes},
	"DescribeNetworkInterfaces":         {false, paged + "NetworkInterfaceId IncludeManagedResources", describeInterfaces},
	"DescribeNetworkInterfaceAttribute": {false, "NetworkInterfaceId Attribute", describeInterfaceAttribute},
	"DescribeSubnets":                   {false, paged + "SubnetId", describeSubnets},
	"DescribeVpcs":                      {false, paged + "VpcId", describeVPCs},
	"DescribeNetworkAcls":               {false, paged + "NetworkAclId", describeACLs},
	"DescribeSecurityGroups":            {false, paged + "GroupId GroupName", describeGroups},
	"DescribeSecurityGroupRules":        {false, paged + "SecurityGroupRuleId", describeGroupRules},
	"DescribeTags":                      {false, paged, describeTags},

	"CreateSecurityGroup":           {true, "GroupName GroupDescription VpcId TagSpecification", createGroup},
	"DeleteSecurityGroup":           {true, "GroupId", deleteGroup},
	"AuthorizeSecurityGroupIngress": {true, permissions, authorizeIngress},
	"AuthorizeSecurityGroupEgress":  {true, permissions, authorizeEgress},
	"RevokeSecurityGroupIngress":    {true, permissions + "SecurityGroupRuleId", revokeIngress},
	"RevokeSecurityGroupEgress":     {true, permissions + "SecurityGroupRuleId", revokeEgress},

	"ModifyNetworkInterfaceAttribute": {
		true, "NetworkInterfaceId SecurityGroupId AssociatedSubnetId Description SourceDestCheck ConnectionTrackingSpecification", modifyInterface,
	},
	"CreateNetworkInterface": {
		true, "SubnetId Description SecurityGroupId PrivateIpAddress Ipv6Addresses ClientToken TagSpecification " +
			"ConnectionTrackingSpecification", createInterface,
	},
	"AttachNetworkInterface": {true, "NetworkInterfaceId InstanceId DeviceIndex NetworkCardIndex", attachInterface},
	"DetachNetworkInterface": {true, "AttachmentId Force", detachInterface},
	"DeleteNetworkInterface": {true, "NetworkInterfaceId", deleteInterface},

	"ModifyInstanceAttribute": {
		true, "InstanceId GroupId DisableApiTermination InstanceInitiatedShutdownBehavior BlockDeviceMapping", modifyInstance,
	},
	"DescribeInstanceAttribute":                {false, "InstanceId Attribute", describeInstanceAttribute},
	"ModifyInstanceMetadataOptions":            {true, "InstanceId HttpEndpoint", modifyMetadata},
	"DescribeIamInstanceProfileAssociations":   {false, paged + "AssociationId", describeProfileAssociations},
	"ReplaceIamInstanceProfileAssociation":     {true, "AssociationId IamInstanceProfile", replaceProfile},
	"EnableApplicationStatusCheckSuppression":  {true, "InstanceId DurationSeconds ClientToken", enableSuppression},
	"DisableApplicationStatusCheckSuppression": {true, "InstanceId ClientToken", disableSuppression},
	"DescribeApplicationStatus":                {false, paged + "InstanceId", describeApplicationStatus},
	"RebootInstances":                          {true, "InstanceId", rebootInstances},

	"DescribeVolumes":   {false, paged + "VolumeId IncludeManagedResources", describeVolumes},
	"CreateSnapshots":   {true, "InstanceSpecification Description CopyTagsFromSource TagSpecification", createSnapshots},
	"DescribeSnapshots": {false, paged + "SnapshotId Owner", describeSnapshots},

	"CreateFlowLogs": {
		true, "ResourceId ResourceType TrafficType LogGroupName LogDestination LogDestinationType DeliverLogsPermissionArn " +
			"LogFormat MaxAggregationInterval ClientToken TagSpecification", createFlowLogs,
	},
	"DescribeFlowLogs":   {false, paged + "FlowLogId", describeFlowLogs},
	"DeleteFlowLogs":     {true, "FlowLogId", deleteFlowLogs},
	"StopInstances":      {true, "InstanceId Force", stopInstances},
	"StartInstances":     {true, "InstanceId", startInstances},
	"TerminateInstances": {true, "InstanceId Force", terminateInstances},

	"CreateNetworkAcl":             {true, "VpcId ClientToken TagSpecification", createACL},
	"DeleteNetworkAcl":             {true, "NetworkAclId", deleteACL},
	"CreateNetworkAclEntry":        {true, aclEntry, createEntry},
	"ReplaceNetworkAclEntry":       {true, aclEntry, replaceEntry},
	"DeleteNetworkAclEntry":        {true, "NetworkAclId RuleNumber Egress", deleteEntry},
	"ReplaceNetworkAclAssociation": {true, "AssociationId NetworkAclId", replaceAssociation},

	"CreateTags": {true, "ResourceId Tag", createTags},
	"DeleteTags": {true, "ResourceId Tag", deleteTags},
}

// returned is the answer of an operation that only says it worked.
type returned struct {
	reply
	Return bool `xml:"return"`
}

func done(err error) (answer, error) {
	if err != nil {
		return nil, err
	}
	return &returned{Return: true}, nil
}
