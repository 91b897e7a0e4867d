package world

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Rules that EC2 fixes.
const (
	// DefaultACLQuota is the quota of entries per direction and address family
	// of a network ACL, its "*" entry counted. It can be raised to 40
	// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html).
	DefaultACLQuota = 20
	// lastEntry is the highest number an entry may have; 32767 and above are
	// reserved (https://docs.aws.amazon.com/vpc/latest/userguide/nacl-basics.html).
	LastEntry = 32766
	// DefaultGroupsPerInterface is the quota of security groups of one interface,
	// and MostGroupsPerInterface what it can be raised to
	// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html).
	DefaultGroupsPerInterface = 5
	MostGroupsPerInterface    = 16
)

// All addresses of a family.
var (
	AnyIPv4 = netip.MustParsePrefix("0.0.0.0/0")
	AnyIPv6 = netip.MustParsePrefix("::/0")
)

// Normalize fills in what can be derived (default groups and ACLs, zones,
// addresses, owners) and sorts everything. Parsing and New do it; call it after
// building a world by hand. Flows get their tracking entries from Establish.
func (w *World) Normalize() {
	w.Account = cmp.Or(w.Account, "111122223333")
	w.Region = cmp.Or(w.Region, "eu-central-1")
	w.GroupsPerInterface = cmp.Or(w.GroupsPerInterface, DefaultGroupsPerInterface)
	for _, v := range w.VPCs {
		v.Owner = cmp.Or(v.Owner, w.Account)
		slices.SortStableFunc(v.CIDRs, func(a, b netip.Prefix) int {
			return cmp.Compare(a.Addr().BitLen(), b.Addr().BitLen())
		})
	}
	w.normalizeGroups()
	w.normalizeACLs()
	for _, i := range w.Instances {
		i.Type = cmp.Or(i.Type, "m5.large")
		i.State = cmp.Or(i.State, "running")
		i.Shutdown = cmp.Or(i.Shutdown, "stop")
		i.Lifecycle = cmp.Or(i.Lifecycle, derivedLifecycle(i))
	}
	w.normalizeMachines()
	w.normalizeRoutes()
	for _, n := range w.Interfaces {
		w.normalizeInterface(n)
	}
	for _, f := range w.Flows {
		slices.Sort(f.Tracked)
	}
	w.Sort()
}

func (w *World) normalizeMachines() {
	for _, v := range w.Volumes {
		v.Size = cmp.Or(v.Size, defaultVolumeSize)
	}
	for _, s := range w.Snapshots {
		s.State, s.Size = cmp.Or(s.State, "completed"), cmp.Or(s.Size, defaultVolumeSize)
	}
	for _, f := range w.FlowLogs {
		f.Interval, f.Traffic = cmp.Or(f.Interval, defaultInterval), cmp.Or(f.Traffic, "ALL")
		w.LogGroups = append(w.LogGroups, f.LogGroup)
	}
	slices.Sort(w.LogGroups)
	w.LogGroups = slices.Compact(w.LogGroups)
	for _, g := range w.AutoScaling {
		g.Health = cmp.Or(g.Health, "EC2")
	}
}

func (w *World) normalizeGroups() {
	for _, v := range w.VPCs {
		if w.DefaultGroup(v.ID) == nil {
			w.Groups = append(w.Groups, w.derivedGroup(v))
		}
	}
	for _, g := range w.Groups {
		if g.Default {
			g.Name = cmp.Or(g.Name, "default")
			g.Description = cmp.Or(g.Description, "default VPC security group")
		}
		g.Name = cmp.Or(g.Name, strings.TrimPrefix(g.ID, "sg-"))
		g.Description = cmp.Or(g.Description, g.Name)
		g.Owner = cmp.Or(g.Owner, w.Account)
		slices.SortFunc(g.In, CompareRules)
		slices.SortFunc(g.Out, CompareRules)
	}
}

func (w *World) normalizeACLs() {
	for _, v := range w.VPCs {
		if w.defaultACL(v.ID) == nil {
			w.ACLs = append(w.ACLs, w.derivedACL(v))
		}
	}
	for _, a := range w.ACLs {
		a.Quota = cmp.Or(a.Quota, DefaultACLQuota)
		if v := w.VPC(a.VPC); v != nil {
			a.Owner = cmp.Or(a.Owner, v.Owner)
		}
		slices.SortFunc(a.Entries, CompareEntries)
	}
	for _, s := range w.Subnets {
		s.Zone = cmp.Or(s.Zone, w.Region+"a")
		if a := w.defaultACL(s.VPC); s.ACL == "" && a != nil {
			s.ACL = a.ID
		}
		slices.SortStableFunc(s.CIDRs, func(a, b netip.Prefix) int {
			return cmp.Compare(a.Addr().BitLen(), b.Addr().BitLen())
		})
	}
}

