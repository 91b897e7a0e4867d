//go:build integration

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/emulator"
	"tourniquet/lambda/internal/runtimeapi"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/record"
	incident "tourniquet/lambda/report"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
	"tourniquet/lambda/tourniquet/internal/account"
)

// A deployed is an account with the real functions: the binary as it is deployed, the
// ledger in MiniStack, EC2 simulated.
type deployed struct {
	t       *testing.T
	account *account.Account
	ec2     *simvpc.Server
	dynamo  string
	contain *runtimeapi.Function
}

// key is the access key that stands for MiniStack's account.
const key = "000000000000"

func deploy(t *testing.T) *deployed {
	t.Helper()
	d := &deployed{t: t, account: account.Start(t), ec2: simulated(t), dynamo: emulator.MiniStack(t)}
	emulator.CreateTable(t, d.db(), account.Table, ledger.PartitionKey, ledger.SortKey)
	binary := filepath.Join(t.TempDir(), "bootstrap")
	if out, err := exec.Command("make", "-C", "../..", "build", "BINARY="+binary).CombinedOutput(); err != nil {
		t.Fatalf("building the functions: %v\n%s", err, out)
	}
	functions := map[string]*runtimeapi.Function{}
	for name, handler := range map[string]string{account.Contain: "contain", account.Release: "release"} {
		f, err := runtimeapi.Start(t.Context(), binary, "arn:aws:lambda:"+account.Region+":"+account.ID+":function:"+name, []string{
			"_HANDLER=" + handler, "TOURNIQUET_TABLE=" + account.Table, "AWS_REGION=" + account.Region,
			"AWS_ACCESS_KEY_ID=" + key, "AWS_SECRET_ACCESS_KEY=none", "AWS_EC2_METADATA_DISABLED=true",
			"AWS_ENDPOINT_URL_EC2=" + d.ec2.URL, "AWS_ENDPOINT_URL=" + d.dynamo,
		}, t.Output())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.Stop)
		functions[name] = f
	}
	d.contain = functions[account.Contain]
	n := 0
	d.account.Invoke = func(function string, payload []byte) account.Reply {
		n++
		got, err := functions[function].Invoke(t.Context(), fmt.Sprintf("request-%d", n), payload, time.Minute)
		switch {
		case err != nil:
			return account.Reply{Drop: true}
		case got.ErrorType != "":
			return account.Reply{FunctionError: "Unhandled", Body: string(got.Body)}
		default:
			return account.Reply{Body: string(got.Body)}
		}
	}
	for _, e := range d.environment() {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	return d
}

// environment is what the command needs to use the account.
func (d *deployed) environment() []string {
	return append(d.account.Environment(d.ec2.URL), "AWS_ACCESS_KEY_ID="+key, "AWS_ENDPOINT_URL_DYNAMODB="+d.dynamo)
}

func (d *deployed) db() *dynamodb.Client {
	return dynamodb.NewFromConfig(aws.Config{
		Region: account.Region, BaseEndpoint: &d.dynamo, Credentials: credentials.NewStaticCredentialsProvider(key, "none", ""),
	})
}

// find hands the contain function a finding, as EventBridge would.
func (d *deployed) find() {
	d.t.Helper()
	raw, err := os.ReadFile("../guardduty/testdata/c2-ipv4.json")
	if err != nil {
		d.t.Fatal(err)
	}
	event := strings.NewReplacer("eu-central-1", account.Region, "eni-0123456789abcde01", "eni-front",
		"subnet-0a1b2c3d4e5f60718", "subnet-front", "vpc-0123456789abcdef0", "vpc-1").Replace(string(raw))
	seen := time.Now().Add(-150 * time.Second).UTC().Format(time.RFC3339)
	event = regexp.MustCompile(`("eventLastSeen": )"[^"]*"`).ReplaceAllString(event, `${1}"`+seen+`"`)
	got, err := d.contain.Invoke(d.t.Context(), "request-finding", []byte(event), time.Minute)
	if err != nil || got.ErrorType != "" {
		d.t.Fatalf("%v, %s %s", err, got.ErrorType, got.Message)
	}
}

