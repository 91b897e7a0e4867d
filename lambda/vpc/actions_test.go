package vpc

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The role gets what the source calls, and nothing else: a call added here without
// its action would be refused in the middle of an incident.
func TestContainActionsAreTheCallsOfTheSource(t *testing.T) {
	t.Parallel()
	called := regexp.MustCompile(`ec2\.(?:New)?((?:Describe|Create|Modify|Revoke|Authorize|Delete|Replace)[A-Za-z]+?)(?:Paginator)?\((?:ctx|c\.ec2|o\.ec2)`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range called.FindAllStringSubmatch(string(source), -1) {
			got = append(got, "ec2:"+m[1])
		}
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(ContainActions))
	if d := cmp.Diff(want, slices.Compact(got)); d != "" {
		t.Errorf("ContainActions (-listed +called):\n%s", d)
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
