package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRules: every rule has one target, a limit on retries, and a queue for what
// can't be delivered. What comes from a schedule is a constant.
func TestRules(t *testing.T) {
	tpl := plain(t).template
	contain, _ := tpl.function(t, "contain")
	release, _ := tpl.function(t, "release")
	queue, _ := tpl.one(t, "AWS::SQS::Queue", "UndeliveredEvents")
	unknown, _ := tpl.one(t, "AWS::SQS::Queue", "UnknownFindingTypes")
	for _, want := range []struct {
		rule     string
		schedule any
		target   string
		input    any
	}{
		{"Findings", nil, contain, nil},
		{"CustomAction", nil, contain, nil},
		{"UnknownFindings", nil, unknown, nil},
		{"Reconcile", "rate(15 minutes)", contain, `{"command":"reconcile"}`},
		{"Expire", "rate(15 minutes)", release, `{"command":"expire"}`},
		{"Watch", "rate(5 minutes)", contain, `{"command":"watch"}`},
	} {
		_, r := tpl.one(t, "AWS::Events::Rule", want.rule)
		targets, _ := r.Properties["Targets"].([]any)
		if len(targets) != 1 || r.Properties["State"] != "ENABLED" {
			t.Fatalf("%s: got %v", want.rule, r.Properties)
		}
		target := tpl.resolve(targets[0])
		got := []any{
			r.Properties["ScheduleExpression"], pick(target, "Arn"), pick(target, "Input"), pick(target, "DeadLetterConfig", "Arn"),
			pick(target, "RetryPolicy", "MaximumEventAgeInSeconds"), pick(target, "RetryPolicy", "MaximumRetryAttempts"),
		}
		if want := []any{want.schedule, tpl.arn(want.target), want.input, tpl.arn(queue), 3600.0, 20.0}; !cmp.Equal(got, want) {
			t.Errorf("%s (-want +got):\n%s", r.Properties["Description"], cmp.Diff(want, got))
		}
	}
	if n := len(tpl.of("AWS::Events::Rule")); n != 6 {
		t.Errorf("got %d rules, want 6", n)
	}
}

// TestReleaseHasNoEventSource: none but the schedule, of which it gets a constant
// and nothing of an event; without schedules, none at all.
func TestReleaseHasNoEventSource(t *testing.T) {
	for name, want := range map[string]int{"plain": 1, "options": 0} {
		tpl := map[string]stackUnderTest{"plain": plain(t), "options": withOptions(t)}[name].template
		release, _ := tpl.function(t, "release")
		expire := ""
		for id, r := range tpl.of("AWS::Events::Rule") {
			if target := tpl.resolve(pick(r.Properties, "Targets", 0)); pick(target, "Arn") == tpl.arn(release) {
				expire = tpl.arn(id)
				if r.Properties["EventPattern"] != nil || pick(target, "Input") != `{"command":"expire"}` {
					t.Errorf("%s: %s: got %v", name, id, r.Properties)
				}
			}
		}
		var sources []any
		for _, r := range tpl.of("AWS::Lambda::Permission") {
			if p := tpl.resolve(r.Properties); pick(p, "FunctionName") == tpl.arn(release) {
				sources = append(sources, pick(p, "SourceArn"))
			}
		}
		if len(sources) != want || want == 1 && sources[0] != expire {
			t.Errorf("%s: may be invoked by %v, want %d source, %s", name, sources, want, expire)
		}
		if n := len(tpl.of("AWS::Lambda::EventSourceMapping")) + len(tpl.of("AWS::Lambda::Url")); n != 0 {
			t.Errorf("%s: %d more ways to invoke a function", name, n)
		}
	}
}
