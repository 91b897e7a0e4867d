package config

import (
	"cmp"
	"flag"
	"fmt"
	"strings"
	"testing"

	"tourniquet/lambda/internal/readme"
)

var update = flag.Bool("update", false, "rewrite the tables of settings in the READMEs")

// go test ./lambda/config -run README -update rewrites the tables.
func TestREADMEsHaveTheSettings(t *testing.T) {
	t.Parallel()
	readme.Check(t, "../../infra/README.md", "settings", "lambda/config", settingsTable(), *update)
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
