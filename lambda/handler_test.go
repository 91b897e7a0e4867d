package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/rogpeppe/go-internal/txtar"

	"tourniquet/lambda/config"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// reverseShell is the world and the event of that scenario.
func reverseShell(t testing.TB) (*world.World, json.RawMessage) {
	t.Helper()
	a, err := txtar.ParseFile("testdata/scenarios/reverse-shell.txt")
	if err != nil {
		t.Fatal(err)
	}
	w, err := simvpc.ParseWorld(section(a, "world"))
	if err != nil {
		t.Fatal(err)
	}
	return w, json.RawMessage(section(a, "finding.json"))
}

func TestMalformedEventsNameTheFieldAndChangeNothing(t *testing.T) {
	t.Parallel()
	w, _ := reverseShell(t)
	server := simvpc.Start(t, w, simvpc.Options{})
	h := newTestHandler(t, server, map[string]string{})
	tests := map[string]struct{ event, says string }{
		"no JSON":             {`{"detail":`, "event"},
		"nothing":             {`{}`, "event"},
		"another source":      {`{"source":"aws.ec2","detail-type":"EC2 Instance State-change Notification","detail":{}}`, "source"},
		"no such command":     {`{"command":"isolate"}`, `invalid command "isolate"`},
		"release here":        {`{"command":"release","instanceId":"i-0aaaaaaaaaaaaaaa1"}`, "not for the function that contains"},
		"no instance":         {`{"command":"contain"}`, "instanceId"},
		"an instance's name":  {`{"command":"contain","instanceId":"web-1"}`, "instanceId"},
		"a prefix as peer":    {`{"command":"contain","instanceId":"i-0aaaaaaaaaaaaaaa1","peers":["198.51.100.0/24"]}`, "peers[0]"},
		"a name as peer":      {`{"command":"contain","instanceId":"i-0aaaaaaaaaaaaaaa1","peers":["198.51.100.7","evil.example"]}`, "peers[1]"},
		"a zone":              {`{"command":"contain","instanceId":"i-0aaaaaaaaaaaaaaa1","peers":["fe80::1%eth0"]}`, "peers[0]"},
		"a field too many":    {`{"command":"contain","instanceId":"i-0aaaaaaaaaaaaaaa1","dryrunn":true}`, "dryrunn"},
		"dryRun is no string": {`{"command":"contain","instanceId":"i-0aaaaaaaaaaaaaaa1","dryRun":"true"}`, "dryRun"},
	}
	for name, tc := range tests {
		_, err := h.Contain(lambdaContext(t.Context(), w), json.RawMessage(tc.event))
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v, want …%s…", name, err, tc.says)
			continue
		}
		if got := reflect.TypeOf(err).Elem().Name(); got != "EventError" {
			t.Errorf("%s: Lambda would report a %s, want EventError", name, got)
		}
	}
	if n := len(server.Mutations()); n != 0 {
		t.Errorf("%d changes were made", n)
	}
}

func TestStartUpNamesWhatIsWrong(t *testing.T) {
	right := map[string]string{
		"_HANDLER": "contain", config.Table: "ledger", "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
	}
	set := func() {
		for name, value := range right {
			t.Setenv(name, value)
		}
	}
	start := func() error {
		_, err := newHandler(slog.New(slog.DiscardHandler))
		return err
	}
	for _, wrong := range [][2]string{
		{"_HANDLER", "isolate"}, {"_HANDLER", ""}, {config.Table, ""}, {"AWS_REGION", ""}, {"AWS_ACCESS_KEY_ID", ""}, {"AWS_SECRET_ACCESS_KEY", ""},
	} {
		set()
		t.Setenv(wrong[0], wrong[1])
		if err := start(); err == nil || !strings.Contains(err.Error(), wrong[0]) {
			t.Errorf("%s=%q: got %v, want an error that names it", wrong[0], wrong[1], err)
		}
	}
	for _, name := range []string{"contain", "release"} {
		set()
		t.Setenv("_HANDLER", name)
		if err := start(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A service is called at its own endpoint, if the environment names one, or at that of all
// services, or at AWS's.
func TestEndpointsOfServices(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": "http://127.0.0.1:2",
	} {
		t.Setenv(name, value)
	}
	want := func(logs, topics string) {
		t.Helper()
		cfg, err := sdkConfig(&counter{})
		if err != nil {
			t.Fatal(err)
		}
		if got := aws.ToString(cloudwatchlogs.NewFromConfig(cfg).Options().BaseEndpoint); got != logs {
			t.Errorf("CloudWatch Logs is called at %q, want %q", got, logs)
		}
		if got := aws.ToString(sns.NewFromConfig(cfg).Options().BaseEndpoint); got != topics {
			t.Errorf("SNS is called at %q, want %q", got, topics)
		}
	}
	want("http://127.0.0.1:2", "http://127.0.0.1:1")
	t.Setenv("AWS_ENDPOINT_URL", "")
	want("http://127.0.0.1:2", "")
}

// Without an ARN that tells the account, a finding of any account would pass. None is
// acted on then, and the error says why. A person's command goes by the credentials.
func TestFindingsNeedTheFunctionsARN(t *testing.T) {
	t.Parallel()
	for _, arn := range []string{"", "tourniquet-contain", "arn:aws:lambda:::function:tourniquet-contain"} {
		w, raw := reverseShell(t)
		server := simvpc.Start(t, w, simvpc.Options{})
		h := newTestHandler(t, server, map[string]string{})
		ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{InvokedFunctionArn: arn})
		_, err := h.Contain(ctx, raw)
		bad, ok := errors.AsType[*guardduty.EventError](err)
		if !ok || !strings.Contains(bad.Field, "ARN") {
			t.Errorf("ARN %q: %v", arn, err)
		}
		if got := server.Mutations(); len(got) > 0 {
			t.Errorf("ARN %q: %v", arn, got)
		}
	}
}
