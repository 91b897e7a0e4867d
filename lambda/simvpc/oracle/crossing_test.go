package oracle_test

import (
	"testing"

	"pgregory.net/rapid"

	"tourniquet/lambda/simvpc/internal/draw"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// What interfaces see of a flow agrees with what passes: packets of one direction
// arrive exactly when every interface on their way accepts them.
func TestCrossingsAgreeWithPasses(t *testing.T) {
	t.Parallel()
	seen := 0
	rapid.Check(t, func(t *rapid.T) {
		w := draw.World(t)
		w.Normalize()
		if len(w.Interfaces) == 0 {
			return
		}
		for range 5 {
			oracle.Establish(w, draw.Flow(t, w))
		}
		if rapid.Bool().Draw(t, "swapped") {
			rapid.SampledFrom(w.Interfaces).Draw(t, "interface").Groups = []string{"sg-default-0"}
		}
		for _, f := range w.Flows {
			crossings := oracle.Crossings(w, *f)
			if len(crossings) == 0 {
				continue // with an address that AWS serves, or of a host that sends nothing
			}
			seen++
			v := oracle.Passes(w, *f)
			if got := arrives(w, *f, crossings, true); got != v.Forward {
				t.Fatalf("%s: forward %t by %+v, %t by the oracle: %s", f, got, crossings, v.Forward, v.Why)
			}
			if got := arrives(w, *f, crossings, false); got != v.Backward {
				t.Fatalf("%s: backward %t by %+v, %t by the oracle: %s", f, got, crossings, v.Backward, v.Why)
			}
		}
	})
	if seen == 0 && !testing.Short() { // twenty worlds, as a short run draws, may have none
		t.Error("no flow was drawn that an interface sees")
	}
}

// arrives reports whether packets of a direction are accepted by each interface at
// the ends of a flow.
func arrives(w *world.World, f world.Flow, crossings []oracle.Crossing, forward bool) bool {
	from, to := w.Holder(f.From.Addr()), w.Holder(f.To.Addr())
	if !forward {
		from, to = to, from
	}
	for _, end := range []struct {
		n      *world.Interface
		egress bool
	}{{from, true}, {to, false}} {
		if end.n == nil {
			continue
		}
		accepted := false
		for _, c := range crossings {
			accepted = accepted || c.Interface == end.n && c.Egress == end.egress && c.Initiator == forward && c.Accepted
		}
		if !accepted {
			return false
		}
	}
	return true
}
