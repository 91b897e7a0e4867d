package vpc

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/network"
)

// recorded is what a record names, as far as EC2 still has it.
type recorded struct {
	interfaces []types.NetworkInterface
	acls       []types.NetworkAcl
	groups     []string
}

// readRecorded asks for what a record names by id. It asks with filters: what is
// gone is then left out, and is no error.
func (o *observation) readRecorded(ctx context.Context, g *errgroup.Group) {
	if ids := o.target.Interfaces; len(ids) > 0 {
		g.Go(func() (err error) {
			if o.recorded.interfaces, err = o.describeInterfaces(ctx, filter("network-interface-id", ids...)); err != nil {
				return fmt.Errorf("describing the recorded network interfaces: %w", err)
			}
			return nil
		})
	}
	if ids := o.target.ACLs; len(ids) > 0 {
		g.Go(func() (err error) {
			o.recorded.acls, err = o.describeACLs(ctx, filter("network-acl-id", ids...))
			return err
		})
	}
	if ids := o.target.Groups; len(ids) > 0 {
		g.Go(func() error {
			found, err := o.describeGroups(ctx, filter("group-id", ids...))
			if err != nil {
				return err
			}
			o.recorded.groups = []string{}
			for _, group := range found {
				o.recorded.groups = append(o.recorded.groups, aws.ToString(group.GroupId))
			}
			slices.Sort(o.recorded.groups)
			return nil
		})
	}
}

// add notes what the network doesn't show for itself.
func (r recorded) add(n *network.Network) {
	n.Groups, n.Elsewhere = r.groups, map[string]network.ACL{}
	for _, i := range r.interfaces {
		attached := slices.ContainsFunc(n.Interfaces, func(a network.Interface) bool {
			return a.ID == aws.ToString(i.NetworkInterfaceId)
		})
		if !attached {
			n.Detached = append(n.Detached, fromSDKInterface(i))
		}
	}
	slices.SortFunc(n.Detached, func(a, b network.Interface) int { return cmp.Compare(a.ID, b.ID) })
	for _, a := range r.acls {
		if _, serves := n.ACLs[aws.ToString(a.NetworkAclId)]; !serves {
			n.Elsewhere[aws.ToString(a.NetworkAclId)] = fromSDKACL(a)
		}
	}
}
