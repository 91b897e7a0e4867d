package main

import (
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is assumed of an invocation beside what is counted, each on the high side.
const (
	callSeconds  = 0.02 // a call takes so long, and none goes on beside another
	startSeconds = 0.2  // every invocation is a cold start
	memoryGB     = 1.0  // the functions' MemorySize, which the test compares
	platformKB   = 1    // Lambda's own lines in the log
)

// What is assumed of an incident: GuardDuty repeats the finding, people read mail, and the
// instance talks.
const (
	repeats        = 4
	readers        = 2
	openDays       = 1
	flowsPerMinute = 100
	flowRecord     = 150 // bytes, with what CloudWatch Logs adds to each record
)

// An effort is what an invocation was counted to do. The tests of the functions write it.
type effort struct {
	Event                                                 string
	EC2, DynamoDB, Reads, Writes, Messages, Events, LogKB int
	Lines                                                 []string
}

// A cost is one row of a table.
type cost struct {
	what    string
	dollars float64
}

// TestReadmeCost holds the README's costs against the efforts that were counted, what the
// stack consists of, and AWS's prices; with -update it rewrites them.
func TestReadmeCost(t *testing.T) {
	efforts := readEfforts(t)
	idle, incident := idleCosts(t, efforts), incidentCosts(t, efforts)
	var b strings.Builder
	fmt.Fprintf(&b, "By AWS's list prices for us-east-1 as of %s, without free tiers. GuardDuty itself is not included. Calls are counted from the real binary;\n", pricesAsOf)
	fmt.Fprintf(&b, "each is taken to last %.0f ms with none beside it, after a cold start of %.0f ms.\n", callSeconds*1000, startSeconds*1000)
	table(&b, "A month without incidents, one Region", "**Together**", idle)
	fmt.Fprintf(&b, "\n`tourniquet:encryption` `customer-managed` adds a key for $%.2f a month. An account's first three dashboards are free. The storage of ledger and logs costs cents.\n", keyMonth)
	table(&b, fmt.Sprintf("An incident of one instance, contained for %d day", openDays), "**Together**", incident)
	b.WriteString("\nSecurity groups, ACL entries, tags, Systems Manager's commands and AWS's own events cost nothing.\n")
	section(t, "cost", b.String())
}

func table(b *strings.Builder, title, sum string, rows []cost) {
	fmt.Fprintf(b, "\n| %s | Dollars |\n|---|---|\n", title)
	total := 0.0
	for _, r := range rows {
		total += r.dollars
		fmt.Fprintf(b, "| %s | %s |\n", r.what, dollars(r.dollars))
	}
	fmt.Fprintf(b, "| %s | **%s** |\n", sum, dollars(total))
}

// dollars are rounded to cents, and below a cent to the first digit that is not zero.
func dollars(d float64) string {
	digits := 2
	for ; d > 0 && d*math.Pow10(digits) < 0.95 && digits < 9; digits++ {
	}
	return strconv.FormatFloat(d, 'f', digits, 64)
}

// idleCosts are those of a month in which nothing is contained.
func idleCosts(t *testing.T, efforts map[string]effort) []cost {
	tpl := plain(t).template
	dashboards, alarms := len(tpl.of("AWS::CloudWatch::Dashboard")), len(tpl.of("AWS::CloudWatch::Alarm"))
	var all tally
	metrics := map[string]bool{}
	runs := runsAMonth(t, tpl)
	for command, n := range runs {
		all.add(efforts[command], float64(n))
		maps.Copy(metrics, publishedBy(t, tpl, efforts[command].Lines, " = * "))
	}
	named := strings.Join(slices.Sorted(maps.Keys(metrics)), ", ")
	return []cost{
		{fmt.Sprintf("%d dashboard", dashboards), float64(dashboards) * dashboardMonth},
		{fmt.Sprintf("%d alarms", alarms), float64(alarms) * alarmMonth},
		{fmt.Sprintf("%d metrics that the schedules publish (%s)", len(metrics), named), float64(len(metrics)) * metricMonth},
		{fmt.Sprintf("Lambda: %.0f invocations, %.0f GB-seconds", all.invocations, all.seconds*memoryGB), all.lambda()},
		{fmt.Sprintf("traces of them, and %.0f MB of log", all.logKB/1000), all.invocations*trace + all.logs()},
		{fmt.Sprintf("DynamoDB: %.0f read units", all.reads), all.dynamo()},
	}
}

// incidentCosts are those of one incident, from the finding to the release, over those of
// a month without.
func incidentCosts(t *testing.T, efforts map[string]effort) []cost {
	tpl := plain(t).template
	var acts, watch tally
	acts.add(efforts["contain"], 1)
	acts.add(efforts["finding again"], repeats)
	acts.add(efforts["release"], 1)
	days := float64(openDays)
	for command, n := range runsAMonth(t, tpl) {
		perDay := float64(n) / 30 * days
		watch.add(efforts[command+", one contained"], perDay)
		watch.add(efforts[command], -perDay)
	}
	lines := slices.Concat(efforts["contain"].Lines, efforts["release"].Lines)
	metrics := len(publishedBy(t, tpl, lines, " = * ", " > 0 "))
	flowBytes := flowsPerMinute * flowRecord * 60 * 24 * days
	messages := acts.messages * (snsRequest + readers*email)
	return []cost{
		{fmt.Sprintf("Lambda: contain, %d repeats of the finding, release; %.0f calls of AWS", repeats, acts.calls), acts.lambda() + acts.invocations*trace + acts.logs()},
		{fmt.Sprintf("DynamoDB: %.0f write and %.0f read units", acts.writes, acts.reads), acts.dynamo()},
		{fmt.Sprintf("%.0f messages to %d mailboxes, %.0f events", acts.messages, readers, acts.events), messages + acts.events*customEvent},
		{fmt.Sprintf("metrics (%d) for the hours of its start and its end", metrics), float64(metrics) * 2 * metricMonth / month},
		{"the schedules' further work while it is contained", watch.lambda() + watch.logs() + watch.dynamo()},
		{fmt.Sprintf("flow log of one interface with %d records a minute: %.0f MB", flowsPerMinute, flowBytes/million), flowBytes / gigabyte * logGB},
	}
}

// A tally sums efforts up.
type tally struct{ invocations, seconds, calls, reads, writes, messages, events, logKB float64 }

func (a *tally) add(e effort, times float64) {
	calls := float64(e.EC2 + e.DynamoDB + e.Messages + e.Events)
	a.invocations += times
	a.calls += times * calls
	a.seconds += times * (startSeconds + calls*callSeconds)
	a.reads += times * float64(e.Reads)
	a.writes += times * float64(e.Writes)
	a.messages += times * float64(e.Messages)
	a.events += times * float64(e.Events)
	a.logKB += times * float64(e.LogKB+platformKB)
}

func (a *tally) lambda() float64 {
	return a.invocations*lambdaRequest + a.seconds*memoryGB*lambdaGBSecond
}
func (a *tally) dynamo() float64 { return a.reads*dynamoRead + a.writes*dynamoWrite }
func (a *tally) logs() float64   { return a.logKB * 1000 / gigabyte * logGB }

// readEfforts are the efforts by event.
func readEfforts(t *testing.T) map[string]effort {
	t.Helper()
	var all []effort
	read(t, "../lambda/testdata/efforts.json", &all)
	byEvent := map[string]effort{}
	for _, e := range all {
		byEvent[e.Event] = e
	}
	if byEvent["contain"].Writes == 0 || byEvent["release"].Writes == 0 {
		t.Fatalf("nothing was counted: %v", all)
	}
	return byEvent
}

var everyMinutes = regexp.MustCompile(`^rate\(([0-9]+) minutes\)$`)

// runsAMonth is how often each scheduled command runs. Each has been counted.
func runsAMonth(t *testing.T, tpl template) map[string]int {
	t.Helper()
	runs, efforts := map[string]int{}, readEfforts(t)
	for id, r := range tpl.of("AWS::Events::Rule") {
		rate, scheduled := r.Properties["ScheduleExpression"].(string)
		if !scheduled {
			continue
		}
		input, _ := pick(r.Properties, "Targets", 0, "Input").(string)
		_, command, _ := strings.Cut(input, `"command":"`)
		command = strings.TrimSuffix(command, `"}`)
		minutes := everyMinutes.FindStringSubmatch(rate)
		_, counted := efforts[command]
		_, countedOpen := efforts[command+", one contained"]
		if minutes == nil || !counted || !countedOpen {
			t.Fatalf("%s runs %q at %s: its effort has not been counted", id, command, rate)
		}
		var n int
		_, _ = fmt.Sscan(minutes[1], &n)
		runs[command] = month * 60 / n
	}
	if len(runs) == 0 {
		t.Fatal("nothing is scheduled")
	}
	for id, f := range tpl.of("AWS::Lambda::Function") {
		if f.Properties["MemorySize"] != memoryGB*1024 {
			t.Errorf("%s has %v MB", id, f.Properties["MemorySize"])
		}
	}
	return runs
}

// publishedBy are the metrics that some lines of the log publish. A filter that asks for
// more than the line counts if it asks for one of the conditions.
func publishedBy(t *testing.T, tpl template, lines []string, conditions ...string) map[string]bool {
	t.Helper()
	metrics := map[string]bool{}
	for _, f := range tpl.of("AWS::Logs::MetricFilter") {
		pattern, _ := f.Properties["FilterPattern"].(string)
		met := !strings.Contains(pattern, "&&") || slices.ContainsFunc(conditions, func(c string) bool { return strings.Contains(pattern, c) })
		for _, line := range lines {
			if met && strings.Contains(pattern, fmt.Sprintf("$.message = %q", line)) {
				metrics[pick(f.Properties, "MetricTransformations", 0, "MetricName").(string)] = true
			}
		}
	}
	if len(metrics) == 0 && slices.Contains(lines, lineReconciled) {
		t.Fatalf("the lines %v publish nothing", lines)
	}
	return metrics
}

// section holds a part of the README against what is made now, or rewrites it.
func section(t *testing.T, name, want string) {
	t.Helper()
	begin, end := "<!-- "+name+": go test ./infra -run Readme -update -->\n", "<!-- end of "+name+" -->\n"
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(raw), begin)
	was, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		t.Fatalf("README.md lacks the lines %q and %q", begin, end)
	}
	want = "\n" + want + "\n"
	if *update {
		if err := os.WriteFile("README.md", []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, was); d != "" {
		t.Errorf("the part %q of README.md is stale; go test ./infra -run Readme -update rewrites it (-made +file):\n%s", name, d)
	}
}
