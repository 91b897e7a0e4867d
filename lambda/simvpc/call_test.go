package simvpc_test

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// A call is one request made through the SDK.
type call func(ctx context.Context, c *ec2.Client) error

func ignore[T any](_ T, err error) error { return err }

func swap(id string, groups ...string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
			NetworkInterfaceId: aws.String(id), Groups: groups,
		}))
	}
}

func tcpTimeout(id string, seconds int32) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
			NetworkInterfaceId:              aws.String(id),
			ConnectionTrackingSpecification: &types.ConnectionTrackingSpecificationRequest{TcpEstablishedTimeout: aws.Int32(seconds)},
		}))
	}
}

func swapInstance(id string, groups ...string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.ModifyInstanceAttribute(ctx, &ec2.ModifyInstanceAttributeInput{InstanceId: aws.String(id), Groups: groups}))
	}
}

func newGroup(vpc, name, description string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		in := &ec2.CreateSecurityGroupInput{GroupName: aws.String(name), Description: aws.String(description)}
		if vpc != "" {
			in.VpcId = aws.String(vpc)
		}
		return ignore(c.CreateSecurityGroup(ctx, in))
	}
}

func dropGroup(id string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: aws.String(id)}))
	}
}

func ingress(group string, p ...types.IpPermission) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: aws.String(group), IpPermissions: p}))
	}
}

func revokeIn(group string, p ...types.IpPermission) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: aws.String(group), IpPermissions: p}))
	}
}

func revokeOut(group string, p ...types.IpPermission) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: aws.String(group), IpPermissions: p}))
	}
}

func permission(protocol string, from, to int32, cidr string) types.IpPermission {
	p := types.IpPermission{IpProtocol: aws.String(protocol), FromPort: aws.Int32(from), ToPort: aws.Int32(to)}
	switch {
	case strings.HasPrefix(cidr, "sg-"):
		p.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: aws.String(cidr)}}
	case strings.Contains(cidr, ":"):
		p.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: aws.String(cidr)}}
	default:
		p.IpRanges = []types.IpRange{{CidrIp: aws.String(cidr)}}
	}
	return p
}

// entry describes an ACL entry in the words of worlds.
func entry(acl string, number int32, egress bool, action types.RuleAction, protocol, cidr string) *ec2.CreateNetworkAclEntryInput {
	in := &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: aws.String(acl), RuleNumber: aws.Int32(number), Egress: aws.Bool(egress), RuleAction: action, Protocol: aws.String(protocol),
	}
	if strings.Contains(cidr, ":") {
		in.Ipv6CidrBlock = aws.String(cidr)
	} else {
		in.CidrBlock = aws.String(cidr)
	}
	return in
}

func addEntry(in *ec2.CreateNetworkAclEntryInput) call {
	return func(ctx context.Context, c *ec2.Client) error { return ignore(c.CreateNetworkAclEntry(ctx, in)) }
}

func dropEntry(acl string, number int32, egress bool) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{
			NetworkAclId: aws.String(acl), RuleNumber: aws.Int32(number), Egress: aws.Bool(egress),
		}))
	}
}

func putEntry(in *ec2.CreateNetworkAclEntryInput) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.ReplaceNetworkAclEntry(ctx, &ec2.ReplaceNetworkAclEntryInput{
			NetworkAclId: in.NetworkAclId, RuleNumber: in.RuleNumber, Egress: in.Egress, RuleAction: in.RuleAction,
			Protocol: in.Protocol, CidrBlock: in.CidrBlock, Ipv6CidrBlock: in.Ipv6CidrBlock,
		}))
	}
}

func tag(id string, pairs ...string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		in := &ec2.CreateTagsInput{Resources: []string{id}}
		for i := 0; i < len(pairs); i += 2 {
			in.Tags = append(in.Tags, types.Tag{Key: aws.String(pairs[i]), Value: aws.String(pairs[i+1])})
		}
		return ignore(c.CreateTags(ctx, in))
	}
}

func attach(id, instance string, device int32) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.AttachNetworkInterface(ctx, &ec2.AttachNetworkInterfaceInput{
			NetworkInterfaceId: aws.String(id), InstanceId: aws.String(instance), DeviceIndex: aws.Int32(device),
		}))
	}
}

func dropInterface(id string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: aws.String(id)}))
	}
}

func newInterface(in *ec2.CreateNetworkInterfaceInput) call {
	return func(ctx context.Context, c *ec2.Client) error { return ignore(c.CreateNetworkInterface(ctx, in)) }
}

func dropACL(id string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: aws.String(id)}))
	}
}

func describeGroup(id string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{id}}))
	}
}

func untag(id string, tags ...types.Tag) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{id}, Tags: tags}))
	}
}

func stop(id string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{id}}))
	}
}

func terminate(id string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}}))
	}
}
