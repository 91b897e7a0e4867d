package host_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/host"
)

// The roles get what the source calls, and nothing else. Both functions make the same
// calls: what tells them apart is the document that each may send.
func TestActionsAreTheCallsOfTheSource(t *testing.T) {
	t.Parallel()
	called := regexp.MustCompile(`\.client\(\)\.([A-Z][A-Za-z]+)\(ctx`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range called.FindAllStringSubmatch(string(source), -1) {
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
