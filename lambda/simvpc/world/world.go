package world

import (
	"net/netip"
	"time"
)

// A World is everything the simulated EC2 knows: one account's view of one
// Region. It is plain data; copy it with Clone. Slices are sorted by ID once
// the world has been parsed or given to a Server.
type World struct {
	Account string // whose calls these are
	Region  string
	// GroupsPerInterface is the account's quota of security groups of one interface.
	GroupsPerInterface int
	// ShowManaged: reads by filter show what AWS services operate, unasked. Accounts
	// that had such resources before April 2026 are set so
	// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ManagedResourceVisibilitySettings.html).
	ShowManaged bool
	VPCs        []*VPC
	Subnets     []*Subnet
	Groups      []*SecurityGroup
	ACLs        []*NetworkACL
	Instances   []*Instance
	Interfaces  []*Interface
	Secondary   []*SecondaryInterface
	Addresses   []*ElasticIP
	Gateways    []*InternetGateway
	RouteTables []*RouteTable
	Volumes     []*Volume
	Snapshots   []*Snapshot
	FlowLogs    []*FlowLog
	LogGroups   []string // names, sorted, also of groups that no flow log writes to
	AutoScaling []*AutoScalingGroup
	Flows       []*Flow
}

// Tags are the tags of one resource; nil when there are none.
type Tags map[string]string

// A VPC is a virtual network.
type VPC struct {
	ID    string
	CIDRs []netip.Prefix // IPv4 first; the first IPv4 one is the primary
	Owner string         // differs from the world's account in a shared VPC
	// What DNS does in it.
	NoDNSSupport, DNSHostnames bool
	Tags                       Tags
}

// A Subnet is an address range of a VPC in one availability zone.
type Subnet struct {
	ID    string
	VPC   string
	CIDRs []netip.Prefix // IPv4 first
	Zone  string
	ACL   string // the network ACL it is associated with, never empty
	// DNS64: the resolver gives names with IPv4 addresses only an address in
	// 64:ff9b::/96, which a NAT gateway translates
	// (https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-nat64-dns64.html).
	DNS64 bool
	// MapPublic: new instances get a public address.
	MapPublic bool
	Tags      Tags
}

// A SecurityGroup is a stateful set of allow rules.
type SecurityGroup struct {
	ID          string
	VPC         string
	Name        string
	Description string
	Owner       string
	Default     bool
	In, Out     []Rule // sorted, without duplicates
	Tags        Tags
}

// A Rule allows traffic from or to either a CIDR or the members of a group.
type Rule struct {
	Protocol    Protocol
	Ports       Ports
	CIDR        netip.Prefix // zero when Group is set
	Group       string
	Description string
}

// A NetworkACL is a stateless, ordered set of entries for whole subnets.
type NetworkACL struct {
	ID      string
	VPC     string
	Owner   string
	Default bool
	Quota   int     // entries per direction and address family, the "*" entry counted
	Entries []Entry // sorted by direction (in first) and number; the "*" entries are not listed
	Tags    Tags
}

// An Entry is one numbered rule of a network ACL. Numbers are unique in a
// direction, across both address families.
type Entry struct {
	Number   int
	Egress   bool
	Allow    bool
	Protocol Protocol
	Ports    Ports
	CIDR     netip.Prefix // masked
}

// A SecondaryInterface is an interface in a secondary network, for RDMA. It has
// neither security groups nor a network ACL, and can't be changed
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SecondaryInterface.html).
type SecondaryInterface struct {
	ID       string
	Instance string
	Private  []netip.Addr // IPv4, the primary first
}

// An Interface is an elastic network interface.
type Interface struct {
	ID          string
	Instance    string // empty when no instance of this account holds it
	Device      int
	Subnet      string
	Associated  []string     // further subnets it is in, sorted
	Private     []netip.Addr // IPv4, the primary first
	IPv6        []netip.Addr
	Public      netip.Addr // of the primary private address
	Groups      []string   // sorted
	Type        string     // EC2's InterfaceType; "interface" for an ordinary one
	RequesterID string     // set when an AWS service made it: requester-managed
	Operator    string     // the service principal that operates it
	Owner       string
	Description string
	// Idle timeouts of connection tracking; zero means EC2's default.
	TCPTimeout, UDPStreamTimeout, UDPTimeout time.Duration
	// Unchangeable refuses changes with AuthFailure, as EC2 does for the
	// interfaces of ECS tasks (https://github.com/cloud-custodian/cloud-custodian/issues/3406).
	Unchangeable      bool
	NoSourceDestCheck bool
	Keep              bool // survives the termination of its instance
	Tags              Tags
}

// An ElasticIP is a public address of the account. The interface with that public
// address has it.
type ElasticIP struct {
	ID      string
	Address netip.Addr
	Tags    Tags
}

// A Flow is a connection between two addresses, named from its initiator to its
// responder. Addresses inside are private addresses.
//
// At the interface of each inside end EC2 either tracks the flow or doesn't
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html).
// A tracked flow passes the security groups whatever they say now, until it has
// been idle for the interface's timeout; an untracked one passes only as long as
// the rules let it.
type Flow struct {
	Protocol Protocol
	From, To netip.AddrPort // port 0 for protocols without ports
	// Via names what makes EC2 track the flow whatever the rules: one of
	// nat, nlb, endpoint, egress-only-igw, global-accelerator,
	// network-firewall, gwlb, tgw. Empty for a direct flow.
	Via string
	// Agent: it is a connection of the Systems Manager agent on the instance.
	Agent bool
	// Quiet: no packet is sent on it.
	Quiet   bool
	Tracked []string      // sorted IDs of the interfaces that hold a tracking entry
	Idle    time.Duration // time since the last packet
}

