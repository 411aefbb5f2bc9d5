package tower_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheDescribedPathIsThere holds the path of one record in internal/README.md
// against the code: each function of a row must be declared in one of its files.
func TestTheDescribedPathIsThere(t *testing.T) {
	text, err := os.ReadFile("internal/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## The path of one record")
	section, _, _ = strings.Cut(section, "\n## ")
	quoted := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[2], "`") {
			continue
		}
		rows++
		declared := map[string]bool{}
		for _, file := range quoted.FindAllStringSubmatch(cells[2], -1) {
			if err := declarations(filepath.Join("internal", file[1]), declared); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(cells[1]), err)
			}
		}
		for _, name := range quoted.FindAllStringSubmatch(cells[3], -1) {
			if !declared[name[1]] {
				t.Errorf("%s: %s is not declared in%s", strings.TrimSpace(cells[1]), name[1], cells[2])
			}
		}
	}
	if rows < 20 {
		t.Errorf("the table has %d rows", rows)
	}
}

// declarations adds the functions, methods and classes that a file declares.
func declarations(path string, to map[string]bool) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if filepath.Ext(path) == ".ts" {
		for _, found := range regexp.MustCompile(`(?m)^(?:export )?(?:abstract )?(?:function|class) (\w+)|^  (?:async )?(#?\w+)[<(].*\{$`).FindAllSubmatch(source, -1) {
			to[string(bytes.Join(found[1:], nil))] = true
		}
		return nil
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, source, 0)
	if err != nil {
		return err
	}
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		switch {
		case !ok:
		case fn.Recv == nil:
			to[fn.Name.Name] = true
		default:
			receiver := fn.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			if generic, ok := receiver.(*ast.IndexExpr); ok {
				receiver = generic.X
			}
			to[receiver.(*ast.Ident).Name+"."+fn.Name.Name] = true
		}
	}
	return nil
}
