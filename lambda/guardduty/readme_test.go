package guardduty

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the table of finding types in README.md of this folder")

const (
	readme     = "README.md"
	tableBegin = "<!-- finding types: go test ./lambda/guardduty -run README -update -->\n"
	tableEnd   = "<!-- end of finding types -->\n"
)

// The README's table of finding types is the one in types.go.
//
// go test ./lambda/guardduty -run README -update rewrites it.
func TestREADMEHasTheFindingTypes(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(raw), tableBegin)
	was, after, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		t.Fatalf("README.md lacks the lines %q and %q", tableBegin, tableEnd)
	}
	table := typeTable()
	if *update {
		if err := os.WriteFile(readme, []byte(before+tableBegin+table+tableEnd+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(was, table); d != "" {
		t.Errorf("README.md is stale; run go test ./lambda/guardduty -run README -update (-README +types.go):\n%s", d)
	}
	for _, typ := range Types() {
		if n := strings.Count(table, "`"+typ.Name+"`"); n != 1 {
			t.Errorf("%s is in the table %d times", typ.Name, n)
		}
	}
}

// typeTable is a row for all the types of a response that share peers and reason.
func typeTable() string {
	var b strings.Builder
	for _, part := range []struct {
		response Response
		title    string
	}{
		{Contain, "Contained"},
		{OnRequest, "Contained only when configured"},
		{Never, "Never contained on an event"},
	} {
		rows := rowsOf(part.response)
		n := 0
		for _, r := range rows {
			n += len(r)
		}
		fmt.Fprintf(&b, "\n<details><summary><b>%s</b>: %d types</summary>\n\n| Finding types | Peers | Why |\n|---|---|---|\n", part.title, n)
		for _, r := range rows {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.Join(names(r), "<br>"), r[0].Peers, r[0].Why)
		}
		b.WriteString("\n</details>\n")
	}
	return b.String() + unlisted()
}

// unlisted says what becomes of a finding whose type is not in the table. The deployed
// rule goes by what comes before the slash of the types that are contained.
func unlisted() string {
	var reaching []string
	for _, t := range Types() {
		if family, _, _ := strings.Cut(t.Name, "/"); t.Response == Contain && !slices.Contains(reaching, "`"+family+"/`") {
			reaching = append(reaching, "`"+family+"/`")
		}
	}
	return "\n**Types that are not listed** contain nothing by themselves. As configured by default, the deployed rule lets a finding through only when its\n" +
		"type begins with " + strings.Join(reaching, ", ") + ".\n" +
		"Of those, the function logs a type that is not listed as `unknown finding type`, and the metric `UnknownFindingTypes` counts it.\n" +
		"Other findings never reach the function. If one is on an instance and of a type that is not listed, a second rule keeps it in the queue\n" +
		"`UnknownFindingTypes`. Both raise an [alarm](../README.md#tourniquet-unknown-types-logged).\n\n"
}

func names(row []Type) []string {
	var all []string
	for _, t := range row {
		name := "`" + t.Name + "`"
		if t.ActorOnly {
			name += " as ACTOR"
		}
		all = append(all, name)
	}
	return all
}

func rowsOf(response Response) [][]Type {
	var rows [][]Type
	for _, t := range Types() {
		if t.Response != response {
			continue
		}
		at := slices.IndexFunc(rows, func(r []Type) bool { return r[0].Peers == t.Peers && r[0].Why == t.Why })
		if at < 0 {
			at = len(rows)
			rows = append(rows, nil)
		}
		rows[at] = append(rows[at], t)
	}
	return rows
}
