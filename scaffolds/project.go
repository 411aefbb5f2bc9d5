package scaffolds

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
)

const towerModule = "github.com/towerkit/tower"

// A project reads the source of an application.
type project struct {
	folder string
	module string
}

// A model describes a model of the application.
type model struct {
	Type       string // Post
	Var        string // Posts
	Collection string // posts
	Label      string // the first string field that is neither private nor an enum, Title; "" if there is none
	LabelJSON  string // title
	Page       bool   // views/posts/show.html exists

	file   string // models/post.go
	fields []modelField
}

type modelField struct {
	name, json    string // Title, title
	kind          string // string
	ref, validate string
	private       bool // never sent to a client
}

// oneOf returns the first value that the rule oneof allows, "" without such a rule.
func (f modelField) oneOf() string {
	for rule := range strings.SplitSeq(f.validate, ",") {
		if values, ok := strings.CutPrefix(rule, "oneof="); ok {
			first, _, _ := strings.Cut(values, " ")
			return first
		}
	}
	return ""
}

func openProject(folder string) (*project, error) {
	text, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not the folder of a tower application: it has no go.mod; change to the folder of one, or make one with tower new NAME", folder)
	}
	if err != nil {
		return nil, fmt.Errorf("read go.mod: %w", err)
	}
	mod, err := modfile.ParseLax("go.mod", text, nil)
	if err != nil {
		return nil, fmt.Errorf("read go.mod: %w", err)
	}
	uses := false
	for _, require := range mod.Require {
		uses = uses || require.Mod.Path == towerModule
	}
	if mod.Module == nil || !uses {
		return nil, fmt.Errorf("%s is not the folder of a tower application: its go.mod does not require %s", folder, towerModule)
	}
	return &project{folder: folder, module: mod.Module.Mod.Path}, nil
}

// read returns the content of a file of the application, nil if it does not exist.
func (p *project) read(name string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(p.folder, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if text == nil {
		text = []byte{}
	}
	return text, nil
}

// A source is one parsed Go file of the application.
type source struct {
	name string // models/post.go
	file *ast.File
	set  *token.FileSet
}

// sources parses the Go files directly in a folder of the application.
func (p *project) sources(folder string, tests bool) ([]source, error) {
	files, err := filepath.Glob(filepath.Join(p.folder, folder, "*.go"))
	if err != nil {
		return nil, err
	}
	var all []source
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") && !tests {
			continue
		}
		s, err := parseSource(path.Join(folder, filepath.Base(file)), file)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func parseSource(name, file string) (source, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return source{}, fmt.Errorf("read %s: %w", name, err)
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
	if err != nil {
		return source{}, fmt.Errorf("%w; fix that first: the generator reads this file", err)
	}
	return source{name, parsed, set}, nil
}

// declared returns the names that a file declares at package level.
func (s source) declared() map[string]token.Position {
	names := map[string]token.Position{}
	for _, decl := range s.file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name != "init" && d.Name.Name != "_" {
				names[d.Name.Name] = s.set.Position(d.Pos())
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					names[spec.Name.Name] = s.set.Position(spec.Pos())
				case *ast.ValueSpec:
					for _, id := range spec.Names {
						names[id.Name] = s.set.Position(id.Pos())
					}
				}
			}
		}
	}
	return names
}

// models returns the application's models: every tower.NewModel[T]("name") in models/.
func (p *project) models() ([]model, error) {
	sources, err := p.sources("models", false)
	if err != nil {
		return nil, err
	}
	structs := map[string]*ast.StructType{}
	var found []model
	for _, s := range sources {
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				if t, ok := n.Type.(*ast.StructType); ok {
					structs[n.Name.Name] = t
				}
			case *ast.ValueSpec:
				for i, value := range n.Values {
					if typ, collection, ok := newModelCall(value); ok && i < len(n.Names) {
						found = append(found, model{Type: typ, Var: n.Names[i].Name, Collection: collection, file: s.name})
					}
				}
			}
			return true
		})
	}
	for i := range found {
		m := &found[i]
		if t := structs[m.Type]; t != nil {
			m.fields = structFields(t)
		}
		for _, f := range m.fields {
			if f.kind == "string" && !f.private && f.oneOf() == "" && m.Label == "" {
				m.Label, m.LabelJSON = f.name, f.json
			}
		}
		_, err := os.Stat(filepath.Join(p.folder, "views", m.Collection, "show.html"))
		m.Page = err == nil
	}
	return found, nil
}

// newModelCall recognizes tower.NewModel[Post]("posts").
func newModelCall(e ast.Expr) (typ, collection string, ok bool) {
	call, ok := e.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return "", "", false
	}
	index, ok := call.Fun.(*ast.IndexExpr)
	if !ok {
		return "", "", false
	}
	fun, ok := index.X.(*ast.SelectorExpr)
	of, okType := index.Index.(*ast.Ident)
	lit, okName := call.Args[0].(*ast.BasicLit)
	if !ok || !okType || !okName || fun.Sel.Name != "NewModel" {
		return "", "", false
	}
	collection, err := strconv.Unquote(lit.Value)
	return of.Name, collection, err == nil
}

func structFields(t *ast.StructType) []modelField {
	var fields []modelField
	for _, f := range t.Fields.List {
		var tag reflect.StructTag
		if f.Tag != nil {
			if text, err := strconv.Unquote(f.Tag.Value); err == nil {
				tag = reflect.StructTag(text)
			}
		}
		kind := ""
		switch typ := f.Type.(type) {
		case *ast.Ident:
			kind = typ.Name
		case *ast.SelectorExpr:
			if pkg, ok := typ.X.(*ast.Ident); ok {
				kind = pkg.Name + "." + typ.Sel.Name
			}
		}
		field := modelField{kind: kind, validate: tag.Get("validate")}
		for part := range strings.SplitSeq(tag.Get("tower"), ",") {
			if name, ok := strings.CutPrefix(part, "ref="); ok {
				field.ref = name
			}
			field.private = field.private || part == "private"
		}
		for _, id := range f.Names {
			field.name = id.Name
			if field.json, _, _ = strings.Cut(tag.Get("json"), ","); field.json == "" {
				field.json = id.Name
			}
			if id.IsExported() {
				fields = append(fields, field)
			}
		}
	}
	return fields
}
