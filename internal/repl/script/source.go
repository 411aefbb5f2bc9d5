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

// A Source is a piece of JavaScript and its origin.
type Source struct {
	Name string // "seed.js"; "" at the prompt
	Line int    // number of the first line of Text, counted from 0
	Text string // the code
}

// A compiledSource is compiled JavaScript: hoisted declarations, then each statement.
type compiledSource struct {
	hoisted    *goja.Program // nil if there are none
	statements []compiled
}

// A compiled is a compiled statement. The result of a question is shown even if it is
// undefined. The result of a statement that awaits is a promise; then runs with the
// value of the promise.
type compiled struct {
	program  *goja.Program
	question bool
	awaits   bool
	then     *goja.Program // nil if the result is the value of the promise
}

// ErrIncomplete reports that the source is the beginning of something longer.
var ErrIncomplete = errors.New("the code ends too early")

// The parser is recursive. Deeper nesting could exhaust the stack, and Go cannot
// recover from that.
const maxNesting = 2000

// compile parses all of src before any of it runs. The error is [ErrIncomplete] or a
// [*show.Failure]. Names declared at the top level with let, const and class outlive
// the source, and a later source may declare them again.
func compile(src Source) (*compiledSource, error) {
	p, err := parse(src)
	if err != nil {
		return &compiledSource{}, err
	}
	c := compiler{parsed: p}
	return c.compile()
}

// A compiler compiles parsed code, statement by statement.
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

// statement compiles a statement with the given source text.
func (c *compiler) statement(statement ast.Statement, text string) ([]compiled, error) {
	if c.function != nil && hasAwait(text) {
		return c.awaiting(statement)
	}
	program, err := c.program(statement)
	return []compiled{{program: program, question: isQuestion(statement)}}, err
}

// offset returns the start of a statement in the text.
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

// isQuestion reports whether a statement only reads a value.
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

// A parsed is a parsed source: its statements and its declarations.
type parsed struct {
	src        Source
	file       *file.File
	statements []ast.Statement
	declared   []*ast.VariableDeclaration
	function   *ast.ArrowFunctionLiteral // the function whose body the statements are; nil at the top level
}

func parsedProgram(src Source, program *ast.Program) *parsed {
	return &parsed{src: src, file: program.File, statements: program.Body, declared: program.DeclarationList}
}

// parse parses code. It reads {…} as an object if possible, otherwise as a block.
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
	// A comment in the code can name a source map, and the parser would read that
	// file.
	return parser.ParseFile(nil, src.file(), src.Text, 0, parser.WithDisableSourceMaps)
}

func endsEarly(err error) bool {
	var all parser.ErrorList
	return errors.As(err, &all) && len(all) > 0 &&
		(all[0].Message == "Unexpected end of input" || all[0].Message == "Missing catch or finally after try")
}

// file returns the file name that positions carry through the engine. [positionOf]
// splits it again.
func (src Source) file() string { return src.Name + "\x00" + strconv.Itoa(src.Line) }

func positionOf(file string, line, column int) show.Position {
	name, first, _ := strings.Cut(file, "\x00")
	offset, _ := strconv.Atoi(first)
	return show.Position{Name: name, Line: line + offset, Column: column}
}

// excerpt returns the line of src at p and the width of the text before p.
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

// Incomplete reports whether src is the beginning of something longer. Code with a
// syntax error is complete.
func Incomplete(src Source) bool {
	_, err := parse(src)
	return errors.Is(err, ErrIncomplete)
}
