package containment_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc/world"
)

// survivor is whom no finding names: it talks with the victim's second interface.
var survivor = netip.MustParseAddr("203.0.113.66")

// everyCut is with all on that cuts what no finding names.
var everyCut = plan.Rules{OnHost: plan.OnHostAlways, Survivors: plan.SurvivorsDeny, Isolate: plan.IsolateTagged}

// withoutIsolation lets a survivor be seen: nobody is left in a subnet that is isolated.
var withoutIsolation = plan.Rules{OnHost: plan.OnHostAuto, Survivors: plan.SurvivorsDeny}

// cutWorld is crashWorld with all that these rungs need: a managed instance, a log group,
// somebody who talks with it, subnets that may be isolated, and a group to release to.
func cutWorld(t *testing.T) *world.World {
	t.Helper()
	w := crashWorld(t)
	w.Instance(victim).Managed = true
	isolable(w)
	w.LogGroups = []string{"flows"}
	w.Groups = append(w.Groups, &world.SecurityGroup{ID: "sg-clean", VPC: "vpc-1", Name: "clean", Owner: w.Account, Tags: world.Tags{network.ReleaseTag: ""}})
	w.Flows = append(w.Flows, &world.Flow{
		Protocol: world.TCP, From: netip.MustParseAddrPort("10.0.1.10:44321"), To: netip.AddrPortFrom(survivor, 443), Tracked: []string{"eni-1"},
	})
	w.Normalize()
	return w
}

// deafWorld is cutWorld with a host that no command reaches, so that the survivor stays.
func deafWorld(t *testing.T) *world.World {
	t.Helper()
	w := cutWorld(t)
	w.Instance(victim).Managed = false
	return w
}

// cuttingPairs are of an instance on which all is on that cuts what no finding names.
func cuttingPairs(t *testing.T) map[string]pair {
	t.Helper()
	w, deaf := cutWorld(t), deafWorld(t)
	let, deafLet := admittable(w), admittable(deaf)
	at := func(seen time.Duration, finding string, peers ...string) deed {
		return func(ctx context.Context, p *process) error {
			in := incidentWith(w, finding, peers...)
			in.Findings[0].Seen = bubbleStart.Add(seen)
			return p.contain(ctx, in)
		}
	}
	const never, long, future = 0, network.DefaultTracking + time.Hour, 1000 * time.Hour
	const first, other = "198.51.100.7", "198.51.100.8"
	return map[string]pair{
		"two findings that cut all": {
			after(0), []deed{at(never, "f1", first), at(never, "f2", other)}, allCut, w, everyCut,
		},
		"a reconcile beside a containment that cuts all": {
			after(0), []deed{at(never, "f1", first), onceOnRecord(reconciling)}, allCut, w, everyCut,
		},
		"a newer finding beside a release of what cut all": {
			after(long, at(never, "f1", first)), []deed{at(future, "f2", other), releasing}, allCut, w, everyCut,
		},
		"a reconcile beside a release of what cut all": {
			after(long, at(never, "f1", first)), []deed{reconciling, releasing}, allGivenBack, w, everyCut,
		},
		"two releases of what cut all": {
			after(long, at(never, "f1", first)), []deed{releasing, releasingAs("again")}, allGivenBack, w, everyCut,
		},
		"a finding beside a host that is to be restored": {
			after(time.Minute, at(never, "f1", first), releasing), []deed{expiring, at(future, "f2", other)}, allCut, w, everyCut,
		},
		"a tenant who comes beside a containment": {
			after(0), []deed{at(never, "f1", first), onceOnRecord(tenantComes)}, tenantIsNamed, w, everyCut,
		},
		"a reconcile beside a release to other groups": {
			after(long, at(never, "f1", first)), []deed{reconciling, releasingTo("sg-clean")}, cleaned, w, everyCut,
		},
		"a watch beside a finding": {
			after(30*time.Minute, at(never, "f1", first)), []deed{watching, at(never, "f2", other)}, survivorDenied, deaf, withoutIsolation,
		},
		"a watch beside a reconcile": {
			after(30*time.Minute, at(never, "f1", first)), []deed{watching, reconciling}, survivorDenied, deaf, withoutIsolation,
		},
		"two watches": {
			after(30*time.Minute, at(never, "f1", first)), []deed{watching, watching}, survivorDenied, deaf, withoutIsolation,
		},
		"a watch beside a release": {
			after(30*time.Minute, at(never, "f1", first)), []deed{watching, releasing}, watchedAndReleased, deaf, withoutIsolation,
		},
		"a watch, a reconcile and a release": {
			after(30*time.Minute, at(never, "f1", first)), []deed{watching, reconciling, releasing}, watchedAndReleased, deaf, withoutIsolation,
		},
		"a watch beside the end of a release": {
			after(30*time.Minute, at(never, "f1", first), watching, releasing), []deed{watching, expiring}, watchedAndReleased, deaf, withoutIsolation,
		},
		"forensics beside a finding that cuts all": {
			after(time.Minute, at(never, "f1", first)), []deed{admitting("a1", "sg-forensics"), at(never, "f2", other)}, letInAndCut, let, everyCut,
		},
		"forensics and an expire beside a reconcile of what cut all": {
			after(time.Minute, at(never, "f1", first)), []deed{admitting("a1", "sg-forensics"), expiring, reconciling}, letInAndCut, let, everyCut,
		},
		"forensics beside a watch": {
			after(30*time.Minute, at(never, "f1", first)), []deed{admitting("a1", "sg-forensics"), watching}, watchedAndLetIn, deafLet, withoutIsolation,
		},
		"forensics on the host beside a reconcile": {
			lifting(after(time.Minute, at(never, "f1", first))), []deed{admittingOnHost("a1", "sg-forensics"), reconciling}, letInOnHost, let, everyCut,
		},
		"forensics beside a release of what cut all": {
			after(long, at(never, "f1", first)), []deed{ifOpen(admitting("a1", "sg-forensics")), releasing}, allGivenBack, let, everyCut,
		},
	}
}

