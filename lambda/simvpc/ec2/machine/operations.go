// Package machine is the part of a simulated EC2 that is about instances, and what
// they have beside their network.
package machine

import "tourniquet/lambda/simvpc/ec2/call"

// Operations are the actions on instances and what they have.
var Operations = map[string]call.Operation{
	"DescribeInstances":                        call.Reads(call.Paged+"InstanceId IncludeManagedResources", describeInstances),
	"DescribeInstanceTypes":                    call.Reads(call.Paged+"InstanceType", describeInstanceTypes),
	"ModifyInstanceAttribute":                  call.Changes("InstanceId Attribute Value GroupId DisableApiTermination InstanceInitiatedShutdownBehavior BlockDeviceMapping", modifyInstance),
	"DescribeInstanceAttribute":                call.Reads("InstanceId Attribute", describeInstanceAttribute),
	"ModifyInstanceMetadataOptions":            call.Changes("InstanceId HttpEndpoint", modifyMetadata),
	"DescribeIamInstanceProfileAssociations":   call.Reads(call.Paged+"AssociationId", describeProfileAssociations),
	"ReplaceIamInstanceProfileAssociation":     call.Changes("AssociationId IamInstanceProfile", replaceProfile),
	"EnableApplicationStatusCheckSuppression":  call.Changes("InstanceId DurationSeconds ClientToken", enableSuppression),
	"DisableApplicationStatusCheckSuppression": call.Changes("InstanceId ClientToken", disableSuppression),
	"DescribeApplicationStatus":                call.Reads(call.Paged+"InstanceId", describeApplicationStatus),
	"RebootInstances":                          call.Changes("InstanceId", rebootInstances),
	"DescribeVolumes":                          call.Reads(call.Paged+"VolumeId IncludeManagedResources", describeVolumes),
	"CreateSnapshots":                          call.Changes("InstanceSpecification Description CopyTagsFromSource TagSpecification", createSnapshots),
	"DescribeSnapshots":                        call.Reads(call.Paged+"SnapshotId Owner", describeSnapshots),
	"StopInstances":                            call.Changes("InstanceId Force", stopInstances),
	"StartInstances":                           call.Changes("InstanceId", startInstances),
	"TerminateInstances":                       call.Changes("InstanceId Force", terminateInstances),
	"RunInstances":                             call.Changes("ImageId InstanceType MinCount MaxCount SubnetId SecurityGroupId PrivateIpAddress Ipv6Address Ipv6AddressCount NetworkInterface "+"BlockDeviceMapping IamInstanceProfile InstanceMarketOptions MetadataOptions DisableApiTermination "+"InstanceInitiatedShutdownBehavior ClientToken TagSpecification KeyName UserData Monitoring EbsOptimized Placement CreditSpecification", runInstances),
	"DescribeInstanceStatus":                   call.Reads(call.Paged+"InstanceId IncludeAllInstances IncludeManagedResources", describeStatus),
}
