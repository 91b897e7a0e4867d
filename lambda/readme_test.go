package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tourniquet/lambda/internal/readme"
	"tourniquet/lambda/record"
)

// A word is a constant that the answer has, and what its comment says of it.
type word struct{ value, says string }

// README.md explains every word that an answer can have.
//
// go test ./lambda -run README -update rewrites the table of exposures.
func TestREADMEHasTheWords(t *testing.T) {
	words := wordsOf(t, "record")
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"Verdict", "Status", "State", "Kind"} {
		if len(words[kind]) < 3 {
			t.Errorf("found only %v of type %s; are they still written as this test reads them?", words[kind], kind)
		}
		for _, w := range words[kind] {
			if !strings.Contains(string(text), "`"+w.value+"`") {
				t.Errorf("README.md doesn't explain the %s %q", strings.ToLower(kind), w.value)
			}
		}
	}
	var b strings.Builder
	b.WriteString("| Kind | What may still flow, and why | Partial |\n|---|---|---|\n")
	for _, w := range words["ExposureKind"] {
		partial := ""
		if record.ExposureKind(w.value).Partial() {
			partial = "yes"
		}
		if w.says == "" {
			t.Errorf("the exposure %s has no comment that says what it is", w.value)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", w.value, w.says, partial)
	}
	readme.Check(t, "README.md", "exposures", "lambda", b.String(), *update)
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
				words[kind.Name] = append(words[kind.Name], word{text, said(spec)})
			}
			return true
		})
	}
	return words
}

// said is a constant's comment as one line, without the constant's name and links.
func said(spec *ast.ValueSpec) string {
	text := strings.TrimPrefix(spec.Doc.Text(), spec.Names[0].Name+": ")
	var words []string
	for _, w := range strings.Fields(text) {
		if !strings.HasPrefix(w, "https://") {
			words = append(words, w)
		}
	}
	return strings.TrimSuffix(strings.Join(words, " "), ".")
}
