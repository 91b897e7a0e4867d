package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/config"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/ssm"
	"tourniquet/lambda/simvpc/world"
	"tourniquet/lambda/vpc"
)

var update = flag.Bool("update", false, "rewrite the want sections of the scenarios")

// TestScenarios runs each file of testdata/scenarios through the handler, with the
// real SDK client, against a simulated EC2. A file has these sections:
//
//	world          before, as package simvpc reads it
//	config         settings, NAME=value (optional)
//	faults         what EC2 does wrong: OPERATION KIND [nth N] [count N] [code C] (optional)
//	host           what the hosts print, and nothing is done there (optional)
//	time           if it is there, time passes for the world too
//	*.json         events, handled one after the other; release and expire go to the
//	               function that releases. "120h.json" comes 120 hours after the one before
//	want/answer    what each event's answer says
//	want/world     after
//	want/mutations how often each changing call was made
//
// go test ./lambda -run Scenario -update rewrites the want sections.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios (%v)", err)
	}
	made := &requests{seen: map[string]bool{}}
	t.Cleanup(func() { made.check(t) })
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScenario(t, archive, made, nil)
			if *update {
				rewrite(t, file, archive, got)
				return
			}
			for name, text := range got {
				if d := cmp.Diff(section(archive, name), text); d != "" {
					t.Errorf("%s (-want +got):\n%s", name, d)
				}
			}
		})
	}
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func hasSection(a *txtar.Archive, name string) bool {
	return slices.ContainsFunc(a.Files, func(f txtar.File) bool { return f.Name == name })
}

// runScenario runs a scenario, with some settings beside its own.
func runScenario(t *testing.T, a *txtar.Archive, made *requests, more map[string]string) map[string]string {
	t.Helper()
	vars := settings(section(a, "config"))
	maps.Copy(vars, more)
	w, err := simvpc.ParseWorld(section(a, "world"))
	if err != nil {
		t.Fatal(err)
	}
	var opts simvpc.Options
	if hasSection(a, "time") {
		opts.Clock = func() time.Time { return noon }
	}
	server := simvpc.Start(t, w, opts)
	server.Inject(parseFaults(t, section(a, "faults"))...)
	if said := section(a, "host"); said != "" {
		server.SetHost(func(ssm.Run) ssm.Output { return ssm.Output{Stdout: said, Forged: true} })
	}
	h := newTestHandler(t, server, vars)
	clock := noon
	h.Responder.Now = func() time.Time { return clock }
	r := newTestReleaser(h, server, vars)
	var answers strings.Builder
	for _, f := range a.Files {
		name, isEvent := strings.CutSuffix(f.Name, ".json")
		if !isEvent {
			continue
		}
		if d, err := time.ParseDuration(name); err == nil {
			clock = clock.Add(d)
			if hasSection(a, "time") {
				server.Advance(d)
			}
		}
		handle := h.Contain
		if forRelease(f.Data) {
			handle = r.Release
		}
		before := len(server.Calls())
		answer, err := handle(lambdaContext(t.Context(), w), f.Data)
		fmt.Fprintf(&answers, "%s: %s", f.Name, describe(answer, err))
		made.add(f.Data, server.Calls()[before:], server.World())
	}
	return map[string]string{
		"want/answer":    answers.String(),
		"want/world":     server.World().String(),
		"want/mutations": mutations(server),
	}
}

// noon is when a scenario begins: after the findings' activity.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func forRelease(event []byte) bool {
	var cmd struct{ Command string }
	_ = json.Unmarshal(event, &cmd)
	return cmd.Command == release || cmd.Command == expire || cmd.Command == admit
}

// newTestReleaser is the other function's handler, on the same EC2 and ledger.
func newTestReleaser(h *Handler, server *simvpc.Server, vars map[string]string) *ReleaseHandler {
	ttl, _ := time.ParseDuration(vars[config.DenialTTL])
	releaser := containment.Releaser{
		EC2:    &vpc.Reverter{Client: vpc.New(awsConfig(server.URL))},
		Ledger: h.Responder.Ledger, Book: h.Book, Leases: h.Book.(containment.Leases), Log: h.Log, Now: h.Responder.Now,
		DenialTTL: ttl, LedgerWait: h.Responder.LedgerWait,
	}
	addReleaseRungs(&releaser, config.Config{RestoreDocument: vars[config.RestoreDocument], FlowLogGroup: vars[config.FlowLogGroup]}, awsConfig(server.URL))
	patient := releaser
	patient.EC2 = &vpc.Reverter{Client: vpc.NewPatient(awsConfig(server.URL))}
	return &ReleaseHandler{Releaser: &releaser, Patient: func() *containment.Releaser { return &patient }, Front: h.Front}
}

