package host_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/host"
	"tourniquet/lambda/internal/source"
)

// The roles get what the source calls, and nothing else. Both functions make the same
// calls: what tells them apart is the document that each may send.
func TestActionsAreTheCallsOfTheSource(t *testing.T) {
	t.Parallel()
	var calls []string
	for _, found := range source.Matches(t, `\.client\(\)\.([A-Z][A-Za-z]+)\(ctx`) {
		for _, m := range found {
			calls = append(calls, "ssm:"+m[1])
		}
	}
	slices.Sort(calls)
	for name, actions := range map[string][]string{"ContainActions": host.ContainActions, "ReleaseActions": host.ReleaseActions} {
		if d := cmp.Diff(actions, slices.Compact(calls)); d != "" {
			t.Errorf("%s (-listed +called):\n%s", name, d)
		}
	}
}
