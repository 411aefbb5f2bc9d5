package scaffolds

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
)

// An insertion holds lines that a generator adds to a file of the application.
type insertion struct {
	file string
	text string // whole lines

	owner   string // the name in the manifest; "": that of the generation
	imports string // a package that the lines need; "": none

	declares []string // fields of a struct that the lines declare
	shared   bool     // others of its kind need the lines too: they are not removed with it

	fresh []byte // the file, if it does not exist

	// at returns the number, from 1, of the line to insert the text before.
	at func(text []byte) (int, error)
}

// into returns the file with the lines added, with the line endings of the file.
func (in insertion) into(text []byte) ([]byte, error) {
	at, err := in.at(text)
	if err != nil {
		return nil, err
	}
	added := in.text
	if strings.Contains(string(text), "\r\n") {
		added = strings.ReplaceAll(added, "\n", "\r\n")
	}
	lines := strings.SplitAfter(string(text), "\n")
	if at > 1 && !strings.HasSuffix(lines[at-2], "\n") {
		lines[at-2] += "\n"
	}
	out := []byte(strings.Join(slices.Insert(lines, at-1, added), ""))
	if path.Ext(in.file) != ".go" {
		return out, nil
	}
	if in.imports != "" {
		out = withImport(out, in.imports)
	}
	return formatted(text, out), nil
}

// removeLines returns the file without the inserted lines, and the inserted lines
// that it does not contain any more.
func removeLines(text []byte, inserted string) (out []byte, edited []string) {
	lines := strings.SplitAfter(string(text), "\n")
	block := strings.Split(strings.TrimSuffix(inserted, "\n"), "\n")
	if at := findLines(lines, block); len(at) == 1 {
		return []byte(strings.Join(slices.Delete(lines, at[0], at[0]+len(block)), "")), nil
	}
	// The block was split or edited: remove what is left of it line by line.
	for _, line := range block {
		if strings.TrimSpace(line) == "" {
			continue
		}
		if at := findLines(lines, []string{line}); len(at) == 1 {
			lines = slices.Delete(lines, at[0], at[0]+1)
		} else {
			edited = append(edited, strings.TrimSpace(line))
		}
	}
	return []byte(strings.Join(lines, "")), edited
}

// removedFrom is removeLines for lines of several places.
func (b blocks) removedFrom(text []byte) (out []byte, edited []string) {
	for _, block := range b {
		var lost []string
		text, lost = removeLines(text, block)
		edited = append(edited, lost...)
	}
	return text, edited
}

// findLines returns every index in lines where the block begins.
func findLines(lines, block []string) []int {
	var at []int
	for i := 0; i+len(block) <= len(lines); i++ {
		if slices.EqualFunc(lines[i:i+len(block)], block, func(line, want string) bool {
			return strings.TrimRight(line, "\r\n") == want || squeeze(line) == squeeze(want)
		}) {
			at = append(at, i)
		}
	}
	return at
}

// squeeze returns a line without the spaces that gofmt may change.
func squeeze(line string) string { return strings.Join(strings.Fields(line), " ") }

// intoModels adds a model to the list that All returns.
func intoModels(model string) insertion {
	return intoList("models/models.go", "All", "tower.AnyModel", model, nil)
}

// intoList adds an element to the list that a function without arguments returns. fresh is
// the text of the file if it does not exist yet.
func intoList(file, name, of, element string, fresh []byte) insertion {
	return insertion{file: file, text: "\t\t" + element + ",\n", fresh: fresh, at: func(text []byte) (int, error) {
		set, body, err := function(file, text, name)
		if err != nil {
			return 0, err
		}
		if ret := lastReturn(body); ret != nil {
			if list, ok := ret.Results[0].(*ast.CompositeLit); ok {
				return ownLine(set, list.Rbrace, "list", file, text)
			}
		}
		return 0, fmt.Errorf("%s: %s should end with return []%s{…}, a list to which %s can be added", file, name, of, element)
	}}
}

// ownLine returns the number of the line that holds the closing brace of a list or a
// struct, and nothing before it.
func ownLine(set *token.FileSet, brace token.Pos, what, file string, text []byte) (int, error) {
	end := set.Position(brace)
	if line := strings.Split(string(text), "\n")[end.Line-1]; strings.TrimSpace(line[:end.Column-1]) != "" {
		return 0, fmt.Errorf("%s:%d: put the closing brace of the %s on a line of its own, so that a line can be inserted before it", file, end.Line, what)
	}
	return end.Line, nil
}

const routesFile = "routes.go"

