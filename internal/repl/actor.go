package repl

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/wire"
)

// An actor is a user, as whom the session calls actions and opens cursors, by the
// names of the browser library. What it does takes the way of that user's browser.
type actor struct {
	e    *evaluator
	user string  // "": a visitor
	at   *uint64 // the commit after which it looks; nil: now
}

// as is the application as a user sees it.
func (e *evaluator) as(user goja.Value, at *uint64) goja.Value {
	a := &actor{e, e.userOf(user), at}
	return (&namespace{e: e, what: "as(…)", names: a.names, member: a.member, show: a.cursors}).object()
}

// userOf reads who a user is, by a record or its id; null is a visitor.
func (e *evaluator) userOf(v goja.Value) string {
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return ""
	}
	object, ok := v.(*goja.Object)
	switch {
	case !ok:
		return v.String()
	case e.recordModel(object) != nil:
		return object.Get("id").String()
	case namespaceOf(object) != nil && slices.Contains(namespaceOf(object).names(), "user"):
		return object.Get("user").String()
	}
	panic(e.usage("a user is a record, its id, or null for a visitor"))
}

var actorNames = []string{"call", "cursor", "cursors", "routes", "user", "value"}

func (a *actor) names() []string { return append(slices.Clone(actorNames), a.e.controllers()...) }

func (a *actor) member(name string) goja.Value {
	vm := a.e.vm
	switch name {
	case "user":
		return vm.ToValue(a.user)
	case "cursors":
		return vm.ToValue(func(goja.FunctionCall) goja.Value { return a.cursors() })
	case "routes":
		return vm.ToValue(func(goja.FunctionCall) goja.Value { return a.routes() })
	case "call":
		return vm.ToValue(func(call goja.FunctionCall) goja.Value { return a.call(call.Argument(0).String(), call.Argument(1)) })
	case "cursor":
		return vm.ToValue(func(call goja.FunctionCall) goja.Value {
			return a.open(a.e.cursorNamed(call.Argument(0).String(), false), call.Argument(1), call.Argument(2))
		})
	case "value":
		return vm.ToValue(func(call goja.FunctionCall) goja.Value {
			return a.open(a.e.cursorNamed(call.Argument(0).String(), true), call.Argument(1), call.Argument(2))
		})
	}
	if !slices.Contains(a.e.controllers(), name) {
		return nil
	}
	return a.controller(name)
}

// controller is the actions and cursors of one.
func (a *actor) controller(name string) goja.Value {
	return (&namespace{e: a.e, what: name,
		names: func() []string { return a.e.routeNames(name) },
		member: func(member string) goja.Value {
			route := a.e.routeNamed(name + "." + member)
			switch {
			case route == nil:
				return nil
			case route.Kind == "page":
				return a.e.vm.ToValue(func(goja.FunctionCall) goja.Value {
					panic(a.e.usage("%s is a page; open %s in a browser", route.Name, route.Path))
				})
			case route.Kind == "cursor":
				return a.e.vm.ToValue(func(call goja.FunctionCall) goja.Value {
					return a.open(route, call.Argument(0), call.Argument(1))
				})
			}
			return a.e.vm.ToValue(func(call goja.FunctionCall) goja.Value { return a.act(route, call) })
		},
	}).object()
}

// open is the records of a cursor, as a query that may be narrowed, or its value.
func (a *actor) open(route *wire.Route, in, narrowing goja.Value) goja.Value {
	e := a.e
	c := &cursor{name: route.Name, in: e.input(route, in), as: a.user}
	var q goja.Value
	if !route.Value {
		q = (&query{model: a.model(route.Model), cursor: c}).value()
	}
	if narrow, ok := narrowing.(*goja.Object); ok && q != nil {
		q = e.narrowed(q.(*goja.Object), narrow)
	}
	if q != nil {
		return q
	}
	req := wire.ControlRequest{Do: wire.DoValue, Name: c.name, In: c.in, As: c.as, At: a.at}
	if narrow, ok := narrowing.(*goja.Object); ok {
		req.Where = appendJSON(nil, e.look(narrow.Get("where"), lookSent))
	}
	var answer json.RawMessage
	e.ask(req, &answer)
	return e.parsed(answer)
}

// narrowed is a query with the browser library's {where, order, limit}.
func (e *evaluator) narrowed(q, narrowing *goja.Object) goja.Value {
	for _, name := range narrowing.Keys() {
		v := narrowing.Get(name)
		switch name {
		case "where", "limit":
			q = e.method(q, name, v).(*goja.Object)
		case "order":
			for _, term := range e.look(v, lookSent).items {
				if field, down := strings.CutPrefix(term.text, "-"); down {
					q = e.method(q, "desc", e.vm.ToValue(field)).(*goja.Object)
				} else {
					q = e.method(q, "asc", e.vm.ToValue(field)).(*goja.Object)
				}
			}
		default:
			e.throw(&failure{title: "TypeError", message: "a cursor is narrowed by where, order and limit, not by " + clean(name), word: name})
		}
	}
	return q
}

func (a *actor) model(name string) *model {
	for _, m := range a.e.modelsAt(a.at) {
		if m.info.Name == name {
			return m
		}
	}
	panic(a.e.usage("the application does not say of which model its records are"))
}

