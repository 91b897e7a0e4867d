package version

import (
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
)

func TestString(t *testing.T) {
	t.Parallel()
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "3f2a9c1b04de5566778899aabbccddeeff001122"}
	for want, settings := range map[string][]debug.BuildSetting{
		Number:                           {{Key: "GOOS", Value: "linux"}},
		Number + "+3f2a9c1b04de":         {commit, {Key: "vcs.modified", Value: "false"}},
		Number + "+3f2a9c1b04de.changed": {commit, {Key: "vcs.modified", Value: "true"}},
	} {
		if got := of(settings); got != want {
			t.Errorf("%v: got %s, want %s", settings, got, want)
		}
	}
	if got := String(); !strings.HasPrefix(got, Number) {
		t.Errorf("got %s, want %s…", got, Number)
	}
}

// The newest section of the changelog is this version's.
func TestChangelog(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## (\S+)`).FindSubmatch(b)
	if newest == nil || string(newest[1]) != Number {
		t.Errorf("CHANGELOG.md begins with %q, and the version is %s", newest, Number)
	}
}
