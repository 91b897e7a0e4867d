package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
	incident "tourniquet/lambda/report"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
	"tourniquet/lambda/tourniquet/internal/account"
)

const victim = "i-0123456789abcdef0"

// operateWorld has the victim with two groups, one of which is open to the world and
// used by a neighbour.
const operateWorld = `
account 111122223333
region eu-west-1
vpc vpc-1 10.0.0.0/16
subnet subnet-front vpc-1 10.0.1.0/24
group sg-web vpc-1 name web
  in tcp 443 0.0.0.0/0
  out all 0.0.0.0/0
group sg-ssh vpc-1 name ssh
  in tcp 22 10.0.0.0/8
acl acl-front vpc-1 subnets subnet-front
  100 in allow all 0.0.0.0/0
  100 out allow all 0.0.0.0/0
instance i-0123456789abcdef0 tags Name=web-1
instance i-0fedcba9876543210
interface eni-front i-0123456789abcdef0 subnet-front 10.0.1.10 groups sg-ssh sg-web
interface eni-next i-0fedcba9876543210 subnet-front 10.0.1.20 groups sg-web
flow tcp 10.0.1.10:44321 -> 198.51.100.7:443
`

func simulated(t *testing.T) *simvpc.Server {
	t.Helper()
	w, err := simvpc.ParseWorld(operateWorld)
	if err != nil {
		t.Fatal(err)
	}
	return simvpc.Start(t, w, simvpc.Options{})
}

// fill writes records through the real client.
func fill(t *testing.T, a *account.Account, records ...record.Record) {
	t.Helper()
	table := ledger.Table{Name: account.Table, Client: dynamodb.NewFromConfig(aws.Config{
		Region: account.Region, BaseEndpoint: &a.URL, Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
	})}
	for _, r := range records {
		err := table.Commit(t.Context(), record.Change{Record: r, Event: record.Event{
			Instance: r.Instance, Time: r.Opened, ID: "1", Verdict: record.Contain, Reason: r.Reason, Changes: []string{"quarantine/eni-front applied"},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

var opened = time.Now().Add(-3 * time.Hour).UTC().Truncate(time.Second)

// aRecord is of the victim, contained.
func aRecord(instance string) record.Record {
	peer := netip.MustParseAddr("198.51.100.7")
	denial := func(d network.Direction) record.StepState {
		return record.StepState{State: record.Applied, Step: record.Denial{
			VPC: "vpc-1", ACL: "acl-front", Direction: d, Number: 90, Prefix: netip.PrefixFrom(peer, 32),
		}}
	}
	return record.Record{
		Instance: instance, Generation: 1, Status: record.Contained, Reason: "Backdoor:EC2/C&CActivity.B, severity 8.0",
		Findings: []record.FindingRef{{ID: "f-1", Type: "Backdoor:EC2/C&CActivity.B", Severity: 8, Seen: opened}},
		Peers:    []guardduty.Peer{{Addr: peer, Protocol: "TCP", RemotePort: 443}},
		Steps: []record.StepState{
			denial(network.In), denial(network.Out),
			{State: record.Applied, Step: record.QuarantineOf("eni-front", []string{"sg-gone", "sg-ssh", "sg-web"}, "sg-quarantine")},
		},
		Exposure: []record.Exposure{{Kind: record.ResolverDNS, Detail: "DNS queries pass"}},
		Opened:   opened, Updated: opened, Contained: opened.Add(143 * time.Millisecond),
	}
}

// operated runs the command and wants an exit status.
func operated(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := runCommand(t, args...)
	if code != want {
		t.Fatalf("%v: exit status %d, want %d\n%s%s", args, code, want, stdout, stderr)
	}
	return stdout, stderr
}

func decodeJSON[T any](t *testing.T, text string) T {
	t.Helper()
	var doc T
	dec := json.NewDecoder(strings.NewReader(text))
	if err := dec.Decode(&doc); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	if dec.More() {
		t.Fatalf("more than one document:\n%s", text)
	}
	return doc
}

func TestListAndShow(t *testing.T) {
	a := account.Start(t)
	a.Use(t, simulated(t).URL)
	if out, _ := operated(t, 0, "list"); out != "No instance is contained.\n" {
		t.Errorf("an empty list: %q", out)
	}
	if out, _ := operated(t, 0, "list", "--json"); out != "{\n  \"instances\": []\n}\n" {
		t.Errorf("an empty list: %q", out)
	}
	partial := aRecord("i-0fedcba9876543210")
	partial.Status = record.PartiallyContained
	fill(t, a, aRecord(victim), partial)

	out, _ := operated(t, 0, "list")
	for _, want := range []string{victim, "in part", "3 hours ago", "1 of 1", "1 kind"} {
		if !strings.Contains(out, want) {
			t.Errorf("the list lacks %q:\n%s", want, out)
		}
	}
	checkWidth(t, out, 80)
	if n := strings.Count(out, "\n"); n != 4 {
		t.Errorf("the list has %d lines, want one for each instance:\n%s", n, out)
	}
	list := decodeJSON[struct {
		Instances []struct {
			Instance, Name, Status string
			Generation             int
			Since                  time.Time
			Peers, Denied          int
			Exposure               []string
		}
	}](t, first(operated(t, 0, "list", "--json")))
	if len(list.Instances) != 2 || !list.Instances[0].Since.Equal(opened) || list.Instances[0].Denied != 1 {
		t.Errorf("the list as JSON: %+v", list)
	}

	out, _ = operated(t, 0, "show", victim)
	for _, want := range []string{
		"contained", "Backdoor:EC2/C&CActivity.B", "198.51.100.7 is denied both ways in acl-front",
		"sg-web (web): also used by i-0fedcba9876543210; open to the world: tcp 443",
		"sg-ssh (ssh): used by nobody else", "sg-gone: does not exist any more", "tourniquet release " + victim,
	} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("show lacks %q:\n%s", want, out)
		}
	}
	checkWidth(t, out, 80)
	d := decodeJSON[incident.Document](t, first(operated(t, 0, "show", victim, "--json")))
	if d.Incident.Instance != victim || len(d.History) != 1 || len(d.Originals) != 3 || !d.Peers[0].Denied || len(d.Interfaces) != 1 {
		t.Errorf("show as JSON: %+v", d)
	}
	_, errs := operated(t, 2, "show", "i-0aaaaaaaaaaaaaaaa")
	if !strings.Contains(errs, "unknown to the ledger") || !strings.Contains(errs, "tourniquet list") {
		t.Errorf("an unknown instance: %s", errs)
	}
	_, errs = operated(t, 2, "show", victim, "--generation", "7")
	if !strings.Contains(errs, "no containment 7") {
		t.Errorf("an unknown generation: %s", errs)
	}
}

func first(stdout, _ string) string { return stdout }

// checkWidth wants no line wider than the terminal.
func checkWidth(t *testing.T, text string, width int) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
			t.Errorf("a line has %d columns, more than %d: %q", n, width, line)
		}
	}
}

