package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/answer"
	"github.com/towerkit/tower/internal/server/form"
	"github.com/towerkit/tower/internal/server/read"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/server/session"
	"github.com/towerkit/tower/internal/server/slow"
	"github.com/towerkit/tower/internal/server/view"
	"github.com/towerkit/tower/internal/wire"
)

// servePage runs a page and renders its view.
func (a *App) servePage(ctx context.Context, w http.ResponseWriter, r *http.Request, s *Session, rt *route.Route, values url.Values) error {
	if err := a.admit(s.Conn, rt); err != nil {
		return err
	}
	defer a.slow.End(ctx, slow.Page, rt.Pattern(), a.slow.Begin())
	data, err := s.run(ctx, rt, values, nil, r.URL.Query())
	if err != nil {
		return err
	}
	return a.writePage(ctx, w, r, s, &view.Page{Data: data, Path: r.URL.Path, Route: rt}, http.StatusOK)
}

// writePage renders a view and writes it with a status, unless the page's action gave
// another answer.
func (a *App) writePage(ctx context.Context, w http.ResponseWriter, r *http.Request, s *Session, page *view.Page, status int) error {
	if given := answer.Of(page.Data); given != nil {
		if err := checkAnswer(page.Route, given); err != nil {
			return err
		}
		readingOf(ctx).answered(len(given.Text))
		a.send(w, r, given)
		return nil
	}
	if page.Form == nil {
		page.Form = &form.State{}
	}
	page.Form.Zone = a.config.Zone
	source := &pageSource{ctx: ctx, owner: s, controller: page.Route.Controller, asJSON: status == http.StatusOK && wantsJSON(r)}
	page.Viewer, page.Source = viewer{s, page.Route.Controller}, source
	if page.Route.Path == a.config.SignIn {
		page.Return = a.returnPath(r.URL.Query())
	}
	html, err := a.views.Page(page)
	if err != nil {
		return err
	}
	if source.asJSON {
		return a.writeState(ctx, w, r, source)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "Cookie, Accept")
	w.Header().Set("Tower-User", cmp.Or(string(s.Conn.user), "visitor")) // a browser keeps pages per user
	readingOf(ctx).answered(len(html))
	w.WriteHeader(status)
	_, _ = w.Write(html) // the client may be gone
	return nil
}

