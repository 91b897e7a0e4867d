package containment_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// A hindrance is what a world has that keeps a step from being taken, and what comes of it.
type hindrance struct {
	edit   func(*world.World)
	fault  simvpc.Fault
	loses  string // the operation whose answer is lost
	states string // of the steps that are not applied
	says   string // in the exposure may-be-terminated; empty: there is none
	mends  func(*world.World)
}

func hindrances() map[string]hindrance {
	group := func(f func(*world.AutoScalingGroup)) func(*world.World) {
		return func(w *world.World) { f(w.AutoScaling[0]) }
	}
	it := func(f func(*world.Instance)) func(*world.World) {
		return func(w *world.World) { f(w.Instance(victim)) }
	}
	tagged := func(key, value string) func(*world.World) {
		return it(func(i *world.Instance) { i.Tags = world.Tags{key: value} })
	}
	volumes := func(total int) func(*world.World) {
		return func(w *world.World) {
			w.Volumes = w.Volumes[:2]
			for n := 2; n < total; n++ {
				w.Volumes = append(w.Volumes, &world.Volume{ID: fmt.Sprintf("vol-%03d", n), Instance: victim, Device: fmt.Sprintf("/dev/sd%d", n), Size: 8})
			}
		}
	}
	return map[string]hindrance{
		"nothing":                                {},
		"it has as many volumes as a call takes": {edit: volumes(128)},
		"it has more volumes than a call takes":  {edit: volumes(129), states: "snapshot failed", mends: volumes(128)},
		"the group is at its minimum":            {edit: group(func(g *world.AutoScalingGroup) { g.Min, g.Desired = 2, 2 })},
		"the group is being deleted": {
			edit: group(func(g *world.AutoScalingGroup) { g.Deleting = true }), states: "standby failed", says: "pending delete",
			mends: group(func(g *world.AutoScalingGroup) { g.Deleting = false }),
		},
		"it is not in service yet": {
			edit: it(func(i *world.Instance) { i.Lifecycle = "Pending" }), states: "standby failed", says: "it is Pending in its group",
			mends: it(func(i *world.Instance) { i.Lifecycle = world.InService }),
		},
		"it is protected from scale-in": {edit: it(func(i *world.Instance) { i.Pinned = true })},
		"the group is busy": {
			fault:  simvpc.Fault{Op: "EnterStandby", Kind: simvpc.ErrorCode, Code: "ResourceContention", Count: -1},
			states: "standby pending", says: "not on standby yet",
		},
		"Auto Scaling is down": {
			fault:  simvpc.Fault{Op: "DescribeAutoScalingInstances", Kind: simvpc.Internal, Count: -1},
			states: "", says: "not on standby yet",
		},
		"it has left its group": {edit: func(w *world.World) {
			i := w.Instance(victim)
			i.AutoScaling, i.Lifecycle, i.Tags = "", "", world.Tags{network.AutoScalingTag: "web"}
		}},
		"it is a node of Karpenter":      {edit: tagged("karpenter.sh/nodepool", "default"), says: "karpenter.sh/do-not-disrupt"},
		"it is a node of EKS":            {edit: tagged("eks:nodegroup-name", "workers"), says: "node group workers"},
		"it is a Spot Instance":          {edit: it(func(i *world.Instance) { i.Spot = true }), says: "Spot Instance"},
		"it has no profile":              {edit: it(func(i *world.Instance) { i.Profile = "" })},
		"it has no volume":               {edit: func(w *world.World) { w.Volumes = nil }},
		"the profile is changing":        {edit: it(func(i *world.Instance) { i.ProfileChanging = true }), states: "profile pending", mends: it(func(i *world.Instance) { i.ProfileChanging = false })},
		"a volume is being modified":     {edit: func(w *world.World) { w.Volumes[1].Modifying = true }, states: "snapshot pending", mends: func(w *world.World) { w.Volumes[1].Modifying = false }},
		"EC2 refuses to protect it":      {fault: simvpc.Fault{Op: "ModifyInstanceAttribute", Kind: simvpc.ErrorCode, Code: "UnauthorizedOperation", Count: -1}, states: "protection/blockDeviceMapping failed, protection/disableApiTermination failed, protection/instanceInitiatedShutdownBehavior failed"},
		"the key's policy is in the way": {fault: simvpc.Fault{Op: "CreateSnapshots", Kind: simvpc.ErrorCode, Code: "Client.InvalidKMSKey.InvalidState", Count: -1}, states: "snapshot failed"},
		"the answer of the copy is lost": {loses: "CreateSnapshots", states: "snapshot pending"},
	}
}

