package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

// A Subject is the part of an application that is measured: a cursor that every
// client opens, and an action that creates records in it.
type Subject struct {
	Cursor string          // "posts.published"
	With   json.RawMessage // input of the cursor; nil for none
	Call   string          // "POST /posts"; "" for the controller's first POST action
	In     json.RawMessage // input of the action; nil for an example
}

// resolve checks that the application has the subject's cursor, and fills in Call
// and In from its routes if they are empty.
func (s *Subject) resolve(ctx context.Context, client Control, exampleInput func(wire.Route, string) string) error {
	var routes []wire.Route
	if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoRoutes}, &routes); err != nil {
		return fmt.Errorf("read the routes: %w", err)
	}
	if !hasCursor(routes, s.Cursor) {
		return &hintedError{fmt.Errorf("there is no cursor %q in this application", s.Cursor), "see: tower routes"}
	}
	controller, _, _ := strings.Cut(s.Cursor, ".")
	for _, route := range routes {
		if route.Kind != "action" || s.Call == "" && (route.Method != http.MethodPost || strings.Contains(route.Path, "{") || !strings.HasPrefix(route.Name, controller+".")) {
			continue
		}
		if call := route.Method + " " + route.Path; s.Call == "" || s.Call == call {
			s.Call = call
			if s.In == nil {
				s.In = json.RawMessage(exampleInput(route, exampleText))
			}
			return nil
		}
	}
	if s.Call == "" {
		return &hintedError{fmt.Errorf("controller %s has no action that creates a record", controller), `name one: --call 'POST /posts {"title":"Hi"}'`}
	}
	return nil // Call has values in its path, so it equals no route
}

func hasCursor(routes []wire.Route, name string) bool {
	for _, route := range routes {
		if route.Kind == "cursor" && route.Name == name {
			return true
		}
	}
	return false
}

// exampleText is the value of string fields in the records of a benchmark.
const exampleText = "A record of the benchmark"
