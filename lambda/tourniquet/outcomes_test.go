package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/record"
	"tourniquet/lambda/tourniquet/internal/account"
)

// containedAnswer is what the contain function says of a status.
func containedAnswer(v record.Verdict, s record.Status) string {
	a := answer.Answer{Verdict: v, Reason: "because", Incidents: []answer.IncidentAnswer{{
		Instance: victim, Verdict: v, Status: s, Steps: []answer.StepAnswer{{
			ID: "quarantine/eni-front", Kind: record.KindQuarantine, Resource: "eni-front", State: record.Applied, After: []string{"sg-q"},
		}}, Exposure: []answer.ExposureAnswer{},
	}}}
	text, _ := json.Marshal(a)
	return string(text)
}

// Each answer and failure of a function has its exit status and says what to do, and
// none makes the command invoke a function again.
func TestOutcomes(t *testing.T) {
	contain := []string{"contain", victim, "--reason", "drill", "--yes"}
	release := []string{"release", victim, "--reason", "reimaged", "--yes"}
	failed := func(kind, message string) account.Reply {
		body, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
		return account.Reply{FunctionError: "Unhandled", Body: string(body)}
	}
	ok := func(v record.Verdict, s record.Status) account.Reply {
		return account.Reply{Body: containedAnswer(v, s)}
	}
	for name, c := range map[string]struct {
		args  []string
		reply account.Reply
		code  int
		says  string
	}{
		"contained":             {contain, ok(record.Contain, record.Contained), 0, ""},
		"in part":               {contain, ok(record.Contain, record.PartiallyContained), 1, "done in part"},
		"not yet":               {contain, ok(record.Contain, record.Containing), 1, "done in part"},
		"held":                  {contain, ok(record.Held, ""), 2, "not contained, held: because"},
		"exempt":                {contain, ok(record.Exempt, ""), 2, "exempt"},
		"unknown instance":      {contain, ok(record.NotActionable, ""), 2, "not-actionable"},
		"other account":         {contain, ok(record.OtherAccount, ""), 2, "other-account"},
		"observe mode":          {contain, ok(record.ObservedOnly, record.Observed), 2, "observe mode"},
		"partial error":         {contain, failed("PartialError", "containing: 1 steps still missing"), 1, "Give the command again"},
		"malformed":             {contain, failed("EventError", "peers[0]: \"x\" is no IP address"), 2, "refused: peers[0]"},
		"out of time":           {contain, failed("Sandbox.Timedout", "Task timed out after 60.00 seconds"), 1, "ran out of time"},
		"crashed":               {contain, failed("Runtime.ExitError", "signal: killed"), 3, "signal: killed"},
		"not ours":              {contain, account.Reply{Body: `{"hello":"world"}`}, 3, "not Tourniquet's"},
		"busy":                  {contain, account.Reply{Status: 429, Body: `{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded"}`}, 3, "busy"},
		"no function":           {contain, account.Reply{Status: 404, Body: `{}`}, 3, "no function tourniquet-contain"},
		"server error":          {contain, account.Reply{Status: 501, Body: `{}`}, 3, "tourniquet-contain"},
		"connection lost":       {contain, account.Reply{Drop: true}, 3, "It was not sent again. Look with: tourniquet show"},
		"released":              {release, ok(record.Release, record.Released), 0, ""},
		"releasing":             {release, ok(record.Release, record.Releasing), 1, "done in part"},
		"nothing to release":    {release, failed("EventError", "instanceId: has no containment on record"), 2, "refused: instanceId"},
		"planned":               {[]string{"plan", victim}, ok(record.ObservedOnly, record.Observed), 0, ""},
		"reconciled":            {[]string{"reconcile"}, account.Reply{Body: `{"verdict":"reconcile","reason":"compared: 0","incidents":[]}`}, 0, ""},
		"reconciled in part":    {[]string{"reconcile"}, failed("PartialError", "reconciling"), 1, "done in part"},
		"expired":               {[]string{"expire"}, account.Reply{Body: `{"verdict":"expire","reason":"none","incidents":[]}`}, 0, ""},
		"watched":               {[]string{"watch"}, account.Reply{Body: `{"verdict":"watch","reason":"quiet","incidents":[]}`}, 0, ""},
		"watch is not deployed": {[]string{"watch"}, failed("EventError", `command: "watch" is no command; want contain or reconcile`), 2, "does not know the command watch"},
		"admit is not deployed": {[]string{"admit", victim, "--group", "sg-f", "--reason", "disk image", "--yes"}, failed("EventError", `command: json: unknown field "groups"; want the fields command`), 2, "does not know the command admit"},
	} {
		t.Run(name, func(t *testing.T) {
			a := account.Start(t)
			a.Use(t, a.URL)
			a.Invoke = func(string, []byte) account.Reply { return c.reply }
			_, errs := operated(t, c.code, c.args...)
			if !strings.Contains(errs, c.says) {
				t.Errorf("got %q, want …%s…", errs, c.says)
			}
			if got := a.Invocations(); len(got) != 1 {
				t.Errorf("%d invocations, want 1: %v", len(got), got)
			}
			stdout, _ := operated(t, c.code, append(c.args, "--json")...)
			decodeJSON[map[string]any](t, stdout) // whatever comes of it, one document
		})
	}
}

