package repl

import (
	"errors"
	"strconv"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"
)

// A source is a piece of JavaScript and where it came from.
type source struct {
	name string // "seed.js"; "" at the prompt
	line int    // of the first line of text, counted from 0
	text string
}

// A script is compiled JavaScript: what is hoisted, then each statement.
type script struct {
	hoisted    *goja.Program // nil when nothing is
	statements []compiled
}

// A compiled statement may be a question, whose answer is shown even if it is
// undefined.
type compiled struct {
	program  *goja.Program
	question bool
}

// errIncomplete says that the source is a beginning of something longer.
var errIncomplete = errors.New("the code ends too early")

// Beyond this much nesting the recursive parser is not given a chance to
// exhaust the stack, which could not be recovered from.
const maxNesting = 2000

// compile parses all of src before anything of it runs. Its error is
// errIncomplete or a *failure. Names declared at the top with let, const and
// class outlive the source, and may be declared again by the next one.
func compile(src source) (*script, error) {
	program, src, err := parse(src)
	if err != nil || len(program.Body) == 0 {
		return &script{}, err
	}
	var out script
	hoisted := &ast.Program{File: program.File, DeclarationList: program.DeclarationList}
	var rest []ast.Statement
	for _, statement := range program.Body {
		switch s := statement.(type) {
		case *ast.FunctionDeclaration:
			hoisted.Body = append(hoisted.Body, s)
			continue
		case *ast.LexicalDeclaration:
			statement = &ast.VariableStatement{Var: s.Idx, List: s.List}
			hoisted.DeclarationList = append(hoisted.DeclarationList, &ast.VariableDeclaration{Var: s.Idx, List: s.List})
		case *ast.ClassDeclaration:
			list := []*ast.Binding{{Target: s.Class.Name, Initializer: s.Class}}
			statement = &ast.VariableStatement{Var: s.Class.Class, List: list}
			hoisted.DeclarationList = append(hoisted.DeclarationList, &ast.VariableDeclaration{Var: s.Class.Class, List: list})
		}
		rest = append(rest, statement)
	}
	if len(hoisted.Body)+len(hoisted.DeclarationList) > 0 {
		if out.hoisted, err = goja.CompileAST(hoisted, false); err != nil {
			return nil, compileFailure(src, err)
		}
	}
	for _, statement := range rest {
		one, err := goja.CompileAST(&ast.Program{Body: []ast.Statement{statement}, File: program.File}, false)
		if err != nil {
			return nil, compileFailure(src, err)
		}
		out.statements = append(out.statements, compiled{one, isQuestion(statement)})
	}
	return &out, nil
}

// isQuestion tells whether a statement is there for its value alone.
func isQuestion(statement ast.Statement) bool {
	expression, ok := statement.(*ast.ExpressionStatement)
	if !ok {
		return false
	}
	switch expression.Expression.(type) {
	case *ast.Identifier, *ast.DotExpression, *ast.BracketExpression, *ast.OptionalChain, *ast.Optional:
		return true
	}
	return false
}

// parse reads {…} as an object where it can be one, and as a block elsewhere.
func parse(src source) (*ast.Program, source, error) {
	var s scanner
	s.scan(src.text)
	if s.deepest > maxNesting {
		return nil, src, &failure{title: "SyntaxError", message: "the code is nested too deeply", at: position{src.name, src.line + 1, 1}}
	}
	trimmed := strings.TrimRight(src.text, "; \t\r\n")
	braces := strings.HasPrefix(strings.TrimLeft(trimmed, " \t\r\n"), "{")
	if braces {
		object := source{src.name, src.line, "(" + trimmed + ")"}
		if program, err := parseFile(object); err == nil {
			return program, object, nil
		}
	}
	program, err := parseFile(src)
	switch {
	case endsEarly(err), s.quote != 0, err == nil && s.unfinished():
		return nil, src, errIncomplete
	case err != nil && braces:
		if _, err := parseFile(source{src.name, src.line, "(" + src.text}); endsEarly(err) {
			return nil, src, errIncomplete
		}
	}
	if err != nil {
		return nil, src, syntaxFailure(src, err)
	}
	return program, src, nil
}

func parseFile(src source) (*ast.Program, error) {
	// Source maps are named by a comment in the code, and read from files.
	return parser.ParseFile(nil, src.file(), src.text, 0, parser.WithDisableSourceMaps)
}

func endsEarly(err error) bool {
	var all parser.ErrorList
	return errors.As(err, &all) && len(all) > 0 &&
		(all[0].Message == "Unexpected end of input" || all[0].Message == "Missing catch or finally after try")
}

// file is the name that positions carry through the engine and back, where
// [position] takes it apart again.
func (src source) file() string { return src.name + "\x00" + strconv.Itoa(src.line) }

// A position is a place in a source; lines and columns count from 1, columns
// in bytes.
type position struct {
	name         string
	line, column int
}

func positionOf(file string, line, column int) position {
	name, first, _ := strings.Cut(file, "\x00")
	offset, _ := strconv.Atoi(first)
	return position{name, line + offset, column}
}

func (p position) String() string {
	if p.line == 0 {
		return p.name
	}
	at := strconv.Itoa(p.line) + ":" + strconv.Itoa(p.column)
	if p.name == "" {
		return at
	}
	return p.name + ":" + at
}

// excerpt is the line of src that p is on, and how wide it is before p.
func (src source) excerpt(p position) (line string, before int, ok bool) {
	lines := strings.Split(src.text, "\n")
	number := p.line - src.line - 1
	if p.name != src.name || number < 0 || number >= len(lines) {
		return "", 0, false
	}
	line = strings.TrimRight(lines[number], "\r")
	cut := min(max(p.column-1, 0), len(line))
	return clean(line), width(clean(line[:cut])), true
}
