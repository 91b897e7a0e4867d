package keep

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/internal/source"
)

// The roles get what the source calls, and nothing else. What undoes is in revert.go
// alone; what sets an attribute serves both.
func TestActionsAreTheCallsOfTheSource(t *testing.T) {
	t.Parallel()
	// No call says what these are for: tagging with the call that makes, and a role that
	// goes with its profile.
	contain := map[string]bool{"ec2:CreateTags": true, "iam:PassRole": true}
	release := map[string]bool{"iam:PassRole": true}
	called := `\b(ec2|scaling\(\)|autoscaling)\.(?:New)?([A-Z][A-Za-z]+?)(?:Paginator)?\((?:ctx|c\.ec2)`
	for file, calls := range source.Matches(t, called) {
		for _, m := range calls {
			c := "ec2:" + m[2]
			if m[1] != "ec2" {
				c = "autoscaling:" + m[2]
			}
			onlyContains := c == "autoscaling:EnterStandby" || c == "ec2:EnableApplicationStatusCheckSuppression" || strings.HasSuffix(c, "Snapshots")
			if file != "revert.go" {
				contain[c] = true
			}
			if !onlyContains {
				release[c] = true
			}
		}
	}
	listed := func(of func(Rung) []string) []string {
		all := map[string]bool{}
		for _, r := range Rungs {
			for _, a := range of(r) {
				all[a] = true
			}
		}
		return slices.Sorted(maps.Keys(all))
	}
	if d := cmp.Diff(listed(func(r Rung) []string { return r.Contain }), slices.Sorted(maps.Keys(contain))); d != "" {
		t.Errorf("to contain (-listed +called):\n%s", d)
	}
	if d := cmp.Diff(listed(func(r Rung) []string { return r.Release }), slices.Sorted(maps.Keys(release))); d != "" {
		t.Errorf("to release (-listed +called):\n%s", d)
	}
}
