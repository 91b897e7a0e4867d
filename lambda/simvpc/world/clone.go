package world

import (
	"maps"
	"slices"
)

// Clone returns a deep copy, on which a change can be tried apart.
func (w *World) Clone() *World {
	c := &World{Account: w.Account, Region: w.Region, GroupsPerInterface: w.GroupsPerInterface, ShowManaged: w.ShowManaged}
	c.VPCs = cloneAll(w.VPCs, func(v *VPC) {
		v.CIDRs, v.Tags = slices.Clone(v.CIDRs), maps.Clone(v.Tags)
	})
	c.Subnets = cloneAll(w.Subnets, func(s *Subnet) {
		s.CIDRs, s.Tags = slices.Clone(s.CIDRs), maps.Clone(s.Tags)
	})
	c.Groups = cloneAll(w.Groups, func(g *SecurityGroup) {
		g.In, g.Out, g.Tags = slices.Clone(g.In), slices.Clone(g.Out), maps.Clone(g.Tags)
	})
	c.ACLs = cloneAll(w.ACLs, func(a *NetworkACL) {
		a.Entries, a.Tags = slices.Clone(a.Entries), maps.Clone(a.Tags)
	})
	c.Instances = cloneAll(w.Instances, func(i *Instance) { i.Tags = maps.Clone(i.Tags) })
	c.Interfaces = cloneAll(w.Interfaces, func(n *Interface) {
		n.Private, n.IPv6 = slices.Clone(n.Private), slices.Clone(n.IPv6)
		n.Associated = slices.Clone(n.Associated)
		n.Groups, n.Tags = slices.Clone(n.Groups), maps.Clone(n.Tags)
	})
	c.Gateways = cloneAll(w.Gateways, func(g *InternetGateway) { g.Tags = maps.Clone(g.Tags) })
	c.RouteTables = cloneAll(w.RouteTables, func(t *RouteTable) {
		t.Subnets, t.Routes, t.Tags = slices.Clone(t.Subnets), slices.Clone(t.Routes), maps.Clone(t.Tags)
	})
	c.Addresses = cloneAll(w.Addresses, func(e *ElasticIP) { e.Tags = maps.Clone(e.Tags) })
	c.Secondary = cloneAll(w.Secondary, func(n *SecondaryInterface) { n.Private = slices.Clone(n.Private) })
	c.Volumes = cloneAll(w.Volumes, func(v *Volume) { v.Tags = maps.Clone(v.Tags) })
	c.Snapshots = cloneAll(w.Snapshots, func(s *Snapshot) { s.Tags = maps.Clone(s.Tags) })
	c.FlowLogs = cloneAll(w.FlowLogs, func(f *FlowLog) { f.Tags = maps.Clone(f.Tags) })
	c.LogGroups = slices.Clone(w.LogGroups)
	c.AutoScaling = cloneAll(w.AutoScaling, func(*AutoScalingGroup) {})
	c.Flows = cloneAll(w.Flows, func(f *Flow) { f.Tracked = slices.Clone(f.Tracked) })
	return c
}

func cloneAll[T any](all []*T, deepen func(*T)) []*T {
	if all == nil {
		return nil
	}
	copies := make([]*T, len(all))
	for i, x := range all {
		c := *x
		deepen(&c)
		copies[i] = &c
	}
	return copies
}
