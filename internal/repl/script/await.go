package script

import (
	"errors"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/unistring"

	"github.com/towerkit/tower/internal/repl/show"
)

// The engine knows await in async functions alone. Code that has it elsewhere is
// read as the body of one; each of its statements that waits for something then
// becomes a function of its own, so that names stay those of the session.
const (
	asyncOpening = "(async () => {\n" // on a line of its own, so that columns are right
	asyncClosing = "\n})"
)

// awaitedName is what is waited for, on its way into a declaration.
const awaitedName = " awaited"

// parseAwaiting reads code as the body of an async function. The error is
// [ErrIncomplete], or a [*show.Failure].
func parseAwaiting(src Source) (*parsed, error) {
	trimmed := strings.TrimRight(src.Text, "; \t\r\n")
	if strings.HasPrefix(strings.TrimLeft(trimmed, " \t\r\n"), "{") { // an object, where it can be one
		if p, err := parseBody(src, "("+trimmed+")"); err == nil {
			return p, nil
		}
	}
	p, err := parseBody(src, src.Text)
	if err == nil {
		return p, nil
	}
	wrapped := Source{src.Name, src.Line - 1, asyncOpening + src.Text}
	if _, err := parseFile(wrapped); endsEarly(err) {
		return nil, ErrIncomplete
	}
	return nil, syntaxFailure(wrapped, err)
}

func parseBody(src Source, text string) (*parsed, error) {
	wrapped := Source{src.Name, src.Line - 1, asyncOpening + text + asyncClosing}
	program, err := parseFile(wrapped)
	if err != nil {
		return nil, err
	}
	fn, ok := program.Body[0].(*ast.ExpressionStatement).Expression.(*ast.ArrowFunctionLiteral)
	if !ok || len(program.Body) > 1 {
		return nil, errors.New("a bracket is closed that was not opened")
	}
	return &parsed{src: wrapped, file: program.File, statements: fn.Body.(*ast.BlockStatement).List, declared: fn.DeclarationList, function: fn}, nil
}

func hasAwait(text string) bool {
	var s show.Lexer
	for _, t := range s.Scan(text) {
		if t.Kind == show.KeywordToken && text[t.Start:t.End] == "await" {
			return true
		}
	}
	return false
}

// awaiting makes programs of a statement that waits for something.
func (c *compiler) awaiting(statement ast.Statement) ([]compiled, error) {
	switch s := statement.(type) {
	case *ast.ExpressionStatement:
		program, err := c.async(&ast.ExpressionBody{Expression: s.Expression})
		return []compiled{{program: program, awaits: true, question: isQuestion(s)}}, err
	case *ast.VariableStatement:
		return c.awaitingAll(s)
	}
	program, err := c.async(&ast.BlockStatement{LeftBrace: statement.Idx0(), List: []ast.Statement{statement}, RightBrace: statement.Idx1()})
	return []compiled{{program: program, awaits: true}}, err
}

// awaitingAll takes a declaration apart: what each name is to be is waited for by
// itself.
func (c *compiler) awaitingAll(s *ast.VariableStatement) ([]compiled, error) {
	var all []compiled
	for _, binding := range s.List {
		one := compiled{awaits: true}
		declared := *binding
		var err error
		if binding.Initializer != nil {
			if one.program, err = c.async(&ast.ExpressionBody{Expression: binding.Initializer}); err != nil {
				return nil, err
			}
			declared.Initializer = &ast.Identifier{Name: unistring.String(awaitedName), Idx: binding.Initializer.Idx0()}
		}
		then, err := c.program(&ast.VariableStatement{Var: s.Var, List: []*ast.Binding{&declared}})
		if err != nil {
			return nil, err
		}
		if one.program == nil {
			one = compiled{program: then}
		} else {
			one.then = then
		}
		all = append(all, one)
	}
	return all, nil
}

// async is a call of an async function that has this body.
func (c *compiler) async(body ast.ConciseBody) (*goja.Program, error) {
	fn := *c.function
	fn.Body, fn.DeclarationList = body, nil
	return c.program(&ast.ExpressionStatement{Expression: &ast.CallExpression{
		Callee: &fn, LeftParenthesis: body.Idx0(), RightParenthesis: body.Idx1()}})
}