// passes reports whether the victim's connection with the peer passes.
func (d *deployed) passes() bool {
	w := d.ec2.World()
	return oracle.Passes(w, *w.Flows[0]).Passes
}

func (d *deployed) groups() []string {
	w := d.ec2.World()
	for _, i := range w.Interfaces {
		if i.ID == "eni-front" {
			return i.Groups
		}
	}
	return nil
}

// One incident, from the finding to the end, with the command alone. The transcript of
// it is in testdata/incident.txt.
func TestIncident(t *testing.T) {
	d := deploy(t)
	var transcript strings.Builder
	run := func(want int, args ...string) string {
		t.Helper()
		stdout, stderr := operated(t, want, args...)
		fmt.Fprintf(&transcript, "$ tourniquet %s\n%s%s\n", strings.Join(quotedArgs(args), " "), stderr, stdout)
		return stdout
	}
	run(0, "list")
	if !d.passes() {
		t.Fatal("the victim's connection does not pass to begin with")
	}
	d.find()
	transcript.WriteString("# GuardDuty reports Backdoor:EC2/C&CActivity.B on i-0123456789abcdef0\n\n")
	if d.passes() || len(d.groups()) != 1 {
		t.Errorf("the finding did not cut the connection: groups %v", d.groups())
	}
	run(0, "list")
	run(0, "show", victim)
	if got := run(0, "plan", victim, "--peer", "203.0.113.9"); !strings.Contains(got, "203.0.113.9") {
		t.Errorf("the plan lacks the peer:\n%s", got)
	}
	if d.denies("203.0.113.9") {
		t.Error("a plan changed an ACL")
	}
	run(0, "contain", victim, "--peer", "203.0.113.9", "--reason", "seen in the proxy's log", "--yes")
	if !d.denies("203.0.113.9") {
		t.Error("the peer is not denied")
	}
	d.ec2.Edit(func(w *world.World) {
		for _, i := range w.Interfaces {
			if i.ID == "eni-front" {
				i.Groups = []string{"sg-web"}
			}
		}
	})
	transcript.WriteString("# somebody gives the interface its group back\n\n")
	run(0, "reconcile")
	if d.groups()[0] == "sg-web" {
		t.Error("the drift was not repaired")
	}
	name := filepath.Join(t.TempDir(), "report.html")
	operated(t, 0, "report", victim, "-o", name)
	if dir := os.Getenv("TOURNIQUET_REPORT"); dir != "" {
		page, _ := os.ReadFile(name)
		if err := os.WriteFile(dir, page, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	transcript.WriteString("$ tourniquet report " + victim + "\nwrote tourniquet-" + victim + "-1.html\n\n")
	s := inTerminal(t, 80, d.environment(), "release", victim, "--reason", "reimaged")
	s.await("[y/N]")
	s.say("n\n")
	if shown, code := s.end(); code != 2 || !strings.Contains(shown, "quarantine of eni-front") || len(d.groups()) != 1 {
		t.Errorf("a release that nobody wanted: exit status %d, groups %v:\n%s", code, d.groups(), shown)
	}
	run(0, "release", victim, "--reason", "reimaged", "--yes")
	if d := cmp.Diff([]string{"sg-ssh", "sg-web"}, d.groups()); d != "" {
		t.Errorf("the groups after the release (-want +got):\n%s", d)
	}
	if d.passes() {
		t.Error("the connection revived with the release")
	}
	run(0, "release", victim, "--reason", "again", "--yes")
	run(0, "expire")
	run(0, "list")
	golden(t, "testdata/incident.txt", transcript.String())
	d.check()
}

// denies reports whether an ACL denies an address in both directions.
func (d *deployed) denies(address string) bool {
	n := 0
	for line := range strings.Lines(d.ec2.World().String()) {
		if strings.Contains(line, " deny ") && strings.Contains(line, " "+address) {
			n++
		}
	}
	return n == 2
}

// check: what the history says, the function's verdicts have made.
func (d *deployed) check() {
	d.t.Helper()
	shown := decodeJSON[incident.Document](d.t, first(operated(d.t, 0, "show", victim, "--json")))
	if shown.Incident.Status != record.Released || len(shown.History) < 4 {
		d.t.Errorf("in the end: %s with %d lines of history", shown.Incident.Status, len(shown.History))
	}
	found := false
	for _, e := range shown.History {
		found = found || strings.Contains(e.Reason, account.Caller)
	}
	if !found {
		d.t.Errorf("the history does not say who asked: %+v", shown.History)
	}
	stdout, _ := operated(d.t, 2, "contain", "i-0aaaaaaaaaaaaaaaa", "--reason", "typo", "--yes", "--json")
	if a := decodeJSON[answer.Answer](d.t, stdout); a.Verdict != record.NotActionable {
		d.t.Errorf("an unknown instance: %+v", a)
	}
	operated(d.t, 2, "release", "i-0fedcba9876543210", "--reason", "never contained", "--yes")
	operated(d.t, 2, "contain", victim, "--peer", "198.51.100.0/24", "--reason", "a prefix", "--yes")
}

func quotedArgs(args []string) []string {
	var all []string
	for _, a := range args {
		if strings.Contains(a, " ") {
			a = fmt.Sprintf("%q", a)
		}
		all = append(all, a)
	}
	return all
}

// varying are the parts of a transcript that differ from run to run.
var varying = regexp.MustCompile(`just now|\d+ seconds? ago|complete after [\d.]+ m?s|sg-[0-9a-f]{17}|\d{4}-\d\d-\d\d|\d\d:\d\d|last seen \d+ \w+ ago`)

// records are the lines of the history that one finding has made: one more when a step
// beside the cut was late. Together they have the same changes.
var (
	records = regexp.MustCompile(`(?:\n +… +contain +.*\(\d+ changes?\))+`)
	changes = regexp.MustCompile(`\((\d+) changes?\)`)
)

// steady takes out what varies.
func steady(text string) string {
	return records.ReplaceAllStringFunc(varying.ReplaceAllString(text, "…"), func(lines string) string {
		sum := 0
		for _, found := range changes.FindAllStringSubmatch(lines, -1) {
			n, _ := strconv.Atoi(found[1]) // digits
			sum += n
		}
		first, _, _ := strings.Cut(strings.TrimPrefix(lines, "\n"), "\n")
		return "\n" + changes.ReplaceAllString(first, fmt.Sprintf("(%d changes in all)", sum))
	})
}

// golden compares a transcript with one of an earlier run, but for what varies.
func golden(t *testing.T, path, got string) {
	t.Helper()
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
	if d := cmp.Diff(steady(string(want)), steady(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// With 200 open containments, list and show answer as fast as a person expects.
func TestManyContainments(t *testing.T) {
	d := deploy(t)
	table := ledger.Table{Client: d.db(), Name: account.Table}
	const n = 200
	for i := range n {
		r := aRecord(fmt.Sprintf("i-%017x", i+1))
		err := table.Commit(t.Context(), record.Change{Record: r, Event: record.Event{Instance: r.Instance, Time: r.Opened, ID: "1", Verdict: record.Contain, Reason: r.Reason}})
		if err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	stdout, _ := operated(t, 0, "list", "--json")
	listed := time.Since(start)
	var list struct{ Instances []json.RawMessage }
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || len(list.Instances) != n {
		t.Fatalf("%v, %d instances, want %d", err, len(list.Instances), n)
	}
	start = time.Now()
	operated(t, 0, "show", fmt.Sprintf("i-%017x", 100))
	shown := time.Since(start)
	t.Logf("%d open containments: list %v, show %v", n, listed.Round(time.Millisecond), shown.Round(time.Millisecond))
	if listed > 20*time.Second || shown > 10*time.Second {
		t.Errorf("list took %v and show %v", listed, shown)
	}
}