// VPC returns the VPC of that ID, or nil.
func (w *World) VPC(id string) *VPC {
	return Find(w.VPCs, func(v *VPC) bool { return v.ID == id })
}

// Subnet returns the subnet of that ID, or nil.
func (w *World) Subnet(id string) *Subnet {
	return Find(w.Subnets, func(s *Subnet) bool { return s.ID == id })
}

// Group returns the security group of that ID, or nil.
func (w *World) Group(id string) *SecurityGroup {
	return Find(w.Groups, func(g *SecurityGroup) bool { return g.ID == id })
}

// ACL returns the network ACL of that ID, or nil.
func (w *World) ACL(id string) *NetworkACL {
	return Find(w.ACLs, func(a *NetworkACL) bool { return a.ID == id })
}

// Instance returns the instance of that ID, or nil.
func (w *World) Instance(id string) *Instance {
	return Find(w.Instances, func(i *Instance) bool { return i.ID == id })
}

// Volume returns the volume of that ID, or nil.
func (w *World) Volume(id string) *Volume {
	return Find(w.Volumes, func(v *Volume) bool { return v.ID == id })
}

// VolumesOf returns the volumes attached to an instance, by device.
func (w *World) VolumesOf(instance string) []*Volume {
	var all []*Volume
	for _, v := range w.Volumes {
		if v.Instance == instance && instance != "" {
			all = append(all, v)
		}
	}
	sortBy(all, func(v *Volume) string { return v.Device })
	return all
}

// AutoScalingGroup returns the group of that name, or nil.
func (w *World) AutoScalingGroup(name string) *AutoScalingGroup {
	return Find(w.AutoScaling, func(g *AutoScalingGroup) bool { return g.Name == name })
}

// Interface returns the network interface of that ID, or nil.
func (w *World) Interface(id string) *Interface {
	return Find(w.Interfaces, func(n *Interface) bool { return n.ID == id })
}

// Find returns the first that is as asked, or nil.
func Find[T any](all []*T, is func(*T) bool) *T {
	for _, x := range all {
		if is(x) {
			return x
		}
	}
	return nil
}

// OperatorOf is the service principal that operates an interface, or the instance
// that has it; empty when none does.
func (w *World) OperatorOf(n *Interface) string {
	if i := w.Instance(n.Instance); n.Operator == "" && i != nil {
		return i.Operator
	}
	return n.Operator
}

// SecondaryOf returns the secondary interfaces of an instance.
func (w *World) SecondaryOf(instance string) []*SecondaryInterface {
	var all []*SecondaryInterface
	for _, n := range w.Secondary {
		if n.Instance == instance {
			all = append(all, n)
		}
	}
	return all
}

// InterfacesOf returns the interfaces attached to an instance, by device index.
func (w *World) InterfacesOf(instance string) []*Interface {
	var all []*Interface
	for _, n := range w.Interfaces {
		if n.Instance == instance && instance != "" {
			all = append(all, n)
		}
	}
	sortBy(all, func(n *Interface) int { return n.Device })
	return all
}

// VPCOf returns the VPC an interface is in.
func (w *World) VPCOf(n *Interface) *VPC {
	if s := w.Subnet(n.Subnet); s != nil {
		return w.VPC(s.VPC)
	}
	return nil
}

// HasIPv6 reports whether the VPC has an IPv6 CIDR.
func (v *VPC) HasIPv6() bool {
	for _, p := range v.CIDRs {
		if p.Addr().Is6() {
			return true
		}
	}
	return false
}

// Branch reports whether it is the interface of a pod, behind a trunk interface
// that its tag names. It has a requester, and is neither managed by it nor attached.
// https://docs.aws.amazon.com/eks/latest/userguide/security-groups-for-pods.html
func (n *Interface) Branch() bool { return n.Type == "branch" }

// Managed reports whether the service that made it alone may change it.
func (n *Interface) Managed() bool { return n.RequesterID != "" && !n.Branch() }

// Entry finds an entry by what names it: number and direction.
func (a *NetworkACL) Entry(number int, egress bool) *Entry {
	for i := range a.Entries {
		if a.Entries[i].Number == number && a.Entries[i].Egress == egress {
			return &a.Entries[i]
		}
	}
	return nil
}

// Count is how much of its quota an ACL uses in a direction and family: its
// entries and the "*" one
// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html).
func (a *NetworkACL) Count(egress bool, bits int) int {
	n := 1
	for _, e := range a.Entries {
		if e.Egress == egress && e.CIDR.Addr().BitLen() == bits {
			n++
		}
	}
	return n
}

// Rules are the rules of a direction.
func (g *SecurityGroup) Rules(egress bool) []Rule {
	if egress {
		return g.Out
	}
	return g.In
}

// GroupNamed finds a group by name in a VPC.
func (w *World) GroupNamed(vpc, name string) *SecurityGroup {
	return Find(w.Groups, func(g *SecurityGroup) bool { return g.VPC == vpc && g.Name == name })
}
