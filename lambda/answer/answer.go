package answer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// An Answer is what an invocation returns: the JSON that the outside world relies on.
type Answer struct {
	Verdict         record.Verdict   `json:"verdict"`
	Reason          string           `json:"reason"`
	Incidents       []IncidentAnswer `json:"incidents"`
	Calls           int64            `json:"calls"`
	ContainedMillis int64            `json:"containedMillis,omitempty"`
	Version         string           `json:"version,omitempty"` // of the program that answers
}

// An IncidentAnswer is what became of one instance.
type IncidentAnswer struct {
	Instance   string           `json:"instance"`
	Generation int              `json:"generation,omitempty"`
	Verdict    record.Verdict   `json:"verdict"`
	Reason     string           `json:"reason"`
	Status     record.Status    `json:"status,omitempty"`
	Unrecorded bool             `json:"unrecorded"`
	Steps      []StepAnswer     `json:"steps"`
	Exposure   []ExposureAnswer `json:"residualExposure"`
	Collateral []string         `json:"collateral,omitempty"` // what others lose by the denials
	QuietSince string           `json:"quietSince,omitempty"` // RFC 3339; since when nobody exchanges packets with it
	Warnings   []string         `json:"warnings,omitempty"`
	Leaks      bool             `json:"-"` // for the log: the quarantine does not hold
	ACLRoom    *int             `json:"-"` // for the log: it says nothing about this instance
}

// A StepAnswer is one step and its state.
type StepAnswer struct {
	ID        string            `json:"id"`
	Kind      record.Kind       `json:"kind"`
	Resource  string            `json:"resource"`
	Direction network.Direction `json:"direction,omitempty"`
	Number    int               `json:"number,omitempty"`
	Prefix    string            `json:"prefix,omitempty"`
	State     record.State      `json:"state"`
	Note      string            `json:"note,omitempty"`
	Until     string            `json:"until,omitempty"` // RFC 3339
	Before    []string          `json:"before,omitempty"`
	After     []string          `json:"after,omitempty"`
}

// An ExposureAnswer is one residual exposure.
type ExposureAnswer struct {
	Kind   record.ExposureKind `json:"kind"`
	Detail string              `json:"detail"`
}

// precedence orders the verdicts of several incidents: what was done comes before
// why something was not done.
var precedence = []record.Verdict{record.Contain, record.Release, record.Admit, record.Reconcile, record.Watched, record.Expire, record.ObservedOnly, record.Held, record.Exempt, record.Sample, record.NotActionable, record.OtherAccount}

// NewAnswer joins the outcomes of one event. Its verdict is that of the incident
// that matters most.
func NewAnswer(outcomes []containment.Outcome) Answer {
	a := Answer{Verdict: record.NotActionable, Reason: "the event names no finding", Incidents: []IncidentAnswer{}}
	best := len(precedence)
	for _, o := range outcomes {
		if o.Instance != "" {
			a.Incidents = append(a.Incidents, ofOutcome(o))
		}
		if rank := slices.Index(precedence, o.Verdict); rank >= 0 && rank < best {
			best, a.Verdict, a.Reason = rank, o.Verdict, o.Reason
		}
	}
	return a
}

func ofOutcome(o containment.Outcome) IncidentAnswer {
	a := IncidentAnswer{
		Instance: o.Instance, Generation: o.Record.Generation, Verdict: o.Verdict, Reason: o.Reason,
		Status: o.Record.Status, Unrecorded: o.Unrecorded, Warnings: o.Warnings, ACLRoom: o.ACLRoom,
		Steps: []StepAnswer{}, Exposure: []ExposureAnswer{},
	}
	a.Leaks = slices.ContainsFunc(o.Record.Exposure, func(e record.Exposure) bool { return e.Kind == record.QuarantineLeaks })
	if !o.Record.QuietSince.IsZero() {
		a.QuietSince = record.Clock(o.Record.QuietSince)
	}
	for _, s := range o.Record.Steps {
		a.Steps = append(a.Steps, ofStep(s))
	}
	a.Collateral = collateral(o.Record.Steps)
	for _, e := range o.Record.Exposure {
		a.Exposure = append(a.Exposure, ExposureAnswer(e))
	}
	return a
}

// maxNamed is how many addresses one line of collateral names.
const maxNamed = 20

// collateral says what the denials in force take from others: a network ACL stands
// before whole subnets, and every host in them loses the peers.
func collateral(steps []record.StepState) []string {
	denied := map[string][]string{} // by ACL
	for _, s := range steps {
		d, ok := s.Step.(record.Denial)
		inForce := s.State == record.Applied || s.State == record.Pending || s.State == record.Lingering || s.State == record.Planned
		if ok && inForce && !slices.Contains(denied[d.ACL], d.Prefix.String()) {
			denied[d.ACL] = append(denied[d.ACL], d.Prefix.String())
		}
	}
	var lines []string
	for _, acl := range slices.Sorted(maps.Keys(denied)) {
		named := denied[acl][:min(len(denied[acl]), maxNamed)]
		line := fmt.Sprintf("every other host behind %s loses %s", acl, strings.Join(named, ", "))
		if more := len(denied[acl]) - len(named); more > 0 {
			line += fmt.Sprintf(" and %d more", more)
		}
		lines = append(lines, line+" too")
	}
	return lines
}

func ofStep(s record.StepState) StepAnswer {
	a := StepAnswer{ID: s.Step.ID(), Kind: s.Step.Kind(), State: s.State, Note: s.Note}
	if !s.Until.IsZero() {
		a.Until = record.Clock(s.Until)
	}
	switch step := s.Step.(type) {
	case record.Replacement:
		a.Resource, a.Before, a.After = step.Resource, step.Before, step.After
	case record.Creation:
		a.Resource, a.After = step.Resource, step.Made
	case record.Denial:
		a.Resource, a.Direction, a.Number, a.Prefix = step.ACL, step.Direction, step.Number, step.Prefix.String()
	}
	return a
}

// Warn adds a warning to an instance's entry.
func (a *Answer) Warn(instance, warning string) {
	for i := range a.Incidents {
		if a.Incidents[i].Instance == instance {
			a.Incidents[i].Warnings = append(a.Incidents[i].Warnings, warning)
		}
	}
}