// newTestHandler is the handler as main builds it, with EC2 simulated and the
// ledger in memory.
func newTestHandler(t testing.TB, server *simvpc.Server, vars map[string]string) *Handler {
	t.Helper()
	vars[config.Table] = "ledger"
	cfg, err := config.Parse(vars)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	calls := &counter{}
	ec2, book := vpc.New(awsConfig(server.URL, calls.add)), &ledger.Memory{}
	h := &Handler{
		Book: book,
		Responder: &containment.Responder{
			EC2:        ec2,
			Fleet:      ec2,
			Ledger:     book,
			Policy:     cfg.Policy(),
			Rules:      cfg.Rules(),
			Log:        log,
			Now:        time.Now,
			LedgerWait: cfg.LedgerWait,
		},
		Mode: cfg.Mode, Front: Front{Calls: calls.count, Log: log, Outbox: &Outbox{Ledger: book, Now: time.Now}},
	}
	readFlows(h, cfg, awsConfig(server.URL, calls.add))
	addRungs(h.Responder, cfg, awsConfig(server.URL, calls.add))
	h.Patient = func() *containment.Responder {
		return h.Responder.With(vpc.NewPatient(awsConfig(server.URL, calls.add)))
	}
	return h
}

func awsConfig(url string, options ...func(*middleware.Stack) error) aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String(url), HTTPClient: vpc.NewHTTPClient(), APIOptions: options,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "SECRET", ""),
	}
}

// lambdaContext is what Lambda gives a function in the world's account and Region.
func lambdaContext(ctx context.Context, w *world.World) context.Context {
	return lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{
		AwsRequestID:       "request-1",
		InvokedFunctionArn: fmt.Sprintf("arn:aws:lambda:%s:%s:function:tourniquet-contain", w.Region, w.Account),
	})
}

func settings(text string) map[string]string {
	vars := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			vars[name] = value
		}
	}
	return vars
}

var faultKinds = map[string]simvpc.FaultKind{
	"throttle": simvpc.Throttle, "internal": simvpc.Internal, "unavailable": simvpc.Unavailable,
	"error": simvpc.ErrorCode, "lost-before": simvpc.LostBefore, "lost-after": simvpc.LostAfter,
}

func parseFaults(t *testing.T, text string) []simvpc.Fault {
	t.Helper()
	var faults []simvpc.Fault
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		kind, ok := faultKinds[words[1]]
		if !ok {
			t.Fatalf("fault %q: no such kind", line)
		}
		f := simvpc.Fault{Op: words[0], Kind: kind}
		for i := 2; i+1 < len(words); i += 2 {
			n, _ := strconv.Atoi(words[i+1])
			switch words[i] {
			case "nth":
				f.Nth = n
			case "count":
				f.Count = n
			case "code":
				f.Code = words[i+1]
			default:
				t.Fatalf("fault %q: no such word: %s", line, words[i])
			}
		}
		faults = append(faults, f)
	}
	return faults
}

// describe is an answer as a reviewer reads it.
func describe(a *answer.Answer, err error) string {
	if err != nil {
		return fmt.Sprintf("%s: %s\n", reflect.TypeOf(err).Elem().Name(), requestIDs.ReplaceAllString(err.Error(), "RequestID: …"))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n", a.Verdict, a.Reason)
	for _, i := range a.Incidents {
		fmt.Fprintf(&b, "%s: %s %s", i.Instance, i.Verdict, i.Status)
		if i.Generation > 0 {
			fmt.Fprintf(&b, " generation %d", i.Generation)
		}
		if i.Unrecorded {
			b.WriteString(" UNRECORDED")
		}
		b.WriteByte('\n')
		if i.QuietSince != "" {
			fmt.Fprintf(&b, "  quiet since %s\n", i.QuietSince)
		}
		for _, s := range i.Steps {
			fmt.Fprintf(&b, "  %s %s", s.State, s.ID)
			if s.Kind != record.KindDenial {
				fmt.Fprintf(&b, ": %s -> %s", strings.Join(s.Before, " "), strings.Join(s.After, " "))
			} else {
				fmt.Fprintf(&b, " at %d", s.Number)
			}
			if s.Until != "" {
				fmt.Fprintf(&b, " until %s", s.Until)
			}
			if s.Note != "" {
				fmt.Fprintf(&b, " (%s)", s.Note)
			}
			b.WriteByte('\n')
		}
		for _, e := range i.Exposure {
			fmt.Fprintf(&b, "  left: %s: %s\n", e.Kind, e.Detail)
		}
		for _, w := range i.Warnings {
			fmt.Fprintf(&b, "  warning: %s\n", requestIDs.ReplaceAllString(w, "RequestID: …"))
		}
	}
	return b.String()
}

var requestIDs = regexp.MustCompile(`RequestID: [0-9a-f-]+`)

func mutations(server *simvpc.Server) string {
	counts := map[string]int{}
	for _, c := range server.Mutations() {
		counts[c.Op]++
	}
	var b strings.Builder
	for _, op := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "%s %d\n", op, counts[op])
	}
	return b.String()
}

func rewrite(t *testing.T, file string, a *txtar.Archive, got map[string]string) {
	t.Helper()
	a.Files = slices.DeleteFunc(a.Files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, "want/") })
	for _, name := range []string{"want/answer", "want/world", "want/mutations"} {
		a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(got[name])})
	}
	if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
		t.Fatal(err)
	}
}
