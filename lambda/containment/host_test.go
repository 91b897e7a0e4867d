package containment_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/host"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/ssm"
	"tourniquet/lambda/simvpc/world"
	"tourniquet/lambda/vpc"
)

var onHostAlways = plan.Rules{OnHost: plan.OnHostAlways}

// withHosts gives a responder who isolates hosts, on a simulated Systems Manager.
func withHosts(r *containment.Responder, server *simvpc.Server, when plan.OnHost) *containment.Responder {
	hosts := &host.Client{Isolate: host.IsolateName, Config: aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String(server.URL), HTTPClient: vpc.NewHTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "SECRET", ""),
	}}
	r.Rules.OnHost, r.Hosts = when, hosts
	r.Beside = map[record.Kind]containment.Measures{record.KindHost: host.Isolating{Client: hosts}}
	return r
}

// managed is a world whose instance Systems Manager manages.
func managed(w *world.World) *world.World {
	w.Instance(victim).Managed = true
	return w
}

// The command to the host goes out with the cut, and the cut never waits for it: slow,
// throttled, denied or lost, it changes neither the round trips nor the calls of the cut.
//
// It is not parallel: what it measures is which calls overlap.
func TestTheHostHoldsUpNothing(t *testing.T) {
	const peers = 2
	latency := latencyFor(16)
	run := func(t *testing.T, when plan.OnHost, faults ...simvpc.Fault) (containment.Outcome, []simvpc.Call, *simvpc.Server, time.Duration) {
		t.Helper()
		log := &simvpc.Log{}
		server := simvpc.Start(t, managed(wide(t, 1, 1, true)), simvpc.Options{Latency: latency, Log: log})
		server.Inject(faults...)
		began := time.Now()
		r := withHosts(responder(server, slow{&ledger.Memory{}, log, latency}), server, when)
		out, err := r.Contain(t.Context(), incidentOf(server.World(), peers))
		if err != nil {
			t.Fatal(err)
		}
		return out, log.Calls(), server, out.Contained.Sub(began)
	}
	_, calls, without, _ := run(t, plan.OnHostOff)
	want := cutCalls(calls)
	every := func(kind simvpc.FaultKind) simvpc.Fault {
		return simvpc.Fault{Op: "SendCommand", Count: -1, Kind: kind, Code: "AccessDeniedException"}
	}
	for name, tc := range map[string]struct {
		fault simvpc.Fault
		state record.State
	}{
		"in good order": {simvpc.Fault{Op: "None"}, record.Applied},
		"takes 5 s":     {simvpc.Fault{Op: "SendCommand", Count: -1, Delay: 5 * time.Second}, record.Pending},
		"throttles":     {every(simvpc.Throttle), record.Pending},
		"is denied":     {every(simvpc.ErrorCode), record.Pending},
		"lost before":   {every(simvpc.LostBefore), record.Pending},
		"answers lost":  {every(simvpc.LostAfter), record.Pending},
	} {
		t.Run(name, func(t *testing.T) {
			out, calls, server, took := run(t, plan.OnHostAlways, tc.fault)
			critical := untilContained(calls)
			if got := simvpc.Depth(critical); got != 3 {
				t.Errorf("%d dependent round trips, want 3", got)
			}
			if diff := cmp.Diff(want, cutCalls(calls)); diff != "" {
				t.Errorf("the calls of the cut (-without +with the host):\n%s", diff)
			}
			if took > 10*latency {
				t.Errorf("contained after %v, with a latency of %v", took, latency)
			}
			step, _ := out.Record.Step(record.HostOf(victim).ID())
			if out.Record.Status != record.Contained || step.State != tc.state {
				t.Errorf("status %s, the host is %s, want contained and %s", out.Record.Status, step.State, tc.state)
			}
			got := server.World()
			got.Instance(victim).Isolated = false
			if diff := world.Diff(without.World(), got); diff != "" {
				t.Errorf("the network differs from that of a containment without the host:\n%s", diff)
			}
		})
	}
}

// cutCalls are the changing calls of the cut, sorted, with what they ask for.
func cutCalls(calls []simvpc.Call) []string {
	var all []string
	for _, c := range calls {
		if c.Mutating && c.Op != "SendCommand" && c.Op != "Commit" {
			all = append(all, c.Op+" "+c.Params.Encode())
		}
	}
	slices.Sort(all)
	return all
}

