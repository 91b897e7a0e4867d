package notice

import (
	"encoding/json"
	"fmt"
	"slices"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/record"
)

// Source is the source of every event.
const Source = "tourniquet"

// The detail types: one for each change of an instance's status.
const (
	InstanceContained          = "Instance Contained"
	InstancePartiallyContained = "Instance Partially Contained"
	InstanceHeld               = "Instance Held"
	InstanceReleased           = "Instance Released"
	ExposureChanged            = "Residual Exposure Changed"
)

// DetailTypes are all detail types.
var DetailTypes = []string{InstanceContained, InstancePartiallyContained, InstanceHeld, InstanceReleased, ExposureChanged}

// An Event is an entry for EventBridge's default bus, from the source "tourniquet".
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html
type Event struct {
	DetailType string
	Resources  []string // the instance's ARN
	Detail     string   // JSON, as testdata/event.schema.json describes it
}

// detail is version 1 of an event's detail. A field may come to it within the
// version; none goes, and none changes its meaning.
type detail struct {
	Version  string                `json:"version"`
	Incident answer.IncidentAnswer `json:"incident"`
	Name     string                `json:"name,omitempty"`
	Account  string                `json:"account"`
	Region   string                `json:"region"`
	Findings []Finding             `json:"findings"`
}

// MaxDetail bounds an event's detail: an entry can have 256 KiB with its other fields.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html
const MaxDetail = 250 << 10

// DetailType is the detail type of an owed entry; empty for what makes no event.
func DetailType(o record.Owed) string {
	switch {
	case o.Verdict == record.Held:
		return InstanceHeld
	case o.Status == o.Was:
		return ExposureChanged
	}
	switch o.Status {
	case record.Contained:
		return InstanceContained
	case record.PartiallyContained:
		return InstancePartiallyContained
	case record.Released:
		return InstanceReleased
	default:
		return ""
	}
}

// Event writes news for other systems, under a detail type.
func (n News) Event(detailType string) (Event, error) {
	i := n.Incident
	if i.Steps == nil {
		i.Steps = []answer.StepAnswer{}
	}
	if i.Exposure == nil {
		i.Exposure = []answer.ExposureAnswer{}
	}
	d := detail{
		Version: "1", Incident: i, Name: n.Name, Account: n.Place.Account, Region: n.Place.Region, Findings: n.Findings,
	}
	if d.Findings == nil {
		d.Findings = []Finding{}
	}
	text, err := json.Marshal(d)
	if err != nil {
		return Event{}, fmt.Errorf("encoding the event of %s: %w", n.Thread(), err)
	}
	if len(text) > MaxDetail {
		// The steps are the long part, and the command shows them.
		d.Incident.Steps = []answer.StepAnswer{}
		d.Incident.Warnings = append(slices.Clone(i.Warnings), fmt.Sprintf("the %d steps are left out: the event would be too long", len(i.Steps)))
		if text, err = json.Marshal(d); err != nil || len(text) > MaxDetail {
			return Event{}, fmt.Errorf("the event of %s has %d bytes, more than the %d that EventBridge takes", n.Thread(), len(text), MaxDetail)
		}
	}
	return Event{DetailType: detailType, Resources: []string{n.ARN()}, Detail: string(text)}, nil
}
