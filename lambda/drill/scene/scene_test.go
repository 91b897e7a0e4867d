package scene_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tourniquet/lambda/drill/internal/draw"
	"tourniquet/lambda/drill/scene"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// Whatever a finding holds, a world is made of it with all of its interfaces, and
// each peer has a connection there or is named in a note.
func TestAnyFindingMakesAWorld(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := draw.Finding(t)
		w, notes, err := scene.Of(f)
		if err != nil {
			t.Fatal(err)
		}
		i := f.Instances[0]
		if got, want := len(w.InterfacesOf(i.ID)), max(1, len(i.Interfaces)); got != want {
			t.Fatalf("%d interfaces, want %d", got, want)
		}
		for _, p := range i.Peers {
			stands := slices.ContainsFunc(w.Flows, func(f *world.Flow) bool {
				return (f.From.Addr() == p.Addr || f.To.Addr() == p.Addr) && oracle.Passes(w, *f).Passes
			})
			named := slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, p.Addr.String()) })
			if !stands && !named {
				t.Fatalf("no connection with %s, and no note of %q names it:\n%s", p.Addr, notes, w)
			}
		}
	})
}
