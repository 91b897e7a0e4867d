package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tourniquet/lambda/internal/readme"
	"tourniquet/lambda/record"
)

// A word is a constant that the answer has, and what its comment says of it.
type word struct{ name, value, says string }

// README.md explains every word that an answer can have.
//
// go test ./lambda -run README -update rewrites the tables of steps and exposures.
func TestREADMEHasTheWords(t *testing.T) {
	words := wordsOf(t, "record")
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"Verdict", "Status", "State"} {
		if len(words[kind]) < 3 {
			t.Errorf("found only %v of type %s; are they still written as this test reads them?", words[kind], kind)
		}
		for _, w := range words[kind] {
			if !strings.Contains(string(text), "`"+w.value+"`") {
				t.Errorf("README.md doesn't explain the %s %q", strings.ToLower(kind), w.value)
			}
		}
	}
	readme.Check(t, "README.md", "steps", "lambda", stepsTable(t, words["Kind"]), *update)
	readme.Check(t, "README.md", "exposures", "lambda", exposuresTable(t, words["ExposureKind"]), *update)
}

// stepsTable has the kinds of step that this program takes.
func stepsTable(t *testing.T, kinds []word) string {
	t.Helper()
	uses := map[string]int{}
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				uses[id.Name]++
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// A kind that only package record names, where it is declared and where it is
	// listed, is of a step that nothing plans yet.
	const declared = 2
	var b strings.Builder
	b.WriteString("| Kind of step | What it does | Decides whether the instance is contained |\n|---|---|---|\n")
	rows := 0
	for _, w := range kinds {
		if uses[w.name] <= declared {
			continue
		}
		rows++
		decides := ""
		if record.Kind(w.value).Decides() {
			decides = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", w.value, w.says, decides)
	}
	if rows < 3 {
		t.Errorf("found only %d kinds of step in use", rows)
	}
	return b.String()
}

// exposuresTable has every kind of exposure.
func exposuresTable(t *testing.T, kinds []word) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| Kind | What may still flow, and why | Partial |\n|---|---|---|\n")
	for _, w := range kinds {
		partial := ""
		if record.ExposureKind(w.value).Partial() {
			partial = "yes"
		}
		if w.says == "" {
			t.Errorf("the exposure %s has no comment that says what it is", w.value)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", w.value, w.says, partial)
	}
	return b.String()
}

// README.md has a line on each package: the first sentence of its documentation.
//
// go test ./lambda -run README -update rewrites the table.
func TestREADMEHasThePackages(t *testing.T) {
	folders, err := filepath.Glob("*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	says := map[string]string{}
	for _, path := range folders {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(path)
		if text := new(doc.Package).Synopsis(file.Doc.Text()); text != "" && !strings.HasSuffix(path, "_test.go") {
			_, says[dir], _ = strings.Cut(strings.TrimSuffix(text, "."), dir+" ") // "Package DIR …", "Command DIR …"
		} else if _, seen := says[dir]; !seen {
			says[dir] = ""
		}
	}
	var b strings.Builder
	b.WriteString("| Package | |\n|---|---|\n")
	for _, dir := range slices.Sorted(maps.Keys(says)) {
		if says[dir] == "" {
			t.Errorf("package %s has no documentation that begins with its name", dir)
		}
		fmt.Fprintf(&b, "| `%s/` | %s |\n", dir, strings.NewReplacer("[", "", "]", "").Replace(says[dir]))
	}
	readme.Check(t, "README.md", "layout", "lambda", b.String(), *update)
}

// wordsOf are the constants of text types in a package's source, by type.
func wordsOf(t *testing.T, dir string) map[string][]word {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	words := map[string][]word{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			kind, _ := spec.Type.(*ast.Ident)
			value, _ := spec.Values[0].(*ast.BasicLit)
			if kind != nil && value != nil && value.Kind == token.STRING {
				text, _ := strconv.Unquote(value.Value)
				words[kind.Name] = append(words[kind.Name], word{spec.Names[0].Name, text, said(spec)})
			}
			return true
		})
	}
	return words
}

// said is a constant's comment, before or behind it, as one line without the
// constant's name and links.
func said(spec *ast.ValueSpec) string {
	text := strings.TrimPrefix(cmp.Or(spec.Doc.Text(), spec.Comment.Text()), spec.Names[0].Name+": ")
	var words []string
	for _, w := range strings.Fields(text) {
		if !strings.HasPrefix(w, "https://") {
			words = append(words, w)
		}
	}
	return strings.TrimSuffix(strings.Join(words, " "), ".")
}
