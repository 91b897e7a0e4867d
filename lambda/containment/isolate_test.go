package containment_test

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tourniquet/lambda/ledger"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// tenant is somebody else's interface that appears in a subnet.
func tenant(w *world.World) {
	w.Interfaces = append(w.Interfaces, &world.Interface{
		ID: "eni-9", Subnet: "subnet-1", Private: []netip.Addr{netip.MustParseAddr("10.0.1.99")}, Groups: []string{"sg-ssh"}, Type: "interface", Owner: w.Account,
	})
}

// A second tenant that appears between the look and the change, or later, is named. It is
// never a reason to open the subnet: only a release is.
func TestSecondTenant(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{"between plan and apply": "ReplaceNetworkAclAssociation", "after it": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := crashWorld(t)
				s := newStage(w)
				s.rungs.Isolate = plan.IsolateTagged
				s.server.Edit(isolable)
				came := false
				s.server.Before(func(c simvpc.Call) simvpc.Fault {
					if c.Op == before && !came {
						came = true
						s.server.Edit(tenant)
					}
					return simvpc.Fault{}
				})
				s.must(t, containing(w, threePeers...))
				if before == "" {
					s.server.Edit(tenant)
				}
				for range 2 {
					s.must(t, reconciling)
					k, err := s.book.Load(t.Context(), victim, nil)
					if err != nil || k.Record.Status != record.Contained {
						t.Fatalf("%s, %v", k.Record.Status, err)
					}
					if s.server.World().Subnet("subnet-1").ACL != "acl-iso" || !slices.ContainsFunc(k.Record.Exposure, func(e record.Exposure) bool {
						return e.Kind == record.SubnetShared
					}) {
						t.Errorf("behind %s; exposed: %v", s.server.World().Subnet("subnet-1").ACL, k.Record.Exposure)
					}
				}
				s.must(t, releasing)
				if got := s.server.World().Subnet("subnet-1").ACL; got != "acl-1" {
					t.Errorf("released, the subnet is behind %s", got)
				}
			})
		})
	}
}

// A release puts back what is still ours, and leaves what somebody else has chosen since.
func TestIsolationIsCompared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := crashWorld(t)
		s := newStage(w)
		s.rungs.Isolate = plan.IsolateTagged
		s.server.Edit(isolable)
		s.must(t, containing(w, threePeers...))
		for _, e := range s.server.World().ACL("acl-iso").Entries {
			t.Errorf("the isolation ACL has got %v", e)
		}
		s.server.Edit(func(w *world.World) {
			w.ACLs = append(w.ACLs, &world.NetworkACL{ID: "acl-new", VPC: "vpc-1", Owner: w.Account})
			w.Subnet("subnet-1").ACL = "acl-new"
		})
		time.Sleep(time.Hour)
		s.must(t, releasing)
		got := s.server.World()
		if got.Subnet("subnet-0").ACL != "acl-0" || got.Subnet("subnet-1").ACL != "acl-new" {
			t.Errorf("behind %s and %s, want acl-0 and acl-new", got.Subnet("subnet-0").ACL, got.Subnet("subnet-1").ACL)
		}
		k, _ := s.book.Load(t.Context(), victim, nil)
		if step, _ := k.Record.Step(record.IsolationOf("subnet-1", "", "").ID()); step.State != record.ChangedElsewhere {
			t.Errorf("the step is %s", step.State)
		}
	})
}

// Isolation is in the batch of the cut: three dependent round trips, as without it.
//
// It is not parallel: what it measures is which calls overlap.
func TestIsolationAddsNoTrip(t *testing.T) {
	latency := latencyFor(20)
	w := wide(t, 1, 1, true)
	isolable(w)
	w.ACLs[len(w.ACLs)-1].VPC = "vpc-1"
	log := &simvpc.Log{}
	server := simvpc.Start(t, w, simvpc.Options{Latency: latency, Log: log})
	r := responder(server, slow{&ledger.Memory{}, log, latency})
	r.Rules.Isolate = plan.IsolateTagged
	out, err := r.Contain(t.Context(), incidentOf(w, 1))
	if err != nil {
		t.Fatal(err)
	}
	if step, _ := out.Record.Step(record.IsolationOf("subnet-0", "", "").ID()); step.State != record.Applied {
		t.Errorf("the isolation is %q", step.State)
	}
	last := 0
	for i, c := range log.Calls() {
		if c.Op == "ReplaceNetworkAclAssociation" || c.Op == "ModifyNetworkInterfaceAttribute" || c.Op == "CreateNetworkAclEntry" {
			last = i
		}
	}
	if got := simvpc.Depth(log.Calls()[:last+1]); got != 3 {
		t.Errorf("%d dependent round trips, want 3", got)
	}
}
