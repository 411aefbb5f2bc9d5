package script

import (
	"slices"

	"github.com/dop251/goja"
)

// An actor calls actions and opens cursors as a user, with the names of the browser
// library. Its requests go through the same controllers and rules as requests from the
// user's browser.
type actor struct {
	e    *Evaluator
	user string  // "" for a visitor
	at   *uint64 // reads the state after this commit; nil for now
}

// as returns the application as a user sees it.
func (e *Evaluator) as(user goja.Value, at *uint64) goja.Value {
	a := &actor{e, e.userOf(user), at}
	return (&namespace{e: e, what: "as(…)", names: a.names, member: a.member, show: a.cursors}).object()
}

// userOf returns the id of a user given as a record, an id, or null for a visitor.
func (e *Evaluator) userOf(v goja.Value) string {
	if goja.IsNull(v) {
		return ""
	}
	instead := ""
	if goja.IsUndefined(v) {
		instead = ", not undefined"
	}
	object, ok := v.(*goja.Object)
	id, isText := v.Export().(string)
	switch {
	case isText && id != "":
		return id
	case !ok:
	case e.recordModel(object) != nil:
		return object.Get("id").String()
	case namespaceOf(object) != nil && slices.Contains(namespaceOf(object).names(), "user"):
		return object.Get("user").String()
	}
	panic(e.usage("a user is a record, its id, or null for a visitor%s", instead))
}

var actorNames = []string{"call", "cursor", "cursors", "routes", "user", "value"}

func (a *actor) names() []string { return append(slices.Clone(actorNames), a.e.controllers()...) }

func (a *actor) member(name string) goja.Value {
	e, vm := a.e, a.e.vm
	switch name {
	case "user":
		return vm.ToValue(a.user)
	case "cursors":
		return vm.ToValue(func(goja.FunctionCall) goja.Value { return a.cursors() })
	case "routes":
		return vm.ToValue(func(goja.FunctionCall) goja.Value { return a.routes() })
	case "call":
		return vm.ToValue(func(call goja.FunctionCall) goja.Value {
			return a.call(call.Argument(0).String(), e.given(call, 1, "the input"))
		})
	case "reveal":
		return vm.ToValue(func(goja.FunctionCall) goja.Value {
			panic(e.usage("a user sees no private field; reveal(record, field) is for the person at the console"))
		})
	case "cursor":
		return vm.ToValue(func(call goja.FunctionCall) goja.Value {
			return a.open(e.cursorNamed(call.Argument(0).String(), false), call, 1)
		})
	case "value":
		return vm.ToValue(func(call goja.FunctionCall) goja.Value {
			return a.open(e.cursorNamed(call.Argument(0).String(), true), call, 1)
		})
	}
	if !slices.Contains(a.e.controllers(), name) {
		return nil
	}
	return a.controller(name)
}

// controller returns the actions and cursors of a controller.
func (a *actor) controller(name string) goja.Value {
	return (&namespace{e: a.e, what: name,
		names: func() []string { return a.e.routeNames(name) },
		member: func(member string) goja.Value {
			route := a.e.routeNamed(name + "." + member)
			switch {
			case route == nil:
				return nil
			case !route.IsAnnounced():
				return a.e.vm.ToValue(func(goja.FunctionCall) goja.Value {
					panic(a.e.usage("%s is a %s; request %s over HTTP", route.Name, route.Kind, route.Path))
				})
			case route.Kind == "cursor":
				return a.e.function(route.Name, func(call goja.FunctionCall) goja.Value {
					return a.open(route, call, 0)
				})
			}
			return a.e.function(route.Name, func(call goja.FunctionCall) goja.Value { return a.act(route, call) })
		},
	}).object()
}
