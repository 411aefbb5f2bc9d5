package script

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// A userCursor is one of the application's cursors, opened as a user.
type userCursor struct {
	name string
	in   json.RawMessage
	as   string
}

// String returns the cursor as JavaScript.
func (c *userCursor) String() string {
	text := fmt.Sprintf("as(%q).cursor(%q", c.as, c.name)
	if c.as == "" {
		text = fmt.Sprintf("as(null).cursor(%q", c.name)
	}
	if len(c.in) > 0 && string(c.in) != "{}" {
		text += ", " + string(c.in)
	}
	return text + ")"
}

// open returns the records of a cursor, as a query that can be narrowed, or the value
// of a cursor that carries one. The argument at is its input, and the next one narrows
// it.
func (a *actor) open(route *wire.Route, call goja.FunctionCall, at int) goja.Value {
	e := a.e
	c := &userCursor{name: route.Name, in: e.input(route, e.given(call, at, "the input of "+route.Name)), as: a.user}
	narrowing := e.given(call, at+1, "what narrows "+route.Name)
	narrow, narrows := narrowing.(*goja.Object)
	if !narrows && !goja.IsUndefined(narrowing) && !goja.IsNull(narrowing) {
		panic(e.usage("what narrows a cursor is an object: {where, order, limit}"))
	}
	if !route.Value {
		q := (&query{model: a.model(route.Model), cursor: c}).value()
		if narrows {
			q = e.narrowed(q.(*goja.Object), narrow)
		}
		return q
	}
	req := wire.ControlRequest{Do: wire.DoValue, Name: c.name, In: c.in, As: c.as, At: a.at}
	if narrows {
		req.Where = e.narrowedValue(narrow)
	}
	var answer json.RawMessage
	e.ask(req, &answer)
	return e.parsed(answer)
}

// narrowed applies {where, order, limit}, as in the browser library, to a query.
func (e *Evaluator) narrowed(q, narrowing *goja.Object) goja.Value {
	for _, name := range narrowing.Keys() {
		v := narrowing.Get(name)
		switch name {
		case "where", "limit":
			q = e.method(q, name, v).(*goja.Object)
		case "order":
			for _, field := range e.orderOf(v) {
				if field, down := strings.CutPrefix(field, "-"); down {
					q = e.method(q, "desc", e.vm.ToValue(field)).(*goja.Object)
				} else {
					q = e.method(q, "asc", e.vm.ToValue(field)).(*goja.Object)
				}
			}
		default:
			e.throw(&show.Failure{Title: "TypeError", Message: "a cursor can be narrowed by where, order and limit, not by " + term.Clean(name), Word: name})
		}
	}
	return q
}

// orderOf returns the fields of an order: ["title", "-createdAt"].
func (e *Evaluator) orderOf(v goja.Value) []string {
	if goja.IsUndefined(v) {
		e.undefined("order", "order")
	}
	var fields []string
	order := e.snapshot(v, copySent)
	for _, field := range order.Items {
		if field.Kind != show.String {
			order.Kind = field.Kind
			break
		}
		fields = append(fields, field.Text)
	}
	if order.Kind != show.List {
		panic(e.usage(`order is a list of fields: ["title", "-createdAt"]`))
	}
	return fields
}

// narrowedValue returns the conditions that narrow a value.
func (e *Evaluator) narrowedValue(narrowing *goja.Object) json.RawMessage {
	for _, name := range narrowing.Keys() {
		if name != "where" {
			e.throw(&show.Failure{Title: "TypeError", Message: "a value can be narrowed by where, not by " + term.Clean(name), Word: name})
		}
	}
	where := narrowing.Get("where")
	if where == nil {
		return nil
	}
	if goja.IsUndefined(where) {
		e.undefined("where", "where")
	}
	return show.AppendJSON(nil, e.snapshot(where, copySent))
}

func (a *actor) model(name string) *model {
	for _, m := range a.e.modelsAt(a.at) {
		if m.info.Name == name {
			return m
		}
	}
	panic(a.e.usage("the application does not name the model of its records"))
}

// included returns the records of one model that a cursor includes, as an array.
func (q *query) included(of goja.Value) goja.Value {
	e := q.model.e
	if q.cursor == nil {
		panic(e.usage("included works on cursors: as(user).CONTROLLER.CURSOR().included(%q)", q.model.info.Name))
	}
	name := of.String()
	if object, ok := of.(*goja.Object); ok && e.modelOf(object) != nil {
		name = e.modelOf(object).info.Name
	}
	known := e.models
	if at := q.model.at; at != nil {
		known = e.modelsBySeq[*at]
	}
	names := make([]string, len(known))
	for i, m := range known {
		if names[i] = m.info.Name; names[i] != name && m.name != name {
			continue
		}
		req := q.request(wire.DoIncluded)
		req.Model, req.Order, req.Limit = m.info.Name, q.order, q.limit
		var stored []json.RawMessage
		e.ask(req, &stored)
		records := make([]any, len(stored))
		for i, s := range stored {
			records[i] = m.fill(nil, s)
		}
		return e.vm.NewArray(records...)
	}
	e.throw(&show.Failure{Title: "not_found", Message: "there is no model " + term.Clean(name), Hint: orThereIs(show.DidYouMean(name, names), names), Word: name})
	return nil
}

// cursors lists the cursors the user may open, each with its number of records. It does
// not open cursors that need an input.
func (a *actor) cursors() goja.Value {
	e := a.e
	var all []any
	for i := range e.allRoutes() {
		route := &e.routes[i]
		if route.Kind != "cursor" {
			continue
		}
		row := e.vm.NewObject()
		e.setProperty(row, "cursor", e.vm.ToValue(route.Name))
		var sees json.RawMessage
		note := ""
		if needs := required(route); len(needs) > 0 {
			note = "needs " + list(needs)
		} else {
			req := wire.ControlRequest{Do: wire.DoCount, Name: route.Name, As: a.user, At: a.at}
			if route.Value {
				req.Do = wire.DoValue
			}
			err := e.try(req, &sees)
			var refused *control.RemoteError
			switch {
			case errors.As(err, &refused) && (a.user == "" || refused.Code != "unauthenticated"):
				note = refused.Error()
			case err != nil:
				e.throw(err)
			}
		}
		e.setProperty(row, "sees", e.parsed(sees))
		e.setProperty(row, "note", e.vm.ToValue(note))
		all = append(all, row)
	}
	return e.vm.NewArray(all...)
}

// required returns the names of the inputs a route cannot be used without. They include
// ids.
func required(route *wire.Route) []string {
	var names []string
	for _, in := range route.Inputs {
		if in.Required || in.Type == "id" {
			names = append(names, in.Name)
		}
	}
	return names
}

// routes lists the routes that the user may use.
func (a *actor) routes() goja.Value {
	var answer json.RawMessage
	a.e.ask(wire.ControlRequest{Do: wire.DoAllowed, As: a.user, At: a.at}, &answer)
	return a.e.parsed(answer)
}
