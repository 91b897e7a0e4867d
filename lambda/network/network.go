package network

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"tourniquet/lambda/order"
)

// A Target says what to observe. Only the instance is needed; the rest lets
// everything be read at once instead of in two turns.
type Target struct {
	Instance string
	Subnets  []string     // where a finding says the interfaces are
	VPCs     []string     // likewise
	Peers    []netip.Addr // whose owner in this account to find

	// What a record names, wherever it is by now.
	Interfaces, ACLs, Groups []string

	Look  Look
	Since *Network // the earlier observation that a partial look adds to

	// SkipRanges leaves out the VPCs' ranges where they are not known anyway: nothing that
	// is decided goes by them.
	SkipRanges bool
}

// A Look is how much of a target to read. EC2 limits the reads per second, for everybody
// who reads the account together.
type Look int

// The looks.
const (
	// Whole reads everything.
	Whole Look = iota
	// Again reads what our changes show in: interfaces and ACLs. The rest is taken from
	// Since.
	Again
	// AgainInterfaces and AgainACLs read one of the two, if only that one was changed.
	AgainInterfaces
	AgainACLs
	// Recorded reads an instance whose interfaces are on record, with fewer calls. The
	// interfaces come from the description of the instance, which does not show their
	// tags, the services that made them and further subnets. The quarantine groups may
	// have been read moments ago.
	Recorded
	// Owners reads who has the peers' addresses. The rest is taken from Since.
	Owners
	// Drift reads what a containment may lose: interfaces, quarantine groups, and the
	// ACLs that the target names. It shows nothing else: the instance has only an id, and
	// each subnet only an ACL.
	Drift
	// Standing reads what Drift reads, and the instance.
	Standing
)

// OfDrift reports whether the look reads no more than a containment may lose, so that
// places are not known.
func (l Look) OfDrift() bool { return l == Drift || l == Standing }

// Network is the instance and everything that decides its traffic, as EC2
// described it.
type Network struct {
	Instance   Instance
	Interfaces []Interface               // sorted by id
	Ranges     map[string][]netip.Prefix // of the VPCs, unless they were skipped; the primary IPv4 one is first
	Subnets    map[string]Subnet         // those of the interfaces
	ACLs       map[string]ACL            // those of the subnets
	Owners     map[netip.Addr]Owner      // of the peers that have one here
	Quarantine map[string][]Quarantined  // by VPC: the groups that carry our tag, sorted by id

	// What the target names beyond the instance, as far as it exists.
	Detached  []Interface    // interfaces that the instance doesn't have any more
	Elsewhere map[string]ACL // ACLs that serve none of the subnets
	Groups    []string       // sorted

	// Missing are the ids in the target that EC2 does not show, sorted. The instance's is
	// among them if EC2 shows none of its interfaces. EC2 also gives an empty answer when a
	// part of it lags or fails, so only a second one, a while later, means anything.
	// https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
	Missing []string

	// Edges are those of the subnets, where they were read.
	Edges Edges

	// Values are further attributes that a step can replace, by the step's id.
	Values map[string][]string

	// Made is what steps that create something have made, by the step's id, as EC2
	// shows it or as this invocation was told.
	Made map[string][]string

	// Troubled says of steps beside the cut, by id, why this invocation could not take
	// them yet. A later one may.
	Troubled map[string]string

	// Host and Restore are what has become of the last commands to the host, as far as
	// this invocation has asked: the one that isolates it, and the one that takes its
	// rules away again.
	Host, Restore HostReport

	// Admitted are groups that a person has let in beside the quarantine group. An
	// interface that has some of them is in quarantine all the same.
	Admitted []string

	// Refused are the steps, by id, that EC2 has refused in this invocation for a
	// reason that repeating them doesn't mend.
	Refused map[string]Refusal
}

// A Refusal is the error of a change that EC2 will not make, now or on a retry.
type Refusal struct {
	Reason string
	Full   bool // a quota is used up

	// Unmanaged says that Systems Manager can't reach the host.
	Unmanaged bool
}

