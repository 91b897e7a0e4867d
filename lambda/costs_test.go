//go:build integration

package main

import (
	"bytes"
	gocmp "cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"tourniquet/lambda/config"
	"tourniquet/lambda/emulator"
	"tourniquet/lambda/internal/runtimeapi"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
)

// An effort is what one invocation does that AWS may charge for. Package infra's test of
// the README's costs reads them from the file.
type effort struct {
	Event    string `json:"event"`
	EC2      int    `json:"ec2"`      // calls of EC2, and of CloudWatch Logs to read flow logs
	DynamoDB int    `json:"dynamodb"` // calls
	Reads    int    `json:"reads"`    // DynamoDB's read request units
	Writes   int    `json:"writes"`   // DynamoDB's write request units
	Messages int    `json:"messages"` // that SNS got
	Events   int    `json:"events"`   // that EventBridge got
	LogKB    int    `json:"logKB"`    // kilobytes of log, rounded up

	// Lines are the messages in the log, which metrics are read from.
	Lines []string `json:"lines"`
}

const effortsFile = "testdata/efforts.json"

// TestEfforts counts what the real binary does for a compromised instance of one
// interface and one peer, from the finding to the release, and on its schedule before.
func TestEfforts(t *testing.T) {
	a, err := txtar.ParseFile("testdata/scenarios/watch-names-a-survivor.txt")
	if err != nil {
		t.Fatal(err)
	}
	w, err := simvpc.ParseWorld(section(a, "world"))
	if err != nil {
		t.Fatal(err)
	}
	finding := []byte(section(a, "finding.json"))
	m := newMeter(t)
	m.ec2 = simvpc.Start(t, w, simvpc.Options{})
	e := environment{account: w.Account, region: w.Region, table: "ledger", ec2: m.ec2.URL, dynamo: m.behind}
	e.createTable(t)
	e.dynamo = m.url
	topic, err := sns.NewFromConfig(e.aws(m.behind)).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: new("tourniquet")})
	if err != nil {
		t.Fatal(err)
	}
	start := func(handler string) *runtimeapi.Function {
		f, err := runtimeapi.Start(t.Context(), binary(t), e.arn(), e.vars("_HANDLER="+handler, "AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS="+m.ec2.URL,
			config.FlowLogGroup+"=flows", config.FlowLogRole+"=arn:aws:iam::"+w.Account+":role/deliver", config.TopicARN+"="+*topic.TopicArn), m)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.Stop)
		return f
	}
	contain, release := start("contain"), start("release")
	var all []effort
	count := func(event string, f *runtimeapi.Function, payload []byte) {
		m.reset()
		a := invoke(t, f, payload)
		if len(a.Incidents) > 0 && a.Incidents[0].Unrecorded {
			t.Fatalf("%s: the ledger was out of reach", event)
		}
		all = append(all, m.effort(event))
	}
	count("reconcile", contain, []byte(`{"command":"reconcile"}`))
	count("watch", contain, []byte(`{"command":"watch"}`))
	count("expire", release, []byte(`{"command":"expire"}`))
	count("contain", contain, finding)
	if s := m.ec2.World().Instances[0].Tags["tourniquet:status"]; s != string(record.Contained) {
		t.Fatalf("the instance is %q", s)
	}
	count("finding again", contain, finding)
	count("reconcile, one contained", contain, []byte(`{"command":"reconcile"}`))
	count("watch, one contained", contain, []byte(`{"command":"watch"}`))
	count("expire, one contained", release, []byte(`{"command":"expire"}`))
	count("release", release, []byte(`{"command":"release","instanceId":"`+w.Instances[0].ID+`","reason":"over","requestedBy":"test"}`))
	compare(t, all)
}

