package vpc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
)

// Edges reads the edges of some subnets, side by side; see containment.EC2.
func (c *Client) Edges(ctx context.Context, ids, vpcs []string) (network.Edges, error) {
	var subnets []types.Subnet
	var interfaces []types.NetworkInterface
	var acls []types.NetworkAcl
	g, gctx := parallel.WithContext(ctx)
	g.Go(func() (err error) { subnets, err = filtered(gctx, c.describeSubnets, "subnet-id", ids); return err })
	g.Go(func() (err error) {
		interfaces, err = filtered(gctx, c.describeInterfaces, "subnet-id", ids)
		return err
	})
	g.Go(func() (err error) { acls, err = filtered(gctx, c.describeACLs, "vpc-id", vpcs); return err })
	if err := g.Wait(); err != nil {
		return network.Edges{}, err
	}
	more, err := filtered(ctx, c.describeACLs, "vpc-id", vpcsBeyond(subnets, vpcs))
	if err != nil {
		return network.Edges{}, err
	}
	return join(subnets, interfaces, append(acls, more...))
}

func vpcsBeyond(subnets []types.Subnet, known []string) (unknown []string) {
	for _, s := range subnets {
		if id := aws.ToString(s.VpcId); !slices.Contains(known, id) && !slices.Contains(unknown, id) {
			unknown = append(unknown, id)
		}
	}
	return unknown
}

func join(subnets []types.Subnet, interfaces []types.NetworkInterface, acls []types.NetworkAcl) (network.Edges, error) {
	all := network.Edges{Of: map[string]network.Edge{}, ACLs: map[string]network.ACL{}, Isolation: map[string][]string{}}
	for _, s := range subnets {
		id := aws.ToString(s.SubnetId)
		edge := network.Edge{
			Subnet: id, VPC: aws.ToString(s.VpcId), Account: aws.ToString(s.OwnerId),
			Allowed: fromSDKTags(s.Tags)[network.IsolateTag] == network.IsolateValue,
		}
		for _, i := range interfaces {
			if slices.Contains(subnetsOf(i), id) {
				edge.Interfaces = append(edge.Interfaces, aws.ToString(i.NetworkInterfaceId))
			}
		}
		slices.Sort(edge.Interfaces)
		edge.Interfaces = slices.Compact(edge.Interfaces)
		all.Of[id] = edge
	}
	for _, a := range acls {
		acl := fromSDKACL(a)
		all.ACLs[acl.ID] = acl
		if fromSDKTags(a.Tags)[network.RoleTag] == network.IsolationRole {
			all.Isolation[acl.VPC] = append(all.Isolation[acl.VPC], acl.ID)
		}
		for _, as := range a.Associations {
			if edge, wanted := all.Of[aws.ToString(as.SubnetId)]; wanted {
				edge.ACL, edge.Association = acl.ID, aws.ToString(as.NetworkAclAssociationId)
				all.Of[edge.Subnet] = edge
			}
		}
	}
	for _, list := range all.Isolation {
		slices.Sort(list)
	}
	for _, edge := range all.Of {
		if edge.ACL == "" {
			return network.Edges{}, fmt.Errorf("describing network ACLs: none is associated with %s", edge.Subnet)
		}
	}
	return all, nil
}

// ProvisionIsolation makes network ACLs without entries; see containment.Fleet. EC2 makes
// an ACL so. https://docs.aws.amazon.com/vpc/latest/userguide/create-network-acl.html
func (c *Client) ProvisionIsolation(ctx context.Context) (changed []string, err error) {
	var subnets []types.Subnet
	var acls []types.NetworkAcl
	g, gctx := parallel.WithContext(ctx)
	g.Go(func() (err error) {
		subnets, err = c.describeSubnets(gctx, filter("tag:"+network.IsolateTag, network.IsolateValue))
		return err
	})
	g.Go(func() (err error) {
		acls, err = c.describeACLs(gctx, filter("tag:"+network.RoleTag, network.IsolationRole))
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	made := map[string]bool{}
	for _, a := range acls {
		if acl := fromSDKACL(a); !acl.Bare() {
			changed = append(changed, acl.ID)
		}
		made[aws.ToString(a.VpcId)] = true
	}
	slices.Sort(changed)
	for _, vpc := range vpcsBeyond(subnets, nil) {
		if made[vpc] {
			continue
		}
		if err := c.makeIsolation(ctx, vpc); err != nil {
			return changed, fmt.Errorf("making an isolation ACL in %s: %w", vpc, err)
		}
	}
	return changed, nil
}

// makeIsolation makes the isolation ACL of a VPC, if a second look shows none either: an
// empty answer is also what EC2 gives when a part of it lags. Every VPC has an ACL.
func (c *Client) makeIsolation(ctx context.Context, vpc string) error {
	all, err := c.describeACLs(ctx, filter("vpc-id", vpc))
	if err != nil {
		return err
	}
	for _, a := range all {
		if fromSDKTags(a.Tags)[network.RoleTag] == network.IsolationRole {
			return nil
		}
	}
	if len(all) == 0 {
		return errors.New("EC2 shows no network ACL of it")
	}
	_, err = c.ec2.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{VpcId: aws.String(vpc), TagSpecifications: []types.TagSpecification{{
		ResourceType: types.ResourceTypeNetworkAcl,
		Tags:         toSDKTags(map[string]string{network.RoleTag: network.IsolationRole, "Name": network.IsolationName}),
	}}})
	return err
}
