//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"tourniquet/lambda/config"
	"tourniquet/lambda/emulator"
)

// The account and Region that the emulators play. MiniStack takes the access key
// for the account's number.
const (
	emulatedAccount = "000000000000"
	emulatedRegion  = "us-east-1"
)

// TestDeploy deploys the stack with the CDK's own command line, as the README says,
// to MiniStack, with moto for EC2, and sends findings through all of it.
func TestDeploy(t *testing.T) {
	d := newDeployment(t)
	d.synthesize(t)
	d.cdk(t, "bootstrap", "aws://"+emulatedAccount+"/"+emulatedRegion, "--app", d.out)
	t.Run("cfn-lint", d.lint)
	d.deploy(t)
	w := newWorld(t, d)
	d.heard = d.listen(t)
	d.buildCommand(t)
	t.Run("findings contain", func(t *testing.T) { testFinding(t, d, w) })
	t.Run("the log", func(t *testing.T) { testLog(t, d) })
	t.Run("notifications", func(t *testing.T) { testNotification(t, d, w) })
	t.Run("events", func(t *testing.T) { testEvents(t, d, w) })
	t.Run("the operator's command", func(t *testing.T) { testCommand(t, d, w) })
	t.Run("findings that call for nothing", func(t *testing.T) { testDeclined(t, d, w) })
	t.Run("malformed events", func(t *testing.T) { testMalformed(t, d) })
	t.Run("unknown types", func(t *testing.T) { testUnknown(t, d, w) })
	t.Run("custom action", func(t *testing.T) { testCustomAction(t, d, w) })
	t.Run("schedules", func(t *testing.T) { testSchedules(t, d, w) })
	t.Run("release", func(t *testing.T) { testRelease(t, d, w) })
	t.Run("diff", d.diff)
	t.Run("destroy", func(t *testing.T) { testDestroy(t, d) })
}

// A deployment is the stack on the emulators.
type deployment struct {
	ministack, moto string
	env             []string
	out             string // the CDK's output
	outputs         struct {
		ContainFunctionName, ReleaseFunctionName, TableName, TopicArn, FailedEventsURL, UndeliveredEventsURL, UnknownFindingTypesURL string
	}

	ec2      *ec2.Client
	dynamodb *dynamodb.Client
	events   *eventbridge.Client
	lambda   *lambda.Client
	sqs      *sqs.Client
	sns      *sns.Client
	logs     *cloudwatchlogs.Client

	inbox string // URL of a queue that hears what people are told
	heard string // URL of a queue that hears our events

	tourniquet string // path of the operator's command
}

func newDeployment(t *testing.T) *deployment {
	t.Helper()
	requireTools(t)
	d := &deployment{
		ministack: emulator.MiniStack(t, "AWS_LAMBDA_LOG_FORMAT=JSON"), // as the stack's LoggingConfig asks of AWS
		moto:      emulator.MotoEC2(t, emulator.Moto(t)), out: filepath.Join(t.TempDir(), "cdk.out"),
	}
	client := func(endpoint string) aws.Config {
		return aws.Config{
			Region: emulatedRegion, BaseEndpoint: aws.String(endpoint), HTTPClient: &http.Client{Timeout: time.Minute},
			Credentials: credentials.NewStaticCredentialsProvider(emulatedAccount, "none", ""),
		}
	}
	stack := client(d.ministack)
	d.ec2, d.dynamodb, d.events = ec2.NewFromConfig(client(d.moto)), dynamodb.NewFromConfig(stack), eventbridge.NewFromConfig(stack)
	d.lambda, d.sqs, d.sns = lambda.NewFromConfig(stack), sqs.NewFromConfig(stack), sns.NewFromConfig(stack)
	d.logs = cloudwatchlogs.NewFromConfig(stack)
	d.env = []string{
		"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir(),
		"GOCACHE=" + goEnv(t, "GOCACHE"), "GOMODCACHE=" + goEnv(t, "GOMODCACHE"), "GOFLAGS=-mod=readonly",
		"AWS_ACCESS_KEY_ID=" + emulatedAccount, "AWS_SECRET_ACCESS_KEY=none", "AWS_REGION=" + emulatedRegion, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL=" + d.ministack, "AWS_ENDPOINT_URL_EC2=" + d.moto, "CDK_DISABLE_CLI_TELEMETRY=true",
	}
	return d
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// cdk runs the CDK's command line at the module's root, and says how long it took.
func (d *deployment) cdk(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{"infra/_tools/node_modules/aws-cdk/bin/cdk", "--no-notices"}, args...)...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = "..", d.env, time.Second
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	start := time.Now()
	err := cmd.Run()
	t.Logf("cdk %s: %.1f s", args[0], time.Since(start).Seconds())
	if err != nil {
		t.Fatalf("cdk %s: %v\n%s", strings.Join(args, " "), err, &said)
	}
	return said.String()
}

