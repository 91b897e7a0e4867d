package main

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/config"
)

func TestFunctions(t *testing.T) {
	tpl := plain(t).template
	var roles []string
	for _, handler := range []string{"contain", "release"} {
		id, fn := tpl.function(t, handler)
		roles = append(roles, fmt.Sprint(tpl.resolve(fn["Role"])))
		for _, want := range []struct {
			value any
			path  []any
		}{
			{"tourniquet-" + handler, []any{"FunctionName"}},
			{"provided.al2023", []any{"Runtime"}},
			{"arm64", []any{"Architectures", 0}},
			{"Active", []any{"TracingConfig", "Mode"}},
			{"JSON", []any{"LoggingConfig", "LogFormat"}},
			{120.0, []any{"Timeout"}},
		} {
			if got := pick(fn, want.path...); got != want.value {
				t.Errorf("%s: %v: got %v, want %v", handler, want.path, got, want.value)
			}
		}
		table, _ := tpl.one(t, "AWS::DynamoDB::Table", "")
		if got := tpl.resolve(pick(fn, "Environment", "Variables", config.Table)); got != table {
			t.Errorf("%s: the table is %v, want %s", handler, got, table)
		}
		testAsync(t, tpl, id)
	}
	if roles[0] == roles[1] {
		t.Errorf("both functions have the role %s", roles[0])
	}
	_, contain := tpl.function(t, "contain")
	_, release := tpl.function(t, "release")
	if !cmp.Equal(contain["Code"], release["Code"]) {
		t.Error("the functions have different code")
	}
	// An account with a quota of 10 concurrent executions can reserve none.
	for name, fn := range map[string]map[string]any{"contain": contain, "release": release} {
		if got, reserved := fn["ReservedConcurrentExecutions"]; reserved {
			t.Errorf("%s: reserves %v executions unasked", name, got)
		}
	}
}

// testAsync: retried twice, for an hour at most, then handed to the queue.
func testAsync(t *testing.T, tpl template, function string) {
	t.Helper()
	queue, _ := tpl.one(t, "AWS::SQS::Queue", "FailedEvents")
	for _, r := range tpl.of("AWS::Lambda::EventInvokeConfig") {
		if pick(r.Properties, "FunctionName", "Ref") != function {
			continue
		}
		got := []any{
			r.Properties["MaximumRetryAttempts"], r.Properties["MaximumEventAgeInSeconds"],
			tpl.resolve(pick(r.Properties, "DestinationConfig", "OnFailure", "Destination")),
		}
		if want := []any{2.0, 3600.0, any(tpl.arn(queue))}; !cmp.Equal(got, want) {
			t.Errorf("%s: asynchronous invocation: got %v, want %v", function, got, want)
		}
		return
	}
	t.Errorf("%s has no configuration of asynchronous invocation", function)
}

// TestVariables: each function gets the variables that the stack makes and that the
// function reads, and of the operator's those that it reads.
func TestVariables(t *testing.T) {
	_, contain := withOptions(t).function(t, "contain")
	_, release := withOptions(t).function(t, "release")
	for f, fn := range map[config.Function]map[string]any{config.Contain: contain, config.Release: release} {
		variables, _ := pick(fn, "Environment", "Variables").(map[string]any)
		for _, row := range config.All {
			if row.Variable != "" && row.Key == "" && f.Reads(row.Variable) && variables[row.Variable] == nil {
				t.Errorf("%s: the stack doesn't set %s", f, row.Variable)
			}
		}
		for name := range variables {
			if !f.Reads(name) {
				t.Errorf("%s: doesn't read %s", f, name)
			}
		}
	}
	if pick(release, "Environment", "Variables", config.Mode) != nil {
		t.Error("release gets the mode, which it doesn't read")
	}
}
