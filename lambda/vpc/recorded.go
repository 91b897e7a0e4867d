package vpc

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
	"tourniquet/lambda/order"
	"tourniquet/lambda/parallel"
)

// names are the ids of what records name.
type names struct{ interfaces, acls, groups []string }

// namesIn are those that targets name.
func namesIn(targets []network.Target) names {
	var n names
	for _, t := range targets {
		n.interfaces, n.acls, n.groups = append(n.interfaces, t.Interfaces...), append(n.acls, t.ACLs...), append(n.groups, t.Groups...)
	}
	return n
}

// recorded is what records name, as far as EC2 shows it, by id.
type recorded struct {
	interfaces map[string]types.NetworkInterface
	acls       map[string]types.NetworkAcl
	groups     map[string]types.SecurityGroup
}

// readRecorded reads what records name.
func (c *Client) readRecorded(ctx context.Context, n names) (recorded, error) {
	var r recorded
	g, gctx := parallel.WithContext(ctx)
	g.Go(func() error {
		found, err := filtered(gctx, c.describeInterfaces, "network-interface-id", n.interfaces)
		r.interfaces = byID(found, func(i types.NetworkInterface) *string { return i.NetworkInterfaceId })
		return err
	})
	g.Go(func() error {
		found, err := filtered(gctx, c.describeACLs, "network-acl-id", n.acls)
		r.acls = byID(found, func(a types.NetworkAcl) *string { return a.NetworkAclId })
		return err
	})
	g.Go(func() error {
		found, err := filtered(gctx, c.describeGroups, "group-id", n.groups)
		r.groups = byID(found, func(g types.SecurityGroup) *string { return g.GroupId })
		return err
	})
	return r, g.Wait()
}

func byID[T any](found []T, id func(T) *string) map[string]T {
	all := make(map[string]T, len(found))
	for _, x := range found {
		all[aws.ToString(id(x))] = x
	}
	return all
}

// add notes what the network doesn't show for itself.
func (r recorded) add(n *network.Network, t network.Target) {
	for _, id := range t.Interfaces {
		switch i, there := r.interfaces[id]; {
		case n.Contains(id):
		case there:
			n.Detached = append(n.Detached, fromSDKInterface(i))
		default:
			n.Missing = append(n.Missing, id)
		}
	}
	order.Sort(n.Detached, func(a, b network.Interface) int { return cmp.Compare(a.ID, b.ID) })
	n.Elsewhere = map[string]network.ACL{}
	for _, id := range t.ACLs {
		_, serves := n.ACLs[id]
		switch a, there := r.acls[id]; {
		case serves:
		case there:
			n.Elsewhere[id] = fromSDKACL(a)
		default:
			n.Missing = append(n.Missing, id)
		}
	}
	r.addGroups(n, t.Groups)
	slices.Sort(n.Missing)
}

func (r recorded) addGroups(n *network.Network, named []string) {
	if len(named) == 0 {
		return
	}
	n.Groups = []string{}
	for _, id := range slices.Sorted(slices.Values(named)) {
		if _, there := r.groups[id]; there {
			n.Groups = append(n.Groups, id)
		} else {
			n.Missing = append(n.Missing, id)
		}
	}
}
