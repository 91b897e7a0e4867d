package vpc

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// set sets the attribute of a step to a value: the new one, or the one from before.
func (c *Client) set(ctx context.Context, r record.Replacement, value []string, options ...func(*ec2.Options)) error {
	switch r.Of {
	case record.KindQuarantine:
		return c.setGroups(ctx, r.Resource, value, options...)
	case record.KindIsolation:
		return c.setACL(ctx, r, value)
	case record.KindTracking:
		t, err := network.ParseTimeouts(value)
		if err != nil {
			return err
		}
		return c.setTimeouts(ctx, r.Resource, t, options...)
	default:
		return fmt.Errorf("%s is not an attribute of EC2 that can be set", r.Of)
	}
}

// setGroups sets the whole list of groups of one interface. It uses the call for an
// interface: the one for an instance fails when the instance has several.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html
func (c *Client) setGroups(ctx context.Context, eni string, groups []string, options ...func(*ec2.Options)) error {
	_, err := c.ec2.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
		NetworkInterfaceId: aws.String(eni), Groups: groups,
	}, options...)
	return err
}

// setTimeouts sets the connection-tracking timeouts of one interface. A call changes one
// attribute, so groups and timeouts take two. Only Nitro instances have timeouts.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html
func (c *Client) setTimeouts(ctx context.Context, eni string, t network.Timeouts, options ...func(*ec2.Options)) error {
	whole := func(d time.Duration) *int32 { return aws.Int32(int32(d.Seconds())) } // at most 432000
	_, err := c.ec2.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
		NetworkInterfaceId: aws.String(eni),
		ConnectionTrackingSpecification: &types.ConnectionTrackingSpecificationRequest{
			TcpEstablishedTimeout: whole(t.TCP), UdpStreamTimeout: whole(t.UDPStream), UdpTimeout: whole(t.UDP),
		},
	}, options...)
	return err
}

// setACL puts an ACL before a subnet, in the place of that which is associated with it. The
// association gets another id by that: a repeat is refused, and harms nobody.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceNetworkAclAssociation.html
func (c *Client) setACL(ctx context.Context, r record.Replacement, acl []string) error {
	if r.At == "" || len(acl) != 1 {
		return fmt.Errorf("no association of %s is known", r.Resource)
	}
	_, err := c.ec2.ReplaceNetworkAclAssociation(ctx, &ec2.ReplaceNetworkAclAssociationInput{
		AssociationId: aws.String(r.At), NetworkAclId: aws.String(acl[0]),
	})
	return err
}
