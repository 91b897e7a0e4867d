//go:build integration

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/config"
	"tourniquet/lambda/emulator"
	"tourniquet/lambda/internal/runtimeapi"
	"tourniquet/lambda/ledger"
)

// buildDir is where the binary is built, once for all tests.
var buildDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tourniquet")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	buildDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "bootstrap")
	out, err := exec.Command("make", "-C", "..", "build", "BINARY="+path).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the binary: %w\n%s", err, out)
	}
	return path, nil
})

// binary is the Lambda binary, built as the Makefile builds what is deployed.
func binary(tb testing.TB) string {
	tb.Helper()
	path, err := build()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// An environment is the account that the binary runs in.
type environment struct {
	account, region string
	ec2, dynamo     string // endpoints
	table           string
}

func (e environment) arn() string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:function:tourniquet-contain", e.region, e.account)
}

func (e environment) vars(more ...string) []string {
	return append([]string{
		"_HANDLER=contain", config.Table + "=" + e.table,
		"AWS_REGION=" + e.region, "AWS_ACCESS_KEY_ID=000000000000", "AWS_SECRET_ACCESS_KEY=none",
		"AWS_ENDPOINT_URL_EC2=" + e.ec2, "AWS_ENDPOINT_URL=" + e.dynamo, "AWS_EC2_METADATA_DISABLED=true",
	}, more...)
}

func (e environment) aws(url string) aws.Config {
	return aws.Config{
		Region: e.region, BaseEndpoint: aws.String(url),
		Credentials: credentials.NewStaticCredentialsProvider("000000000000", "none", ""),
	}
}

// start runs the binary until the test ends.
func (e environment) start(tb testing.TB, more ...string) *runtimeapi.Function {
	tb.Helper()
	return e.startAs(tb, e.arn(), more...)
}

// startAs runs it under the ARN of a function.
func (e environment) startAs(tb testing.TB, arn string, more ...string) *runtimeapi.Function {
	tb.Helper()
	f, err := runtimeapi.Start(tb.Context(), binary(tb), arn, e.vars(more...), tb.Output())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(f.Stop)
	return f
}

// invoke hands the function an event and expects an answer that is no error.
func invoke(tb testing.TB, f *runtimeapi.Function, event []byte) answer.Answer {
	tb.Helper()
	got, err := f.Invoke(tb.Context(), "request-1", event, time.Minute)
	if err != nil {
		tb.Fatal(err)
	}
	if got.ErrorType != "" {
		tb.Fatalf("the function answers %s: %s", got.ErrorType, got.Message)
	}
	var a answer.Answer
	if err := json.Unmarshal(got.Body, &a); err != nil {
		tb.Fatalf("reading the answer: %v\n%s", err, got.Body)
	}
	return a
}

// createTable makes the ledger's table and returns a client for it.
func (e environment) createTable(tb testing.TB) *dynamodb.Client {
	tb.Helper()
	db := dynamodb.NewFromConfig(e.aws(e.dynamo))
	emulator.CreateTable(tb, db, e.table, ledger.PartitionKey, ledger.SortKey)
	return db
}

// items are all items of the table.
func (e environment) items(tb testing.TB, db *dynamodb.Client) []map[string]types.AttributeValue {
	tb.Helper()
	var items []map[string]types.AttributeValue
	pages := dynamodb.NewScanPaginator(db, &dynamodb.ScanInput{TableName: &e.table, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(tb.Context())
		if err != nil {
			tb.Fatalf("reading the table: %v", err)
		}
		items = append(items, page.Items...)
	}
	return items
}
