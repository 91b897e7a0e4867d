package keep

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

var errNoAttribute = errors.New("EC2 does not show the attribute")

// protection is the value of an attribute that protects an instance. EC2 gives one
// attribute a call.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceAttribute.html
func (c *Client) protection(ctx context.Context, r record.Replacement) ([]string, error) {
	out, err := c.ec2.DescribeInstanceAttribute(ctx, &ec2.DescribeInstanceAttributeInput{
		InstanceId: aws.String(r.Resource), Attribute: types.InstanceAttributeName(r.Name),
	})
	switch {
	case err != nil:
		return nil, err
	case aws.ToString(out.InstanceId) == "":
		return nil, errNoAttribute
	case r.Name == record.TerminationAttribute && out.DisableApiTermination != nil:
		return []string{fmt.Sprint(aws.ToBool(out.DisableApiTermination.Value))}, nil
	case r.Name == record.ShutdownAttribute && out.InstanceInitiatedShutdownBehavior != nil:
		return []string{aws.ToString(out.InstanceInitiatedShutdownBehavior.Value)}, nil
	case r.Name == record.VolumesAttribute:
		return volumesOf(r, out.BlockDeviceMappings), nil
	default:
		return nil, errNoAttribute
	}
}

// volumesOf is what becomes of the volumes that a step is about.
func volumesOf(r record.Replacement, devices []types.InstanceBlockDeviceMapping) []string {
	value := []string{}
	for _, d := range devices {
		if d.Ebs == nil {
			continue
		}
		v := network.Volume{ID: aws.ToString(d.Ebs.VolumeId), Device: aws.ToString(d.DeviceName), Deleted: aws.ToBool(d.Ebs.DeleteOnTermination)}
		about := slices.ContainsFunc(r.After, func(text string) bool { after, ok := network.ParseVolume(text); return ok && after.Same(v) })
		if about {
			value = append(value, v.Text())
		}
	}
	slices.Sort(value)
	return value
}

// protect sets one attribute: EC2 takes one a call.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
func (c *Client) protect(ctx context.Context, r record.Replacement, value []string) error {
	in := &ec2.ModifyInstanceAttributeInput{InstanceId: aws.String(r.Resource)}
	switch r.Name {
	case record.TerminationAttribute:
		in.DisableApiTermination = &types.AttributeBooleanValue{Value: aws.Bool(value[0] == "true")}
	case record.ShutdownAttribute:
		in.InstanceInitiatedShutdownBehavior = &types.AttributeValue{Value: aws.String(value[0])}
	case record.VolumesAttribute:
		for _, text := range value {
			v, ok := network.ParseVolume(text)
			if !ok {
				return network.Refusal{Reason: fmt.Sprintf("invalid volume %q in the record", text)}
			}
			in.BlockDeviceMappings = append(in.BlockDeviceMappings, types.InstanceBlockDeviceMappingSpecification{
				DeviceName: aws.String(v.Device), Ebs: &types.EbsInstanceBlockDeviceSpecification{DeleteOnTermination: aws.Bool(v.Deleted)},
			})
		}
	default:
		return fmt.Errorf("%s is not an attribute that protects an instance", r.Name)
	}
	_, err := c.ec2.ModifyInstanceAttribute(ctx, in)
	return err
}
