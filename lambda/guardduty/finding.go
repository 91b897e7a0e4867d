package guardduty

import (
	"net/netip"
	"slices"
	"time"
)

// A Finding is GuardDuty's report on a resource, reduced to what containing an
// instance needs. Strings that were not validated went through Clean.
type Finding struct {
	ID        string // "" when the event names none
	AccountID string // 12 digits when Instances isn't empty
	Region    string

	// Type has GuardDuty's form when Instances isn't empty. From Security Hub it may be
	// anything: a person chose the finding, so its type is for display.
	Type     string
	Severity float64 // above 0 and at most 10; 0 only when Instances is empty

	// The times are zero when absent or unreadable. SeenBy bounds them.
	UpdatedAt, LastSeen time.Time

	Repeated bool // updated so long after it was created that GuardDuty has published it before
	Archived bool
	Sample   bool // made by "generate sample findings"; never act on it

	Role         string // service.resourceRole: "ACTOR", "TARGET" or ""
	ResourceType string // what GuardDuty says the finding is on; not only "Instance" comes with instances

	Origin Origin

	// Instances holds the EC2 instances that the finding names. It is empty when the
	// finding is on something else, and has several for an attack sequence.
	Instances []Instance

	// UnreadableFields holds the paths, inside the finding, of the fields that can't be
	// read, such as "service.action.networkConnectionAction.remoteIpDetails". The
	// instances are to be contained all the same, and a person must be told of the
	// fields. At most 20 are listed; one more entry then says how many are left out. The
	// list is empty when Instances is. Its text is clean.
	UnreadableFields []string
}

// Seen is when the activity was last observed: LastSeen, else UpdatedAt.
func (f Finding) Seen() time.Time {
	if !f.LastSeen.IsZero() {
		return f.LastSeen
	}
	return f.UpdatedAt
}

// SeenBy returns the finding with no time in it later than its arrival: no activity
// is seen before it happens. A finding that claims a later time would otherwise pass for
// new activity after each release until then. The finding itself is left as it is.
func (f Finding) SeenBy(arrival time.Time) Finding {
	f.UpdatedAt, f.LastSeen = earlier(f.UpdatedAt, arrival), earlier(f.LastSeen, arrival)
	f.Instances = slices.Clone(f.Instances)
	for n := range f.Instances {
		f.Instances[n].Peers = slices.Clone(f.Instances[n].Peers)
	}
	f.weigh()
	return f
}

func earlier(a, b time.Time) time.Time {
	if a.After(b) {
		return b
	}
	return a
}

// weigh gives each peer the weight of its finding.
func (f *Finding) weigh() {
	for _, i := range f.Instances {
		for n := range i.Peers {
			i.Peers[n].Severity, i.Peers[n].Seen = f.Severity, f.Seen()
		}
	}
}

// peerCount is how many peers the finding lists.
func (f Finding) peerCount() int {
	n := 0
	for _, i := range f.Instances {
		n += len(i.Peers) + len(i.UnreadablePeers)
	}
	return n
}

// An Origin is the service that delivered a finding.
type Origin string

// The origins of a finding. From SecurityHub comes only what an analyst sent
// through a custom action.
const (
	GuardDuty   Origin = "guardduty"
	SecurityHub Origin = "securityhub"
)

// An Instance is an EC2 instance as a finding describes it: a snapshot, which
// may be old and may leave things out.
type Instance struct {
	ID         string // always of a valid form
	Type       string
	Interfaces []Interface
	Scaled     bool // an Auto Scaling group has it, as its tags say

	// Peers holds each distinct connection once, in the order of the finding.
	// An address that used several ports has several entries.
	Peers []Peer

	// UnreadablePeers holds, cleaned and shortened, what stood where a peer's
	// address should have been. It is evidence that peers are missing.
	UnreadablePeers []string

	// OmittedPeers is how many peers the finding gives beyond those that are listed.
	OmittedPeers int
}

// An Interface is a network interface as a finding describes it. Any field may
// be empty, the ID too where only the instance's subnet is known.
type Interface struct {
	ID         string
	Subnet     string
	VPC        string
	PrivateIPs []netip.Addr
	PublicIP   netip.Addr // invalid when there is none
	IPv6       []netip.Addr
	Groups     []string // security group ids
}

// A Peer is a remote address that an instance exchanged traffic with.
type Peer struct {
	Addr       netip.Addr // valid, without zone, never an IPv4 address in IPv6 form
	Direction  Direction
	Protocol   string // as GuardDuty writes it, "TCP"
	LocalPort  int    // 0 when unknown
	RemotePort int    // 0 when unknown
	Interface  string // the local network interface, "" when unknown

	// Severity and Seen are those of the finding that names the peer: what makes
	// one peer matter more than another.
	Severity float64
	Seen     time.Time

	From string // FromFlowLog, or empty: a finding or a person names it
}

// FromFlowLog says of a peer that the flow logs have named it.
const FromFlowLog = "flow-log"

// A Direction says which side opened a connection.
type Direction uint8

// The directions of a connection, as seen from the instance.
const (
	UnknownDirection Direction = iota
	Inbound
	Outbound
)

// String is "inbound", "outbound" or "unknown".
func (d Direction) String() string {
	switch d {
	case Inbound:
		return "inbound"
	case Outbound:
		return "outbound"
	default:
		return "unknown"
	}
}
