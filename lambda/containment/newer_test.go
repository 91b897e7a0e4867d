package containment_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc/world"
)

// Whatever is asked for an instance whose record a later version wrote ends in an error
// that says so. The record stays as it is, to the last attribute, and so does the network.
func TestANewerRecordIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := goldenWorld(t)
	for name, do := range map[string]deed{
		"a finding":  func(ctx context.Context, p *process) error { return p.contain(ctx, beside(w, "203.0.113.77")) },
		"a new peer": func(ctx context.Context, p *process) error { return p.contain(ctx, beside(w, "203.0.113.78")) },
		"a release":  func(ctx context.Context, p *process) error { return p.release(ctx, neighbour) },
		"an admission": func(ctx context.Context, p *process) error {
			_, err := p.releaser().Admit(ctx, containment.Admission{Instance: neighbour, Reason: "look into it", Request: "a1"})
			return err
		},
		"a reconcile": reconciling,
		"a watch":     watching,
		"an expire":   expiring,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(w)
				s.rungs.Survivors = plan.SurvivorsDeny
				s.server.Edit(func(w *world.World) { w.LogGroups = append(w.LogGroups, "flows") })
				s.must(t, func(ctx context.Context, p *process) error { return p.contain(ctx, beside(w, "203.0.113.77")) })
				time.Sleep(30 * time.Minute)
				written := itemOf(t, s, neighbour)
				written["schema"] = &types.AttributeValueMemberN{Value: "99"}
				written["later"] = &types.AttributeValueMemberS{Value: "what this version knows nothing of"}
				if err := s.book.Put(written); err != nil {
					t.Fatal(err)
				}
				written, before := itemOf(t, s, neighbour), s.server.World()
				if err := do(t.Context(), s.process(always)); !errors.Is(err, record.ErrNewerRecord) {
					t.Errorf("it says %v, want that the record is newer", err)
				}
				if diff := cmp.Diff(written, itemOf(t, s, neighbour), cmpopts.IgnoreUnexported(
					types.AttributeValueMemberN{}, types.AttributeValueMemberS{}, types.AttributeValueMemberL{}, types.AttributeValueMemberM{},
					types.AttributeValueMemberBOOL{}, types.AttributeValueMemberSS{}, types.AttributeValueMemberNULL{})); diff != "" {
					t.Errorf("the record has changed:\n%s", diff)
				}
				if diff := world.Diff(before, s.server.World()); diff != "" {
					t.Errorf("the network has changed:\n%s", diff)
				}
			})
		})
	}
}

// itemOf is the item of an instance's first containment.
func itemOf(t *testing.T, s *stage, instance string) ledger.Item {
	t.Helper()
	items, err := s.book.Items()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		if i["pk"].(*types.AttributeValueMemberS).Value == "INSTANCE#"+instance && i["sk"].(*types.AttributeValueMemberS).Value == "CONTAINMENT#1" {
			return i
		}
	}
	t.Fatalf("%s has no containment", instance)
	return nil
}

// A change that has failed is not made once more after a release that came in between,
// though the ledger has taken the plan that it is of.
func TestARetryAsksTheLedger(t *testing.T) {
	t.Parallel()
	w := crashWorld(t)
	synctest.Test(t, func(t *testing.T) {
		s := newStage(w)
		var failed, released atomic.Bool // calls are made side by side
		in := incidentWith(w, "f1")      // without a peer, whose entry would be news for the ledger
		in.Findings[0].Seen = time.Now()
		time.Sleep(time.Second)
		err := s.process(func(_ context.Context, c call) fate {
			switch {
			case c.op == "ModifyNetworkInterfaceAttribute" && !released.Load():
				failed.Store(true)
				return neverMade
			case c.op == "DescribeNetworkInterfaces" && failed.Load() && released.CompareAndSwap(false, true):
				s.once(t, releasing)
			}
			return passes
		}).contain(t.Context(), in)
		if !released.Load() {
			t.Fatal("nothing was released meanwhile")
		}
		if err != nil {
			t.Error(err)
		}
		for _, i := range s.server.World().Interfaces {
			if want := w.Interface(i.ID).Groups; !slices.Equal(i.Groups, want) {
				t.Errorf("%s has the groups %q, want %q as after the release", i.ID, i.Groups, want)
			}
		}
	})
}
