package containment_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc/world"
)

// fromLater makes an item of the ledger one that a later version wrote, and returns it as
// it was.
func fromLater(t *testing.T, s *stage, pk, sk string) ledger.Item {
	t.Helper()
	items, err := s.book.Items()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		if i["pk"].(*types.AttributeValueMemberS).Value == pk && i["sk"].(*types.AttributeValueMemberS).Value == sk {
			err := s.book.Put(ledger.Item{"pk": i["pk"], "sk": i["sk"], "schema": &types.AttributeValueMemberN{Value: "99"}})
			if err != nil {
				t.Fatal(err)
			}
			return i
		}
	}
	t.Fatalf("there is no item %s %s", pk, sk)
	return nil
}

// What can't be read of one instance stops neither the expiry of the other's denials
// nor the end of its release nor its repair, and is reported.
func TestOneUnreadableStopsNoOther(t *testing.T) {
	t.Parallel()
	for name, item := range map[string][2]string{
		"containment": {"INSTANCE#" + neighbour, "CONTAINMENT#1"}, "pointer": {"OPEN", neighbour}, "slot": {"VPC#vpc-1", "SLOT#acl-0#in#99"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := goldenWorld(t)
				s := newStage(w)
				s.must(t, containing(w, threePeers...))
				s.must(t, func(ctx context.Context, p *process) error { return p.contain(ctx, beside(w, "203.0.113.77")) })
				if name == "slot" {
					item[1] = "SLOT#" + slotOf(t, s, neighbour)
				}
				fromLater(t, s, item[0], item[1])

				s.server.Edit(func(w *world.World) { w.Interface("eni-0").Groups = []string{"sg-web"} })
				if err := s.process(always).reconcile(t.Context()); name != "slot" && !errors.Is(err, record.ErrNewerRecord) {
					t.Errorf("reconcile says %v, want the unreadable item", err)
				}
				contained(victim)(t, s)

				s.must(t, releasing)
				time.Sleep(network.DefaultTracking)
				if err := s.process(always).expire(t.Context()); !errors.Is(err, record.ErrNewerRecord) || !strings.Contains(err.Error(), item[1]) {
					t.Errorf("expire says %v, want the item %s", err, item[1])
				}
				for _, slot := range s.book.AllSlots() {
					if slot.HeldBy(record.Holder{Instance: victim, Generation: 1}) {
						t.Errorf("%v is still held", slot)
					}
				}
			})
		})
	}
}

// slotOf is the place of a slot that an instance holds, as in its key.
func slotOf(t *testing.T, s *stage, instance string) string {
	t.Helper()
	items, err := s.book.Items()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		holders, ok := i["holders"].(*types.AttributeValueMemberSS)
		if ok && slices.Contains(holders.Value, instance+"#1") {
			return strings.TrimPrefix(i["sk"].(*types.AttributeValueMemberS).Value, "SLOT#")
		}
	}
	t.Fatalf("%s holds no slot", instance)
	return ""
}

// A slot that can't be read keeps no instance of the VPC from being contained, and its
// number is left alone.
func TestContainBesideAnUnreadableSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := goldenWorld(t)
		s := newStage(w)
		for _, sk := range []string{"SLOT#acl-0#in#2", "SLOT#acl-0#in#3", "SLOT#acl-0#in#99", "SLOT#acl-1#out#1"} {
			err := s.book.Put(ledger.Item{"pk": &types.AttributeValueMemberS{Value: "VPC#vpc-1"}, "sk": &types.AttributeValueMemberS{Value: sk}})
			if err != nil {
				t.Fatal(err)
			}
		}
		s.must(t, containing(w, threePeers...))
		contained(victim)(t, s)
		for _, e := range s.server.World().ACL("acl-0").Entries {
			if !e.Egress && (e.Number == 2 || e.Number == 3) {
				t.Errorf("the entry %+v took a number that may be somebody's", e)
			}
		}
		if got := len(s.book.AllSlots()); got != 12 {
			t.Errorf("%d slots, want 12", got)
		}
	})
}

// Of an instance one of whose slots can't be read, the groups are restored, the other
// denials go, and this one stays until its slot can be read.
func TestReleaseWithAnUnreadableSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := goldenWorld(t)
		s := newStage(w)
		s.must(t, containing(w, threePeers...))
		slot := fromLater(t, s, "VPC#vpc-1", "SLOT#"+slotOf(t, s, victim))
		time.Sleep(network.DefaultTracking)
		s.must(t, releasing)
		for id, state := range states(t, s, victim) {
			t.Log(id, state)
		}
		if got := s.server.World().Interface("eni-0").Groups; !slices.Equal(got, []string{"sg-ssh", "sg-web"}) {
			t.Errorf("eni-0 has the groups %v", got)
		}
		if left := s.book.AllSlots(); len(left) != 0 {
			t.Errorf("slots that can be read are left: %v", left)
		}
		if err := s.process(always).expire(t.Context()); !errors.Is(err, record.ErrNewerRecord) {
			t.Errorf("expire says %v", err)
		}
		if err := s.book.Put(slot); err != nil {
			t.Fatal(err)
		}
		s.must(t, expiring)
		checkUndone(t, w, s, "")
	})
}

// deleteVPC deletes the victim and then everything that EC2 shows of its VPC.
func deleteVPC(s *stage) {
	s.server.Edit(func(w *world.World) {
		w.Interfaces, w.Subnets, w.ACLs, w.Groups, w.VPCs = nil, nil, nil, nil, nil
		for _, i := range w.Instances {
			i.State = "terminated"
		}
	})
}

// The slots of a VPC that is deleted are freed, and nothing that points to it stays.
func TestSlotsOfADeletedVPC(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(t *testing.T, w *world.World, s *stage){
		"while contained": func(*testing.T, *world.World, *stage) {},
		"while released":  func(t *testing.T, _ *world.World, s *stage) { s.must(t, releasing) },
		"with denials of a second instance": func(t *testing.T, w *world.World, s *stage) {
			besideIt(w, threePeers...)(t, s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := goldenWorld(t)
				s := newStage(w)
				s.must(t, containing(w, threePeers...))
				before(t, w, s)
				deleteVPC(s)
				s.must(t, reconciling)
				s.must(t, expiring)
				time.Sleep(network.DefaultTracking)
				s.must(t, expiring)
				s.must(t, expiring)
				if left := s.book.AllSlots(); len(left) > 0 {
					t.Errorf("slots are left: %v", left)
				}
				if vpcs, err := s.book.VPCs(t.Context()); err != nil || len(vpcs) > 0 {
					t.Errorf("marked: %v, %v", vpcs, err)
				}
			})
		})
	}
}

// So are those that an earlier version left, once this one has seen them.
func TestSlotsOfADeletedVPCOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := goldenStage(t, "lingering")
		s.must(t, expiring)
		deleteVPC(s)
		time.Sleep(network.DefaultTracking)
		s.must(t, expiring)
		s.must(t, expiring)
		vpcs, _ := s.book.VPCs(t.Context())
		if left := s.book.AllSlots(); len(left) > 0 || len(vpcs) > 0 {
			t.Errorf("slots are left: %v; marked: %v", left, vpcs)
		}
	})
}