// synthesize runs the app of cdk.json twice: the second time the function is built
// and the same.
func (d *deployment) synthesize(t *testing.T) {
	t.Helper()
	args := []string{
		"synth", "--quiet", "--output", d.out, "-c", config.Prefix + "architecture=x86_64", "-c", config.Prefix + "endpointUrl=" + d.ministack,
		"-c", config.Prefix + "endpointUrlEc2=" + d.moto,
		"-c", config.Prefix + "onHost=off", // MiniStack's CloudFormation doesn't know SSM's documents
	}
	d.cdk(t, args...)
	first := d.assets(t)
	d.cdk(t, args...)
	if second := d.assets(t); !slices.Equal(first, second) {
		t.Errorf("the same source gave other assets: %v, then %v", first, second)
	}
	for _, zip := range first {
		if info, err := os.Stat(filepath.Join(d.out, zip)); err == nil {
			t.Logf("%s: %d bytes", zip, info.Size())
		}
	}
}

// assets are the zips, named by what is in them.
func (d *deployment) assets(t *testing.T) []string {
	t.Helper()
	zips, err := filepath.Glob(filepath.Join(d.out, "asset.*.zip"))
	if err != nil || len(zips) == 0 {
		t.Fatalf("no zip in %s (%v)", d.out, err)
	}
	for i := range zips {
		zips[i] = filepath.Base(zips[i])
	}
	return zips
}

func (d *deployment) templatePath() string { return filepath.Join(d.out, "Tourniquet.template.json") }

// lint runs cfn-lint, which moto brings along.
func (d *deployment) lint(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), filepath.Join(emulator.Bin(t), "cfn-lint"), "--regions", emulatedRegion, "--", d.templatePath())
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}

// deploy deploys what was synthesized, twice: the second time there is nothing to do.
func (d *deployment) deploy(t *testing.T) {
	t.Helper()
	d.withoutUnknown(t)
	outputs := filepath.Join(t.TempDir(), "outputs.json")
	args := []string{"deploy", "--app", d.out, "--require-approval", "never", "--outputs-file", outputs}
	d.cdk(t, args...)
	var all map[string]map[string]string
	read(t, outputs, &all)
	b, _ := json.Marshal(all["Tourniquet"])
	if err := json.Unmarshal(b, &d.outputs); err != nil || d.outputs.TableName == "" || d.outputs.FailedEventsURL == "" {
		t.Fatalf("outputs: got %s (%v)", b, err)
	}
	if said := d.cdk(t, args...); !strings.Contains(said, "(no changes)") {
		t.Errorf("the second deployment had something to do:\n%s", said)
	}
}

// unknown are the types of resources that MiniStack's CloudFormation doesn't know. What
// the filters read is tested on the log; the documents are tested on real hosts.
var unknown = []string{"AWS::Logs::MetricFilter", "AWS::SSM::Document"}

// withoutUnknown takes them out.
func (d *deployment) withoutUnknown(t *testing.T) {
	t.Helper()
	var doc map[string]any
	read(t, d.templatePath(), &doc)
	resources := doc["Resources"].(map[string]any)
	n := len(resources)
	for id, r := range resources {
		if slices.Contains(unknown, fmt.Sprint(pick(r, "Type"))) {
			delete(resources, id)
		}
	}
	b, err := json.Marshal(doc)
	if err == nil {
		err = os.WriteFile(d.templatePath(), b, 0o600)
	}
	if err != nil || n == len(resources) {
		t.Fatalf("%d of %d resources left (%v)", len(resources), n, err)
	}
	t.Logf("%d resources deployed of %d", len(resources), n)
}

func (d *deployment) diff(t *testing.T) {
	d.cdk(t, "diff", "--fail", "--app", d.out)
}

// eventually waits for something that the pipeline does by itself.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// answer is what a function returned.
type answer struct {
	Verdict   string
	Incidents []struct {
		Instance, Verdict, Status string
		Unrecorded                bool
		Steps                     []struct{ ID, State string }
	}
}

// functionError is the error that a function returned.
type functionError struct{ ErrorType, ErrorMessage string }

func (e *functionError) Error() string { return e.ErrorType + ": " + e.ErrorMessage }

// invoke calls a function as "aws lambda invoke" does.
func (d *deployment) invoke(t *testing.T, function string, event any) (answer, error) {
	t.Helper()
	payload, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if out.FunctionError != nil {
		var e functionError
		return a, errors.Join(json.Unmarshal(out.Payload, &e), &e)
	}
	if err := json.Unmarshal(out.Payload, &a); err != nil {
		t.Fatalf("%v: %s", err, out.Payload)
	}
	return a, nil
}