// admittable is a world with a group that a person may admit.
func admittable(w *world.World) *world.World {
	w = w.Clone()
	w.Groups = append(w.Groups, &world.SecurityGroup{
		ID: "sg-forensics", VPC: "vpc-1", Name: "forensics", Owner: w.Account, Tags: world.Tags{network.RoleTag: network.ForensicsRole},
	})
	w.Normalize()
	return w
}

// admittingOnHost has the host's own rules lifted first.
func admittingOnHost(request string, groups ...string) deed {
	return func(ctx context.Context, p *process) error {
		_, err := p.releaser().Admit(ctx, containment.Admission{Instance: victim, Groups: groups, Reason: "look into it", Request: request, OnHost: true})
		return err
	}
}

// lifting is what comes before a person has the host's rules lifted.
func lifting(before func(*testing.T, *stage)) func(*testing.T, *stage) {
	return func(t *testing.T, s *stage) {
		before(t, s)
		s.lifts = true
	}
}

// letInAndCut: forensics are in, and all else is cut as without them.
func letInAndCut(t *testing.T, s *stage) {
	t.Helper()
	allCut(t, s)
	admittedCheck(t, s)
}

func watchedAndLetIn(t *testing.T, s *stage) {
	t.Helper()
	survivorDenied(t, s)
	admittedCheck(t, s)
}

// letInOnHost: the host's rules are gone and stay so, and the subnets are isolated all
// the same.
func letInOnHost(t *testing.T, s *stage) {
	t.Helper()
	s.must(t, reconciling)
	admittedCheck(t, s)
	w := s.server.World()
	if w.Instance(victim).Isolated {
		t.Error("the host has rules again, and forensics can't get in")
	}
	if st, _ := s.record(t).Step(record.HostOf(victim).ID()); st.State != record.Lingering {
		t.Errorf("the host is %s on record, want %s: its rules were taken away", st.State, record.Lingering)
	}
	for _, subnet := range []string{"subnet-0", "subnet-1"} {
		if got := w.Subnet(subnet).ACL; got != "acl-iso" {
			t.Errorf("%s is behind %s", subnet, got)
		}
	}
}

// releasingAs is another request to release.
func releasingAs(request string) deed {
	return func(ctx context.Context, p *process) error {
		_, err := p.releaser().Release(ctx, containment.Ask{Instance: victim, Reason: "released", Request: request})
		return err
	}
}

func releasingTo(groups ...string) deed {
	return func(ctx context.Context, p *process) error {
		_, err := p.releaser().Release(ctx, containment.Ask{Instance: victim, Reason: "released", Request: "release", ToGroups: groups})
		return err
	}
}

