package report

import (
	"net/netip"
	"slices"
	"time"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// A Document is all that is known of one incident: what the command shows, and what a
// report is made of.
type Document struct {
	Incident   answer.IncidentAnswer `json:"incident"`
	Name       string                `json:"name,omitempty"` // the instance's Name tag
	Account    string                `json:"account,omitempty"`
	Region     string                `json:"region,omitempty"`
	Stack      string                `json:"stack,omitempty"`
	ByPerson   bool                  `json:"byPerson"`
	Times      Times                 `json:"times"`
	Findings   []Finding             `json:"findings"`
	Peers      []Peer                `json:"peers"`
	History    []Event               `json:"history"`
	Originals  []Group               `json:"originalGroups"`
	Interfaces []Interface           `json:"interfaces"` // as EC2 shows them now
	Unread     []string              `json:"unread,omitempty"`
	Made       time.Time             `json:"made"` // when the document was
}

// Times are the moments of a containment; a zero one has not come.
type Times struct {
	Opened    time.Time `json:"opened,omitzero"`
	Updated   time.Time `json:"updated,omitzero"`
	Contained time.Time `json:"contained,omitzero"`
	Released  time.Time `json:"released,omitzero"`

	// Watched is how far the flow logs were read; QuietSince is since when they prove
	// that nobody exchanges packets with the instance.
	Watched    time.Time `json:"watched,omitzero"`
	QuietSince time.Time `json:"quietSince,omitzero"`
}

// A Finding is a finding that named the instance.
type Finding struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Severity float64   `json:"severity"`
	Seen     time.Time `json:"seen,omitzero"` // when the activity was last seen
}

// A Peer is a remote address of the findings.
type Peer struct {
	Address    string `json:"address"`
	Direction  string `json:"direction,omitempty"`
	Protocol   string `json:"protocol,omitempty"`
	LocalPort  int    `json:"localPort,omitempty"`
	RemotePort int    `json:"remotePort,omitempty"`
	Denied     bool   `json:"denied"` // by a denial in force
}

// An Event is one line of the instance's history.
type Event struct {
	Time    time.Time `json:"time"`
	Verdict string    `json:"verdict"`
	Reason  string    `json:"reason"`
	Finding string    `json:"finding,omitempty"`
	Request string    `json:"request,omitempty"`
	Changes []string  `json:"changes,omitempty"`
}

// A Group is one of the groups that an interface had before.
type Group struct {
	ID          string   `json:"id"`
	Name        string   `json:"name,omitempty"`
	Gone        bool     `json:"gone,omitempty"`
	UsedBy      []string `json:"usedBy"`      // interfaces of others, with their instance
	OpenToWorld []string `json:"openToWorld"` // what the group lets in from anywhere
	Unread      string   `json:"unread,omitempty"`
}

// An Interface is a network interface of the instance, as EC2 shows it.
type Interface struct {
	ID        string   `json:"id"`
	Subnet    string   `json:"subnet,omitempty"`
	VPC       string   `json:"vpc,omitempty"`
	ACL       string   `json:"acl,omitempty"`
	Addresses []string `json:"addresses,omitempty"`
	Groups    []string `json:"groups"`
}

// New is the document of a record and a history. What EC2 shows is added by whoever
// may read it.
func New(rec record.Record, history []record.Event, now time.Time) Document {
	d := Document{
		Incident: answer.NewAnswer([]containment.Outcome{{
			Instance: rec.Instance, Verdict: verdictOf(rec.Status), Reason: rec.Reason, Record: rec,
		}}).Incidents[0],
		Name: rec.Name, ByPerson: rec.ByPerson, Made: now.UTC(),
		Times:    Times{Opened: rec.Opened, Updated: rec.Updated, Contained: rec.Contained, Released: rec.Released, Watched: rec.Watched, QuietSince: rec.QuietSince},
		Findings: []Finding{}, Peers: []Peer{}, History: []Event{}, Originals: []Group{}, Interfaces: []Interface{},
	}
	for _, f := range rec.Findings {
		d.Findings = append(d.Findings, Finding(f))
	}
	for _, p := range rec.Peers {
		d.Peers = append(d.Peers, Peer{
			Address: p.Addr.String(), Direction: direction(p.Direction), Protocol: p.Protocol,
			LocalPort: p.LocalPort, RemotePort: p.RemotePort, Denied: denied(rec, p.Addr),
		})
	}
	for _, e := range history {
		d.History = append(d.History, Event{e.Time, string(e.Verdict), e.Reason, e.Finding, e.Request, e.Changes})
	}
	return d
}

// direction names a peer's direction; empty where the finding gives none.
func direction(d guardduty.Direction) string {
	if d == guardduty.Inbound || d == guardduty.Outbound {
		return d.String()
	}
	return ""
}

// verdictOf is the verdict that a record of a status stands for.
func verdictOf(s record.Status) record.Verdict {
	switch s {
	case record.Releasing, record.Released:
		return record.Release
	case record.Observed:
		return record.ObservedOnly
	default:
		return record.Contain
	}
}

// denied reports whether a denial in force covers an address.
func denied(rec record.Record, a netip.Addr) bool {
	return slices.ContainsFunc(rec.Steps, func(s record.StepState) bool {
		d, ok := s.Step.(record.Denial)
		return ok && (s.State == record.Applied || s.State == record.Lingering) && d.Prefix.Contains(a)
	})
}

// Observe adds what EC2 shows of the instance: its Name tag, its interfaces and the
// ACLs of their subnets.
func (d *Document) Observe(n network.Network) {
	if name := n.Instance.Tags["Name"]; name != "" {
		d.Name = name
	}
	if n.Instance.Account != "" {
		d.Account = n.Instance.Account
	}
	for _, i := range n.Interfaces {
		shown := Interface{ID: i.ID, Subnet: i.Subnet, VPC: i.VPC, ACL: n.Subnets[i.Subnet].ACL, Groups: i.Groups}
		for _, a := range i.Addresses {
			shown.Addresses = append(shown.Addresses, a.String())
		}
		d.Interfaces = append(d.Interfaces, shown)
	}
}

// OriginalGroups are the ids of the groups that the interfaces had before, sorted as
// the steps are and each once.
func OriginalGroups(rec record.Record) []string {
	var ids []string
	seen := map[string]bool{}
	for _, s := range rec.Steps {
		q, ok := record.AsQuarantine(s.Step)
		if !ok {
			continue
		}
		for _, g := range q.Before {
			if !seen[g] {
				seen[g] = true
				ids = append(ids, g)
			}
		}
	}
	return ids
}