// Whatever a host prints, the containment is the same: the denials, the groups and
// every exposure but those that are about the host.
func TestTheHostsWordProvesNothing(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for n := range 10_000 {
		fmt.Fprintf(&many, "tcp 10.0.0.10:%d 8.%d.%d.8:443 0 %d x /tmp/x\n", 1024+n, n/250, n%250, n+1)
	}
	const fine = `{"version":1,"rules":"nft","closed":3,"left":0,"truncated":false,"error":""}`
	for name, said := range map[string]string{
		"claims success":     fine,
		"names a neighbour":  "tcp 10.0.0.10:50000 10.0.0.77:5432 0 4001 psql /usr/bin/psql\n" + fine,
		"names 10,000":       many.String() + fine,
		"control characters": "tcp 10.0.0.10:1 8.8.8.8:1 0 1 \x1b[2J\x07 /\x00\n" + `{"version":1,"rules":"nft","closed":0,"left":0,"truncated":false,"error":"\u001b[31m\u202e"}`,
		"not JSON":           "all is well",
		"nothing":            "",
		"peer of the answer": `{"version":1,"rules":"none","peers":["8.8.8.8"],"closed":-1}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := managed(crashWorld(t))
				s := newStage(w)
				s.rungs = onHostAlways
				s.must(t, containing(w))
				before, _ := s.book.Load(t.Context(), victim, nil)
				s.server.SetHost(func(ssm.Run) ssm.Output { return ssm.Output{Stdout: said, Forged: true} })
				in := incidentWith(w, "f1")
				in.Trigger, in.OnHost, in.Asked = plan.ByPerson, true, time.Now()
				s.must(t, func(ctx context.Context, p *process) error { return p.contain(ctx, in) })
				s.must(t, reconciling)
				s.must(t, reconciling)
				after, _ := s.book.Load(t.Context(), victim, nil)
				if after.Record.Host.State == "" || after.Record.Host.State == "awaited" {
					t.Fatal("nothing was heard of the host")
				}
				if diff := cmp.Diff(beyondTheHost(*before.Record), beyondTheHost(*after.Record)); diff != "" {
					t.Errorf("what the host says has changed the containment (-before +after):\n%s", diff)
				}
				for _, line := range append(after.Record.Host.Connections, after.Record.Host.Error, after.Record.Host.Detail) {
					if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
						t.Errorf("the record has %q", line)
					}
				}
				size := 0
				for _, line := range after.Record.Host.Connections {
					size += len(line)
				}
				if size > 40_000 {
					t.Errorf("the evidence has %d bytes", size)
				}
			})
		})
	}
}

// beyondTheHost is a record without what is about the host.
func beyondTheHost(r record.Record) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Status, r.Peers)
	for _, s := range r.Steps {
		if s.Step.Kind() != record.KindHost {
			fmt.Fprintf(&b, "%+v\n", s)
		}
	}
	for _, e := range r.Exposure {
		if !strings.HasPrefix(string(e.Kind), "host-") {
			fmt.Fprintf(&b, "%s %s\n", e.Kind, e.Detail)
		}
	}
	return b.String()
}

// The restore is sent once the groups are back, and never before: in quarantine the
// agent could not fetch it.
func TestTheHostIsRestoredLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := managed(crashWorld(t))
		s := newStage(w)
		s.rungs = onHostAlways
		s.must(t, containing(w, threePeers...))
		sent := 0
		s.server.Before(func(c simvpc.Call) simvpc.Fault {
			if c.Op == "SendCommand" {
				sent++
				for _, i := range s.server.World().Interfaces {
					if i.Instance == victim && slices.Contains(i.Groups, "sg-00000001") {
						t.Errorf("%s has the groups %v while the host is asked", i.ID, i.Groups)
					}
				}
			}
			return simvpc.Fault{}
		})
		s.must(t, releasing)
		if sent != 1 || s.server.World().Instance(victim).Isolated {
			t.Errorf("%d commands, isolated: %v", sent, s.server.World().Instance(victim).Isolated)
		}
		open, err := s.book.Open(t.Context())
		if err != nil || len(open) != 1 {
			t.Fatalf("open: %v, %v; want the host to be asked again", open, err)
		}
		s.must(t, expiring)
		k, _ := s.book.Load(t.Context(), victim, nil)
		if open, _ := s.book.Open(t.Context()); len(open) != 0 || k.Record.Unsettled() {
			t.Errorf("open: %v, unsettled: %v", open, k.Record.Unsettled())
		}
	})
}

// A deployment whose function that releases has no document says that the rules stay.
func TestNobodyCanRestoreTheHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := managed(crashWorld(t))
		s := newStage(w)
		s.rungs = onHostAlways
		s.must(t, containing(w))
		r := s.process(always).releaser()
		r.Beside, r.Hosts = nil, nil
		out, err := r.Release(t.Context(), containment.Ask{Instance: victim, Reason: "test", Request: "r1"})
		if err != nil || out.Record.Status != record.Released {
			t.Fatalf("%s, %v", out.Record.Status, err)
		}
		if !slices.ContainsFunc(out.Record.Exposure, func(e record.Exposure) bool {
			return e.Kind == record.HostUnconfirmed && strings.Contains(e.Detail, "still there")
		}) {
			t.Errorf("the answer doesn't say that the rules are still there: %v", out.Record.Exposure)
		}
	})
}

// The function that faces events has no means to restore a host, nor the other one to
// isolate one.
func TestEachFunctionHasOneDocument(t *testing.T) {
	t.Parallel()
	hosts := &host.Client{Isolate: host.IsolateName}
	results := host.Restoring{Client: hosts}.Take(t.Context(), []record.Step{record.HostOf(victim)})
	if results[0].Err == nil || errors.Is(results[0].Err, context.Canceled) {
		t.Errorf("got %v", results[0].Err)
	}
	if results := (host.Isolating{Client: &host.Client{Restore: host.RestoreName}}).Take(t.Context(), []record.Step{record.HostOf(victim)}); results[0].Err == nil {
		t.Error("the other one isolates")
	}
}
