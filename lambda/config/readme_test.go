package config

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"

	"tourniquet/lambda/flowlog"
	"tourniquet/lambda/host"
	"tourniquet/lambda/internal/readme"
	"tourniquet/lambda/keep"
	"tourniquet/lambda/vpc"
)

var update = flag.Bool("update", false, "rewrite the tables of settings in the READMEs")

// go test ./lambda/config -run README -update rewrites the tables.
func TestREADMEsHaveTheSettings(t *testing.T) {
	t.Parallel()
	readme.Check(t, "../../infra/README.md", "settings", "lambda/config", settingsTable(), *update)
	readme.Check(t, "../../infra/README.md", "rungs", "lambda/config", rungsTable(t), *update)
	readme.Check(t, "../README.md", "variables", "lambda/config", variablesTable(), *update)
}

// settingsTable is for whoever deploys: what cdk.json's context takes.
func settingsTable() string {
	var b strings.Builder
	b.WriteString("| Key | Meaning | Default |\n|---|---|---|\n")
	for _, row := range All {
		if row.Key != "" {
			fmt.Fprintf(&b, "| `%s%s` | %s | %s |\n", Prefix, row.Key, row.Meaning, shownDefault(row))
		}
	}
	return b.String()
}

// rungsTable says of each measure beyond quarantine and denials what it does and needs.
func rungsTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| Key | Default | What it does | Undo | What fails | Permissions: to contain; to release |\n|---|---|---|---|---|---|\n")
	rungs := maps.Clone(keep.Rungs)
	rungs["onHost"] = keep.Rung{Contain: host.ContainActions, Release: host.ReleaseActions}
	rungs["survivors"] = keep.Rung{Contain: flowlog.ContainActions, Release: flowlog.ReleaseActions}
	rungs["isolateSubnets"] = keep.Rung{Contain: vpc.IsolateActions, Release: vpc.UnisolateActions}
	for _, row := range All {
		if row.Rung == nil {
			continue
		}
		needs, known := rungs[row.Key]
		delete(rungs, row.Key)
		if !known {
			t.Errorf("%s: no permissions are known", row.Key)
		}
		fmt.Fprintf(&b, "| `%s%s` | %s | %s | %s | %s | %s; %s |\n", Prefix, row.Key, shownDefault(row), row.Rung.Does, row.Rung.Undo, row.Rung.Fails,
			actions(needs.Contain), actions(needs.Release))
	}
	for key := range rungs {
		t.Errorf("%s: the settings don't say what it does", key)
	}
	return b.String()
}

// actions lists what changes something.
func actions(all []string) string {
	reads := regexp.MustCompile(`:(Describe|Get|Filter)`)
	var shown []string
	for _, a := range all {
		if !reads.MatchString(a) {
			shown = append(shown, "`"+a+"`")
		}
	}
	if len(shown) == 0 {
		return "none"
	}
	return strings.Join(shown, ", ")
}

// variablesTable is for whoever runs the functions without the stack.
func variablesTable() string {
	var b strings.Builder
	b.WriteString("| Variable | Set by | Read by | Default |\n|---|---|---|---|\n")
	for _, row := range All {
		if row.Variable == "" {
			continue
		}
		by := "`" + Prefix + row.Key + "`"
		if row.Key == "" {
			by = "the stack: " + row.Meaning
		}
		var readers []string
		for _, f := range row.For {
			readers = append(readers, string(f))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", row.Variable, by, strings.Join(readers, ", "), shownDefault(row))
	}
	return b.String()
}

func shownDefault(row Setting) string {
	if row.Default != "" {
		return "`" + row.Default + "`"
	}
	if row.Required {
		return "required"
	}
	return cmp.Or(row.Unset, "none")
}
