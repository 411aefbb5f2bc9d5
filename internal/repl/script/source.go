package script

import (
	"errors"
	"strconv"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// A Source is a piece of JavaScript and where it came from.
type Source struct {
	Name string // "seed.js"; "" at the prompt
	Line int    // of the first line of text, counted from 0
	Text string
}

// A compiledSource is compiled JavaScript: what is hoisted, then each statement.
type compiledSource struct {
	hoisted    *goja.Program // nil when nothing is
	statements []compiled
}

// A compiled statement may be a question, whose answer is shown even if it is
// undefined. One that awaits is a promise to be waited for, and then to be used.
type compiled struct {
	program  *goja.Program
	question bool
	awaits   bool
	then     *goja.Program // nil: the value is that of the promise
}

// ErrIncomplete says that the source is a beginning of something longer.
var ErrIncomplete = errors.New("the code ends too early")

// Beyond this much nesting the recursive parser is not given a chance to
// exhaust the stack, which could not be recovered from.
const maxNesting = 2000

// compile parses all of src before anything of it runs. Its error is
// [ErrIncomplete] or a [*show.Failure]. Names declared at the top with let, const and
// class outlive the source, and may be declared again by the next one.
func compile(src Source) (*compiledSource, error) {
	p, err := parse(src)
	if err != nil {
		return &compiledSource{}, err
	}
	c := compiler{parsed: p}
	return c.compile()
}

// A compiler makes programs of what was parsed, statement by statement.
type compiler struct {
	*parsed
}

func (c *compiler) compile() (*compiledSource, error) {
	var out compiledSource
	hoisted := &ast.Program{File: c.file, DeclarationList: c.declared}
	var rest []ast.Statement
	for _, statement := range c.statements {
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
		var err error
		if out.hoisted, err = goja.CompileAST(hoisted, false); err != nil {
			return nil, compileFailure(c.src, err)
		}
	}
	for i, statement := range rest {
		end := len(c.src.Text)
		if i+1 < len(rest) {
			end = c.offset(rest[i+1])
		}
		all, err := c.statement(statement, c.src.Text[min(c.offset(statement), end):end])
		if err != nil {
			return nil, err
		}
		out.statements = append(out.statements, all...)
	}
	return &out, nil
}

// statement makes programs of a statement, which was written as text.
func (c *compiler) statement(statement ast.Statement, text string) ([]compiled, error) {
	if c.function != nil && hasAwait(text) {
		return c.awaiting(statement)
	}
	program, err := c.program(statement)
	return []compiled{{program: program, question: isQuestion(statement)}}, err
}

// offset is where a statement begins in the text.
func (c *compiler) offset(statement ast.Statement) int {
	return min(max(int(statement.Idx0())-c.file.Base(), 0), len(c.src.Text))
}

func (c *compiler) program(statement ast.Statement) (*goja.Program, error) {
	program, err := goja.CompileAST(&ast.Program{Body: []ast.Statement{statement}, File: c.file}, false)
	if err != nil {
		return nil, compileFailure(c.src, err)
	}
	return program, nil
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

// A parsed source is its statements, and what they declare.
type parsed struct {
	src        Source
	file       *file.File
	statements []ast.Statement
	declared   []*ast.VariableDeclaration
	function   *ast.ArrowFunctionLiteral // whose body the statements are; nil: they are of the top
}

func parsedProgram(src Source, program *ast.Program) *parsed {
	return &parsed{src: src, file: program.File, statements: program.Body, declared: program.DeclarationList}
}

// parse reads {…} as an object where it can be one, and as a block elsewhere.
func parse(src Source) (*parsed, error) {
	var s show.Lexer
	s.Scan(src.Text)
	if s.Deepest > maxNesting {
		return nil, &show.Failure{Title: "SyntaxError", Message: "the code is nested too deeply", At: show.Position{Name: src.Name, Line: src.Line + 1, Column: 1}}
	}
	if hasAwait(src.Text) {
		return parseAwaiting(src)
	}
	trimmed := strings.TrimRight(src.Text, "; \t\r\n")
	braces := strings.HasPrefix(strings.TrimLeft(trimmed, " \t\r\n"), "{")
	if braces {
		object := Source{src.Name, src.Line, "(" + trimmed + ")"}
		if program, err := parseFile(object); err == nil {
			return parsedProgram(object, program), nil
		}
	}
	program, err := parseFile(src)
	switch {
	case endsEarly(err), s.Quote != 0, err == nil && s.Unfinished():
		return nil, ErrIncomplete
	case err != nil && braces:
		if _, err := parseFile(Source{src.Name, src.Line, "(" + src.Text}); endsEarly(err) {
			return nil, ErrIncomplete
		}
	}
	if err == nil {
		return parsedProgram(src, program), nil
	}
	return nil, syntaxFailure(src, err)
}

func parseFile(src Source) (*ast.Program, error) {
	// Source maps are named by a comment in the code, and read from files.
	return parser.ParseFile(nil, src.file(), src.Text, 0, parser.WithDisableSourceMaps)
}

func endsEarly(err error) bool {
	var all parser.ErrorList
	return errors.As(err, &all) && len(all) > 0 &&
		(all[0].Message == "Unexpected end of input" || all[0].Message == "Missing catch or finally after try")
}

// file is the name that positions carry through the engine and back, where
// [position] takes it apart again.
func (src Source) file() string { return src.Name + "\x00" + strconv.Itoa(src.Line) }

func positionOf(file string, line, column int) show.Position {
	name, first, _ := strings.Cut(file, "\x00")
	offset, _ := strconv.Atoi(first)
	return show.Position{Name: name, Line: line + offset, Column: column}
}

// excerpt is the line of src that p is on, and how wide it is before p.
func (src Source) excerpt(p show.Position) (line string, before int, ok bool) {
	lines := strings.Split(src.Text, "\n")
	number := p.Line - src.Line - 1
	if p.Name != src.Name || number < 0 || number >= len(lines) {
		return "", 0, false
	}
	line = strings.TrimRight(lines[number], "\r")
	cut := min(max(p.Column-1, 0), len(line))
	return term.Clean(line), term.Width(term.Clean(line[:cut])), true
}

// Incomplete reports whether src is the beginning of something longer. Code that is
// not well formed is complete.
func Incomplete(src Source) bool {
	_, err := parse(src)
	return errors.Is(err, ErrIncomplete)
}
