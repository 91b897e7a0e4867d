package ledger

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The actions follow from the source: calls of the client, and the parts that
// transactions are made of.
func TestActionsAreTheCalls(t *testing.T) {
	parts := map[string]string{
		"ConditionCheck": "ConditionCheckItem", "Delete": "DeleteItem", "Put": "PutItem", "Update": "UpdateItem",
	}
	needed := map[string]bool{}
	for _, call := range clientCalls(t) {
		switch call {
		case "TransactWriteItems":
		case "NewQueryPaginator":
			needed["Query"] = true
		default:
			needed[call] = true
		}
	}
	for _, part := range transactionParts(t) {
		needed[parts[part]] = true
	}
	var want []string
	for name := range needed {
		want = append(want, "dynamodb:"+name)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, Actions); diff != "" {
		t.Errorf("Actions (-called +listed):\n%s", diff)
	}
}

// clientCalls are the methods called on a field named Client, and the paginators.
func clientCalls(t *testing.T) []string {
	calls := map[string]bool{}
	inspect(t, func(n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return
		}
		on, _ := f.X.(*ast.SelectorExpr)
		pkg, _ := f.X.(*ast.Ident)
		if on != nil && on.Sel.Name == "Client" || pkg != nil && pkg.Name == "dynamodb" && strings.HasPrefix(f.Sel.Name, "New") {
			calls[f.Sel.Name] = true
		}
	})
	return slices.Collect(maps.Keys(calls))
}

// transactionParts are the fields set in literals of types.TransactWriteItem.
func transactionParts(t *testing.T) []string {
	parts := map[string]bool{}
	inspect(t, func(n ast.Node) {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return
		}
		if typ, ok := lit.Type.(*ast.SelectorExpr); !ok || typ.Sel.Name != "TransactWriteItem" {
			return
		}
		for _, e := range lit.Elts {
			parts[e.(*ast.KeyValueExpr).Key.(*ast.Ident).Name] = true
		}
	})
	return slices.Collect(maps.Keys(parts))
}

func inspect(t *testing.T, visit func(ast.Node)) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			visit(n)
			return true
		})
	}
}
