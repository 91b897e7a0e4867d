package containment_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc/world"
)

// A witness compares the world and the ledger after each call of an interleaving with
// those before it. An end that is right proves nothing of the way: a subnet that was open
// for one call let the intruder in.
type witness struct {
	stage  *stage
	before *world.World    // before anything was done
	last   *world.World    // before the call
	made   string          // the call
	sent   []record.Record // when the call was sent
	now    []record.Record
	seen   []string // what was wrong after which call
}

func (s *stage) witness(before *world.World) *witness {
	return &witness{stage: s, before: before, last: s.server.World()}
}

func (v *witness) wrong(format string, args ...any) {
	v.seen = append(v.seen, "after "+v.made+": "+fmt.Sprintf(format, args...))
}

// look is to be called after each call, when no other is under way.
func (v *witness) look() {
	now := v.stage.server.World()
	v.now = v.stage.book.Records()
	v.entries(now)
	for _, i := range now.Interfaces {
		if was := v.last.Interface(i.ID); was != nil {
			v.groups(now, was, i)
		}
	}
	v.rungs(now)
	v.originals()
	v.last = now
}

// latest is the record of an instance's last generation.
func latest(records []record.Record, instance string) record.Record {
	var last record.Record
	for _, r := range records {
		if r.Instance == instance {
			last = r // they are sorted by generation
		}
	}
	return last
}

// loosens: a person has asked for the release that is under way or done, or was when the
// call was sent. A call of a release's that is on its way can't be called back when a newer
// finding opens the next containment, which then looks and repairs.
func (v *witness) loosens(instance string) bool {
	return slices.ContainsFunc([][]record.Record{v.sent, v.now}, func(records []record.Record) bool {
		s := latest(records, instance).Status
		return s == record.Releasing || s == record.Released
	})
}

// entries: those of others are as they were, ours are in the ledger before they are in
// the ACL, and one of ours goes only once nobody can come to hold it.
func (v *witness) entries(now *world.World) {
	slots := v.stage.book.AllSlots()
	for _, acl := range now.ACLs {
		was, first := v.last.ACL(acl.ID), v.before.ACL(acl.ID)
		if was == nil || first == nil {
			continue
		}
		for _, e := range first.Entries {
			if !slices.Contains(acl.Entries, e) {
				v.wrong("%s lost the foreign entry %+v", acl.ID, e)
			}
		}
		for _, e := range acl.Entries {
			if !slices.Contains(first.Entries, e) && !slices.ContainsFunc(slots, slotOfEntry(acl.ID, e)) {
				v.wrong("%s has the entry %+v, which the ledger doesn't know", acl.ID, e)
			}
		}
		for _, e := range was.Entries {
			if !slices.Contains(acl.Entries, e) && !slices.ContainsFunc(slots, func(s record.Slot) bool {
				return s.State == record.SlotRemoving && slotOfEntry(acl.ID, e)(s)
			}) {
				v.wrong("%s lost the entry %+v, which somebody may hold", acl.ID, e)
			}
		}
	}
}

func slotOfEntry(acl string, e world.Entry) func(record.Slot) bool {
	return func(s record.Slot) bool {
		return s.ACL == acl && (s.Direction == network.Out) == e.Egress && s.Number == e.Number && s.Prefix == e.CIDR
	}
}

// groups: an interface gets the quarantine group without a rule, what a person has
// admitted, or, by a release, others. Once in quarantine, only a release takes it out.
func (v *witness) groups(now *world.World, was, is *world.Interface) {
	r, loosens := latest(v.now, is.Instance), v.loosens(is.Instance)
	shut := func(id string) bool { return now.Group(id).Tags[network.RoleTag] == network.RoleValue }
	for _, id := range is.Groups {
		if g := now.Group(id); shut(id) && len(g.In)+len(g.Out) > 0 {
			v.wrong("%s is in the quarantine group %s, which has rules", is.ID, id)
		}
		if !shut(id) && !slices.Contains(was.Groups, id) && !slices.Contains(r.Admitted, id) && !loosens {
			v.wrong("%s got the group %s, and the record is %s", is.ID, id, r.Status)
		}
	}
	if slices.ContainsFunc(was.Groups, shut) && !slices.ContainsFunc(is.Groups, shut) && !loosens {
		v.wrong("%s left the quarantine for %v, and the record is %s", is.ID, is.Groups, r.Status)
	}
}

