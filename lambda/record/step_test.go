package record

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tourniquet/lambda/network"
)

// A step is found by its id, and by no other.
func TestStepsAreFoundByTheirIDs(t *testing.T) {
	t.Parallel()
	words := rapid.SampledFrom([]string{"", "a", "b", "a/b", "acl-1", "in", "out", "quarantine", "denial"})
	steps := rapid.Custom(func(t *rapid.T) Step {
		kind := rapid.SampledFrom([]Kind{KindQuarantine, KindProtection, KindHost, KindSnapshot, KindDenial}).Draw(t, "kind")
		switch resource := words.Draw(t, "resource"); {
		case kind.Replaces():
			return Replacement{Of: kind, Resource: resource, Name: words.Draw(t, "name")}
		case kind.Creates():
			return Creation{Of: kind, Resource: resource}
		default:
			prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, rapid.Byte().Draw(t, "host")}), rapid.IntRange(24, 32).Draw(t, "bits"))
			return Denial{ACL: resource, Direction: rapid.SampledFrom([]network.Direction{network.In, network.Out}).Draw(t, "direction"), Prefix: prefix}
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		var r Record
		ids := []string{"", "denial/", "quarantine", "quarantine/", "quarantine/a/"}
		for _, s := range rapid.SliceOfN(steps, 0, 8).Draw(t, "steps") {
			r.Steps = append(r.Steps, StepState{Step: s})
			ids = append(ids, s.ID(), s.ID()+"/", s.ID()+"2")
		}
		for _, id := range ids {
			want := slices.IndexFunc(r.Steps, func(s StepState) bool { return s.Step.ID() == id })
			got, found := r.Step(id)
			if found != (want >= 0) || found && got.Step.ID() != id {
				t.Errorf("%q is found: %v, as %+v; it is at %d", id, found, got, want)
			}
		}
	})
}
