package drill

import (
	"context"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// A rehearsed flow is one of the world's, or one still to be made.
type rehearsed struct {
	world.Flow
	attempt bool
}

func (f rehearsed) String() string {
	if f.attempt {
		return "new " + f.Flow.String()
	}
	return f.Flow.String()
}

// rehearsedFlows are the flows of a world, and new connections with each peer.
func rehearsedFlows(w *world.World, instance string, peers []netip.Addr) []rehearsed {
	var all []rehearsed
	for _, f := range w.Flows {
		all = append(all, rehearsed{*f, false})
	}
	for _, f := range attempts(w, instance, peers) {
		all = append(all, rehearsed{f, true})
	}
	return all
}

// judge has packets decide on a flow.
func (s *stage) judge(ctx context.Context, f rehearsed) verdict {
	if f.attempt {
		return s.connects(ctx, f.Flow)
	}
	return s.passes(f.Flow)
}

// concerns reports whether a flow is between the instance and one of the peers, be
// it through NAT64.
func concerns(w *world.World, f world.Flow, instance string, peers []netip.Addr) bool {
	mine := addressesOf(w, instance)
	from, to := oracle.Behind(f.From.Addr()), oracle.Behind(f.To.Addr())
	return slices.Contains(mine, from) && slices.Contains(peers, to) || slices.Contains(mine, to) && slices.Contains(peers, from)
}

// strangers are the addresses outside with which the instance has a connection.
func strangers(w *world.World, instance string) []netip.Addr {
	mine := addressesOf(w, instance)
	var all []netip.Addr
	for _, f := range w.Flows {
		from, to := oracle.Behind(f.From.Addr()), oracle.Behind(f.To.Addr())
		if slices.Contains(mine, to) {
			from, to = to, from
		}
		if slices.Contains(mine, from) && w.Holder(to) == nil && !f.Agent && !slices.Contains(all, to) {
			all = append(all, to)
		}
	}
	return all
}

func addressesOf(w *world.World, instance string) []netip.Addr {
	var addrs []netip.Addr
	for _, i := range w.Interfaces {
		if i.Instance == instance {
			addrs = append(append(addrs, i.Private...), i.IPv6...)
		}
	}
	return addrs
}

// attempts are new connections to each peer, from each address of its family. One
// from behind a NAT gateway goes through it.
func attempts(w *world.World, instance string, peers []netip.Addr) []world.Flow {
	const somePort, https = 50555, 443
	var flows []world.Flow
	for _, peer := range peers {
		for _, a := range addressesOf(w, instance) {
			if a.Is6() == peer.Is6() {
				flows = append(flows, world.Flow{
					Protocol: world.TCP, From: netip.AddrPortFrom(a, somePort), To: netip.AddrPortFrom(peer, https),
				})
			}
		}
	}
	return flows
}

// swapGroups does the usual isolation, as its users do, through the API: every group
// of the instance's interfaces is replaced by one without rules, and nothing else.
func (s *stage) swapGroups(ctx context.Context, instance string) error {
	s.server.Edit(func(w *world.World) {
		for _, i := range w.InterfacesOf(instance) {
			vpc := w.Subnet(i.Subnet).VPC
			if id := "sg-empty-" + vpc; w.Group(id) == nil {
				w.Groups = append(w.Groups, &world.SecurityGroup{ID: id, VPC: vpc, Name: id, Owner: w.Account})
			}
		}
	})
	w := s.server.World()
	client := ec2.NewFromConfig(s.config)
	for _, i := range w.InterfacesOf(instance) {
		_, err := client.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
			NetworkInterfaceId: aws.String(i.ID), Groups: []string{"sg-empty-" + w.Subnet(i.Subnet).VPC},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