// tenantComes attaches somebody else's interface in a subnet of the victim's.
func tenantComes(_ context.Context, p *process) error {
	p.server.Edit(func(w *world.World) {
		if w.Instance(second) != nil {
			return // it has come already, and the deed is done again
		}
		w.Instances = append(w.Instances, &world.Instance{ID: second, Type: "m5.large", State: "running"})
		w.Interfaces = append(w.Interfaces, &world.Interface{
			ID: "eni-9", Instance: second, Subnet: "subnet-1", Private: []netip.Addr{netip.MustParseAddr("10.0.1.99")},
			Groups: []string{"sg-web"}, Type: "interface", Owner: w.Account,
		})
	})
	return nil
}

// allCut: in quarantine, the host lets nothing pass, the subnets are behind the ACL
// without entries, each interface has one flow log of ours, and the record says all of
// it, with the associations as they were.
func allCut(t *testing.T, s *stage) {
	t.Helper()
	s.must(t, reconciling) // what a dying process has claimed
	r := s.record(t)
	if got := unapplied(r); r.Status != record.Contained || got != "" {
		t.Errorf("%s, not applied: %s", r.Status, got)
	}
	w := s.server.World()
	if !w.Instance(victim).Isolated {
		t.Error("the host lets packets pass")
	}
	for subnet, before := range map[string]string{"subnet-0": "acl-0", "subnet-1": "acl-1"} {
		st, _ := r.Step("isolation/" + subnet)
		isolation, ok := st.Step.(record.Replacement)
		if w.Subnet(subnet).ACL != "acl-iso" || !ok || !slices.Equal(isolation.Before, []string{before}) {
			t.Errorf("%s is behind %s, recorded as %+v", subnet, w.Subnet(subnet).ACL, st.Step)
		}
		for _, p := range r.Peers {
			deniedBehind(t, w, before, p.Addr)
		}
	}
	logged(t, w)
	if isolation := w.ACL("acl-iso"); len(isolation.Entries) != len(cutWorld(t).ACL("acl-iso").Entries) {
		t.Errorf("the ACL without entries has %+v", isolation.Entries)
	}
}

// deniedBehind: an ACL denies a peer once in each direction, before the entries that
// were there.
func deniedBehind(t *testing.T, w *world.World, acl string, peer netip.Addr) {
	t.Helper()
	for _, egress := range []bool{false, true} {
		ours := 0
		for _, e := range w.ACL(acl).Entries {
			if !e.Allow && e.Egress == egress && e.CIDR == netip.PrefixFrom(peer, peer.BitLen()) && e.Number < 100 {
				ours++
			}
		}
		if ours != 1 {
			t.Errorf("%s denies %s %d times (egress %t), want once", acl, peer, ours, egress)
		}
	}
}

// logged: each interface of the victim has one flow log.
func logged(t *testing.T, w *world.World) {
	t.Helper()
	of := map[string]int{}
	for _, f := range w.FlowLogs {
		of[f.Resource]++
	}
	for _, i := range w.InterfacesOf(victim) {
		if of[i.ID] != 1 {
			t.Errorf("%s has %d flow logs, want 1", i.ID, of[i.ID])
		}
	}
}

// settle lets the releases end that wait for a host's word, or for a flow to be
// forgotten.
func settle(t *testing.T, s *stage) {
	t.Helper()
	for _, d := range []time.Duration{plan.MaxInvocation, plan.MaxInvocation, network.DefaultTracking + time.Hour} {
		time.Sleep(d)
		s.must(t, expiring)
	}
}

// undone: the release is complete, and no rung has left anything behind.
func undone(t *testing.T, s *stage, groups map[string][]string) {
	t.Helper()
	settle(t, s)
	r, w := s.record(t), s.server.World()
	if r.Status != record.Released {
		t.Errorf("status %s", r.Status)
	}
	if len(r.Admitted) > 0 {
		t.Errorf("%v are still on record as admitted", r.Admitted)
	}
	if w.Instance(victim).Isolated {
		t.Error("the host's own rules are still there")
	}
	for subnet, acl := range map[string]string{"subnet-0": "acl-0", "subnet-1": "acl-1"} {
		if got := w.Subnet(subnet).ACL; got != acl {
			t.Errorf("%s is behind %s, was behind %s", subnet, got, acl)
		}
	}
	for _, f := range w.FlowLogs {
		t.Errorf("%s of %s is left", f.ID, f.Resource)
	}
	for id, want := range groups {
		if got := w.Interface(id).Groups; !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", id, got, want)
		}
	}
	for _, slot := range s.book.AllSlots() {
		t.Errorf("%s %s %d for %s is left", slot.ACL, slot.Direction, slot.Number, slot.Prefix)
	}
}