func (r Refusal) Error() string { return r.Reason }

// A Group is a security group.
type Group struct {
	ID, VPC string
	Tags    map[string]string
}

// Quarantined is a security group tagged as a quarantine group.
type Quarantined struct {
	Group string
	Empty bool // it has no rule in either direction
}

// SortQuarantined sorts the quarantine groups of a VPC as Network lists them.
func SortQuarantined(groups []Quarantined) {
	order.Sort(groups, func(a, b Quarantined) int { return strings.Compare(a.Group, b.Group) })
}

// An Instance is the EC2 instance of an incident.
type Instance struct {
	ID      string
	Account string // empty when the instance does not exist
	Type    string
	State   string // EC2's name of it: "running"
	Tags    map[string]string
	Profile string // the ARN of the instance profile that IMDS serves credentials of; empty when it serves none

	Machine

	// Secondary are its interfaces in secondary networks, sorted. They have neither
	// security groups nor network ACLs.
	// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceSecondaryInterface.html
	Secondary []string
}

// An Interface is one network interface of the instance.
type Interface struct {
	ID        string
	VPC       string
	Subnet    string
	Addresses []netip.Addr
	Groups    []string // sorted
	Originals []string // what its tag says were its groups before a containment
	ManagedBy string   // the service that alone may change it; empty for an ordinary interface

	// Associated are further subnets that the interface was associated with. AWS does
	// not say whose ACL decides for which packet, so those of all of them count.
	// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkInterface.html
	Associated []string

	// TrackingTimeout is how long EC2 keeps an idle established TCP flow of
	// this interface, set or not.
	TrackingTimeout time.Duration
	Timeouts        Timeouts // as far as they are set
}

// A Subnet is a subnet of one of the interfaces.
type Subnet struct {
	ID       string
	VPC      string
	Prefixes []netip.Prefix
	ACL      string

	// DNS64: for a host that has only an IPv4 address, the resolver answers with one in
	// 64:ff9b::/96. An IPv4 peer is then reached under both addresses.
	// https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-nat64-dns64.html
	DNS64 bool
}

// Contains reports whether an address is one of the subnet's own.
func (s Subnet) Contains(a netip.Addr) bool {
	return slices.ContainsFunc(s.Prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Translates reports whether hosts of the subnet reach IPv4 peers through NAT64: the
// resolver gives them translated addresses, or they have no IPv4 address of their own.
func (s Subnet) Translates() bool {
	return s.DNS64 || !slices.ContainsFunc(s.Prefixes, func(p netip.Prefix) bool { return p.Addr().Is4() })
}

// An Owner is the network interface in this account that has a peer's address.
type Owner struct {
	Interface string
	Instance  string // empty when no instance of ours has it
	Service   string // the AWS service that runs the interface; empty for an ordinary one
}

// Exists reports whether EC2 knows the instance.
func (n Network) Exists() bool { return n.Instance.Account != "" }

// Gone reports whether there is no instance to contain any more. An instance that
// merely shows no network interface is not gone: EC2 may be slow to show it.
func (n Network) Gone() bool {
	return !n.Exists() || n.Instance.State == terminated
}

// Bare reports whether EC2 shows an instance without any network interface. A stopped
// one keeps its primary interface, so that this can't be true before its end.
func (n Network) Bare() bool {
	return n.Exists() && !n.Instance.ended() && len(n.Interfaces) == 0
}

// The states in which an instance may have no network interface.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html
const (
	shuttingDown = "shutting-down"
	terminated   = "terminated"
)

// ended reports whether the instance has been terminated, or is about to be.
func (i Instance) ended() bool { return i.State == shuttingDown || i.State == terminated }

// VPCs are the VPCs of the interfaces, sorted.
func (n Network) VPCs() []string {
	var vpcs []string
	for _, i := range n.Interfaces {
		vpcs = append(vpcs, i.VPC)
	}
	slices.Sort(vpcs)
	return slices.Compact(vpcs)
}

// Contains reports whether a network interface is one of the instance's.
func (n Network) Contains(id string) bool {
	return slices.ContainsFunc(n.Interfaces, func(i Interface) bool { return i.ID == id })
}

// Ready is the quarantine group to use in a VPC: empty of rules and, among
// several, always the same one.
func (n Network) Ready(vpc string) string {
	for _, q := range n.Quarantine[vpc] {
		if q.Empty {
			return q.Group
		}
	}
	return ""
}

// AllEmpty reports whether no quarantine group of a VPC has a rule.
func (n Network) AllEmpty(vpc string) bool {
	return !slices.ContainsFunc(n.Quarantine[vpc], func(q Quarantined) bool { return !q.Empty })
}

// Quarantined reports whether an interface has one group, and that is a
// quarantine group without rules. Groups that are admitted beside it don't count.
func (n Network) Quarantined(i Interface) bool {
	own := n.beside(i.Groups)
	return len(own) == 1 && slices.Contains(n.Quarantine[i.VPC], Quarantined{Group: own[0], Empty: true})
}

// Held reports whether an interface has one group, and that is a quarantine group,
// with rules or without. Groups that are admitted beside it don't count.
func (n Network) Held(i Interface) bool {
	own := n.beside(i.Groups)
	return len(own) == 1 && slices.ContainsFunc(n.Quarantine[i.VPC], func(q Quarantined) bool { return q.Group == own[0] })
}

// beside are groups without those that are admitted.
func (n Network) beside(groups []string) []string {
	if len(n.Admitted) == 0 {
		return groups
	}
	return slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return slices.Contains(n.Admitted, g) })
}