// rungs: what else cuts the victim off is taken away by a release alone, the host's own
// rules only once the groups are back, and the ACL that isolates lets nothing through.
func (v *witness) rungs(now *world.World) {
	r, loosens := latest(v.now, victim), v.loosens(victim)
	for _, s := range now.Subnets {
		acl, was := now.ACL(s.ACL), v.last.ACL(v.last.Subnet(s.ID).ACL)
		isolates := func(a *world.NetworkACL) bool { return a.Tags[network.RoleTag] == network.IsolationRole }
		if isolates(was) && !isolates(acl) && !loosens {
			v.wrong("%s left the isolation for %s, and the record is %s", s.ID, acl.ID, r.Status)
		}
		if isolates(acl) && slices.ContainsFunc(acl.Entries, func(e world.Entry) bool { return e.Allow }) {
			v.wrong("%s is behind %s, which allows something", s.ID, acl.ID)
		}
	}
	for _, f := range v.last.FlowLogs {
		if !loosens && r.Generation == 1 && !slices.ContainsFunc(now.FlowLogs, func(o *world.FlowLog) bool { return o.ID == f.ID }) {
			v.wrong("the flow log of %s is gone, and the record is %s", f.Resource, r.Status)
		}
	}
	// A command that a release has sent may arrive after a newer finding: see
	// TestWhatALateReleaseTookAwayIsMadeOnceMore. A person may have the rules lifted too.
	if v.last.Instance(victim).Isolated && !now.Instance(victim).Isolated && r.Generation == 1 && !v.stage.lifts {
		for _, i := range now.InterfacesOf(victim) {
			if slices.ContainsFunc(i.Groups, func(id string) bool { return now.Group(id).Tags[network.RoleTag] == network.RoleValue }) {
				v.wrong("the host's rules are gone, and %s is still in quarantine", i.ID)
			}
		}
	}
}

// originals: what is on record as before the quarantine is what was.
func (v *witness) originals() {
	for _, r := range v.now {
		for _, st := range r.Steps {
			if q, ok := record.AsQuarantine(st.Step); ok {
				if want := v.before.Interface(q.Resource).Groups; !slices.Equal(q.Before, want) {
					v.wrong("the originals of %s are recorded as %v, they were %v", q.Resource, q.Before, want)
				}
			}
		}
	}
}

// The witness sees each kind of wrong call, and nothing wrong in what is right. Without
// this test, a law that it can't see broken would look like one that is kept.
func TestTheWitnessSees(t *testing.T) {
	t.Parallel()
	eni := func(groups ...string) func(*world.World) {
		return func(w *world.World) { w.Interface("eni-0").Groups = groups }
	}
	acl := func(edit func([]world.Entry) []world.Entry) func(*world.World) {
		return func(w *world.World) { a := w.ACL("acl-0"); a.Entries = edit(a.Entries) }
	}
	ours := func(e world.Entry) bool { return !e.Allow && e.CIDR == netip.MustParsePrefix("198.51.100.7/32") }
	for name, tc := range map[string]struct {
		edit  func(*world.World)
		after []deed
		want  string
	}{
		"nothing":                   {func(*world.World) {}, nil, ""},
		"the groups are back":       {eni("sg-ssh", "sg-web"), nil, "eni-0 left the quarantine"},
		"a group beside quarantine": {func(w *world.World) { i := w.Interface("eni-0"); i.Groups = append(i.Groups, "sg-web") }, nil, "eni-0 got the group sg-web"},
		"a rule in the quarantine group": {func(w *world.World) {
			w.Group(w.Interface("eni-0").Groups[0]).Out = world.OpenEgress(w.VPCs[0])
		}, nil, "which has rules"},
		"a foreign entry goes": {acl(func(all []world.Entry) []world.Entry {
			return slices.DeleteFunc(all, func(e world.Entry) bool { return !e.Allow && e.Number == 1 })
		}), nil, "lost the foreign entry"},
		"a denial that nobody recorded": {acl(func(all []world.Entry) []world.Entry {
			return append(all, world.Entry{Number: 50, Protocol: world.All, CIDR: netip.MustParsePrefix("192.0.2.1/32")})
		}), nil, "which the ledger doesn't know"},
		"a denial goes":                   {acl(func(all []world.Entry) []world.Entry { return slices.DeleteFunc(all, ours) }), nil, "which somebody may hold"},
		"the subnet is back":              {func(w *world.World) { w.Subnet("subnet-0").ACL = "acl-0" }, nil, "subnet-0 left the isolation"},
		"the isolation ACL allows":        {func(w *world.World) { a := w.ACL("acl-iso"); a.Entries = w.ACL("acl-1").Entries }, nil, "which allows something"},
		"a flow log goes":                 {func(w *world.World) { w.FlowLogs = w.FlowLogs[1:] }, nil, "the flow log of"},
		"the host's rules go":             {func(w *world.World) { w.Instance(victim).Isolated = false }, nil, "the host's rules are gone"},
		"a release gives the groups back": {eni("sg-ssh", "sg-web"), []deed{releasing}, ""},
		"restored before the groups are back": {func(w *world.World) {
			w.Instance(victim).Isolated = false
		}, []deed{stalledRelease}, "the host's rules are gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(cutWorld(t))
				s.rungs = everyCut
				before := s.server.World()
				s.must(t, containing(before, "198.51.100.7"))
				time.Sleep(time.Minute)
				for _, do := range tc.after {
					_ = do(t.Context(), s.process(always)) // a release that is stalled says so
				}
				v := s.witness(before)
				v.made = name
				s.server.Edit(tc.edit)
				v.look()
				if said := strings.Join(v.seen, "\n"); tc.want == "" && said != "" || !strings.Contains(said, tc.want) {
					t.Errorf("the witness says %q, want %q", said, tc.want)
				}
			})
		})
	}
}

// stalledRelease is a release that is on record, and whose calls of EC2 never arrive.
func stalledRelease(ctx context.Context, p *process) error {
	p.gate = func(_ context.Context, c call) fate {
		if c.mutating && !c.ledger {
			return neverMade
		}
		return passes
	}
	return releasing(ctx, p)
}
