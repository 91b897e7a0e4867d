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
		if says, _ := a.Properties["AlarmDescription"].(string); !strings.HasSuffix(says, "Runbook: lambda/README.md#"+name) {
			t.Errorf("%s does not name its section of the runbook: %s", name, says)
		}
	}
	slices.Sort(names)
	want := []string{
		"tourniquet-acl-nearly-full",
		"tourniquet-contain-destination-failures", "tourniquet-contain-errors", "tourniquet-contain-throttles",
		"tourniquet-failed-events", "tourniquet-held", "tourniquet-may-be-terminated", "tourniquet-notification-failed", "tourniquet-partially-contained", "tourniquet-quarantine-leaks",
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

// TestRegions: a stack for each Region of the context, under one name, each with a topic.
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
		assertions.Template_FromStack(stack, nil).ResourceCountIs(jsii.String("AWS::SNS::Topic"), jsii.Number(1))
	}
	want := map[string]string{"Tourniquet-eu-central-1": "Tourniquet eu-central-1", "Tourniquet-us-east-1": "Tourniquet us-east-1"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