// Whatever hinders a step that keeps the instance is an outcome: the instance is
// contained, no invocation fails, and what may be terminated is said. What passes, a
// reconcile makes up for.
func TestHindrancesAreOutcomes(t *testing.T) {
	t.Parallel()
	w := keepWorld(t)
	for name, h := range hindrances() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := keeping(w)
				if h.edit != nil {
					s.server.Edit(h.edit)
				}
				if h.fault.Kind != simvpc.NoFault {
					s.server.Inject(h.fault)
				}
				g := func(_ context.Context, c call) fate {
					if c.op == h.loses {
						return lost
					}
					return passes
				}
				if err := scaled(w, threePeers...)(t.Context(), s.process(g)); err != nil {
					t.Fatal(err)
				}
				r := s.record(t)
				if got := unapplied(r); got != h.states || r.Status != record.Contained {
					t.Errorf("%s: got %q, want %q; all: %s", r.Status, got, h.states, keptStates(r))
				}
				if got := exposed(r, record.MayBeTerminated); (h.says == "") != (got == "") || !strings.Contains(got, h.says) {
					t.Errorf("may be terminated: got %q, want …%s…", got, h.says)
				}
				s.server.Heal()
				if h.mends != nil {
					s.server.Edit(h.mends)
				}
				time.Sleep(3 * time.Minute) // the group has patience for five
				s.once(t, reconciling)
				if got := unapplied(s.record(t)); got != "" {
					t.Errorf("after a reconcile: %s", got)
				}
				s.once(t, reconciling)
				if got, want := len(s.server.World().Snapshots), len(s.server.World().Volumes); got > want || h.mends != nil && got != want {
					t.Errorf("%d snapshots of %d volumes", got, want)
				}
			})
		})
	}
}

// once runs undisturbed, and must not fail.
func (s *stage) once(t *testing.T, do deed) {
	t.Helper()
	if err := do(t.Context(), s.process(always)); err != nil {
		t.Fatal(err)
	}
}

// unapplied are the steps that keep the instance and are not applied.
func unapplied(r record.Record) string {
	all := strings.Split(keptStates(r), ", ")
	return strings.Join(slices.DeleteFunc(all, func(s string) bool { return strings.HasSuffix(s, " applied") }), ", ")
}

func exposed(r record.Record, kind record.ExposureKind) string {
	var all []string
	for _, e := range r.Exposure {
		if e.Kind == kind {
			all = append(all, e.Detail)
		}
	}
	return strings.Join(all, "\n")
}

// What the owner had set before stays as it was, and what somebody changes meanwhile is
// left alone: a release takes back only what is ours.
func TestOwnersSettingsStay(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before, meanwhile func(*world.Instance)
		want              func(*world.Instance) bool
	}{
		"suppressed before":      {func(i *world.Instance) { i.Suppressed = true }, nil, func(i *world.Instance) bool { return i.Suppressed }},
		"on standby before":      {func(i *world.Instance) { i.Lifecycle = world.Standby }, nil, func(i *world.Instance) bool { return i.Lifecycle == world.Standby }},
		"protected before":       {func(i *world.Instance) { i.Protected = true }, nil, func(i *world.Instance) bool { return i.Protected }},
		"stops before":           {func(i *world.Instance) { i.Shutdown = "stop" }, nil, func(i *world.Instance) bool { return i.Shutdown == "stop" }},
		"no metadata before":     {func(i *world.Instance) { i.MetadataOff = true }, nil, func(i *world.Instance) bool { return i.MetadataOff }},
		"another profile since":  {nil, func(i *world.Instance) { i.Profile = "third" }, func(i *world.Instance) bool { return i.Profile == "third" }},
		"into service meanwhile": {nil, func(i *world.Instance) { i.Lifecycle = world.InService }, func(i *world.Instance) bool { return i.Lifecycle == world.InService }},
		"out of its group meanwhile": {
			nil, func(i *world.Instance) { i.AutoScaling, i.Lifecycle = "", "" },
			func(i *world.Instance) bool { return i.AutoScaling == "" && i.Profile == "web" },
		},
	}
	w := keepWorld(t)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := keeping(w)
				if tc.before != nil {
					s.server.Edit(func(w *world.World) { tc.before(w.Instance(victim)) })
				}
				s.once(t, scaled(w, threePeers...))
				if tc.meanwhile != nil {
					s.server.Edit(func(w *world.World) { tc.meanwhile(w.Instance(victim)) })
				}
				time.Sleep(3 * time.Minute) // the group has patience for five
				s.once(t, releasing)
				if i := s.server.World().Instance(victim); !tc.want(i) {
					t.Errorf("got %+v; steps %s", i, keptStates(s.record(t)))
				}
				if got := s.server.World().Interface("eni-0").Groups; !slices.Equal(got, []string{"sg-ssh", "sg-web"}) {
					t.Errorf("eni-0 has the groups %v", got)
				}
			})
		})
	}
}