// Find is an interface by its id, attached to the instance or not.
func (n Network) Find(id string) (Interface, bool) {
	for _, list := range [][]Interface{n.Interfaces, n.Detached} {
		for _, i := range list {
			if i.ID == id {
				return i, true
			}
		}
	}
	return Interface{}, false
}

// ACL is an ACL by its id, wherever it serves.
func (n Network) ACL(id string) (ACL, bool) {
	if acl, ok := n.ACLs[id]; ok {
		return acl, true
	}
	acl, ok := n.Elsewhere[id]
	return acl, ok
}

// Tracking is how long EC2 may go on to track an idle flow of the instance. An
// interface that is gone may have had any timeout.
func (n Network) Tracking() time.Duration {
	if len(n.Interfaces) == 0 {
		return DefaultTracking
	}
	var longest time.Duration
	for _, i := range n.Interfaces {
		longest = max(longest, i.TrackingTimeout)
	}
	return longest
}

// Resolvers are the addresses of the VPCs' DNS resolvers: the base of each VPC's
// primary IPv4 range plus two.
// https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
func (n Network) Resolvers() []netip.Addr {
	var all []netip.Addr
	for _, ranges := range n.Ranges {
		if len(ranges) > 0 && ranges[0].Addr().Is4() {
			all = append(all, ranges[0].Masked().Addr().Next().Next())
		}
	}
	return all
}

// MayBeResolver reports whether a VPC may have its DNS resolver at an address, or at the one
// behind it under NAT64. The range of a VPC is a /28 at least, and begins at its base: the
// resolver's last four bits are always two.
// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
// https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
func MayBeResolver(a netip.Addr) bool {
	host := FromNAT64(a)
	return host.Is4() && host.As4()[3]&0xf == 2
}

// Has reports whether one of the instance's interfaces has an address.
func (n Network) Has(a netip.Addr) bool {
	return slices.ContainsFunc(n.Interfaces, func(i Interface) bool { return slices.Contains(i.Addresses, a) })
}

// AnyHeld reports whether an interface is in quarantine and says what its groups were.
func (n Network) AnyHeld() bool {
	return slices.ContainsFunc(n.Interfaces, func(i Interface) bool { return n.Held(i) && len(i.Originals) > 0 })
}