// What a command asks of a function is in the contract, and nothing else.
func TestRequests(t *testing.T) {
	a := account.Start(t)
	a.Use(t, a.URL)
	a.Invoke = func(string, []byte) account.Reply {
		return account.Reply{Body: `{"verdict":"reconcile","reason":"","incidents":[]}`}
	}
	for _, c := range []struct{ function, payload, args string }{
		{account.Contain, `{"command":"contain","instanceId":"` + victim + `","peers":["198.51.100.7","2001:db8::7"],"dryRun":true}`, "plan " + victim + " --peer 198.51.100.7 --peer 2001:db8::7"},
		{account.Contain, `{"command":"contain","instanceId":"` + victim + `","reason":"drill (asked for by ` + account.Caller + `)","onHost":true,"isolateSubnet":true}`, "contain " + victim + " --reason drill --on-host --isolate-subnet --yes"},
		{account.Release, `{"command":"release","instanceId":"` + victim + `","toGroups":["sg-1"],"reason":"done","requestedBy":"` + account.Caller + `","force":true}`, "release " + victim + " --reason done --force --to-group sg-1 --yes"},
		{account.Release, `{"command":"admit","instanceId":"` + victim + `","groups":["sg-1","sg-2"],"reason":"look (asked for by ` + account.Caller + `)"}`, "admit " + victim + " --reason look --group sg-1 --group sg-2 --yes"},
		{account.Release, `{"command":"admit","instanceId":"` + victim + `","groups":[],"reason":"over (asked for by ` + account.Caller + `)"}`, "admit " + victim + " --reason over --yes"},
		{account.Contain, `{"command":"reconcile"}`, "reconcile"},
		{account.Contain, `{"command":"watch"}`, "watch"},
		{account.Release, `{"command":"expire"}`, "expire"},
	} {
		before := len(a.Invocations())
		runCommand(t, strings.Fields(c.args)...)
		got := a.Invocations()[before:]
		if d := cmp.Diff([]account.Invocation{{Function: c.function, Payload: c.payload}}, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.args, d)
		}
	}
}

// A person who can't be asked has to say so beforehand; nothing is invoked without it.
func TestNothingWithoutYes(t *testing.T) {
	a := account.Start(t)
	a.Use(t, a.URL)
	for _, verb := range []string{"contain", "release", "admit"} {
		_, errs := operated(t, 2, verb, victim, "--reason", "drill")
		if !strings.Contains(errs, "--yes") {
			t.Errorf("%s: %s", verb, errs)
		}
		_, errs = operated(t, 2, verb, victim, "--yes")
		if !strings.Contains(errs, "--reason") {
			t.Errorf("%s without a reason: %s", verb, errs)
		}
	}
	if got := a.Invocations(); len(got) != 0 {
		t.Errorf("invoked: %v", got)
	}
}

// Errors before a function is invoked say what to do.
func TestBeforehand(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *account.Account)
		args   string
		code   int
		says   []string
	}{
		"no Region":       {func(t *testing.T, _ *account.Account) { t.Setenv("AWS_REGION", "") }, "list", 2, []string{"no AWS Region", "--region"}},
		"no credentials":  {func(t *testing.T, _ *account.Account) { t.Setenv("AWS_ACCESS_KEY_ID", "") }, "list", 3, []string{"no AWS credentials", "aws sso login"}},
		"no profile":      {func(*testing.T, *account.Account) {}, "list --profile nobody", 2, []string{`no profile "nobody"`, "list-profiles"}},
		"no stack":        {func(*testing.T, *account.Account) {}, "list --stack Other", 3, []string{"no stack Other in eu-west-1", "--stack"}},
		"wrong Region":    {func(*testing.T, *account.Account) {}, "list --region us-east-1", 3, []string{"no stack Tourniquet in us-east-1", "--region"}},
		"may not look up": {func(_ *testing.T, a *account.Account) { a.Deny["cloudformation:DescribeStacks"] = true }, "list", 3, []string{"not allowed to call cloudformation:DescribeStacks"}},
		"may not read":    {func(_ *testing.T, a *account.Account) { a.Deny["dynamodb:Query"] = true }, "list", 3, []string{"not allowed to call dynamodb:Query"}},
		"may not invoke":  {func(_ *testing.T, a *account.Account) { a.Deny["lambda:InvokeFunction"] = true }, "contain " + victim + " --reason r --yes", 3, []string{"not allowed to call lambda:InvokeFunction as " + account.Caller}},
		"no network":      {func(t *testing.T, _ *account.Account) { t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") }, "list", 3, []string{"can't be reached"}},
		"no such command": {func(*testing.T, *account.Account) {}, "undo", 2, []string{"undo"}},
		"no instance id":  {func(*testing.T, *account.Account) {}, "show web-1", 2, []string{"not an instance id"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := account.Start(t)
			a.Use(t, a.URL)
			c.change(t, a)
			_, errs := operated(t, c.code, strings.Fields(c.args)...)
			if name != "no such command" && name != "no instance id" {
				stdout, _ := operated(t, c.code, append(strings.Fields(c.args), "--json")...)
				decodeJSON[struct {
					Error struct{ Type, Message string }
				}](t, stdout)
			}
			for _, want := range c.says {
				if !strings.Contains(errs, want) {
					t.Errorf("got %q, want …%s…", errs, want)
				}
			}
			if n := len(a.Invocations()); n != 0 {
				t.Errorf("%d invocations were taken", n)
			}
		})
	}
}
