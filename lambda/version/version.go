// Package version says which Tourniquet this is.
package version

import (
	"runtime/debug"
	"sync"
)

// Number is the version of this source, by https://semver.org: that of the newest
// section of CHANGELOG.md. A release has the tag v and this number.
const Number = "0.1.0"

// String is the version of the running program: the number and, where Go has noted
// it in the binary, the commit that it was built from, such as 0.1.0+3f2a9c1b04de.
// Go notes nothing with "go run", nor in the functions' zip, which is the same for
// the same source.
var String = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Number
	}
	return of(info.Settings)
})

func of(settings []debug.BuildSetting) string {
	const digits = 12
	var commit, changed string
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(len(s.Value), digits)]
		case "vcs.modified":
			if s.Value == "true" {
				changed = ".changed"
			}
		}
	}
	if commit == "" {
		return Number
	}
	return Number + "+" + commit + changed
}