// What can't be undone is said, and keeps nothing else from being released. Asked again,
// a release tries again.
func TestReleaseOfWhatIsHindered(t *testing.T) {
	t.Parallel()
	w := keepWorld(t)
	synctest.Test(t, func(t *testing.T) {
		s := keeping(w)
		s.once(t, scaled(w, threePeers...))
		s.server.Edit(func(w *world.World) { w.AutoScaling[0].Max = 2 })
		time.Sleep(time.Hour)
		s.once(t, releasing)
		r := s.record(t)
		if st, _ := r.Step(record.StandbyOf(victim).ID()); st.State != record.Failed || !strings.Contains(st.Note, "max-size=2") || r.Status != record.Released {
			t.Errorf("%s: standby is %s: %s", r.Status, st.State, st.Note)
		}
		if i := s.server.World().Instance(victim); i.Profile != "web" || i.Protected || i.MetadataOff {
			t.Errorf("got %+v", i)
		}
		s.server.Edit(func(w *world.World) { w.AutoScaling[0].Max = 4 })
		s.once(t, releasing)
		if i := s.server.World().Instance(victim); i.Lifecycle != world.InService {
			t.Errorf("asked again: %s", i.Lifecycle)
		}
	})
}

// An instance goes back into service after its groups are back, and not before: its
// group would terminate it.
func TestStandbyEndsLast(t *testing.T) {
	t.Parallel()
	w := keepWorld(t)
	synctest.Test(t, func(t *testing.T) {
		s := keeping(w)
		s.once(t, scaled(w, threePeers...))
		time.Sleep(time.Hour)
		var order []string
		s.server.Before(func(c simvpc.Call) simvpc.Fault {
			if c.Op == "ModifyNetworkInterfaceAttribute" || c.Op == "ExitStandby" || c.Op == "DisableApplicationStatusCheckSuppression" {
				order = append(order, c.Op)
			}
			return simvpc.Fault{}
		})
		s.once(t, releasing)
		if last := slices.Index(order, "ExitStandby"); last < 2 || slices.Contains(order[last:], "ModifyNetworkInterfaceAttribute") {
			t.Errorf("the order was %v", order)
		}

		s = keeping(w)
		s.once(t, scaled(w, threePeers...))
		time.Sleep(time.Hour)
		s.server.Edit(func(w *world.World) { // nobody can restore the groups of eni-1
			w.Groups = slices.DeleteFunc(w.Groups, func(g *world.SecurityGroup) bool { return g.ID == "sg-web" })
		})
		s.once(t, releasing)
		r := s.record(t)
		if st, _ := r.Step(record.StandbyOf(victim).ID()); st.State != record.Failed || s.server.World().Instance(victim).Lifecycle != world.Standby {
			t.Errorf("with an interface in quarantine, standby is %s: %s", st.State, st.Note)
		}
	})
}

// Credentials that were issued before the cut are named until they have expired, with the
// line that revokes them, and no longer.
func TestCredentialsAreNamedUntilTheyExpire(t *testing.T) {
	t.Parallel()
	w := keepWorld(t)
	synctest.Test(t, func(t *testing.T) {
		s := keeping(w)
		s.once(t, scaled(w, threePeers...))
		got := exposed(s.record(t), record.IMDSCredentials)
		if !strings.Contains(got, "until about 2000-01-01T06:0") || !strings.Contains(got, "get-instance-profile --instance-profile-name web ") {
			t.Errorf("exposure %q", got)
		}
		time.Sleep(5 * time.Hour)
		s.once(t, reconciling)
		if later := exposed(s.record(t), record.IMDSCredentials); later != got {
			t.Errorf("five hours later: %q, want %q", later, got)
		}
		time.Sleep(2 * time.Hour)
		s.once(t, reconciling)
		if later := exposed(s.record(t), record.IMDSCredentials); later != "" {
			t.Errorf("seven hours later: %q", later)
		}
	})
}

// A profile or an endpoint that somebody puts back while the instance is contained is
// denied again: that tightens. What merely protects the instance is its owner's to change.
func TestReconcileDeniesCredentialsAgain(t *testing.T) {
	t.Parallel()
	w := keepWorld(t)
	synctest.Test(t, func(t *testing.T) {
		s := keeping(w)
		s.once(t, scaled(w, threePeers...))
		s.server.Edit(func(w *world.World) {
			i := w.Instance(victim)
			i.Profile, i.MetadataOff, i.Protected = "admin", false, false
		})
		s.once(t, reconciling)
		if i := s.server.World().Instance(victim); i.Profile != "tourniquet-deny" || !i.MetadataOff || i.Protected {
			t.Errorf("got %+v", i)
		}
		time.Sleep(time.Hour)
		s.once(t, releasing)
		if i := s.server.World().Instance(victim); i.Profile != "web" || i.MetadataOff {
			t.Errorf("after a release: %+v", i)
		}
	})
}

