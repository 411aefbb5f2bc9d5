package script

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

// act calls an action and returns its result. If the first argument is a record or an
// id, it fills the parameter of the path.
func (a *actor) act(route *wire.Route, call goja.FunctionCall) goja.Value {
	e, in := a.e, a.e.given(call, 0, "the input of "+route.Name)
	if first, isRecord := in.(*goja.Object); isRecord && e.recordModel(first) == nil || goja.IsUndefined(in) {
		return a.result(route, a.send(route, e.input(route, in)))
	}
	params := pathParams.FindAllStringSubmatch(route.Path, -1)
	if len(params) != 1 {
		panic(e.usage("%s takes an object: %s", route.Name, usageOf(route)))
	}
	merged := e.vm.NewObject()
	rest, ok := e.given(call, 1, "the input of "+route.Name).(*goja.Object)
	if !ok && len(call.Arguments) > 1 {
		panic(e.usage("%s takes an object: %s", route.Name, usageOf(route)))
	}
	if ok {
		for _, name := range rest.Keys() {
			e.setProperty(merged, name, rest.Get(name))
		}
	}
	id := in
	if record, ok := in.(*goja.Object); ok {
		id = record.Get("id")
	}
	e.setProperty(merged, params[0][1], id)
	return a.result(route, a.send(route, e.input(route, merged)))
}

var pathParams = regexp.MustCompile(`\{(\w+)(?:\.\.\.)?\}`)

// usageOf returns the usage of a route's input: {id, title}.
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
		_ = json.Unmarshal(in, &values) // in is an object or empty
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
	if e.ReadOnly && method == http.MethodGet && req.At == nil { // a GET action may be called, but not write
		var hello wire.ControlHello
		e.ask(wire.ControlRequest{Do: wire.DoHello}, &hello)
		req.At = &hello.Seq
	}
	e.ask(req, &called)
	return called
}

// result converts the result of an action. If the action returns a record of a model,
// so does result.
func (a *actor) result(route *wire.Route, called wire.Called) goja.Value {
	if called.Error != nil {
		a.e.throw((*control.RemoteError)(called.Error))
	}
	var record struct{ ID string }
	if json.Unmarshal(called.Out, &record) == nil && record.ID != "" && route.Model != "" {
		return a.model(route.Model).fill(nil, called.Out)
	}
	return a.e.parsed(called.Out)
}

// call calls an action by its method and path, like the browser library: it returns the
// error of the action instead of throwing it.
func (a *actor) call(route string, in goja.Value) goja.Value {
	e := a.e
	method, path, found := strings.Cut(route, " ")
	if !found {
		panic(e.usage(`call takes a route: call("POST /posts", {…})`))
	}
	var body json.RawMessage
	if !goja.IsUndefined(in) {
		body = show.AppendJSON(nil, e.snapshot(in, copySent))
	}
	called := a.request(method, path, body)
	out := e.vm.NewObject()
	e.setProperty(out, "status", e.vm.ToValue(called.Status))
	e.setProperty(out, "out", e.parsed(called.Out))
	e.setProperty(out, "error", goja.Null())
	e.setProperty(out, "problems", e.vm.NewObject())
	if called.Error != nil {
		answer, _ := json.Marshal(called.Error) // called.Error was decoded from JSON
		failed := e.parsed(answer).(*goja.Object)
		e.setProperty(out, "error", failed)
		if problems := failed.Get("problems"); problems != nil {
			e.setProperty(out, "problems", problems)
		}
	}
	e.setProperty(out, "location", e.vm.ToValue(called.Location))
	e.setProperty(out, "session", e.vm.ToValue(called.Session))
	return out
}
