package script

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

// ErrNoQuery reports that an expression is not a query.
var ErrNoQuery = errors.New("the expression is not a query")

// Query evaluates an expression that is a query, such as
//
//	Post.where({published: true}).desc("createdAt").limit(5)
//
// and returns a request with its Model, Where, Order, Limit and Offset. It does not
// write. The error contains the explanation of the failure in one or more lines.
func Query(ctx context.Context, client *control.Client, expression string) (wire.ControlRequest, error) {
	ctx, release := BoundMemory(ctx, 0)
	defer release()
	e := New(client.Hello(), client, Options{ReadOnly: true})
	e.Preview = 1
	if err := e.Run(ctx, Source{Name: "the query", Text: expression}, func(show.Value) {}); err != nil {
		return wire.ControlRequest{}, explained(err)
	}
	object, ok := e.vm.Get("_").(*goja.Object)
	if !ok {
		return wire.ControlRequest{}, ErrNoQuery
	}
	q, ok := queryOf(object)
	if m := e.modelOf(object); m != nil {
		q, ok = &query{model: m}, true
	}
	if !ok {
		return wire.ControlRequest{}, ErrNoQuery
	}
	req := q.request(wire.DoQuery)
	req.Order, req.Limit, req.Offset = q.order, q.limit, q.offset
	return req, nil
}

// explained formats an error of the evaluator in lines.
func explained(err error) error {
	var known *show.Failure
	if errors.As(err, &known) {
		return errors.New(strings.Join(show.Formatter{}.Failure(known), "\n"))
	}
	return err
}

// A Condition is a JavaScript expression about the contents of a cursor. It may use
// count, records, first, last, value and seq. It is not safe for concurrent use.
type Condition struct {
	text    string
	program *goja.Program
}

// NewCondition parses a condition. It fails if text is not an expression.
func NewCondition(text string) (*Condition, error) {
	program, err := goja.Compile("the condition", "("+text+"\n)", true)
	if err != nil {
		return nil, fmt.Errorf("%q is not an expression", text)
	}
	return &Condition{text, program}, nil
}

// Holds evaluates the condition for h. It fails if the expression throws, or if it is
// still running when ctx ends.
func (c *Condition) Holds(ctx context.Context, h *control.Replica) (bool, error) {
	ctx, release := BoundMemory(ctx, 0)
	defer release()
	vm := goja.New()
	vm.SetMaxCallStackSize(maxCallDepth)
	stop := context.AfterFunc(ctx, func() { vm.Interrupt(context.Cause(ctx)) })
	defer stop()
	for name, read := range map[string]func() any{
		"count":   func() any { return h.Len() },
		"records": func() any { return each(h.Records()) },
		"first":   func() any { return endOf(h, 0) },
		"last":    func() any { return endOf(h, h.Len()-1) },
		"value":   func() any { return decode(h.Value) },
		"seq":     func() any { return h.Seq },
	} {
		get := vm.ToValue(func(goja.FunctionCall) goja.Value { return vm.ToValue(read()) })
		if err := vm.GlobalObject().DefineAccessorProperty(name, get, nil, goja.FLAG_TRUE, goja.FLAG_TRUE); err != nil {
			return false, err
		}
	}
	result, err := vm.RunProgram(c.program)
	if err != nil {
		return false, fmt.Errorf("%s: %w", c.text, err)
	}
	return result.ToBoolean(), nil
}

func endOf(h *control.Replica, at int) any {
	if at < 0 || at >= h.Len() {
		return nil
	}
	return decode(h.Records()[at])
}

func each(records []json.RawMessage) []any {
	out := make([]any, len(records))
	for i, record := range records {
		out[i] = decode(record)
	}
	return out
}

func decode(data json.RawMessage) (v any) {
	if json.Unmarshal(data, &v) != nil {
		return nil // the cursor carries no value
	}
	return v
}
