// Package guardduty reads GuardDuty findings from the events that carry them.
//
// A finding reaches the function from EventBridge, from an analyst through
// Security Hub, or by hand from the CLI. Its keys come in camelCase or
// PascalCase. Whatever the form, ParseEvent returns the same Finding.
//
// The package is strict about what an action rests on: the instance, the type,
// the severity, the account. An event in which these can't be read is an error that
// names the field, since an event silently taken for "nothing to do" is a host left to
// the attacker. The package is lenient about everything else: an unreadable peer or an
// unknown action costs that detail, never the containment. Such a field is listed in
// Finding.UnreadableFields, so that a person hears of it.
package guardduty

import (
	"encoding/json"
	"errors"
	"fmt"
)

// MaxEventSize is the largest event that ParseEvent reads, in bytes. It is Lambda's limit
// for a synchronous call, by which a person may hand in findings. Events arrive
// asynchronously and have 1 MiB at most.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
const MaxEventSize = 6 << 20

// The events that carry findings.
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html
// https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-cwe-define-rule.html
const (
	SourceGuardDuty       = "aws.guardduty"
	DetailTypeGuardDuty   = "GuardDuty Finding"
	SourceSecurityHub     = "aws.securityhub"
	DetailTypeSecurityHub = "Security Hub Findings - Custom Action"
)

const accepted = `a GuardDuty finding, {"Findings":[...]} as "aws guardduty get-findings" prints it, or an EventBridge event`

// An EventError says which field of an event is wrong, and what would be right.
type EventError struct {
	Field string // "detail.severity"; "event" for the event as a whole
	Err   error
}

func (e *EventError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *EventError) Unwrap() error { return e.Err }

func malformed(field, format string, args ...any) *EventError {
	return &EventError{Field: field, Err: fmt.Errorf(format, args...)}
}

// ParseEvent decodes an event that carries findings, in any accepted form.
//
// Findings that are well formed are returned even when others are not. The error then
// joins one *EventError for each problem. A single problem is returned as *EventError
// itself. When the event is wrapped by another service, the error says how to unwrap it.
//
// ParseEvent knows no clock: call SeenBy on each finding with the time of its arrival.
func ParseEvent(raw []byte) ([]Finding, error) {
	if len(raw) > MaxEventSize {
		return nil, malformed("event", "got %d bytes, want at most %d", len(raw), MaxEventSize)
	}
	var in envelope
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, orWrapped(raw, malformed("event", "%w", invalidJSON(err)))
	}
	switch {
	case in.Source == nil && in.DetailType == nil && in.Detail != nil:
		return nil, detailAlone()
	case in.Source != nil || in.DetailType != nil:
		return in.parse()
	case in.Findings != nil:
		return parseList("Findings", in.Findings, parseFinding)
	}
	f, problems := parseFinding("", raw)
	if f == nil {
		return nil, orWrapped(raw, joined(problems))
	}
	return collect(f, problems)
}

// envelope is an EventBridge event or what stands in its place.
type envelope struct {
	Source     *scalar         `json:"source"`
	DetailType *scalar         `json:"detail-type"`
	Detail     json.RawMessage `json:"detail"`
	Findings   json.RawMessage `json:"findings"`
}

func invalidJSON(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("got JSON of type %s, want an object: %s", wrong.Value, accepted)
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("invalid JSON at byte %d: %w", syntax.Offset, err)
	}
	return err
}

func (e envelope) parse() ([]Finding, error) {
	var source, detailType scalar
	if e.Source != nil {
		source = *e.Source
	}
	if e.DetailType != nil {
		detailType = *e.DetailType
	}
	want := map[string]string{SourceGuardDuty: DetailTypeGuardDuty, SourceSecurityHub: DetailTypeSecurityHub}[source.s]
	switch {
	case want == "":
		return nil, malformed("source", "%s, want %q or %q", source.got(), SourceGuardDuty, SourceSecurityHub)
	case detailType.s != want:
		return nil, malformed("detail-type", "%s, want %q from %s", detailType.got(), want, source.s)
	case source.s == SourceGuardDuty:
		return collect(parseFinding("detail", e.Detail))
	}
	detail, _ := decode[envelope](e.Detail)
	return parseList("detail.findings", detail.Findings, parseASFF)
}

// parseList parses each element of a list of findings.
func parseList(at string, raw json.RawMessage, parse func(string, json.RawMessage) (*Finding, []error)) ([]Finding, error) {
	var findings []Finding
	var problems []error
	peers := 0
	eachElement(raw, func(n int, dec *json.Decoder) bool {
		here := fmt.Sprintf("%s[%d]", at, n)
		if n == maxFindings || peers > maxEventPeers {
			problems = append(problems, malformed(here,
				"too much for one event, want at most %d findings and %d peers: this and the rest were not read", maxFindings, maxEventPeers))
			return false
		}
		var element json.RawMessage
		if err := dec.Decode(&element); err != nil {
			problems = append(problems, malformed(here, "%w", err))
			return true
		}
		f, errs := parse(here, element)
		if f != nil {
			findings = append(findings, *f)
			peers += f.peerCount()
		}
		problems = append(problems, errs...)
		return true
	})
	if len(findings)+len(problems) == 0 {
		return nil, malformed(at, "want a list of at least one finding")
	}
	return findings, joined(problems)
}

func collect(f *Finding, problems []error) ([]Finding, error) {
	if f == nil {
		return nil, joined(problems)
	}
	return []Finding{*f}, joined(problems)
}

// joined leaves a single error as it is: Lambda reports the type of the error
// that a handler returns.
func joined(problems []error) error {
	if len(problems) == 1 {
		return problems[0]
	}
	return errors.Join(problems...)
}
