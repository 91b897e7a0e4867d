package plan

import (
	"slices"
	"testing"

	"tourniquet/lambda/record"
)

// A part of a finding that can't be read may name a peer. The instance is contained,
// the answer names the part, also when a repeat of the finding doesn't say it again, and
// what stays connected is tracked for less time.
func TestUnreadablePartsAreExposed(t *testing.T) {
	t.Parallel()
	in, seen := incident("198.51.100.7"), ordinary()
	in.UnreadableFields = []string{"service.action.networkConnectionAction.remoteIpDetails"}
	first := NewPlan(in, seen, record.Known{}, rules)
	want := record.Exposure{
		Kind:   record.UnreadableFinding,
		Detail: "service.action.networkConnectionAction.remoteIpDetails of the finding can't be read: a peer in it is not denied",
	}
	if !slices.Contains(first.Record.Exposure, want) {
		t.Errorf("exposure %v lacks %v", first.Record.Exposure, want)
	}
	seen, known := applied(seen, record.Known{}, first)
	again := NewPlan(incident("198.51.100.7"), seen, known, rules)
	if !slices.Contains(again.Record.Exposure, want) {
		t.Errorf("exposure %v of a repeat lacks %v", again.Record.Exposure, want)
	}
	if !slices.ContainsFunc(again.Record.Steps, func(s record.StepState) bool { return s.Step.Kind() == record.KindTracking }) {
		t.Error("the tracking timeouts are not lowered")
	}
}