// act calls an action, and returns what it answered. A record, or an id, that
// comes first stands for what the path names.
func (a *actor) act(route *wire.Route, call goja.FunctionCall) goja.Value {
	e, in := a.e, call.Argument(0)
	if first, isRecord := in.(*goja.Object); isRecord && e.recordModel(first) == nil || goja.IsUndefined(in) {
		return a.made(route, a.send(route, e.input(route, in)))
	}
	params := pathParams.FindAllStringSubmatch(route.Path, -1)
	if len(params) != 1 {
		panic(e.usage("%s takes an object: %s", route.Name, usageOf(route)))
	}
	merged := e.vm.NewObject()
	if rest, ok := call.Argument(1).(*goja.Object); ok {
		for _, name := range rest.Keys() {
			e.hold(merged, name, rest.Get(name))
		}
	}
	id := in
	if record, ok := in.(*goja.Object); ok {
		id = record.Get("id")
	}
	e.hold(merged, params[0][1], id)
	return a.made(route, a.send(route, e.input(route, merged)))
}

var pathParams = regexp.MustCompile(`\{(\w+)(?:\.\.\.)?\}`)

// usageOf is how a route's input is written: {id, title}.
func usageOf(route *wire.Route) string {
	var names []string
	for _, in := range route.Inputs {
		names = append(names, in.Name)
	}
	return "{" + strings.Join(names, ", ") + "}"
}

// send calls the action of a route.
func (a *actor) send(route *wire.Route, in json.RawMessage) wire.Called {
	e := a.e
	var values map[string]any
	if len(in) > 0 {
		_ = json.Unmarshal(in, &values) // it is an object, or empty
	}
	path := pathParams.ReplaceAllStringFunc(route.Path, func(param string) string {
		name := pathParams.FindStringSubmatch(param)[1]
		text, ok := values[name].(string)
		if !ok || text == "" {
			panic(e.usage("%s needs %s: %s", route.Name, name, usageOf(route)))
		}
		return url.PathEscape(text)
	})
	return a.request(route.Method, path, in)
}

func (a *actor) request(method, path string, in json.RawMessage) (called wire.Called) {
	e := a.e
	req := wire.ControlRequest{Do: wire.DoCall, Name: method + " " + path, In: in, As: a.user, At: a.at}
	if method == http.MethodDelete {
		e.consentTo("call " + req.Name)
	}
	if e.readOnly && method == http.MethodGet && req.At == nil { // it may look
		var hello wire.ControlHello
		e.ask(wire.ControlRequest{Do: wire.DoHello}, &hello)
		req.At = &hello.Seq
	}
	e.ask(req, &called)
	return called
}

// made is what an action answered: a record, where it is one of a model.
func (a *actor) made(route *wire.Route, called wire.Called) goja.Value {
	if called.Error != nil {
		a.e.throw((*RemoteError)(called.Error))
	}
	var record struct{ ID string }
	if json.Unmarshal(called.Out, &record) == nil && record.ID != "" && route.Model != "" {
		return a.model(route.Model).fill(nil, called.Out)
	}
	return a.e.parsed(called.Out)
}

// call calls an action by its route, as the browser library does: what is wrong
// is in what it returns.
func (a *actor) call(route string, in goja.Value) goja.Value {
	e := a.e
	method, path, found := strings.Cut(route, " ")
	if !found {
		panic(e.usage(`call takes a route: call("POST /posts", {…})`))
	}
	var body json.RawMessage
	if !goja.IsUndefined(in) {
		body = appendJSON(nil, e.look(in, lookSent))
	}
	called := a.request(method, path, body)
	out := e.vm.NewObject()
	e.hold(out, "status", e.vm.ToValue(called.Status))
	e.hold(out, "out", e.parsed(called.Out))
	e.hold(out, "error", goja.Null())
	e.hold(out, "problems", e.vm.NewObject())
	if called.Error != nil {
		answer, _ := json.Marshal(called.Error) // it was JSON before
		failed := e.parsed(answer).(*goja.Object)
		e.hold(out, "error", failed)
		if problems := failed.Get("problems"); problems != nil {
			e.hold(out, "problems", problems)
		}
	}
	e.hold(out, "location", e.vm.ToValue(called.Location))
	e.hold(out, "session", e.vm.ToValue(called.Session))
	return out
}

// cursors are the cursors that the user may open, with how many records each
// shows. Those that need an input are not opened.
func (a *actor) cursors() goja.Value {
	e := a.e
	var all []any
	for i := range e.allRoutes() {
		route := &e.routes[i]
		if route.Kind != "cursor" {
			continue
		}
		row := e.vm.NewObject()
		e.hold(row, "cursor", e.vm.ToValue(route.Name))
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
			var refused *RemoteError
			switch {
			case errors.As(err, &refused) && (a.user == "" || refused.Code != "unauthenticated"):
				note = refused.Error()
			case err != nil:
				e.throw(err)
			}
		}
		e.hold(row, "sees", e.parsed(sees))
		e.hold(row, "note", e.vm.ToValue(note))
		all = append(all, row)
	}
	return e.vm.NewArray(all...)
}

// required are the inputs without which a route cannot be used. An id that is
// not given is none.
func required(route *wire.Route) []string {
	var names []string
	for _, in := range route.Inputs {
		if in.Required || in.Type == "id" {
			names = append(names, in.Name)
		}
	}
	return names
}

// routes are those that the user may use.
func (a *actor) routes() goja.Value {
	var answer json.RawMessage
	a.e.ask(wire.ControlRequest{Do: wire.DoRoutes, Key: a.user}, &answer)
	return a.e.parsed(answer)
}
