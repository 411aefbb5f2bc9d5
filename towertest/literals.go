package towertest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
)

// literals are the values that an application's code compares its fields with, by the Go
// name of the field: a rule with u.Role == "editor" is only tested by users who are editors.
type literals struct {
	texts   map[string][]string
	numbers map[string][]int
}

// literalsOf reads the source of the packages of the application's models and controllers.
// It finds nothing where the source is not there, as in a test binary that was moved.
func literalsOf(app *tower.App) literals {
	found := literals{texts: map[string][]string{}, numbers: map[string][]int{}}
	root, module := moduleRoot()
	if module == "" {
		return found
	}
	c := &comparisons{literals: found, constants: map[string]ast.Expr{}}
	var files []*ast.File
	for pkg := range packagesOf(app) {
		rest, ok := strings.CutPrefix(strings.TrimSuffix(pkg, "_test"), module)
		if !ok || rest != "" && rest[0] != '/' {
			continue
		}
		names, _ := filepath.Glob(filepath.Join(root, filepath.FromSlash(rest), "*.go")) // the pattern is valid
		for _, name := range names {
			if file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution); err == nil {
				files = append(files, file)
			}
		}
	}
	for _, file := range files {
		ast.Inspect(file, c.constant)
	}
	for _, file := range files {
		ast.Inspect(file, c.compare)
	}
	return found
}

// moduleRoot returns the folder and the path of the module around the working folder.
func moduleRoot() (folder, module string) {
	folder, err := os.Getwd()
	if err != nil {
		return "", ""
	}
	for {
		if data, err := os.ReadFile(filepath.Join(folder, "go.mod")); err == nil {
			return folder, modfile.ModulePath(data)
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", ""
		}
		folder = parent
	}
}

// packagesOf returns the import paths of the application's models and controllers.
func packagesOf(app *tower.App) map[string]bool {
	packages := map[string]bool{}
	add := func(t reflect.Type) {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.PkgPath() != "" {
			packages[path.Clean(t.PkgPath())] = true
		}
	}
	for _, m := range server.Models(server.AppOf(app)) {
		add(reflect.TypeOf(m.New()))
	}
	for _, t := range server.Controllers(server.AppOf(app)) {
		add(t)
	}
	return packages
}

// comparisons finds comparisons of a field with a literal, a constant or a variable that is
// declared with a literal.
type comparisons struct {
	literals
	constants map[string]ast.Expr
}

func (c *comparisons) constant(node ast.Node) bool {
	if decl, ok := node.(*ast.GenDecl); ok && (decl.Tok == token.CONST || decl.Tok == token.VAR) {
		for _, spec := range decl.Specs {
			if spec, ok := spec.(*ast.ValueSpec); ok {
				for i, name := range spec.Names[:min(len(spec.Names), len(spec.Values))] {
					c.constants[name.Name] = spec.Values[i]
				}
			}
		}
	}
	return true
}

func (c *comparisons) compare(node ast.Node) bool {
	switch node := node.(type) {
	case *ast.BinaryExpr:
		switch node.Op {
		case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
			c.add(node.X, node.Y)
			c.add(node.Y, node.X)
		}
	case *ast.SwitchStmt:
		for _, clause := range node.Body.List {
			if clause, ok := clause.(*ast.CaseClause); ok && node.Tag != nil {
				c.add(node.Tag, clause.List...)
			}
		}
	case *ast.CallExpr: // tower.Is(&user.Role, "editor"), strings.HasPrefix(post.Title, "draft")
		if len(node.Args) > 1 {
			c.add(node.Args[0], node.Args[1:]...)
		}
		if len(node.Args) == 2 { // slices.Contains(editors, user.Role)
			c.add(node.Args[1], node.Args[0])
		}
	}
	return true
}

func (c *comparisons) add(field ast.Expr, with ...ast.Expr) {
	if address, ok := field.(*ast.UnaryExpr); ok && address.Op == token.AND {
		field = address.X
	}
	selector, ok := field.(*ast.SelectorExpr)
	if !ok {
		return
	}
	for _, expr := range with {
		c.addValue(selector.Sel.Name, expr, 0)
	}
}

// addValue adds a literal, the value of a constant, or the members of a list.
func (c *comparisons) addValue(field string, expr ast.Expr, depth int) {
	if depth > 4 { // constants may name each other
		return
	}
	switch expr := expr.(type) {
	case *ast.BasicLit:
		switch expr.Kind {
		case token.STRING:
			if text, err := strconv.Unquote(expr.Value); err == nil {
				c.texts[field] = append(c.texts[field], text)
			}
		case token.INT:
			if n, err := strconv.Atoi(expr.Value); err == nil {
				c.numbers[field] = append(c.numbers[field], n)
			}
		}
	case *ast.Ident:
		if value := c.constants[expr.Name]; value != nil {
			c.addValue(field, value, depth+1)
		}
	case *ast.SelectorExpr:
		c.addValue(field, expr.Sel, depth+1)
	case *ast.CompositeLit:
		for _, member := range expr.Elts {
			c.addValue(field, member, depth+1)
		}
	case *ast.CallExpr: // a conversion, models.Role("editor")
		if len(expr.Args) == 1 {
			c.addValue(field, expr.Args[0], depth+1)
		}
	}
}
