package vpc

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/network"
)

// names are the ids of what records name.
type names struct{ interfaces, acls, groups []string }

func namesIn(targets []network.Target) names {
	var n names
	for _, t := range targets {
		n.interfaces, n.acls, n.groups = append(n.interfaces, t.Interfaces...), append(n.acls, t.ACLs...), append(n.groups, t.Groups...)
	}
	return n
}

func (n names) none() bool { return len(n.interfaces) == 0 && len(n.acls) == 0 && len(n.groups) == 0 }

// recorded is what records name, as far as EC2 shows it, by id.
type recorded struct {
	interfaces map[string]types.NetworkInterface
	acls       map[string]types.NetworkAcl
	groups     map[string]types.SecurityGroup
}

// readRecorded reads what records name.
func (c *Client) readRecorded(ctx context.Context, n names) (recorded, error) {
	var r recorded
	g, gctx := errgroup.WithContext(ctx)
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

// missing are the names of which EC2 shows nothing.
func (r recorded) missing(n names) names {
	return names{without(n.interfaces, r.interfaces), without(n.acls, r.acls), without(n.groups, r.groups)}
}

func without[T any](ids []string, found map[string]T) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { _, there := found[id]; return there })
}

// join adds what another read has found.
func (r recorded) join(more recorded) {
	maps.Copy(r.interfaces, more.interfaces)
	maps.Copy(r.acls, more.acls)
	maps.Copy(r.groups, more.groups)
}

// add notes what the network doesn't show for itself.
func (r recorded) add(n *network.Network, t network.Target) {
	for _, id := range t.Interfaces {
		if i, there := r.interfaces[id]; there && !n.Contains(id) {
			n.Detached = append(n.Detached, fromSDKInterface(i))
		}
	}
	slices.SortFunc(n.Detached, func(a, b network.Interface) int { return cmp.Compare(a.ID, b.ID) })
	n.Elsewhere = map[string]network.ACL{}
	for _, id := range t.ACLs {
		if _, serves := n.ACLs[id]; serves {
			continue
		}
		if a, there := r.acls[id]; there {
			n.Elsewhere[id] = fromSDKACL(a)
		}
	}
	if len(t.Groups) == 0 {
		return
	}
	n.Groups = []string{}
	for _, id := range slices.Sorted(slices.Values(t.Groups)) {
		if _, there := r.groups[id]; there {
			n.Groups = append(n.Groups, id)
		}
	}
}