var originals = map[string][]string{"eni-0": {"sg-ssh", "sg-web"}, "eni-1": {"sg-web"}}

func allGivenBack(t *testing.T, s *stage) {
	t.Helper()
	undone(t, s, originals)
}

// cleaned: released to another group, and the record has the originals all the same.
func cleaned(t *testing.T, s *stage) {
	t.Helper()
	undone(t, s, map[string][]string{"eni-0": {"sg-clean"}, "eni-1": {"sg-clean"}})
	for id, want := range originals {
		st, _ := s.record(t).Step("quarantine/" + id)
		if q, ok := record.AsQuarantine(st.Step); !ok || !slices.Equal(q.Before, want) {
			t.Errorf("the originals of %s are recorded as %+v", id, st.Step)
		}
	}
}

// survivorDenied: the one whom only the flow logs name is a peer by their word, once, and
// denied before the interface that it talks with.
func survivorDenied(t *testing.T, s *stage) {
	t.Helper()
	r, w := s.record(t), s.server.World()
	if r.Status != record.Contained {
		t.Errorf("status %s", r.Status)
	}
	named := slices.DeleteFunc(slices.Clone(r.Peers), func(p guardduty.Peer) bool { return p.Addr != survivor })
	if len(named) != 1 || named[0].From == "" {
		t.Errorf("the record has %+v of %s, want it once, with its origin", named, survivor)
	}
	deniedBehind(t, w, "acl-1", survivor)
	logged(t, w)
}

// watchedAndReleased: whatever the watch saw before or after, a release undoes it all.
func watchedAndReleased(t *testing.T, s *stage) {
	t.Helper()
	undone(t, s, originals)
}

// tenantIsNamed: where somebody else is in an isolated subnet, the answer names the
// subnet; nobody is moved back for it.
func tenantIsNamed(t *testing.T, s *stage) {
	t.Helper()
	s.must(t, reconciling)
	r, w := s.record(t), s.server.World()
	if r.Status != record.Contained {
		t.Errorf("status %s", r.Status)
	}
	if w.Subnet("subnet-0").ACL != "acl-iso" {
		t.Errorf("subnet-0 is behind %s", w.Subnet("subnet-0").ACL)
	}
	if _, isolated := r.Step("isolation/subnet-1"); isolated != (w.Subnet("subnet-1").ACL == "acl-iso") {
		t.Errorf("subnet-1 is behind %s, isolated on record: %t", w.Subnet("subnet-1").ACL, isolated)
	} else if shared := slices.ContainsFunc(r.Exposure, func(e record.Exposure) bool { return e.Kind == record.SubnetShared }); shared != isolated {
		t.Errorf("isolated %t, named as shared %t: %+v", isolated, shared, r.Exposure)
	}
}

// A release that is slow may take the host's rules and the flow logs away after a newer
// finding has had them made. Once it can't be at work any more, a reconcile has both made
// once more, and only once.
func TestWhatALateReleaseTookAwayIsMadeOnceMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(cutWorld(t))
		s.rungs = everyCut
		s.must(t, containing(cutWorld(t), "198.51.100.7"))
		s.server.Edit(func(w *world.World) { w.Instance(victim).Managed = false }) // the release waits for the host
		s.must(t, releasing)
		s.server.Edit(func(w *world.World) { w.Instance(victim).Managed = true })
		time.Sleep(time.Second)
		s.must(t, func(ctx context.Context, p *process) error {
			in := incidentWith(cutWorld(t), "f2", "198.51.100.8")
			in.Findings[0].Seen = time.Now().Add(time.Hour)
			return p.contain(ctx, in)
		})
		s.server.Edit(func(w *world.World) { // what the release sent arrives now
			w.Instance(victim).Isolated, w.FlowLogs = false, nil
		})
		s.must(t, reconciling)
		if s.server.World().Instance(victim).Isolated {
			t.Error("told at once, while the release may still be at work")
		}
		if !slices.ContainsFunc(s.record(t).Exposure, func(e record.Exposure) bool {
			return e.Kind == record.HostUnconfirmed && strings.Contains(e.Detail, "release")
		}) {
			t.Errorf("the exposure doesn't have it: %+v", s.record(t).Exposure)
		}
		time.Sleep(plan.MaxInvocation)
		allCut(t, s)
		told := len(s.server.Calls())
		s.must(t, reconciling)
		for _, c := range s.server.Calls()[told:] {
			if c.Mutating {
				t.Errorf("another reconcile calls %s", c.Op)
			}
		}
	})
}
