package containment_test

import (
	"slices"
	"testing"
	"time"

	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// With everything on that keeps the instance, the way to contained has three dependent
// round trips, as without; and standby goes out while the swap is under way.
//
// It is not parallel: what it measures is which calls overlap.
func TestRoundTripsWithEveryRung(t *testing.T) {
	for _, tc := range []struct {
		name      string
		rules     plan.Rules
		scaled    bool // the finding has the tag of the group
		contained int  // calls up to contained
		calls     int  // calls in all
	}{
		{name: "none", contained: 17, calls: 24},
		{name: "those that are on by default", rules: plan.Rules{KeepAlive: true, Protect: true}, scaled: true, contained: 21, calls: 40},
		{name: "all", rules: everyKeep, scaled: true, contained: 21, calls: 54},
		{name: "all, and the finding has no tag", rules: everyKeep, contained: 17, calls: 54},
	} {
		t.Run(tc.name, func(t *testing.T) {
			latency := latencyFor(tc.contained)
			w := keepWorld(t)
			w.Groups = append(w.Groups, quarantineGroup(t))
			log := &simvpc.Log{}
			server := simvpc.Start(t, w, simvpc.Options{Latency: latency, Log: log})
			in := incidentOf(w, 1)
			in.Scaled = tc.scaled
			r := responder(server, slow{&ledger.Memory{}, log, latency})
			tc.rules.ACLQuota = r.Rules.ACLQuota
			r.Rules = tc.rules
			start := time.Now()
			out, err := r.Contain(t.Context(), in)
			if err != nil || out.Record.Status != record.Contained {
				t.Fatalf("%s (%v)", out.Record.Status, err)
			}
			critical := untilContained(log.Calls())
			if got := simvpc.Depth(critical); got != 3 {
				t.Errorf("%d dependent round trips until contained, want 3", got)
			}
			t.Logf("%d calls until contained, after %v; %d in all, %d dependent round trips, %v", len(critical), out.Contained.Sub(start).Round(time.Millisecond),
				len(log.Calls()), simvpc.Depth(log.Calls()), time.Since(start).Round(time.Millisecond))
			if tc.rules.KeepAlive && unapplied(out.Record) != "" {
				t.Errorf("not applied: %s", unapplied(out.Record))
			}
			if tc.scaled && !overlap(log.Calls(), "EnterStandby", "ModifyNetworkInterfaceAttribute") {
				t.Errorf("standby does not go out with the swap: %v", log.Calls())
			}
			if len(log.Calls()) > tc.calls {
				t.Errorf("%d calls in all, want at most %d", len(log.Calls()), tc.calls)
			}
		})
	}
}

// overlap reports whether a call of one operation was under way while one of another was.
func overlap(calls []simvpc.Call, one, other string) bool {
	return slices.ContainsFunc(calls, func(a simvpc.Call) bool {
		return a.Op == one && slices.ContainsFunc(calls, func(b simvpc.Call) bool {
			return b.Op == other && a.Start.Before(b.End) && b.Start.Before(a.End)
		})
	})
}

func quarantineGroup(t *testing.T) *world.SecurityGroup {
	t.Helper()
	w := wide(t, 1, 1, true)
	for _, g := range w.Groups {
		if g.Tags[network.RoleTag] == network.RoleValue {
			return g
		}
	}
	t.Fatal("there is none")
	return nil
}
