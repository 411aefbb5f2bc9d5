package script

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// allRoutes returns the application's routes. It requests them once.
func (e *Evaluator) allRoutes() []wire.Route {
	if e.routes == nil {
		e.ask(wire.ControlRequest{Do: wire.DoRoutes}, &e.routes)
	}
	return e.routes
}

// controllers returns the names of the controllers with actions or cursors.
func (e *Evaluator) controllers() []string {
	var names []string
	for _, route := range e.allRoutes() {
		name, _, _ := strings.Cut(route.Name, ".")
		if !slices.Contains(names, name) && !slices.Contains(actorNames, name) {
			names = append(names, name)
		}
	}
	return names
}

// routeNames returns the names of the actions and cursors of a controller.
func (e *Evaluator) routeNames(controller string) []string {
	var names []string
	for _, route := range e.allRoutes() {
		if name, found := strings.CutPrefix(route.Name, controller+"."); found && route.IsAnnounced() && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// routeNamed returns the route with a name. It returns a page or a handler only if there
// is no other.
func (e *Evaluator) routeNamed(name string) (found *wire.Route) {
	for i, route := range e.allRoutes() {
		if route.Name == name && (found == nil || !found.IsAnnounced()) {
			found = &e.routes[i]
		}
	}
	return found
}

// cursorNames returns the names of the cursors that carry a value, or of the others.
func (e *Evaluator) cursorNames(valued bool) []string {
	var names []string
	for _, route := range e.allRoutes() {
		if route.Kind == "cursor" && route.Value == valued {
			names = append(names, route.Name)
		}
	}
	return names
}

// cursorNamed returns the cursor with a name. It throws if there is none.
func (e *Evaluator) cursorNamed(name string, valued bool) *wire.Route {
	if route := e.routeNamed(name); route != nil && route.Kind == "cursor" {
		if route.Value != valued {
			kinds := map[bool]string{true: "a value: value(%q)", false: "records: cursor(%q)"}
			panic(e.usage("%s carries "+kinds[route.Value], name, name))
		}
		return route
	}
	names := e.cursorNames(valued)
	e.throw(&show.Failure{Title: "not_found", Message: "there is no cursor " + term.Clean(name), Hint: orThereIs(show.DidYouMean(name, names), names), Word: name})
	return nil
}

// input encodes the input of a route. It throws if the route does not accept a name.
func (e *Evaluator) input(route *wire.Route, v goja.Value) json.RawMessage {
	if goja.IsUndefined(v) || goja.IsNull(v) {
		return nil
	}
	in := e.snapshot(v, copySent)
	if in.Kind != show.Object {
		panic(e.usage("%s takes an object: %s", route.Name, usageOf(route)))
	}
	names := make([]string, len(route.Inputs))
	for i, known := range route.Inputs {
		names[i] = known.Name
	}
	for _, field := range in.Fields {
		if !slices.Contains(names, field.Name) {
			e.throw(&show.Failure{Title: "unknown input", Message: route.Name + " takes no " + term.Clean(field.Name),
				Hint: orThereIs(show.DidYouMean(field.Name, names), names), Word: field.Name})
		}
	}
	return show.AppendJSON(nil, in)
}
