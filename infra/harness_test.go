package main

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"tourniquet/infra/bundle"
	"tourniquet/lambda/config"
)

var update = flag.Bool("update", false, "rewrite the files under testdata")

const (
	testAccount = "111122223333"
	testRegion  = "eu-central-1"
	testBus     = "arn:aws:events:eu-central-1:444455556666:event-bus/tourniquet"
)

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if synth.dir, err = os.MkdirTemp("", "tourniquet-test-"); err != nil {
		panic(err)
	}
	code := 1
	withRuntime(func() { code = m.Run() })
	_ = os.RemoveAll(synth.dir)
	os.Exit(code)
}

// synth is the one synthesis that all tests share: starting Node.js and loading
// the CDK takes most of the time.
var synth struct {
	sync.Once
	dir     string
	plain   stackUnderTest // as cdk.json has it
	options stackUnderTest // with every option
	bare    stackUnderTest // with every measure beyond quarantine and denials off
}

// stackUnderTest is a stack and its template.
type stackUnderTest struct {
	awscdk.Stack
	template
}

// plain is the stack as cdk.json deploys it.
func plain(t *testing.T) stackUnderTest {
	t.Helper()
	synthesize(t)
	return synth.plain
}

// withOptions is the stack with every option on.
func withOptions(t *testing.T) stackUnderTest {
	t.Helper()
	synthesize(t)
	return synth.options
}

// bare is the stack with every measure beyond quarantine and denials off.
func bare(t *testing.T) stackUnderTest {
	t.Helper()
	synthesize(t)
	return synth.bare
}

// rungsOff turns off every measure beyond quarantine and denials.
var rungsOff = map[string]any{config.Prefix + "onHost": "off", config.Prefix + "survivors": "off", config.Prefix + "keepAlive": "false", config.Prefix + "protect": "false"}

// requireNode skips a test where there is no Node.js, except in CI.
func requireNode(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the CDK needs Node.js, and there is none: ", err)
		}
		t.Skip("the CDK needs Node.js, and there is none")
	}
}

func synthesize(t *testing.T) {
	t.Helper()
	requireNode(t)
	synth.Do(func() {
		context := cdkJSON(t)
		settings, err := readSettings(context)
		if err != nil {
			t.Fatal(err)
		}
		all := maps.Clone(context)
		maps.Copy(all, map[string]any{
			config.Prefix + "architecture": "x86_64", config.Prefix + "encryption": "customer-managed", config.Prefix + "email": "security@example.com",
			config.Prefix + "createDetector": true, config.Prefix + "schedules": false, config.Prefix + "mode": "observe", config.Prefix + "neverDeny": []any{"192.0.2.0/24"},
			config.Prefix + "snapshots": true, config.Prefix + "credentials": "deny",
			config.Prefix + "onHost": "always", config.Prefix + "survivors": "deny", config.Prefix + "isolateSubnets": "tagged", config.Prefix + "concurrency": 7.0, config.Prefix + "securityHubNote": true, config.Prefix + "centralBus": testBus, config.Prefix + "endpointUrl": "http://127.0.0.1:4566", config.Prefix + "endpointUrlEc2": "http://127.0.0.1:5000",
		})
		options, err := readSettings(all)
		if err != nil {
			t.Fatal(err)
		}
		app := newApp(t, "cdk.out")
		awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Reports: jsii.Bool(false)}), nil)
		p := Props{Account: testAccount, Region: testRegion, Settings: settings, Zip: stubZip(t)}
		synth.plain.Stack = NewStack(app, "Plain", p)
		p.Settings = options
		synth.options.Stack = NewStack(app, "Options", p)
		off := maps.Clone(context)
		maps.Copy(off, rungsOff)
		if p.Settings, err = readSettings(off); err != nil {
			t.Fatal(err)
		}
		synth.bare.Stack = NewStack(app, "Bare", p)
		assembly := app.Synth(nil)
		for _, s := range []*stackUnderTest{&synth.plain, &synth.options, &synth.bare} {
			read(t, filepath.Join(*assembly.Directory(), *s.ArtifactId()+".template.json"), &s.template)
		}
	})
	if synth.options.Resources == nil {
		t.Fatal("the stacks could not be synthesized: see the first test that failed")
	}
}

// newApp is an app with cdk.json's context.
func newApp(t *testing.T, out string) awscdk.App {
	t.Helper()
	context := cdkJSON(t)
	return awscdk.NewApp(&awscdk.AppProps{
		Outdir: jsii.String(filepath.Join(synth.dir, out)), Context: &context, AnalyticsReporting: jsii.Bool(false),
	})
}

// stubZip stands in for the function: no test here builds it.
func stubZip(t *testing.T) string {
	t.Helper()
	zip, err := bundle.Pack([]byte("stub"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(synth.dir, "function.zip")
	if err := os.WriteFile(path, zip, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func cdkJSON(t *testing.T) map[string]any {
	t.Helper()
	var doc struct{ Context map[string]any }
	read(t, "../cdk.json", &doc)
	return doc.Context
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// golden compares a text with a file, or rewrites the file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is not what is made now; go test ./infra -update rewrites it.\n%s", path, firstDifference(string(want), got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "- " + w[i] + "\n+ " + g[i]
		}
	}
	return "one is longer"
}
