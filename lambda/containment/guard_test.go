package containment_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// crowd is so many instances behind one ACL, each with a finding of its own.
func crowd(t testing.TB, n int) (*world.World, []plan.Incident) {
	t.Helper()
	b := burst{findings: n, instances: n, subnets: 1, acls: 1, peers: 1, atOnce: n}
	return b.world(t), b.incidents()
}

// allAtOnce has each incident handled by an invocation of its own.
func allAtOnce(t testing.TB, next func() *containment.Responder, incidents []plan.Incident) map[record.Verdict]int {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	verdicts := map[record.Verdict]int{}
	for _, in := range incidents {
		r := next()
		wg.Go(func() {
			out, err := r.Contain(t.Context(), in)
			if err != nil {
				t.Errorf("%s: %v", in.Instance, err)
			}
			mu.Lock()
			defer mu.Unlock()
			verdicts[out.Verdict]++
		})
	}
	wg.Wait()
	return verdicts
}

func quarantined(w *world.World) (instances []string) {
	for _, i := range w.Interfaces {
		if len(i.Groups) == 1 && i.Groups[0] == "sg-q" {
			instances = append(instances, i.Instance)
		}
	}
	return instances
}

// testGuard: of thirty findings at once, with a limit of 25, just 25 are contained,
// and five are held, with the network as it was for them.
func testGuard(t *testing.T, book containment.Ledger) {
	t.Helper()
	w, incidents := crowd(t, 30)
	server := simvpc.New(w, simvpc.Options{Latency: time.Millisecond})
	verdicts := allAtOnce(t, func() *containment.Responder {
		r := loaded(server, book)
		r.Policy.MaxContained = 25
		return r
	}, incidents)
	if verdicts[record.Contain] != 25 || verdicts[record.Held] != 5 {
		t.Errorf("verdicts %v, want 25 to contain and 5 held", verdicts)
	}
	if got := quarantined(server.World()); len(got) != 25 {
		t.Errorf("%d instances are in quarantine, want 25", len(got))
	}
	for _, in := range incidents {
		known, err := book.Load(t.Context(), in.Instance, nil)
		if err != nil {
			t.Fatal(err)
		}
		groups := server.World().Interface("eni-" + fmt.Sprint(burst{}.index(in))).Groups
		if contained := groups[0] == "sg-q"; contained != (known.Record != nil) {
			t.Errorf("%s has the groups %v and the record %+v", in.Instance, groups, known.Record)
		}
	}
}

func TestGuardIsExact(t *testing.T) {
	t.Parallel()
	for range 10 {
		testGuard(t, &ledger.Memory{})
	}
}

// While the ledger is down, the guard goes by the instances that are in quarantine.
func TestGuardWithoutTheLedger(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]down{
		"reading": {&ledger.Memory{}, true, true}, "writing": {&ledger.Memory{}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, incidents := crowd(t, 4)
			server := simvpc.Start(t, w, simvpc.Options{})
			r := responder(server, l)
			r.Policy.MaxContained = 2
			byPerson := incidents[3]
			byPerson.Trigger = plan.ByPerson
			for n, tc := range []struct {
				in   plan.Incident
				want record.Verdict
			}{
				{incidents[0], record.Contain},
				{incidents[1], record.Contain},
				{incidents[2], record.Held},
				{incidents[1], record.Contain}, // once more: it has its place
				{byPerson, record.Contain},
			} {
				out, err := r.Contain(t.Context(), tc.in)
				if err != nil {
					t.Fatal(err)
				}
				if out.Verdict != tc.want {
					t.Errorf("finding %d: verdict %s (%s), want %s", n, out.Verdict, out.Reason, tc.want)
				}
			}
			if got := quarantined(server.World()); len(got) != 3 {
				t.Errorf("in quarantine: %v, want three", got)
			}
			held := server.World().Instance(incidents[2].Instance)
			if held.Tags[network.PeersTag] != "" || held.Tags[network.StatusTag] != "" {
				t.Errorf("the held instance carries the tags %v", held.Tags)
			}
		})
	}
}

// As long as the ledger is there, EC2 is not asked who is in quarantine.
func TestGuardCostsNothingWithTheLedger(t *testing.T) {
	t.Parallel()
	w, incidents := crowd(t, 1)
	server := simvpc.Start(t, w, simvpc.Options{})
	if _, err := responder(server, &ledger.Memory{}).Contain(t.Context(), incidents[0]); err != nil {
		t.Fatal(err)
	}
	for _, c := range server.Calls() {
		if c.Op == "DescribeNetworkInterfaces" && c.Params.Get("Filter.1.Name") == "group-id" {
			t.Error("the interfaces in quarantine were described")
		}
	}
}

// EC2 throttles the denials until the end: the time that is left suffices to read
// back and mark what has been done, and the error names what is missing.
func TestTimeIsLeftToMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, incidents := crowd(t, 1)
		server := simvpc.New(w, simvpc.Options{Latency: inRegion})
		server.Inject(simvpc.Fault{Op: "CreateNetworkAclEntry", Kind: simvpc.Throttle, Count: -1})
		book := &ledger.Memory{}
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		_, err := loaded(server, book).Contain(ctx, incidents[0])
		missing, ok := errors.AsType[*containment.PartialError](err)
		if !ok || len(missing.Missing) != 2 {
			t.Fatalf("got %v, want a PartialError that names the two denials", err)
		}
		if !strings.Contains(err.Error(), "RequestLimitExceeded") && !strings.Contains(err.Error(), "throttles") {
			t.Errorf("%v doesn't say why", err)
		}
		known, err := book.Load(t.Context(), incidents[0].Instance, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range known.Record.Steps {
			if _, ok := record.AsQuarantine(s.Step); ok && s.State != record.Applied {
				t.Errorf("%s is marked %s, want applied", s.Step.ID(), s.State)
			}
		}
	})
}

// Tags that EC2 throttles don't keep a recorded plan from being applied.
func TestTagsDontHoldUpTheCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, incidents := crowd(t, 1)
		server := simvpc.New(w, simvpc.Options{Latency: inRegion})
		server.Inject(simvpc.Fault{Op: "CreateTags", Kind: simvpc.Throttle, Count: -1})
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		out, err := loaded(server, &ledger.Memory{}).Contain(ctx, incidents[0])
		if err != nil {
			t.Fatal(err)
		}
		if took := out.Contained.Sub(start); took > 4*time.Second {
			t.Errorf("contained after %v", took)
		}
		if out.Record.Status != record.Contained || len(out.Warnings) == 0 {
			t.Errorf("status %s, warnings %q", out.Record.Status, out.Warnings)
		}
	})
}
