// Package readme keeps the generated parts of Markdown files up to date, in tests.
package readme

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Check compares a part of a Markdown file with what is made now, or rewrites it. The
// part stands between two comments: the first says its name and the package whose
// test makes it, the second is the end of the name.
func Check(tb testing.TB, path, name, pkg, want string, update bool) {
	tb.Helper()
	command := fmt.Sprintf("go test ./%s -run README -update", pkg)
	begin, end := fmt.Sprintf("<!-- %s: %s -->\n", name, command), fmt.Sprintf("<!-- end of %s -->\n", name)
	raw, err := os.ReadFile(path) //nolint:gosec // a file of this repository
	if err != nil {
		tb.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(raw), begin)
	was, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		tb.Fatalf("%s lacks the lines %q and %q", path, begin, end)
	}
	want = "\n" + want + "\n"
	if update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o600); err != nil { //nolint:gosec // likewise
			tb.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(was, want); d != "" {
		tb.Errorf("%s is stale, %s rewrites it (-file +made):\n%s", path, command, d)
	}
}
