// Package source reads the source of the package under test: so a test can say that a
// list of IAM actions is what the code calls.
package source

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Matches are the matches of an expression in each file of the package that is not a
// test, with their submatches, by the file's name. It fails the test when nothing
// matches at all: then the expression has lost what it was written for.
func Matches(tb testing.TB, expression string) map[string][][]string {
	tb.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		tb.Fatal(err)
	}
	find, found := regexp.MustCompile(expression), map[string][][]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file) //nolint:gosec // a file of this repository
		if err != nil {
			tb.Fatal(err)
		}
		if all := find.FindAllStringSubmatch(string(text), -1); len(all) > 0 {
			found[file] = all
		}
	}
	if len(found) == 0 {
		tb.Fatalf("nothing in %d files matches %s", len(files), expression)
	}
	return found
}
