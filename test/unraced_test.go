package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The packages that the Makefile has tested without the race detector start no goroutine.
func TestWhatIsTestedUnracedStartsNoGoroutine(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile(filepath.Join("..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^UNRACED = \$\(addprefix \./internal/,(.*)\)$`).FindSubmatch(makefile)
	if list == nil {
		t.Fatal("there is no UNRACED in the Makefile that this test understands")
	}
	for dir := range strings.FieldsSeq(string(list[1])) {
		files, err := filepath.Glob(filepath.Join("..", "internal", dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("internal/%s has no files: %v", dir, err)
		}
		files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
		for _, name := range files {
			if begun := goroutines(t, name); begun != "" {
				t.Errorf("internal/%s is in UNRACED, and starts a goroutine: %s", dir, begun)
			}
		}
	}
}

// goroutines says where a file starts one, by itself or through a group.
func goroutines(t *testing.T, name string) (where string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			where = set.Position(n.Pos()).String()
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Go" {
				where = set.Position(n.Pos()).String()
			}
		}
		return where == ""
	})
	return where
}
