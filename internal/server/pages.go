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

// servePage runs a page and renders its view.
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

// writePage renders a view and writes it with a status.
func (a *App) writePage(w http.ResponseWriter, page *View, status int) error {
	html, err := a.views.page(page)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Cookie")
	w.Header().Set("Tower-User", cmp.Or(string(page.owner.Conn.user), "visitor")) // a browser keeps pages per user
	w.WriteHeader(status)
	_, _ = w.Write(html) // the client may be gone
	return nil
}

// serveForm shows the page of a refused form again, with its values and their problems.
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

// destination returns where a form redirects to: the path that the action sets, or else
// the page of this application that it was sent from, or else the front page.
func (a *App) destination(r *http.Request, location string) string {
	if location != "" {
		return location
	}
	if from, err := url.Parse(r.Referer()); err == nil && from.Host == r.Host && strings.HasPrefix(from.Path, "/") && !strings.HasPrefix(from.Path, "//") {
		return from.RequestURI()
	}
	return "/"
}

// fill replaces the braces of a path by the fields of an action's output, or else by the
// values in its own path.
func fill(pattern string, out json.RawMessage, path url.Values) (string, error) {
	var fields map[string]any
	_ = json.Unmarshal(out, &fields) // only an object has fields
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
