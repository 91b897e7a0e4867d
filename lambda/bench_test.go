//go:build integration

package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"tourniquet/lambda/emulator"
	"tourniquet/lambda/internal/runtimeapi"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// callLatency is added to every call of EC2 and DynamoDB: about what a call within
// a Region takes.
const callLatency = 20 * time.Millisecond

// BenchmarkFirstPoll measures from the start of the process to its first request
// for an event, and the size of what is deployed.
func BenchmarkFirstPoll(b *testing.B) {
	e := environment{account: "111122223333", region: "eu-central-1", table: "ledger", ec2: "http://127.0.0.1:9", dynamo: "http://127.0.0.1:9"}
	path := binary(b)
	var ready, cpu []time.Duration
	var memory []int64
	for b.Loop() {
		f := e.run(b, path)
		ready, memory = append(ready, f.Ready()), append(memory, f.Memory())
		f.Stop()
		cpu = append(cpu, f.CPU())
	}
	report(b, "first-poll-ms", ready)
	report(b, "cpu-ms", cpu)
	reportMemory(b, "memory-MB", memory)
	plain, zipped := sizes(b, path)
	b.ReportMetric(float64(plain)/1e6, "binary-MB")
	b.ReportMetric(float64(zipped)/1e6, "zip-MB")
}

// run starts the binary with some more variables, for the caller to stop.
func (e environment) run(b *testing.B, path string, more ...string) *runtimeapi.Function {
	b.Helper()
	f, err := runtimeapi.Start(b.Context(), path, e.arn(), e.vars(more...), io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// report gives the median, and the least, which on a machine that does other work
// beside is nearest to what the binary itself needs.
func report(b *testing.B, unit string, all []time.Duration) {
	b.Helper()
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(all[len(all)/2]), unit)
	b.ReportMetric(ms(all[0]), "least-"+unit)
}

// reportMemory gives the median.
func reportMemory(b *testing.B, unit string, all []int64) {
	b.Helper()
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2])/1e6, unit)
}

// sizes are those of the binary, alone and in a zip file.
func sizes(b *testing.B, path string) (plain, zipped int) {
	b.Helper()
	program, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestCompression) })
	entry, err := w.Create("bootstrap")
	if err == nil {
		_, err = entry.Write(program)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	return len(program), file.Len()
}

// BenchmarkContained measures from the event, with a process that is started for
// it (cold) or has contained before (warm), to the last change of the network as
// EC2 has made it. EC2 is simulated; each call of EC2 and DynamoDB takes
// callLatency. DynamoDB is MiniStack, whose own time comes on top, or MiniStack's
// answers to the same calls, given again from memory.
func BenchmarkContained(b *testing.B) {
	for _, dynamo := range []string{"ministack", "replayed"} {
		for _, interfaces := range []int{1, 8} {
			for _, start := range []string{"warm", "cold"} {
				b.Run(fmt.Sprintf("%s/%s/interfaces=%d", dynamo, start, interfaces), func(b *testing.B) {
					c := &contestant{path: binary(b), stage: newStage(b, interfaces)}
					c.begin(b, dynamo == "replayed")
					for b.Loop() {
						c.measure(b, start == "cold")
					}
					c.report(b, start == "cold")
				})
			}
		}
	}
}

// BenchmarkRepeated measures the answer to a finding that names nothing new, in the
// process that has contained the instance.
func BenchmarkRepeated(b *testing.B) {
	s := newStage(b, 1)
	f := s.run(b, binary(b))
	defer f.Stop()
	s.contain(b, f)
	var answered []time.Duration
	idle := f.CPU()
	for b.Loop() {
		start := time.Now()
		if i := invoke(b, f, s.event).Incidents[0]; i.Status != record.Contained {
			b.Fatalf("not contained: %+v", i)
		}
		answered = append(answered, time.Since(start))
	}
	report(b, "answered-ms", answered)
	b.ReportMetric(float64((f.CPU()-idle).Microseconds())/1000/float64(len(answered)), "cpu-ms")
}

// A stage is where containments are measured: before each, EC2 and the table are
// as if nothing had happened.
type stage struct {
	environment
	ec2    *simvpc.Server
	before *world.World
	db     *dynamodb.Client // not by way of the added latency
	delay  *delay
	event  []byte
	cut    *cutMeter

	victims int // how many instances there have been
}