// What a finding, a host or a tag says moves no cursor, hides nothing and ends no line.
func TestHostileTextsOnTheTerminal(t *testing.T) {
	const hostile = "\x1b]0;owned\a\x1b[2J\u202egnp.exe\u200b\r\n0 instances"
	a := account.Start(t)
	w := simulated(t)
	w.Edit(func(w *world.World) { w.Instance(victim).Tags["Name"] = hostile })
	a.Use(t, w.URL)
	r := aRecord(victim)
	r.Reason, r.Findings[0].Type, r.Exposure[0].Detail, r.Steps[0].Note = hostile, hostile, hostile, hostile
	r.Exposure[0].Kind, r.Peers[0].Protocol = hostile, hostile
	fill(t, a, r)
	a.Invoke = func(string, []byte) account.Reply {
		body, _ := json.Marshal(map[string]string{"errorType": "EventError", "errorMessage": "instanceId: " + hostile})
		return account.Reply{FunctionError: "Unhandled", Body: string(body)}
	}
	for _, args := range [][]string{
		{"list"}, {"show", victim}, {"contain", victim, "--reason", "x", "--yes"}, {"show", hostile},
	} {
		_, out, errs := runCommand(t, args...)
		if !strings.Contains(out+errs, "\uFFFD") {
			t.Errorf("%v does not show what it was told:\n%s%s", args, out, errs)
		}
		for line := range strings.Lines(out + errs) {
			line = strings.TrimSuffix(line, "\n")
			if strings.ContainsFunc(line, func(r rune) bool { return r != '\uFFFD' && !unicode.IsPrint(r) }) || strings.HasPrefix(line, "0 instances") {
				t.Errorf("%v prints %q", args, line)
			}
		}
	}
}

