package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

// A Subject is what of an application is measured: a cursor that all clients
// hold, and an action that makes records for it.
type Subject struct {
	Cursor string
	With   json.RawMessage // the cursor's input
	Call   string          // "POST /posts"
	In     json.RawMessage // the action's input
}

// resolve finds the subject's cursor and action among the application's routes,
// and fills in what was left open.
func (s *Subject) resolve(ctx context.Context, client Control, exampleInput func(wire.Route, string) string) error {
	var routes []wire.Route
	if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoRoutes}, &routes); err != nil {
		return fmt.Errorf("ask for the routes: %w", err)
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
		return &hintedError{fmt.Errorf("controller %s has no action that makes a record", controller), `name one: --call 'POST /posts {"title":"Hi"}'`}
	}
	return nil // its path holds values
}

func hasCursor(routes []wire.Route, name string) bool {
	for _, route := range routes {
		if route.Kind == "cursor" && route.Name == name {
			return true
		}
	}
	return false
}

// exampleText is what texts of a benchmark's records say.
const exampleText = "A record of the benchmark"
