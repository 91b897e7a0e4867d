//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
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
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"tourniquet/infra/bundle"
	"tourniquet/lambda/config"
	"tourniquet/lambda/emulator"
	"tourniquet/lambda/record"
)

// secondAccount is an account beside emulatedAccount.
const secondAccount = "222222222222"

// TestOrganization deploys the template for accounts to two of them. One keeps observe
// mode, as new accounts do; the other enforces, and passes its events on. Each acts on its
// own findings, and has its own ledger.
//
// What the emulators don't carry: MiniStack has no StackSets, so that the stacks are made
// in each account. It reads code, and sends events, within an account only, so that each
// account has the bucket with the code, and the bus: what the organization may read is
// not tried. It doesn't know metric filters
// and documents.
func TestOrganization(t *testing.T) {
	requireTools(t)
	ministack, ec2 := emulator.MiniStack(t), emulator.MotoEC2(t, emulator.Moto(t))
	settings, err := readSettings(map[string]any{
		config.Prefix + "architecture": "x86_64", config.Prefix + "endpointUrl": ministack, config.Prefix + "endpointUrlEc2": ec2,
	})
	must(t, err)
	zip, err := bundle.Zip("..", "x86_64")
	must(t, err)
	files, err := organizationFiles(cdkJSON(t), settings, zip)
	must(t, err)
	t.Run("cfn-lint", func(t *testing.T) { lintAll(t, files) })
	observing, enforcing := newAccount(ministack, ec2, secondAccount), newAccount(ministack, ec2, emulatedAccount)
	queue, bus := enforcing.centralBus(t)
	observing.deployAccount(t, files, nil)
	enforcing.deployAccount(t, files, map[string]string{"Mode": "enforce", "CentralBus": bus})
	w := newWorld(t, &enforcing.deployment)

	observing.publish(t, w.finding(w.compromised, 8.0, object{"accountId": secondAccount}))
	eventually(t, "the record of what is observed", func() bool { return observing.status(t, w) == record.Observed })
	if after := enforcing.groupsOf(t, w.compromised); fmt.Sprint(after) != fmt.Sprint(w.compromisedBefore) {
		t.Errorf("in observe mode the groups went from %v to %v", w.compromisedBefore, after)
	}
	if got := enforcing.status(t, w); got != "" {
		t.Errorf("the other account's ledger has the instance as %s", got)
	}
	enforcing.publish(t, w.finding(w.compromised, 8.0))
	eventually(t, "the containment", func() bool { return enforcing.status(t, w) == record.Contained })
	if got := observing.status(t, w); got != record.Observed || !enforcing.quarantined(t, w.compromised) {
		t.Errorf("the first account's record is %s, and the instance's groups are %v", got, enforcing.groupsOf(t, w.compromised))
	}
	var central []string
	eventually(t, "the event on the central bus", func() bool {
		central = append(central, enforcing.receive(t, queue)...)
		return len(central) > 0
	})
	if !strings.Contains(central[0], `"Instance Contained"`) || !strings.Contains(central[0], w.compromised) {
		t.Errorf("the central bus got %s", central)
	}
}

// lintAll runs cfn-lint over the templates.
func lintAll(t *testing.T, files map[string][]byte) {
	dir := t.TempDir()
	must(t, writeAll(dir, files))
	args := []string{"--regions", emulatedRegion, "--"}
	for _, name := range []string{accountFile, bucketFile, stackSetFile} {
		args = append(args, filepath.Join(dir, name))
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(emulator.Bin(t), "cfn-lint"), args...).CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}

// An emulatedOne is an account on MiniStack, which takes the access key for its number.
type emulatedOne struct {
	deployment
	account        string
	cloudformation *cloudformation.Client
}

func newAccount(ministack, moto, account string) *emulatedOne {
	at := func(endpoint string) aws.Config {
		return aws.Config{
			Region: emulatedRegion, BaseEndpoint: aws.String(endpoint), HTTPClient: &http.Client{Timeout: time.Minute},
			Credentials: credentials.NewStaticCredentialsProvider(account, "none", ""),
		}
	}
	cfg := at(ministack)
	return &emulatedOne{
		account: account, cloudformation: cloudformation.NewFromConfig(cfg),
		deployment: deployment{
			ministack: ministack, moto: moto, ec2: ec2.NewFromConfig(at(moto)), dynamodb: dynamodb.NewFromConfig(cfg), events: eventbridge.NewFromConfig(cfg),
			lambda: lambda.NewFromConfig(cfg), sqs: sqs.NewFromConfig(cfg), sns: sns.NewFromConfig(cfg), logs: cloudwatchlogs.NewFromConfig(cfg),
		},
	}
}

// prefix begins the name of the account's bucket.
func (e *emulatedOne) prefix() string { return "tourniquet-" + e.account }

