package answer

import (
	"net/netip"
	"slices"
	"testing"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// A denial is for a whole subnet. The answer says who else loses the peer, as long as the
// denial is in force.
func TestCollateral(t *testing.T) {
	t.Parallel()
	deny := func(acl string, dir network.Direction, state record.State) record.StepState {
		return record.StepState{State: state, Step: record.Denial{ACL: acl, Direction: dir, Prefix: netip.MustParsePrefix("198.51.100.7/32")}}
	}
	a := NewAnswer([]containment.Outcome{{Instance: "i-1", Record: record.Record{Steps: []record.StepState{
		deny("acl-front", network.In, record.Applied), deny("acl-front", network.Out, record.Applied), deny("acl-back", network.In, record.Removed),
	}}}})
	want := []string{"every other host behind acl-front loses 198.51.100.7/32 too"}
	if got := a.Incidents[0].Collateral; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
