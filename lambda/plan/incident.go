package plan

import (
	"net/netip"
	"slices"
	"time"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// An Incident is what is known of one instance's compromise, from one event.
type Incident struct {
	Instance string
	Findings []record.FindingRef
	Peers    []guardduty.Peer // most important first
	// Unreadable are peers that a finding gives in a form that is not an address,
	// cleaned for display.
	Unreadable []string
	// UnreadableFields are the parts of the findings that can't be read, as paths,
	// cleaned for display.
	UnreadableFields []string
	Omitted          int      // how many more peers there are than are listed
	Subnets          []string // where the findings say that the interfaces are
	VPCs             []string // likewise

	// Repeated: GuardDuty has published the finding before, so that it is likely to be on
	// record. It decides nothing but the order in which to read.
	Repeated bool

	Flows   network.FlowReading // what the flow logs said, where they were read
	Isolate bool                // a person asks that the subnet is isolated, if its owner allows it
	OnHost  bool                // a person asks that the host is isolated too
	Scaled  bool                // the findings say that an Auto Scaling group has the instance

	Now     time.Time // when the invocation acts on it
	Trigger Trigger   // what it comes from
	Asked   time.Time // when a person asked; zero for every other trigger
	Reason  string    // why it is contained, for people
	Request string    // the invocation's request id
}

// A Trigger is what an incident comes from.
type Trigger int

// The triggers.
const (
	// ByEvent is a finding that GuardDuty sent.
	ByEvent Trigger = iota
	// ByPerson is a command, or a finding that an analyst sent from Security Hub. The
	// finding's type and severity and the blast-radius guard are ignored.
	ByPerson
	// ByRepair is a reconcile that goes on with an open containment. It opens none.
	ByRepair
	// ByAdoption is a reconcile that records what was contained without the ledger.
	ByAdoption
)

// Reconciles reports whether the incident comes from a reconcile.
func (t Trigger) Reconciles() bool { return t == ByRepair || t == ByAdoption }

// NewIncidents makes an incident of each instance that findings name, with all of
// its findings and their peers.
func NewIncidents(findings []guardduty.Finding) []Incident {
	var incidents []Incident
	for _, f := range findings {
		for _, i := range f.Instances {
			at := slices.IndexFunc(incidents, func(in Incident) bool { return in.Instance == i.ID })
			if at < 0 {
				at = len(incidents)
				incidents = append(incidents, Incident{Instance: i.ID})
			}
			incidents[at] = incidents[at].with(f, i)
		}
	}
	for n := range incidents {
		incidents[n] = incidents[n].bounded()
	}
	return incidents
}

// maxUnreadable is how many unreadable peers an incident lists.
const maxUnreadable = 100

// bounded is the incident with its most important peers first, and no more of them
// than a record keeps.
func (in Incident) bounded() Incident {
	in.Peers = byImportance(in.Peers)
	in.Peers, in.Omitted = atMost(in.Peers, maxPeers, in.Omitted)
	in.Unreadable, in.Omitted = atMost(in.Unreadable, maxUnreadable, in.Omitted)
	return in
}

// atMost cuts a list, and adds what it cuts off to a count.
func atMost[T any](all []T, most, omitted int) ([]T, int) {
	if len(all) <= most {
		return all, omitted
	}
	return all[:most], omitted + len(all) - most
}

// with adds to the incident what a finding says of its instance.
func (in Incident) with(f guardduty.Finding, i guardduty.Instance) Incident {
	in.Findings = mergeFindings(in.Findings, []record.FindingRef{{ID: f.ID, Type: f.Type, Severity: f.Severity, Seen: f.Seen()}})
	in.Peers = mergePeers(in.Peers, i.Peers)
	in.Unreadable = mergeStrings(in.Unreadable, i.UnreadablePeers)
	in.UnreadableFields = mergeStrings(in.UnreadableFields, f.UnreadableFields)
	in.Omitted += i.OmittedPeers
	in.Repeated = in.Repeated || f.Repeated
	in.Scaled = in.Scaled || i.Scaled
	if f.Origin == guardduty.SecurityHub {
		in.Trigger = ByPerson
	}
	for _, eni := range i.Interfaces {
		if eni.Subnet != "" {
			in.Subnets = mergeStrings(in.Subnets, []string{eni.Subnet})
		}
		if eni.VPC != "" {
			in.VPCs = mergeStrings(in.VPCs, []string{eni.VPC})
		}
	}
	return in
}

// Seen is when the incident's activity was last seen; zero when no finding says.
func (in Incident) Seen() time.Time {
	var last time.Time
	for _, f := range in.Findings {
		if f.Seen.After(last) {
			last = f.Seen
		}
	}
	return last
}

// Target is what to observe for the incident, given the peers recorded so far.
func (in Incident) Target(recorded []guardduty.Peer) network.Target {
	var peers []netip.Addr
	for _, p := range mergePeers(recorded, in.Peers) {
		peers = append(peers, network.FromNAT64(p.Addr)) // who is behind it
	}
	for _, f := range in.Flows.Records { // who may become a peer
		if far := f.Far().Addr(); f.Accepted && far.IsGlobalUnicast() && !slices.Contains(peers, far) && len(peers) < maxPeers {
			peers = append(peers, far)
		}
	}
	return network.Target{Instance: in.Instance, Subnets: in.Subnets, VPCs: in.VPCs, Peers: peers}
}

// GoesByRanges reports whether what is planned for the incident, given all its peers, goes
// by the ranges of the VPCs: a peer may be a resolver, several peers may be covered, or who
// still exchanged packets may be in a range.
func (in Incident) GoesByRanges(peers []netip.Addr, rules Rules) bool {
	return rules.covers() || len(in.Flows.Records) > 0 || slices.ContainsFunc(peers, network.MayBeResolver)
}

// mergeFindings adds to the findings known so far those with a new id. A repeat
// of a known finding changes nothing, so that GuardDuty's regular repeats leave
// the record as it is.
func mergeFindings(known, more []record.FindingRef) []record.FindingRef {
	merged := slices.Clone(known)
	for _, f := range more {
		if !slices.ContainsFunc(merged, func(k record.FindingRef) bool { return k.ID == f.ID }) {
			merged = append(merged, f)
		}
	}
	return merged
}