// deployAccount makes the bucket, puts the code there, and makes the accounts' stack.
func (e *emulatedOne) deployAccount(t *testing.T, files map[string][]byte, parameters map[string]string) {
	t.Helper()
	e.create(t, "Code", files[bucketFile], map[string]string{"CodeBucketPrefix": e.prefix(), "OrganizationId": "o-exampleorgid"})
	for name, content := range files {
		if key, ok := strings.CutPrefix(name, codeFolder+"/"); ok {
			e.upload(t, key, content)
		}
	}
	all := map[string]string{"CodeBucketPrefix": e.prefix()}
	for name, value := range parameters {
		all[name] = value
	}
	const key = "account.template.json"
	e.upload(t, key, withoutUnknown(t, files[accountFile]))
	outputs := e.createFrom(t, "StackSet-Tourniquet-1", &cloudformation.CreateStackInput{
		TemplateURL: aws.String(e.ministack + "/" + e.prefix() + "-" + emulatedRegion + "/" + key),
	}, all)
	b, _ := json.Marshal(outputs) // text only
	if err := json.Unmarshal(b, &e.outputs); err != nil || e.outputs.TableName == "" {
		t.Fatalf("outputs: got %s (%v)", b, err)
	}
}

// create makes a stack of a template and returns its outputs.
func (e *emulatedOne) create(t *testing.T, name string, template []byte, parameters map[string]string) map[string]string {
	t.Helper()
	return e.createFrom(t, name, &cloudformation.CreateStackInput{TemplateBody: aws.String(string(template))}, parameters)
}

// createFrom makes a stack of a template that is in the request, or named by it.
func (e *emulatedOne) createFrom(t *testing.T, name string, in *cloudformation.CreateStackInput, parameters map[string]string) map[string]string {
	t.Helper()
	in.StackName, in.Capabilities = &name, []cfntypes.Capability{cfntypes.CapabilityCapabilityIam}
	for key, value := range parameters {
		in.Parameters = append(in.Parameters, cfntypes.Parameter{ParameterKey: aws.String(key), ParameterValue: aws.String(value)})
	}
	_, err := e.cloudformation.CreateStack(t.Context(), in)
	must(t, err)
	outputs := map[string]string{}
	eventually(t, "the stack "+name, func() bool {
		out, err := e.cloudformation.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &name})
		must(t, err)
		s := out.Stacks[0]
		if strings.Contains(string(s.StackStatus), "FAILED") || strings.Contains(string(s.StackStatus), "ROLLBACK") {
			t.Fatalf("%s: %s %s", name, s.StackStatus, aws.ToString(s.StackStatusReason))
		}
		for _, o := range s.Outputs {
			outputs[*o.OutputKey] = *o.OutputValue
		}
		return s.StackStatus == cfntypes.StackStatusCreateComplete
	})
	return outputs
}

// upload puts an object into the bucket, as "aws s3 cp" does.
func (e *emulatedOne) upload(t *testing.T, key string, content []byte) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "upload.py")
	body := filepath.Join(t.TempDir(), "body")
	must(t, os.WriteFile(body, content, 0o600))
	must(t, os.WriteFile(script, []byte(`import boto3, sys
endpoint, account, bucket, key, body = sys.argv[1:]
boto3.client("s3", endpoint_url=endpoint, region_name="`+emulatedRegion+`", aws_access_key_id=account, aws_secret_access_key="none").upload_file(body, bucket, key)
`), 0o600))
	emulator.Python(t, script, e.ministack, e.account, e.prefix()+"-"+emulatedRegion, key, body)
}

// withoutUnknown is a template without what MiniStack's CloudFormation doesn't know.
func withoutUnknown(t *testing.T, template []byte) []byte {
	t.Helper()
	var doc map[string]any
	must(t, json.Unmarshal(template, &doc))
	maps.DeleteFunc(doc["Resources"].(map[string]any), func(_ string, r any) bool { return slices.Contains(unknown, fmt.Sprint(pick(r, "Type"))) })
	b, err := json.Marshal(doc)
	must(t, err)
	return b
}

// centralBus makes a bus whose events go to a queue.
func (e *emulatedOne) centralBus(t *testing.T) (queue, busARN string) {
	t.Helper()
	ctx, name := t.Context(), aws.String("tourniquet")
	bus, err := e.events.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: name})
	must(t, err)
	q, err := e.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("central")})
	must(t, err)
	_, err = e.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: name, EventBusName: name, EventPattern: aws.String(`{"source":["tourniquet"]}`)})
	must(t, err)
	_, err = e.events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: name, EventBusName: name, Targets: []eventtypes.Target{{
		Id: aws.String("queue"), Arn: aws.String("arn:aws:sqs:" + emulatedRegion + ":" + e.account + ":central"),
	}}})
	must(t, err)
	return *q.QueueUrl, *bus.EventBusArn
}

// status is that of the compromised instance in the account's ledger; empty: it has none.
func (e *emulatedOne) status(t *testing.T, w *world) record.Status {
	t.Helper()
	status, _ := e.items(t, "INSTANCE#"+w.compromised)["CONTAINMENT#1"]["status"].(*ddbtypes.AttributeValueMemberS)
	if status == nil {
		return ""
	}
	return record.Status(status.Value)
}
