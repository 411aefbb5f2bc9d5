package script

import (
	"errors"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/unistring"

	"github.com/towerkit/tower/internal/repl/show"
)

// The engine supports await only in async functions. Code that uses await elsewhere is
// parsed as the body of an async function. Then each statement with await is compiled
// as a function of its own, so that its names remain names of the session.
const (
	asyncOpening = "(async () => {\n" // on a line of its own, so that columns stay correct
	asyncClosing = "\n})"
)

// awaitedName is the variable that passes an awaited value to a declaration.
const awaitedName = " awaited"

// parseAwaiting parses code as the body of an async function. The error is
// [ErrIncomplete] or a [*show.Failure].
func parseAwaiting(src Source) (*parsed, error) {
	trimmed := strings.TrimRight(src.Text, "; \t\r\n")
	if strings.HasPrefix(strings.TrimLeft(trimmed, " \t\r\n"), "{") { // an object if possible
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
		return nil, errors.New("there is a closing bracket without an opening one")
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

// awaiting compiles a statement that contains await.
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

// awaitingAll splits a declaration, so that the value of each name is awaited
// separately.
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

// async returns a call of an async function with the given body.
func (c *compiler) async(body ast.ConciseBody) (*goja.Program, error) {
	fn := *c.function
	fn.Body, fn.DeclarationList = body, nil
	return c.program(&ast.ExpressionStatement{Expression: &ast.CallExpression{
		Callee: &fn, LeftParenthesis: body.Idx0(), RightParenthesis: body.Idx1()}})
}
