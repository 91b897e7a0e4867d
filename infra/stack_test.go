package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/config"
	"tourniquet/lambda/ledger"
)

// pick is the value at a path of a document, with list indexes as numbers.
func pick(v any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			l, _ := v.([]any)
			if s >= len(l) {
				return nil
			}
			v = l[s]
		}
	}
	return v
}

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
	if n := len(tpl.of("AWS::Events::Rule")); n != 5 {
		t.Errorf("got %d rules, want 5", n)
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

func TestTable(t *testing.T) {
	for name, stack := range map[string]stackUnderTest{"plain": plain(t), "options": withOptions(t)} {
		_, table := stack.one(t, "AWS::DynamoDB::Table", "")
		p := table.Properties
		keys := []any{
			map[string]any{"AttributeName": ledger.PartitionKey, "KeyType": "HASH"}, map[string]any{"AttributeName": ledger.SortKey, "KeyType": "RANGE"},
		}
		switch {
		case !cmp.Equal(p["KeySchema"], any(keys)):
			t.Errorf("%s: keys: got %v", name, p["KeySchema"])
		case p["BillingMode"] != "PAY_PER_REQUEST", p["DeletionProtectionEnabled"] != true,
			pick(p, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") != true,
			table.DeletionPolicy != "Retain", table.UpdateReplacePolicy != "Retain":
			t.Errorf("%s: got %+v", name, table)
		}
	}
	_, table := plain(t).one(t, "AWS::DynamoDB::Table", "")
	if p := pick(table.Properties, "SSESpecification", "SSEEnabled"); p != false {
		t.Errorf("AWS's own key: got SSEEnabled %v, want false, as CloudFormation calls it", p)
	}
	_, table = withOptions(t).one(t, "AWS::DynamoDB::Table", "")
	key, keyResource := withOptions(t).one(t, "AWS::KMS::Key", "")
	if got := withOptions(t).resolve(pick(table.Properties, "SSESpecification", "KMSMasterKeyId")); got != withOptions(t).arn(key) {
		t.Errorf("customer key: got %v", got)
	}
	if keyResource.DeletionPolicy != "Retain" || keyResource.Properties["EnableKeyRotation"] != true {
		t.Errorf("customer key: got %+v", keyResource)
	}
}

func TestQueues(t *testing.T) {
	tpl := plain(t).template
	if n := len(tpl.of("AWS::SQS::Queue")); n != 3 {
		t.Fatalf("got %d queues", n)
	}
	for id, q := range tpl.of("AWS::SQS::Queue") {
		if q.Properties["SqsManagedSseEnabled"] != true || q.Properties["MessageRetentionPeriod"] != 1209600.0 {
			t.Errorf("%s: got %v", id, q.Properties)
		}
		if !tlsOnly(tpl, "AWS::SQS::QueuePolicy", "Queues", id) {
			t.Errorf("%s: no policy asks for TLS", id)
		}
	}
	topic, _ := tpl.one(t, "AWS::SNS::Topic", "")
	if !tlsOnly(tpl, "AWS::SNS::TopicPolicy", "Topics", topic) {
		t.Error("no policy of the topic asks for TLS")
	}
}

// tlsOnly reports whether a policy of a resource refuses requests without TLS.
func tlsOnly(tpl template, policyType, attachedTo, id string) bool {
	for _, p := range tpl.of(policyType) {
		if !strings.Contains(fmt.Sprint(p.Properties[attachedTo]), id) {
			continue
		}
		for _, s := range pick(p.Properties, "PolicyDocument", "Statement").([]any) {
			if pick(s, "Effect") == "Deny" && pick(s, "Condition", "Bool", "aws:SecureTransport") == "false" {
				return true
			}
		}
	}
	return false
}

func TestLogGroups(t *testing.T) {
	for id, g := range plain(t).of("AWS::Logs::LogGroup") {
		if g.Properties["RetentionInDays"] != 365.0 || g.DeletionPolicy != "Retain" {
			t.Errorf("%s: got %+v", id, g)
		}
	}
}

func TestAlarms(t *testing.T) {
	tpl := plain(t).template
	topic, _ := tpl.one(t, "AWS::SNS::Topic", "")
	var names []string
	for id, a := range tpl.of("AWS::CloudWatch::Alarm") {
		name := a.Properties["AlarmName"].(string)
		names = append(names, name)
		if got := tpl.resolve(a.Properties["AlarmActions"]); !cmp.Equal(got, any([]any{tpl.arn(topic)})) {
			t.Errorf("%s: tells %v", id, got)
		}
	}
	slices.Sort(names)
	want := []string{
		"tourniquet-acl-nearly-full",
		"tourniquet-contain-destination-failures", "tourniquet-contain-errors", "tourniquet-contain-throttles",
		"tourniquet-failed-events", "tourniquet-held", "tourniquet-partially-contained",
		"tourniquet-release-destination-failures", "tourniquet-release-errors", "tourniquet-release-throttles",
		"tourniquet-undelivered-events", "tourniquet-unknown-types-logged", "tourniquet-unknown-types-queued", "tourniquet-unrecorded",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("alarms (-want +got):\n%s", diff)
	}
}

func TestAlarmsCanPublish(t *testing.T) {
	_, policy := plain(t).one(t, "AWS::SNS::TopicPolicy", "")
	for _, s := range pick(policy.Properties, "PolicyDocument", "Statement").([]any) {
		if pick(s, "Principal", "Service") == "cloudwatch.amazonaws.com" && pick(s, "Condition", "StringEquals", "aws:SourceAccount") == testAccount {
			return
		}
	}
	t.Error("CloudWatch may not publish to the topic")
}

func TestOptions(t *testing.T) {
	tpl := withOptions(t).template
	_, fn := tpl.function(t, "contain")
	variables := pick(fn, "Environment", "Variables")
	for name, want := range map[string]string{
		config.Mode: "observe", config.NeverDeny: "192.0.2.0/24",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ENDPOINT_URL_EC2": "http://127.0.0.1:5000",
	} {
		if got := pick(variables, name); got != want {
			t.Errorf("%s: got %v, want %s", name, got, want)
		}
	}
	if fn["ReservedConcurrentExecutions"] != 7.0 || pick(fn, "Architectures", 0) != "x86_64" {
		t.Errorf("got %v", fn)
	}
	if _, d := tpl.one(t, "AWS::GuardDuty::Detector", ""); d.Properties["FindingPublishingFrequency"] != "FIFTEEN_MINUTES" {
		t.Errorf("detector: publishes updated findings %v", d.Properties["FindingPublishingFrequency"])
	}
	if _, s := tpl.one(t, "AWS::SNS::Subscription", ""); s.Properties["Endpoint"] != "security@example.com" {
		t.Errorf("subscription: got %v", s.Properties)
	}
	if len(plain(t).of("AWS::GuardDuty::Detector")) != 0 {
		t.Error("creates a detector unasked: one that exists would break the deployment")
	}
}

// TestNag runs cdk-nag's AwsSolutions pack. What it finds must be excused, and
// each excuse must have a reason that says something.
func TestNag(t *testing.T) {
	for name, stack := range map[string]stackUnderTest{"plain": plain(t), "options": withOptions(t)} {
		annotations := assertions.Annotations_FromStack(stack.Stack)
		anything := assertions.Match_AnyValue()
		found := append(*annotations.FindError(jsii.String("*"), anything), *annotations.FindWarning(jsii.String("*"), anything)...)
		for _, f := range found {
			t.Errorf("%s: %s: %v", name, *f.Id, f.Entry.Data) //nolint:staticcheck // its successor has no Go bindings yet
		}
		for id, r := range stack.Resources {
			rules, _ := pick(r.Metadata["cdk_nag"], "rules_to_suppress").([]any)
			for _, rule := range rules {
				if reason, _ := pick(rule, "reason").(string); len(reason) < 30 {
					t.Errorf("%s: %s: %v is no reason", name, id, rule)
				}
			}
		}
	}
}

var assetHash = regexp.MustCompile(`[0-9a-f]{64}`)

// TestGolden holds the rest of the template still.
func TestGolden(t *testing.T) {
	tpl := plain(t).template
	doc := map[string]any{"Resources": map[string]any{}, "Outputs": tpl.Outputs}
	for id, r := range tpl.Resources {
		shown := map[string]any{"Type": r.Type, "Properties": r.Properties}
		for name, policy := range map[string]string{"DeletionPolicy": r.DeletionPolicy, "UpdateReplacePolicy": r.UpdateReplacePolicy} {
			if policy != "" {
				shown[name] = policy
			}
		}
		doc["Resources"].(map[string]any)[id] = shown
	}
	b, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "template.json", assetHash.ReplaceAllString(string(b), "ASSET")+"\n")
}

// TestRegions: a stack for each Region of the context, under one name.
func TestRegions(t *testing.T) {
	requireNode(t)
	s, err := readSettings(map[string]any{"tourniquet:regions": "eu-central-1,us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	synthesize(t)
	got := map[string]string{}
	for _, stack := range addStacks(newApp(t, "regions"), Props{Account: testAccount, Settings: s, Zip: stubZip(t)}) {
		got[*stack.Node().Id()] = *stack.StackName() + " " + *stack.Region()
	}
	want := map[string]string{"Tourniquet-eu-central-1": "Tourniquet eu-central-1", "Tourniquet-us-east-1": "Tourniquet us-east-1"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
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