// A cutMeter stands before EC2, and notes how much processor time a function has used when its
// last swap or denial has been made.
type cutMeter struct {
	ec2 http.Handler

	mu   sync.Mutex
	by   *runtimeapi.Function
	used time.Duration
}

func (c *cutMeter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.ec2.ServeHTTP(w, r)
	if in, err := url.ParseQuery(string(body)); err == nil && cuts(in.Get("Action")) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.used = c.by.CPU()
	}
}

func (c *cutMeter) front(b *testing.B) (url string) {
	b.Helper()
	server := httptest.NewServer(c)
	b.Cleanup(server.Close)
	return server.URL
}

func (c *cutMeter) of(f *runtimeapi.Function) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by = f
}

func (c *cutMeter) cpu() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// cuts reports whether an operation of EC2's takes part in the cut.
func cuts(op string) bool {
	return op == "ModifyNetworkInterfaceAttribute" || op == "CreateNetworkAclEntry"
}

// next gives the instance another id. A finding on an instance that the process has
// contained is likely to be a repeat, and handled as one.
func (s *stage) next(b *testing.B) {
	b.Helper()
	s.victims++
	was, id := s.before.Instances[0].ID, fmt.Sprintf("i-%017x", s.victims)
	w, err := simvpc.ParseWorld(strings.ReplaceAll(s.before.String(), was, id))
	if err != nil {
		b.Fatal(err)
	}
	s.before, s.event = w, bytes.ReplaceAll(s.event, []byte(was), []byte(id))
	s.delay.about(id)
}

func newStage(b *testing.B, interfaces int) *stage {
	b.Helper()
	w, event := compromise(b, interfaces)
	s := &stage{before: w, event: event}
	s.ec2 = simvpc.Start(b, w, simvpc.Options{Latency: callLatency})
	s.cut = &cutMeter{ec2: s.ec2}
	s.environment = environment{
		account: w.Account, region: w.Region, table: "ledger", ec2: s.cut.front(b), dynamo: emulator.MiniStack(b),
	}
	s.db = s.createTable(b)
	s.dynamo, s.delay = delayed(b, s.dynamo, callLatency)
	return s
}

// compromise is the scenario of a reverse shell, with so many interfaces.
func compromise(tb testing.TB, interfaces int) (*world.World, []byte) {
	tb.Helper()
	w, event := reverseShell(tb)
	instance := w.Instances[0].ID
	var b strings.Builder
	for _, line := range strings.SplitAfter(w.String(), "\n") {
		if !strings.HasPrefix(line, "interface ") && !strings.HasPrefix(line, "flow ") {
			b.WriteString(line)
		}
	}
	for n := range interfaces {
		fmt.Fprintf(&b, "interface eni-%d %s %s 10.0.1.%d groups sg-web\n", n+1, instance, w.Subnets[0].ID, 10+n)
	}
	wide, err := simvpc.ParseWorld(b.String())
	if err != nil {
		tb.Fatal(err)
	}
	return wide, event
}

// reset makes EC2 and the table what they were before anything was contained.
func (s *stage) reset(b *testing.B) {
	b.Helper()
	s.ec2.Edit(func(w *world.World) { *w = *s.before.Clone() })
	s.ec2.ClearLog()
	s.delay.clear()
	for _, i := range s.items(b, s.db) {
		_, err := s.db.DeleteItem(b.Context(), &dynamodb.DeleteItemInput{TableName: &s.table, Key: map[string]types.AttributeValue{
			ledger.PartitionKey: i[ledger.PartitionKey], ledger.SortKey: i[ledger.SortKey],
		}})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// contain invokes the function, and returns when the last swap or denial was made.
// What protects the instance may come later, and no packet waits for it.
func (s *stage) contain(b *testing.B, f *runtimeapi.Function) time.Time {
	b.Helper()
	s.cut.of(f)
	answer := invoke(b, f, s.event)
	if i := answer.Incidents[0]; i.Status != record.Contained || i.Unrecorded {
		b.Fatalf("not contained and recorded: %+v", i)
	}
	var last time.Time
	for _, c := range s.ec2.Mutations() {
		if cuts(c.Op) && c.End.After(last) {
			last = c.End
		}
	}
	return last
}
