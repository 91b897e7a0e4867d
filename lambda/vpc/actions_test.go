package vpc

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/internal/source"
)

// The roles get what the source calls, and nothing else: a call added here without
// its action would be refused in the middle of an incident. What undoes is in
// revert.go alone; what only reads is shared, and so is what sets an attribute, to the
// new value or back to the one from before.
func TestActionsAreTheCallsOfTheSource(t *testing.T) {
	t.Parallel()
	contain, undo := map[string]bool{}, map[string]bool{}
	called := `ec2\.(?:New)?((?:Describe|Create|Modify|Revoke|Authorize|Delete|Replace)[A-Za-z]+?)(?:Paginator)?\((?:ctx|c\.ec2|o\.ec2|r\.ec2)`
	for file, calls := range source.Matches(t, called) {
		for _, m := range calls {
			c := "ec2:" + m[1]
			if file != "revert.go" {
				contain[c] = true
			}
			if file == "revert.go" || file == "attributes.go" || strings.HasPrefix(c, "ec2:Describe") {
				undo[c] = true
			}
		}
	}
	if d := cmp.Diff(slices.Sorted(slices.Values(slices.Concat(ContainActions, IsolateActions))), slices.Sorted(maps.Keys(contain))); d != "" {
		t.Errorf("ContainActions (-listed +called):\n%s", d)
	}
	if d := cmp.Diff(slices.Sorted(slices.Values(slices.Concat(ReleaseActions, UnisolateActions))), slices.Sorted(maps.Keys(undo))); d != "" {
		t.Errorf("ReleaseActions (-listed +called):\n%s", d)
	}
}

// Containing can't loosen: none of its actions removes or replaces an entry.
func TestContainActionsOnlyTighten(t *testing.T) {
	t.Parallel()
	for _, a := range ContainActions {
		if strings.Contains(a, "Delete") || strings.Contains(a, "Replace") || strings.Contains(a, "Authorize") {
			t.Errorf("%s can loosen", a)
		}
	}
}
