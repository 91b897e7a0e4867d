package flowlog_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/flowlog"
	"tourniquet/lambda/internal/source"
)

// The roles get what the source calls, and nothing else. Only the release role deletes,
// and it never reads what the logs say.
func TestActionsAreTheCallsOfTheSource(t *testing.T) {
	t.Parallel()
	contain, release := []string{"iam:PassRole"}, []string{} // a flow log is made with a role
	for _, found := range source.Matches(t, `\b(api|ec2|cloudwatchlogs)\.(?:New)?([A-Z][a-z]+(?:FlowLogs|LogEvents))(?:Paginator)?\((?:ctx|api)`) {
		for _, m := range found {
			action := "ec2:" + m[2]
			if m[1] == "cloudwatchlogs" {
				action = "logs:" + m[2]
			}
			if action != "ec2:DeleteFlowLogs" {
				contain = append(contain, action)
			}
			if action == "ec2:DeleteFlowLogs" || action == "ec2:DescribeFlowLogs" {
				release = append(release, action)
			}
		}
	}
	for name, list := range map[string][2][]string{
		"ContainActions": {flowlog.ContainActions, contain}, "ReleaseActions": {flowlog.ReleaseActions, release},
	} {
		if d := cmp.Diff(set(list[0]), set(list[1])); d != "" {
			t.Errorf("%s (-listed +called):\n%s", name, d)
		}
	}
}

// set is a list sorted, each once.
func set(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}
