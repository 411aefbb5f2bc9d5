package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/towerkit/tower/internal/repl"
	"github.com/towerkit/tower/internal/wire"
)

// A subject is what of an application is measured: a cursor that all clients
// hold, and an action that makes records for it.
type subject struct {
	Cursor string
	With   json.RawMessage // the cursor's input
	Call   string          // "POST /posts"
	In     json.RawMessage // the action's input
}

// parseSubject reads a cursor and an action, each followed by its input as JSON
// or by nothing. The action may be left open.
func parseSubject(cursor, call string) (s subject, err error) {
	if s.Cursor, s.With, err = named("the cursor", cursor, "posts.published"); err != nil || call == "" {
		return s, err
	}
	method, rest, _ := strings.Cut(call, " ")
	path, in, err := named("--call", rest, "POST /posts")
	if err == nil && (method == "" || method != strings.ToUpper(method) || method == http.MethodGet || !strings.HasPrefix(path, "/")) {
		err = &usageError{message: fmt.Sprintf("--call %q is not an action, such as \"POST /posts\"", call), hint: "see: tower routes"}
	}
	s.Call, s.In = method+" "+path, in
	return s, err
}

// named splits a name from the JSON that follows it.
func named(what, text, like string) (name string, in json.RawMessage, err error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	if rest = strings.TrimSpace(rest); rest == "" {
		return name, nil, nil
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(rest), &object); err != nil {
		return "", nil, &usageError{message: fmt.Sprintf("%s %q: what follows the name is not a JSON object: %v", what, text, err),
			hint: fmt.Sprintf(`such as: %s {"title":"Hi"}`, like)}
	}
	return name, json.RawMessage(rest), nil
}

// resolve finds the subject's cursor and action among the application's routes,
// and fills in what was left open.
func (s *subject) resolve(ctx context.Context, client *repl.Client) error {
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
				s.In = json.RawMessage(exampleInput(route, sampleText))
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

// sampleText is what texts of a benchmark's records say.
const sampleText = "A record of the benchmark"
