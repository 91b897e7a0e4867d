package vpc

import (
	"cmp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
	"tourniquet/lambda/order"
)

// fromSDKMachine is what an instance's description says of how long it and its volumes
// will be there.
func fromSDKMachine(i types.Instance) network.Machine {
	m := network.Machine{
		Spot: i.InstanceLifecycle == types.InstanceLifecycleTypeSpot, Metadata: string(types.InstanceMetadataEndpointStateEnabled),
	}
	if i.IamInstanceProfile != nil {
		m.Role = aws.ToString(i.IamInstanceProfile.Arn)
	}
	if o := i.MetadataOptions; o != nil && o.HttpEndpoint == types.InstanceMetadataEndpointStateDisabled {
		m.Metadata = string(o.HttpEndpoint)
	}
	for _, d := range i.BlockDeviceMappings {
		if d.Ebs != nil {
			m.Volumes = append(m.Volumes, network.Volume{
				ID: aws.ToString(d.Ebs.VolumeId), Device: aws.ToString(d.DeviceName), Deleted: aws.ToBool(d.Ebs.DeleteOnTermination),
			})
		}
	}
	order.Sort(m.Volumes, func(a, b network.Volume) int { return cmp.Compare(a.Device, b.Device) })
	return m
}
