package guardduty

import (
	"net/netip"
	"time"
)

// A Finding is GuardDuty's report on a resource, reduced to what containing an
// instance needs. Strings that were not validated went through Clean.
type Finding struct {
	ID          string // "" when the event names none
	ARN         string
	AccountID   string // 12 digits when Instances isn't empty
	Region      string
	Type        string
	Title       string
	Description string

	Severity float64 // above 0 and at most 10; 0 only when Instances is empty
	Count    int     // how often GuardDuty saw the activity, 0 when not given

	// The times are zero when absent or unreadable.
	CreatedAt, UpdatedAt, FirstSeen, LastSeen time.Time

	Archived bool
	Sample   bool // made by "generate sample findings"; never act on it

	Role         string // service.resourceRole: "ACTOR", "TARGET" or ""
	ResourceType string // what GuardDuty says the finding is on; not only "Instance" comes with instances
	Action       string // service.action.actionType, "" when there is none

	Origin Origin

	// Instances holds the EC2 instances that the finding names: none when it is
	// on something else, several for an attack sequence.
	Instances []Instance
}

// Seen is when the activity was last observed: LastSeen, else UpdatedAt.
func (f Finding) Seen() time.Time {
	if !f.LastSeen.IsZero() {
		return f.LastSeen
	}
	return f.UpdatedAt
}

// weigh gives each peer the weight of its finding.
func (f *Finding) weigh() {
	for _, i := range f.Instances {
		for n := range i.Peers {
			i.Peers[n].Severity, i.Peers[n].Seen = f.Severity, f.Seen()
		}
	}
}

// peers is how many peers the finding lists.
func (f Finding) peers() int {
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
	ID               string // always of a valid form
	Type             string
	ImageID          string
	AvailabilityZone string
	State            string
	Tags             map[string]string
	Interfaces       []Interface

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
}

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
