package containment_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/simvpc/world"
)

// rungJobs are jobs with measures beyond quarantine and denials.
func rungJobs(w *world.World) map[string]job {
	onHost := func(_ *testing.T, s *stage) {
		s.rungs.OnHost = plan.OnHostAuto
		s.server.Edit(func(w *world.World) { w.Instance(victim).Managed = true })
	}
	contained := func(t *testing.T, s *stage) {
		onHost(t, s)
		s.must(t, containing(w))
		time.Sleep(time.Minute)
	}
	logged := func(_ *testing.T, s *stage) {
		s.rungs.Survivors = plan.SurvivorsDeny
		s.server.Edit(func(w *world.World) {
			w.LogGroups = append(w.LogGroups, "flows")
			w.Flows = append(w.Flows, &world.Flow{
				Protocol: world.TCP, From: netip.MustParseAddrPort("10.0.1.10:44321"), To: netip.MustParseAddrPort("203.0.113.66:443"), Tracked: []string{"eni-1"},
			})
		})
	}
	seen := func(t *testing.T, s *stage) {
		logged(t, s)
		s.must(t, containing(w, threePeers...))
		time.Sleep(30 * time.Minute)
	}
	isolating := func(_ *testing.T, s *stage) {
		s.rungs.Isolate = plan.IsolateTagged
		s.server.Edit(isolable)
	}
	isolated := func(t *testing.T, s *stage) {
		isolating(t, s)
		s.must(t, containing(w, threePeers...))
		time.Sleep(network.DefaultTracking)
	}
	return map[string]job{
		"rungs: isolate":                 {before: isolating, do: containing(w, threePeers...)},
		"rungs: release the isolated":    {before: isolated, do: releasing},
		"rungs: isolate what was opened": {before: func(t *testing.T, s *stage) { isolated(t, s); s.server.Edit(reopened) }, do: reconciling},
		"rungs: open for those who come after": {before: func(t *testing.T, s *stage) {
			gone(isolated)(t, s)
			s.must(t, reconciling)
		}, do: expiring},
		"rungs: contain with flow logs": {before: logged, do: containing(w, threePeers...)},
		"rungs: watch":                  {before: seen, do: watching},
		"rungs: release the flow logs": {before: func(t *testing.T, s *stage) {
			seen(t, s)
			s.must(t, watching)
			time.Sleep(network.DefaultTracking)
		}, do: releasingWholly},
		"rungs: flow logs of one that is gone": {before: func(t *testing.T, s *stage) {
			gone(seen)(t, s)
			s.must(t, reconciling)
			time.Sleep(network.DefaultTracking)
		}, do: expiring},
		"rungs: contain on the host":   {before: onHost, do: containing(w)},
		"rungs: hear of the host":      {before: contained, do: reconciling},
		"rungs: release with the host": {before: contained, do: releasingWholly},
	}
}

func watching(ctx context.Context, p *process) error { return p.watch(ctx) }

// releasingWholly goes on until the host has confirmed that its rules are gone.
func releasingWholly(ctx context.Context, p *process) error {
	err := releasing(ctx, p)
	for range 2 {
		time.Sleep(plan.MaxInvocation)
		err = errors.Join(err, expiring(ctx, p))
	}
	return err
}

// isolable makes a world in which both subnets may be isolated.
func isolable(w *world.World) {
	for _, s := range w.Subnets {
		s.Tags = world.Tags{network.IsolateTag: network.IsolateValue}
	}
	w.ACLs = append(w.ACLs, &world.NetworkACL{ID: "acl-iso", VPC: "vpc-1", Owner: w.Account, Tags: world.Tags{network.RoleTag: network.IsolationRole}})
}

// reopened puts a subnet back behind its own ACL, as somebody may.
func reopened(w *world.World) { w.Subnet("subnet-1").ACL = "acl-1" }
