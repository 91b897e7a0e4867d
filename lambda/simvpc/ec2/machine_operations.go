package ec2

// machineOperations are the actions on instances and what they have.
var machineOperations = map[string]operation{
	"DescribeInstances":                        reads(paged+"InstanceId IncludeManagedResources", describeInstances),
	"DescribeInstanceTypes":                    reads(paged+"InstanceType", describeInstanceTypes),
	"ModifyInstanceAttribute":                  changes("InstanceId GroupId DisableApiTermination InstanceInitiatedShutdownBehavior BlockDeviceMapping", modifyInstance),
	"DescribeInstanceAttribute":                reads("InstanceId Attribute", describeInstanceAttribute),
	"ModifyInstanceMetadataOptions":            changes("InstanceId HttpEndpoint", modifyMetadata),
	"DescribeIamInstanceProfileAssociations":   reads(paged+"AssociationId", describeProfileAssociations),
	"ReplaceIamInstanceProfileAssociation":     changes("AssociationId IamInstanceProfile", replaceProfile),
	"EnableApplicationStatusCheckSuppression":  changes("InstanceId DurationSeconds ClientToken", enableSuppression),
	"DisableApplicationStatusCheckSuppression": changes("InstanceId ClientToken", disableSuppression),
	"DescribeApplicationStatus":                reads(paged+"InstanceId", describeApplicationStatus),
	"RebootInstances":                          changes("InstanceId", rebootInstances),
	"DescribeVolumes":                          reads(paged+"VolumeId IncludeManagedResources", describeVolumes),
	"CreateSnapshots":                          changes("InstanceSpecification Description CopyTagsFromSource TagSpecification", createSnapshots),
	"DescribeSnapshots":                        reads(paged+"SnapshotId Owner", describeSnapshots),
	"StopInstances":                            changes("InstanceId Force", stopInstances),
	"StartInstances":                           changes("InstanceId", startInstances),
	"TerminateInstances":                       changes("InstanceId Force", terminateInstances),
	"RunInstances":                             changes("ImageId InstanceType MinCount MaxCount SubnetId SecurityGroupId PrivateIpAddress Ipv6Address NetworkInterface "+"BlockDeviceMapping IamInstanceProfile InstanceMarketOptions MetadataOptions DisableApiTermination "+"InstanceInitiatedShutdownBehavior ClientToken TagSpecification KeyName UserData Monitoring EbsOptimized Placement CreditSpecification", runInstances),
	"DescribeInstanceStatus":                   reads(paged+"InstanceId IncludeAllInstances IncludeManagedResources", describeStatus),
}
