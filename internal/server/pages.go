package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/towerkit/tower/internal/server/route"
)

func (a *App) servePage(ctx context.Context, w http.ResponseWriter, r *http.Request, s *Session, rt *route.Route, values url.Values) error {
	query := r.URL.Query()
	in, err := rt.Inputs.Decode(values, nil, query)
	if err != nil {
		return err
	}
	data, err := s.run(ctx, rt, in)
	if err != nil {
		return err
	}
	page := &View{Data: data, Session: s.value, Path: r.URL.Path, ctx: ctx, owner: s, route: rt}
	return a.writePage(w, page, http.StatusOK)
}

func (a *App) writePage(w http.ResponseWriter, page *View, status int) error {
	html, err := a.views.page(page)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Cookie")
	w.Header().Set("Tower-User", cmp.Or(string(page.owner.Conn.user), "visitor")) // what a browser keeps of it is theirs alone
	w.WriteHeader(status)
	_, _ = w.Write(html) // the client may be gone
	return nil
}

// serveForm shows the page of a form again, with what was sent and what is
// wrong with it.
func (a *App) serveForm(ctx context.Context, w http.ResponseWriter, r *http.Request, s *Session, action *route.Route, values url.Values, sent *submission) error {
	page, _, err := a.router.Find(http.MethodGet, strings.TrimPrefix(action.Form, "GET "))
	if err != nil {
		return err
	}
	in, err := page.Inputs.Decode(values, nil, nil)
	if err != nil {
		return err
	}
	data, err := s.run(ctx, page, in)
	if err != nil {
		return err
	}
	return a.writePage(w, &View{Data: data, Session: s.value, Path: r.URL.Path, ctx: ctx, owner: s, route: page, submitted: sent}, http.StatusUnprocessableEntity)
}

// destination is where the sender of a form goes: where the action says, else
// back to the page of this application that it came from, else to the front.
func (a *App) destination(r *http.Request, location string) string {
	if location != "" {
		return location
	}
	if from, err := url.Parse(r.Referer()); err == nil && from.Host == r.Host && strings.HasPrefix(from.Path, "/") && !strings.HasPrefix(from.Path, "//") {
		return from.RequestURI()
	}
	return "/"
}

// fill puts the fields of an action's output, or else of its path, into the
// braces of a path.
func fill(pattern string, out json.RawMessage, path url.Values) (string, error) {
	var fields map[string]any
	_ = json.Unmarshal(out, &fields) // an output that is no object has no fields
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		name, isField := strings.CutPrefix(part, "{")
		if !isField {
			continue
		}
		name = strings.TrimSuffix(name, "}")
		value := path.Get(name)
		if field, ok := fields[name]; ok {
			value = fmt.Sprint(field)
		}
		if value == "" {
			return "", fmt.Errorf("%s: the output has no field %q", pattern, name)
		}
		parts[i] = url.PathEscape(value)
	}
	return strings.Join(parts, "/"), nil
}