// routerName returns the name of the router in Routes, the line of the return
// statement, and the variables of Routes with their lines.
func routerName(text []byte) (router string, line int, taken map[string]int, err error) {
	set, body, err := function(routesFile, text, "Routes")
	if err != nil {
		return "", 0, nil, err
	}
	ret := lastReturn(body)
	if ret != nil {
		if id, ok := ret.Results[0].(*ast.Ident); ok {
			router, line = id.Name, set.Position(ret.Pos()).Line
		}
	}
	if router == "" {
		return "", 0, nil, fmt.Errorf("%s: Routes should end with return r, where r is the router, so that routes can be inserted before it", routesFile)
	}
	taken = map[string]int{}
	for _, stmt := range body.List {
		if assign, ok := stmt.(*ast.AssignStmt); ok && assign.Tok == token.DEFINE {
			for _, left := range assign.Lhs {
				if id, ok := left.(*ast.Ident); ok {
					taken[id.Name] = set.Position(id.Pos()).Line
				}
			}
		}
	}
	return router, line, taken, nil
}

// intoRoutes adds the routes of a controller, which is in the variable route.
func intoRoutes(route, block string) insertion {
	return insertion{file: routesFile, text: block, at: func(text []byte) (int, error) {
		_, line, taken, err := routerName(text)
		if err == nil && taken[route] > 0 {
			err = fmt.Errorf("%s:%d: Routes already has a variable %s; choose another name, or rename it", routesFile, taken[route], route)
		}
		return line, err
	}}
}

const layoutFile = "views/layout.html"

// intoLayout adds a link to the navigation, if the layout has one.
func intoLayout(layout []byte, address, title string) (insertion, bool) {
	line, margin := navEnd(layout)
	return insertion{
		file: layoutFile,
		text: fmt.Sprintf("%s  <a href=%q>%s</a>\n", margin, address, title),
		at:   func(text []byte) (int, error) { line, _ := navEnd(text); return line, nil },
	}, line > 0
}

// navEnd returns the number and the indentation of the line that holds nothing but
// </nav>, 0 if there is none.
func navEnd(layout []byte) (line int, margin string) {
	for text := range strings.Lines(string(layout)) {
		line++
		if margin, rest, found := strings.Cut(text, "</nav>"); found && strings.TrimSpace(margin+rest) == "" {
			return line, margin
		}
	}
	return 0, ""
}

// function finds the body of a function in a Go file, or of a method, as in Tasks.All.
func function(file string, text []byte, name string) (*token.FileSet, *ast.BlockStmt, error) {
	if text == nil {
		return nil, nil, fmt.Errorf("%s is missing; the generator inserts lines into its func %s", file, name)
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, fmt.Errorf("%w; fix that first: the generator inserts lines into this file", err)
	}
	for _, decl := range parsed.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && receiver(f)+f.Name.Name == name && f.Body != nil {
			return set, f.Body, nil
		}
	}
	return nil, nil, fmt.Errorf("%s has no func %s; the generator inserts lines into it", file, name)
}

// receiver returns the type of a method's receiver and a point, "" for a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) != 1 {
		return ""
	}
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if id, ok := of.(*ast.Ident); ok {
		return id.Name + "."
	}
	return ""
}

// intoMethod adds lines at the end of a method that ends with return variable, and an
// error. The lines change the variable.
func intoMethod(file, typeName, method, variable, lines string) insertion {
	return insertion{file: file, text: lines, at: func(text []byte) (int, error) {
		name := typeName + "." + method
		set, body, err := function(file, text, name)
		if err != nil {
			return 0, err
		}
		if len(body.List) > 0 {
			ret, ok := body.List[len(body.List)-1].(*ast.ReturnStmt)
			if ok && len(ret.Results) == 2 {
				first, isName := ret.Results[0].(*ast.Ident)
				at := set.Position(ret.Pos())
				if line := strings.Split(string(text), "\n")[at.Line-1]; isName && first.Name == variable && strings.TrimSpace(line[:at.Column-1]) == "" {
					return at.Line, nil
				}
			}
		}
		return 0, fmt.Errorf("%s: %s should end with a line return %s, nil, so that lines about %[3]s can be inserted before it", file, name, variable)
	}}
}

// atStart adds lines at the start of a method.
func atStart(file, method, lines string) insertion {
	return insertion{file: file, text: lines, at: func(text []byte) (int, error) {
		set, body, err := function(file, text, method)
		if err != nil {
			return 0, err
		}
		return set.Position(body.Lbrace).Line + 1, nil
	}}
}

// beforeLine adds lines to a view before the last line that is one of these, the first of them that
// the view has.
func beforeLine(file, lines string, before ...string) insertion {
	return insertion{file: file, text: lines, at: func(text []byte) (int, error) {
		all := strings.Split(string(text), "\n")
		for _, want := range before {
			for i, line := range slices.Backward(all) {
				if strings.TrimSpace(line) == want {
					return i + 1, nil
				}
			}
		}
		return 0, fmt.Errorf("%s should have a line %s, so that %s can be inserted before it", file, strings.Join(before, " or "), strings.TrimSpace(lines))
	}}
}

// lastReturn returns the return statement at the end of a function with one
// result, or nil.
func lastReturn(body *ast.BlockStmt) *ast.ReturnStmt {
	if len(body.List) == 0 {
		return nil
	}
	if ret, ok := body.List[len(body.List)-1].(*ast.ReturnStmt); ok && len(ret.Results) == 1 {
		return ret
	}
	return nil
}
