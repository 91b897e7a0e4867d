package vpc

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/network"
)

// recorded is what records name, as far as EC2 still has it, by id.
type recorded struct {
	interfaces map[string]types.NetworkInterface
	acls       map[string]types.NetworkAcl
	groups     map[string]types.SecurityGroup
}

// readRecorded asks for what the targets name by id.
func (s *survey) readRecorded(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		found, err := filtered(gctx, s.describeInterfaces, "network-interface-id", s.all(func(t network.Target) []string { return t.Interfaces }))
		s.recorded.interfaces = byID(found, func(i types.NetworkInterface) *string { return i.NetworkInterfaceId })
		return err
	})
	g.Go(func() error {
		found, err := filtered(gctx, s.describeACLs, "network-acl-id", s.all(func(t network.Target) []string { return t.ACLs }))
		s.recorded.acls = byID(found, func(a types.NetworkAcl) *string { return a.NetworkAclId })
		return err
	})
	g.Go(func() error {
		found, err := filtered(gctx, s.describeGroups, "group-id", s.all(func(t network.Target) []string { return t.Groups }))
		s.recorded.groups = byID(found, func(g types.SecurityGroup) *string { return g.GroupId })
		return err
	})
	return g.Wait()
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