func (w *World) normalizeInterface(n *Interface) {
	n.Type = cmp.Or(n.Type, "interface")
	n.Owner = cmp.Or(n.Owner, w.Account)
	s := w.Subnet(n.Subnet)
	if s == nil {
		return
	}
	if len(n.Private) == 0 && len(n.IPv6) == 0 {
		if a := w.FreeAddress(s, false); a.IsValid() {
			n.Private = []netip.Addr{a}
		} else if a := w.FreeAddress(s, true); a.IsValid() {
			n.IPv6 = []netip.Addr{a}
		}
	}
	if g := w.DefaultGroup(s.VPC); len(n.Groups) == 0 && g != nil {
		n.Groups = []string{g.ID}
	}
	slices.Sort(n.Associated)
	slices.Sort(n.Groups)
	n.Groups = slices.Compact(n.Groups)
}

// Sort puts everything into the order of IDs.
func (w *World) Sort() {
	sortBy(w.VPCs, func(v *VPC) string { return v.ID })
	sortBy(w.Subnets, func(s *Subnet) string { return s.ID })
	sortBy(w.Groups, func(g *SecurityGroup) string { return g.ID })
	sortBy(w.ACLs, func(a *NetworkACL) string { return a.ID })
	sortBy(w.Instances, func(i *Instance) string { return i.ID })
	sortBy(w.Interfaces, func(n *Interface) string { return n.ID })
	sortBy(w.Secondary, func(n *SecondaryInterface) string { return n.ID })
	sortBy(w.Gateways, func(g *InternetGateway) string { return g.ID })
	sortBy(w.RouteTables, func(t *RouteTable) string { return t.ID })
	sortBy(w.Addresses, func(e *ElasticIP) string { return e.ID })
	sortBy(w.Volumes, func(v *Volume) string { return v.ID })
	sortBy(w.Snapshots, func(s *Snapshot) string { return s.ID })
	sortBy(w.FlowLogs, func(f *FlowLog) string { return f.ID })
	sortBy(w.AutoScaling, func(g *AutoScalingGroup) string { return g.Name })
	sortBy(w.Flows, func(f *Flow) string { return f.text() })
}

// DefaultGroup is the default security group of a VPC, or nil.
func (w *World) DefaultGroup(vpc string) *SecurityGroup {
	return Find(w.Groups, func(g *SecurityGroup) bool { return g.VPC == vpc && g.Default })
}

func (w *World) defaultACL(vpc string) *NetworkACL {
	return Find(w.ACLs, func(a *NetworkACL) bool { return a.VPC == vpc && a.Default })
}

// derivedGroup is the default security group EC2 gives a VPC: everything in
// from its own members, everything out
// (https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html).
func (w *World) derivedGroup(v *VPC) *SecurityGroup {
	id := "sg-default-" + strings.TrimPrefix(v.ID, "vpc-")
	return &SecurityGroup{
		ID: id, VPC: v.ID, Name: "default", Description: "default VPC security group",
		Owner: v.Owner, Default: true,
		In: []Rule{{Protocol: All, Group: id}}, Out: OpenEgress(v),
	}
}

// OpenEgress is what a new group lets out: everything
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html).
func OpenEgress(v *VPC) []Rule {
	rules := []Rule{{Protocol: All, CIDR: AnyIPv4}}
	if v.HasIPv6() {
		rules = append(rules, Rule{Protocol: All, CIDR: AnyIPv6})
	}
	return rules
}

// derivedACL is the default network ACL EC2 gives a VPC: all traffic allowed, by
// entry 100 for IPv4 and 101 for IPv6
// (https://docs.aws.amazon.com/vpc/latest/userguide/default-network-acl.html).
func (w *World) derivedACL(v *VPC) *NetworkACL {
	a := &NetworkACL{
		ID: "acl-default-" + strings.TrimPrefix(v.ID, "vpc-"), VPC: v.ID,
		Owner: v.Owner, Default: true, Quota: DefaultACLQuota,
	}
	for _, egress := range []bool{false, true} {
		a.Entries = append(a.Entries, Entry{Number: 100, Egress: egress, Allow: true, Protocol: All, CIDR: AnyIPv4})
		if v.HasIPv6() {
			a.Entries = append(a.Entries, Entry{Number: 101, Egress: egress, Allow: true, Protocol: All, CIDR: AnyIPv6})
		}
	}
	return a
}