// compare holds the efforts against the file, or rewrites it.
func compare(t *testing.T, got []effort) {
	t.Helper()
	if *update {
		b, err := json.MarshalIndent(got, "", " ")
		if err == nil {
			err = os.WriteFile(effortsFile, append(b, '\n'), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	var want []effort
	b, err := os.ReadFile(effortsFile)
	if err == nil {
		err = json.Unmarshal(b, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	// Times and ids in the log have more digits at one time than at another.
	about := cmpopts.IgnoreFields(effort{}, "LogKB")
	for i := range min(len(want), len(got)) {
		if d := want[i].LogKB - got[i].LogKB; d < -1 || d > 1 {
			about = cmp.Options{}
		}
	}
	if d := cmp.Diff(want, got, about); d != "" {
		t.Errorf("%s is stale; go test -tags integration ./lambda -run Efforts -update rewrites it (-file +counted):\n%s", effortsFile, d)
	}
}

// A meter stands before DynamoDB, SNS and EventBridge and counts. It takes the binary's
// log.
type meter struct {
	t           *testing.T
	url, behind string
	ec2         *simvpc.Server

	mu  sync.Mutex
	got effort
	log []byte
}

// meterDelay is how long each answer is held back, so that what goes out to EC2 at the same
// moment has ended first, on a busy machine too. A step that is late costs a record more.
const meterDelay = 50 * time.Millisecond

func newMeter(t *testing.T) *meter {
	t.Helper()
	m := &meter{t: t, behind: emulator.MiniStack(t)}
	target, err := url.Parse(m.behind)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		time.Sleep(meterDelay)
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, r)
		m.add(r.Header.Get("X-Amz-Target"), body, answer.Body.Bytes())
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // a caller that has gone doesn't matter
	}))
	t.Cleanup(server.Close)
	m.url = server.URL
	return m
}

// Write takes log.
func (m *meter) Write(b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, b...)
	return len(b), nil
}

func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got, m.log = effort{}, nil
	m.ec2.ClearLog()
}

// effort is what was counted since reset, once the log's last line has come.
func (m *meter) effort(event string) effort {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		m.mu.Lock()
		got, log := m.got, string(m.log)
		m.mu.Unlock()
		if !strings.Contains(log, `"invocation done"`) || !strings.HasSuffix(log, "\n") {
			if time.Now().After(deadline) {
				m.t.Fatalf("%s: the log has no last line:\n%s", event, log)
			}
			continue
		}
		got.Event, got.EC2, got.LogKB = event, len(m.ec2.Calls()), units(len(log), 1024)
		seen := map[string]bool{}
		for line := range strings.Lines(log) {
			var fields struct{ Msg, Message string }
			if !strings.HasPrefix(line, "{") {
				continue // the SDK's own warnings
			}
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				m.t.Fatalf("%s: %v: %s", event, err, line)
			}
			seen[gocmp.Or(fields.Message, fields.Msg)] = true
		}
		got.Lines = slices.Sorted(maps.Keys(seen))
		return got
	}
}

// add counts one call.
func (m *meter) add(target string, body, answer []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	service, operation, _ := strings.Cut(target, ".")
	switch {
	case strings.HasPrefix(service, "DynamoDB"):
		m.got.DynamoDB++
		reads, writes := m.capacity(operation, body, answer)
		m.got.Reads, m.got.Writes = m.got.Reads+reads, m.got.Writes+writes
	case operation == "PutEvents":
		var in struct{ Entries []any }
		_ = json.Unmarshal(body, &in) // the SDK wrote it
		m.got.Events += len(in.Entries)
	case bytes.Contains(body, []byte("Action=Publish&")):
		m.got.Messages++
	}
}

// capacity is what a call of DynamoDB takes, in request units. The size of an item is that
// of its JSON, which is longer than what DynamoDB counts; of an update, that of its values.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
func (m *meter) capacity(operation string, body, answer []byte) (reads, writes int) {
	const readUnit, writeUnit = 4096, 1024
	switch operation {
	case "GetItem", "Query", "Scan":
		return units(len(answer), readUnit), 0 // consistent
	case "PutItem", "UpdateItem", "DeleteItem":
		return 0, units(written(body), writeUnit)
	case "TransactWriteItems":
		var in struct{ TransactItems []map[string]json.RawMessage }
		_ = json.Unmarshal(body, &in) // the SDK wrote it
		for _, item := range in.TransactItems {
			for _, write := range item { // one, by its kind
				writes += 2 * units(written(write), writeUnit)
			}
		}
		return 0, writes
	default:
		m.t.Errorf("how much does DynamoDB charge for %s? Say it here.", operation)
		return 0, 0
	}
}

// written is the size of what a write sends of its item.
func written(write json.RawMessage) int {
	var in struct{ Item, Key, ExpressionAttributeValues json.RawMessage }
	_ = json.Unmarshal(write, &in) // the SDK wrote it
	if len(in.Item) > 0 {
		return len(in.Item)
	}
	return len(in.Key) + len(in.ExpressionAttributeValues)
}

// units is how many units a size takes, one at least.
func units(size, unit int) int { return max(1, (size+unit-1)/unit) }