// Nothing of the cut waits for what is slow beside it.
func TestTheCutDoesNotWait(t *testing.T) {
	t.Parallel()
	w := keepWorld(t)
	synctest.Test(t, func(t *testing.T) {
		s := keeping(w)
		for _, op := range []string{"DescribeAutoScalingInstances", "DescribeApplicationStatus", "EnterStandby", "DescribeInstanceAttribute", "CreateSnapshots"} {
			s.server.Inject(simvpc.Fault{Op: op, Delay: time.Minute, Count: -1})
		}
		p := s.process(always)
		in := incidentWith(w, "f1", threePeers...)
		in.Scaled = true
		start := time.Now()
		out, err := p.responder().Contain(t.Context(), in)
		if err != nil || out.Record.Status != record.Contained || out.Contained.Sub(start) > 100*time.Millisecond {
			t.Errorf("contained after %v: %s (%v)", out.Contained.Sub(start), out.Record.Status, err)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("the invocation took %v", took)
		}
		if got := exposed(out.Record, record.MayBeTerminated); !strings.Contains(got, "no answer yet") {
			t.Errorf("may be terminated: %q", got)
		}
		time.Sleep(2 * time.Minute)
	})
}

// Of an instance that is gone, nothing is left to undo, and the release ends.
func TestReleaseOfAnInstanceThatIsGone(t *testing.T) {
	t.Parallel()
	w := keepWorld(t)
	synctest.Test(t, func(t *testing.T) {
		s := keeping(w)
		s.once(t, scaled(w, threePeers...))
		s.server.Edit(func(w *world.World) { w.Terminate(w.Instance(victim)) })
		time.Sleep(network.DefaultTracking + time.Hour)
		s.once(t, releasing)
		r := s.record(t)
		if got := unapplied(r); r.Status != record.Released || strings.Count(got, " gone") != 7 {
			t.Errorf("%s: %s", r.Status, got)
		}
	})
}

// What a release could not undo is no setting of the owner's: the next containment
// remembers what was there before the first one.
func TestContainedAgainBeforeAllWasUndone(t *testing.T) {
	t.Parallel()
	w := keepWorld(t)
	synctest.Test(t, func(t *testing.T) {
		s := keeping(w)
		s.once(t, scaled(w, threePeers...))
		s.server.Edit(func(w *world.World) { w.AutoScaling[0].Max = 2 })
		s.server.Inject(simvpc.Fault{Op: "ReplaceIamInstanceProfileAssociation", Kind: simvpc.ErrorCode, Code: "UnauthorizedOperation", Count: -1})
		time.Sleep(time.Hour)
		s.once(t, releasing)
		if i := s.server.World().Instance(victim); i.Lifecycle != world.Standby || i.Profile != "tourniquet-deny" {
			t.Fatalf("all was undone: %+v", i)
		}
		s.server.Heal()
		s.server.Edit(func(w *world.World) { w.AutoScaling[0].Max = 4 })
		time.Sleep(time.Hour)
		again(w, "f-new", "203.0.113.77")(t, s)
		if r := s.record(t); r.Generation != 2 || unapplied(r) != "" {
			t.Errorf("generation %d: %s", r.Generation, keptStates(r))
		}
		time.Sleep(time.Hour)
		s.once(t, func(ctx context.Context, p *process) error { // another command than the first one
			_, err := p.releaser().Release(ctx, containment.Ask{Instance: victim, Reason: "released", Request: "release-2"})
			return err
		})
		if i := s.server.World().Instance(victim); i.Lifecycle != world.InService || i.Profile != "web" {
			st, _ := s.record(t).Step(record.StandbyOf(victim).ID())
			t.Errorf("after the second release: %+v; standby %+v", i, st)
		}
	})
}

// Right after a release, what is read of an attribute may be older than that. It is read
// again, but not for ever: an attribute that has the wanted value from the start, as the
// shutdown behaviour has here, never looks any newer.
func TestLooksAfterAReleaseEnd(t *testing.T) {
	t.Parallel()
	w := crashWorld(t)
	synctest.Test(t, func(t *testing.T) {
		s := newStage(w)
		s.rungs = plan.Rules{Protect: true}
		s.once(t, scaled(w, threePeers...))
		p := s.process(always)
		if err := p.release(t.Context(), victim); err != nil {
			t.Fatal(err)
		}
		s.server.ClearLog()
		for _, act := range []func(context.Context, plan.Incident) (containment.Outcome, error){p.responder().Preview, p.responder().Contain} {
			start := time.Now()
			if _, err := act(t.Context(), incidentWith(w, "f2", threePeers...)); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("the invocation took %v", took)
			}
		}
		if n := len(s.server.Calls()); n > 400 {
			t.Errorf("%d calls", n)
		}
	})
}
