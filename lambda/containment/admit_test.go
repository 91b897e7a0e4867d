package containment_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// admitWorld is crashWorld with groups of the owner's, and a forensics host in the second
// subnet.
func admitWorld(t *testing.T) *world.World {
	t.Helper()
	w, err := simvpc.ParseWorld(crashWorld(t).String() + `vpc vpc-2 10.9.0.0/16
group sg-forensics vpc-1 tags tourniquet:role=forensics
  in tcp 22 10.0.1.99/32
group sg-elsewhere vpc-2 tags tourniquet:role=forensics
instance ` + second + `
interface eni-9 ` + second + ` subnet-1 10.0.1.99 groups sg-web
`)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func admitting(request string, groups ...string) deed {
	return func(ctx context.Context, p *process) error {
		_, err := p.releaser().Admit(ctx, containment.Admission{Instance: victim, Groups: groups, Reason: "look into it", Request: request})
		return err
	}
}

// reaches reports whether an address reaches a port of the victim's first interface.
func reaches(w *world.World, from string, port uint16) bool {
	to := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.10"), port)
	return oracle.Passes(w, world.Flow{Protocol: world.TCP, From: netip.AddrPortFrom(netip.MustParseAddr(from), 49152), To: to}).Passes
}

// Forensics get in where their group's rules say, the attacker does not, a reconcile
// leaves both as they are, and an empty list, or a release, ends it.
func TestForensicsAreAdmitted(t *testing.T) {
	t.Parallel()
	w := admitWorld(t)
	synctest.Test(t, func(t *testing.T) {
		s := newStage(w)
		s.must(t, containing(w, threePeers...))
		time.Sleep(time.Minute)
		s.must(t, reconciling) // makes the quarantine group of the other VPC
		cut := s.server.World()
		s.once(t, admitting("a1", "sg-forensics"))
		r := s.record(t)
		for _, eni := range []string{"eni-0", "eni-1"} {
			got := s.server.World().Interface(eni).Groups
			step, _ := r.Step(record.QuarantineOf(eni, nil, "").ID())
			if len(got) != 2 || !slices.Contains(got, "sg-forensics") || !slices.Equal(step.Step.(record.Replacement).After, got) || step.State != record.Applied {
				t.Errorf("%s has %v, on record %+v", eni, got, step)
			}
		}
		now := s.server.World()
		if reaches(cut, "10.0.1.99", 22) || !reaches(now, "10.0.1.99", 22) || reaches(now, "10.0.1.99", 443) || reaches(now, threePeers[0], 22) {
			t.Errorf("forensics reach port 22: %t before, %t now, and 443: %t; the attacker 22: %t", reaches(cut, "10.0.1.99", 22),
				reaches(now, "10.0.1.99", 22), reaches(now, "10.0.1.99", 443), reaches(now, threePeers[0], 22))
		}
		if r.Status != record.Contained || exposed(r, record.ForensicsAdmitted) == "" {
			t.Errorf("%s, exposure %v", r.Status, r.Exposure)
		}
		admitted := s.server.World()
		s.must(t, reconciling)
		if diff := world.Diff(admitted, s.server.World()); diff != "" {
			t.Errorf("a reconcile takes it for drift:\n%s", diff)
		}
		s.must(t, func(ctx context.Context, p *process) error {
			return p.contain(ctx, incidentWith(w, "f2", threePeers...))
		})
		if diff := world.Diff(admitted, s.server.World()); diff != "" {
			t.Errorf("another finding takes it for drift:\n%s", diff)
		}
		s.once(t, admitting("a2"))
		if diff := world.Diff(cut, s.server.World()); diff != "" || exposed(s.record(t), record.ForensicsAdmitted) != "" {
			t.Errorf("after an empty list:\n%s", diff)
		}
		s.once(t, admitting("a3", "sg-forensics"))
		time.Sleep(network.DefaultTracking + time.Hour)
		s.once(t, releasing)
		if got := s.server.World().Interface("eni-0").Groups; !slices.Equal(got, []string{"sg-ssh", "sg-web"}) || len(s.record(t).Admitted) > 0 {
			t.Errorf("after a release: %v, admitted %v", got, s.record(t).Admitted)
		}
	})
}

// A group that may not be admitted is refused by name, and nothing is changed.
func TestGroupsThatMayNotBeAdmitted(t *testing.T) {
	t.Parallel()
	w := admitWorld(t)
	for name, tc := range map[string]struct {
		group, field string
		before       func(t *testing.T, s *stage)
	}{
		"without the tag":      {"sg-web", "groups", func(t *testing.T, s *stage) { s.must(t, containing(w)) }},
		"of another VPC":       {"sg-elsewhere", "groups", func(t *testing.T, s *stage) { s.must(t, containing(w)) }},
		"that is not there":    {"sg-gone", "groups", func(t *testing.T, s *stage) { s.must(t, containing(w)) }},
		"of a free instance":   {"sg-forensics", "instanceId", func(*testing.T, *stage) {}},
		"of one that is freed": {"sg-forensics", "instanceId", func(t *testing.T, s *stage) { s.must(t, containing(w)); time.Sleep(time.Hour); s.must(t, releasing) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(w)
				tc.before(t, s)
				before := s.server.World()
				err := admitting("a1", tc.group)(t.Context(), s.process(always))
				refused, ok := errors.AsType[*containment.AdmissionError](err)
				if !ok || refused.Field != tc.field {
					t.Errorf("got %v, want an error that names %s", err, tc.field)
				}
				if diff := world.Diff(before, s.server.World()); diff != "" {
					t.Errorf("something was changed:\n%s", diff)
				}
			})
		})
	}
}

// admitJobs let forensics in, and end it.
func admitJobs(t *testing.T) map[string]job {
	t.Helper()
	w := admitWorld(t)
	contained := func(t *testing.T, s *stage) { s.must(t, containing(w, threePeers...)); time.Sleep(time.Minute) }
	admitted := func(t *testing.T, s *stage) {
		contained(t, s)
		s.must(t, admitting("a0", "sg-forensics"))
		time.Sleep(network.DefaultTracking + time.Hour)
	}
	return map[string]job{
		"admit forensics":          {before: contained, do: admitting("a1", "sg-forensics"), on: w},
		"end forensics":            {before: admitted, do: admitting("a1"), on: w},
		"release with forensics":   {before: admitted, do: releasing, on: w},
		"reconcile with forensics": {before: drifted(admitted), do: reconciling, on: w},
		"expire beside forensics":  {before: admitted, do: expiring, on: w},
		"contain beside forensics": {before: admitted, do: containing(w, "203.0.113.77"), on: w},
	}
}