// serveForm shows the page of a refused form again, with its values and their problems.
func (a *App) serveForm(ctx context.Context, w http.ResponseWriter, r *http.Request, s *Session, action *route.Route, values url.Values, sent *form.State) error {
	page, _, err := a.router.Find(http.MethodGet, strings.TrimPrefix(action.Form, "GET "))
	if err != nil {
		return err
	}
	data, err := s.run(ctx, page, values, nil, nil)
	if err != nil {
		return err
	}
	return a.writePage(ctx, w, r, s, &view.Page{Data: data, Path: r.URL.Path, Route: page, Form: sent}, http.StatusUnprocessableEntity)
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

// RenderMail renders the view of a mail.
func (a *App) RenderMail(view string, data any) (string, error) { return a.views.Mail(view, data) }

// A pageSource reads the cursors of a page, all of them as of one commit. Clients receive
// the changes since.
type pageSource struct {
	ctx        context.Context
	owner      *Session
	controller *route.Controller
	pinned     *Session // the user's session as of the commit seq; nil before the first cursor
	seq        uint64
	asJSON     bool // a program asks for what the page's cursors hold
	shown      []*read.State
}

// List reads the records of a declared cursor.
func (p *pageSource) List(name, partial string, in json.RawMessage) (*view.Listing, error) {
	cr, spec, err := p.resolve(name, partial, in)
	if err != nil {
		return nil, err
	}
	out := &view.Listing{Viewer: viewer{p.pinned, cr.Route.Controller}}
	app := p.owner.Conn.app
	timed, ctx := app.timeRead(p.ctx, name)
	state, err := app.engine.Read(ctx, p.seq, spec)
	timed.end(ctx, &spec.Scope)
	if err != nil {
		return nil, err
	}
	out.Images, out.With = state.Images, state.With
	if p.asJSON {
		answer := &wire.Answer{Model: spec.Scope.Model.Name}
		addRecords(answer, &state)
		if err := p.show(cr, in, answer); err != nil {
			return nil, err
		}
	}
	out.Attrs, err = p.attrs(cr, in)
	return out, err
}

// Value reads a declared value.
func (p *pageSource) Value(name string, in json.RawMessage) (value record.Value, attrs template.HTMLAttr, err error) {
	cr, spec, err := p.resolve(name, "", in)
	if err != nil {
		return value, "", err
	}
	app := p.owner.Conn.app
	timed, ctx := app.timeRead(p.ctx, name)
	value, err = app.engine.ReadValue(ctx, p.seq, spec)
	if timed.end(ctx, &spec.Scope); err != nil {
		return value, "", err
	}
	if p.asJSON {
		if err := p.show(cr, in, &wire.Answer{Model: spec.Scope.Model.Name, Value: ValueJSON(&value)}); err != nil {
			return value, "", err
		}
	}
	attrs, err = p.attrs(cr, in)
	return value, attrs, err
}

// resolve returns a cursor as the page's user sees it.
func (p *pageSource) resolve(name, partial string, in json.RawMessage) (cr *CursorRequest, spec cursor.Spec, err error) {
	cr = &CursorRequest{Route: p.owner.Conn.app.router.Cursors[name], partial: partial, ofPage: true}
	if cr.Route == nil {
		return nil, spec, fmt.Errorf("there is no cursor %q", name)
	}
	if cr.Route.Value != (partial == "") {
		return nil, spec, errors.New(".Cursor shows records with a partial, and .LiveValue shows a value")
	}
	if cr.In, err = cr.Route.Inputs.Decode(nil, in, nil, nil); err == nil {
		err = p.pin()
	}
	if err == nil {
		spec, _, err = p.pinned.spec(atSeq(p.ctx, p.seq), &follower{}, cr)
	}
	return cr, spec, err
}

// pin selects the commit that the page is read at, and the session as of that commit.
func (p *pageSource) pin() error {
	if p.pinned == nil {
		p.seq = p.owner.Conn.app.store.Seq()
		p.pinned = p.owner.Conn.connect(atSeq(p.ctx, p.seq), &follower{})
	}
	return p.pinned.err
}

// attrs returns the attributes of the element that shows a cursor.
func (p *pageSource) attrs(cr *CursorRequest, in json.RawMessage) (template.HTMLAttr, error) {
	app := p.owner.Conn.app
	sealed, err := app.sessions.SealList(session.List{Cursor: cr.Route.Name, In: in, Partial: cr.partial,
		User: p.owner.Conn.user, Build: app.config.Build})
	return template.HTMLAttr(fmt.Sprintf(`data-cursor="%s" data-live="%s" data-since="%s"`,
		template.HTMLEscapeString(cr.Route.Name), sealed, wire.Position(app.store.Epoch(), p.seq))), err
}

// Region reads what a region of the page shows.
func (p *pageSource) Region(partial string, rec any) (*view.Region, error) {
	if err := p.pin(); err != nil {
		return nil, err
	}
	app, user := p.owner.Conn.app, p.owner.Conn.user
	out := &view.Region{Viewer: viewer{p.pinned, p.controller}}
	list := session.List{Partial: partial, Controller: p.controller.Name, User: user, Build: app.config.Build}
	if rec != nil {
		m := app.modelOf(rec)
		if m == nil {
			return nil, fmt.Errorf("a %T is not a record of a model", rec)
		}
		header, err := m.Header(rec)
		if err != nil {
			return nil, err
		}
		list.Model, list.Record = m.Name, header.ID
		if out.Record, err = p.pinned.visibleRecord(atSeq(p.ctx, p.seq), p.controller, m, header.ID); err != nil {
			return nil, err
		}
	}
	var err error
	out.Attrs, err = p.regionAttrs(list)
	return out, err
}

// Nonce returns the nonce of the page's answer.
func (p *pageSource) Nonce() (string, error) { return nonce(p.ctx)() }

// Asset returns the address of a file.
func (p *pageSource) Asset(name string) (string, error) { return p.owner.Conn.app.assets.URL(name) }