// What the caller may not read in EC2, show says, and shows the rest.
func TestShowWithoutEC2(t *testing.T) {
	a := account.Start(t)
	a.Use(t, a.URL) // which serves no EC2
	fill(t, a, aRecord(victim))
	out, _ := operated(t, 0, "show", victim)
	if !strings.Contains(out, "not shown") || !strings.Contains(out, "198.51.100.7 is denied both ways") {
		t.Errorf("got:\n%s", out)
	}
}

// A StackSet gives its stacks names of their own: the command finds them by the
// function. A name that was given and does not exist finds nothing else, and neither does
// a caller who may not look.
func TestStackOfAStackSet(t *testing.T) {
	a := account.Start(t)
	a.Use(t, a.URL)
	a.Stacks[account.Region] = "StackSet-Tourniquet-0f0e0d0c"
	fill(t, a, aRecord(victim))
	if out, _ := operated(t, 0, "list"); !strings.Contains(out, victim) {
		t.Errorf("got:\n%s", out)
	}
	if _, errs := operated(t, 3, "list", "--stack", "Other"); !strings.Contains(errs, "no stack Other") {
		t.Errorf("another name: %s", errs)
	}
	a.Deny["cloudformation:DescribeStackResources"] = true
	if _, errs := operated(t, 3, "list"); !strings.Contains(errs, "no stack Tourniquet") {
		t.Errorf("may not look: %s", errs)
	}
}

// With --all-regions, Regions without the stack are left out, and all have their column.
func TestListOfAllRegions(t *testing.T) {
	a := account.Start(t)
	ec2 := http.NewServeMux()
	ec2.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<DescribeRegionsResponse><regionInfo><item><regionName>eu-west-1</regionName></item><item><regionName>us-east-1</regionName></item></regionInfo></DescribeRegionsResponse>`)
	})
	server := newServer(t, ec2)
	a.Use(t, server)
	fill(t, a, aRecord(victim))
	out, _ := operated(t, 0, "list", "--all-regions", "--region", "us-east-1")
	if !strings.Contains(out, "eu-west-1") || strings.Contains(out, "us-east-1") {
		t.Errorf("got:\n%s", out)
	}
	a.Broken = "us-east-1"
	out, errs := operated(t, 1, "list", "--all-regions")
	if !strings.Contains(out, victim) || !strings.Contains(errs, "1 Region is missing") || !strings.Contains(errs, "us-east-1") {
		t.Errorf("a Region that can't be read:\n%s%s", out, errs)
	}
	a.Stacks, a.Broken = nil, ""
	if _, errs := operated(t, 3, "list", "--all-regions"); !strings.Contains(errs, "no stack") {
		t.Errorf("no stack in any Region: %s", errs)
	}
}

// The report goes to a file of its own, to a file of a name, or to standard output; as
// JSON it is what show prints.
func TestReport(t *testing.T) {
	a := account.Start(t)
	a.Use(t, simulated(t).URL)
	fill(t, a, aRecord(victim))
	t.Chdir(t.TempDir())
	_, errs := operated(t, 0, "report", victim)
	name := "tourniquet-" + victim + "-1.html"
	page, err := os.ReadFile(name)
	if err != nil || !strings.Contains(errs, name) || !strings.Contains(string(page), victim) {
		t.Fatalf("%v, %s", err, errs)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the report's mode is %v, want that only its owner reads it", info.Mode())
	}
	operated(t, 0, "report", victim, "-o", filepath.Join(t.TempDir(), "r.html"))
	if out, _ := operated(t, 0, "report", victim, "-o", "-"); !strings.HasPrefix(out, "<!doctype html>") {
		t.Errorf("standard output begins with %.40q", out)
	}
	if _, errs := operated(t, 2, "report", victim, "-o", "no/such/folder/r.html"); !strings.Contains(errs, "no/such/folder") {
		t.Errorf("got %s", errs)
	}
	d := decodeJSON[incident.Document](t, first(operated(t, 0, "report", victim, "--json")))
	if d.Incident.Instance != victim {
		t.Errorf("the report as JSON: %+v", d)
	}
}
