package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/client"
	"github.com/towerkit/tower/internal/deadline"
	"github.com/towerkit/tower/internal/edge"
	"github.com/towerkit/tower/internal/mail/mailbox"
	"github.com/towerkit/tower/internal/openapi"
	"github.com/towerkit/tower/internal/public"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/chain"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/form"
	"github.com/towerkit/tower/internal/server/read"
	"github.com/towerkit/tower/internal/server/requestid"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/server/schema"
	"github.com/towerkit/tower/internal/server/session"
	"github.com/towerkit/tower/internal/server/transport"
	"github.com/towerkit/tower/internal/server/upload"
	"github.com/towerkit/tower/internal/server/view"
	"github.com/towerkit/tower/internal/wire"
)

// notServed says why nothing serves a request below /_tower/: there is nothing, or it accepts
// other methods.
func notServed(mux *http.ServeMux, r *http.Request) error {
	var accepted []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		_, pattern := mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host})
		if strings.HasPrefix(pattern, method+" ") {
			accepted = append(accepted, method)
		}
	}
	if accepted == nil {
		return fault.Errorf(fault.NotFound, "there is no %s", r.URL.Path)
	}
	if accepted[0] == http.MethodGet {
		accepted = slices.Insert(accepted, 1, http.MethodHead)
	}
	refused := fault.Errorf(fault.Method, "%s accepts %s, not %s", r.URL.Path, strings.Join(accepted, ", "), r.Method)
	refused.Allow = strings.Join(accepted, ", ")
	return refused
}

// Handler returns the HTTP handler of the application: for its routes, its public files
// and, below /_tower/, its transports and the browser library.
func (a *App) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /_tower/socket", a.afterOwn(a.sockets))
	mux.Handle("POST /_tower/stream", a.afterOwn(http.HandlerFunc(a.links.ServeStream)))
	mux.Handle("POST /_tower/poll", a.afterOwn(http.HandlerFunc(a.links.ServePoll)))
	mux.HandleFunc("POST /_tower/send", a.links.ServeBatch)
	mux.Handle("GET "+read.Path, a.afterOwn(a.reads))
	mux.Handle("GET /_tower/tower.js", script(client.Script))
	mux.Handle("GET /_tower/worker.js", script(client.Worker))
	mux.HandleFunc("GET /_tower/offline.js", serveOffline)
	mux.HandleFunc("GET /_tower/session", a.serveUser)
	mux.HandleFunc("POST /_tower/session", a.redeem)
	if a.files != nil {
		mux.Handle(upload.Path, a.afterOwn(upload.New(a.files, uploadHost{a})))
	}
	mux.HandleFunc("GET "+view.AssetsURL+"{file}", a.serveAsset)
	for _, end := range [...]string{"", "/{variant}"} {
		mux.Handle("GET /_tower/files/{model}/{record}/{field}/{file}"+end, a.afterOwn(http.HandlerFunc(a.serveFile)))
	}
	if a.config.Mailbox != nil {
		mux.Handle("GET "+mailbox.Path, a.config.Mailbox)
		mux.Handle("GET "+mailbox.Path+"/", a.config.Mailbox)
	}
	if a.config.OpenAPI {
		mux.HandleFunc("GET /_tower/openapi.json", a.serveOpenAPI)
	}
	mux.HandleFunc("/_tower/", func(w http.ResponseWriter, r *http.Request) { a.Fail(w, r, notServed(mux, r)) })
	mux.HandleFunc("/", a.serveRoute)
	routes := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isRoutePath(r.URL.Path) && r.Method != http.MethodConnect {
			a.serveRoute(w, r)
		} else {
			mux.ServeHTTP(w, r)
			if x := chain.From(r.Context()); x != nil && x.Route == "" && r.Pattern != "/" {
				x.Route = r.Pattern
			}
		}
	})
	var observe func(string, int, time.Duration)
	if a.meter != nil {
		observe = a.meter.Request
	}
	config := chain.Config{Observe: observe, Site: a.config.Site, Log: a.log, Pace: a.config.Limits.Pace(), Policy: a.config.Policy, Wrap: a.config.Wrap, Access: a.access, Traces: &a.traces, Probes: a.probes, Fail: a.Fail,
		Token: func(r *http.Request) (bool, error) { return session.HasToken(r), a.sessions.Check(r) }}
	return chain.New(config, routes)
}

// isRoutePath reports whether a path is only for the application's own routes, so that it
// need not be looked up twice: it is not tower's, and there is nothing to clean in it.
func isRoutePath(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "/_tower") && !strings.Contains(path, "//") && !strings.Contains(path, "/.")
}

// facts returns what is known of a request.
func (a *App) facts(r *http.Request) *edge.Facts {
	if x := chain.From(r.Context()); x != nil {
		return &x.Facts
	}
	facts := a.config.Site.Facts(r)
	return &facts
}

// secure reports whether a request's cookies are for HTTPS only.
func (a *App) secure(r *http.Request) bool { return a.config.Site.Secure(a.facts(r)) }

// script serves a script of the browser library.
func script(source []byte) http.Handler {
	hash := client.Hash(source)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", `"`+hash+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(source))
	})
}

// serveOffline serves the service worker, with the whole site as its scope.
func serveOffline(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Service-Worker-Allowed", "/")
	script(client.Offline).ServeHTTP(w, r)
}

// serveOpenAPI describes the application's routes.
func (a *App) serveOpenAPI(w http.ResponseWriter, r *http.Request) {
	document, err := openapi.Document(schema.Of(a.config.Models, a.router.Routes),
		openapi.Info{Title: a.config.Name, Version: a.config.Build, URL: a.config.URL})
	if err != nil {
		a.Fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(document) // it fails if the client is gone
}

// serveUser answers with the user of the request's token or cookie.
func (a *App) serveUser(w http.ResponseWriter, r *http.Request) {
	user, err := json.Marshal(map[string]record.ID{"user": a.sessions.Of(r, a.secure(r)).User})
	if err != nil {
		a.Fail(w, r, err)
		return
	}
	transport.WriteJSON(w, user)
}

// serveAsset serves a bundled file.
func (a *App) serveAsset(w http.ResponseWriter, r *http.Request) {
	if !a.assets.Serve(w, r, r.PathValue("file")) {
		a.Fail(w, r, fault.Errorf(fault.NotFound, "there is no %s; tower server bundles what is in app/, and tower build puts it into the program", r.URL.Path))
	}
}

// redeem exchanges a ticket from a socket for its cookies.
func (a *App) redeem(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, session.MaxTicket))
	if err == nil {
		var ticket session.Ticket
		if ticket, err = a.sessions.Redeem(r.Context(), string(text)); err == nil {
			addCookies(w, ticket.Cookies)
			a.setCommit(w, r, ticket.Seq)
			if ticket.Session != nil {
				err = a.sessions.Set(w, a.secure(r), *ticket.Session)
			}
		}
	}
	if err != nil {
		a.Fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// serveRoute runs the action or page of a request, with a connection of its own.
func (a *App) serveRoute(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodPost && r.URL.RawQuery != "" {
		method = strings.ToUpper(cmp.Or(r.URL.Query().Get("_method"), method))
	}
	rt, values, err := a.router.FindURL(method, r.URL)
	if err != nil {
		if fault.As(err).Code != fault.NotFound || !a.assets.ServePublic(w, r) && !public.Serve(w, r, a.config.Files) {
			a.Fail(w, r, err)
		} else if x := chain.From(r.Context()); x != nil {
			x.Route = "public files"
		}
		return
	}
	if x := chain.From(r.Context()); x != nil {
		x.Route = rt.Pattern()
	}
	a.catchUp(w, r)
	if rt.Kind == route.KindMount {
		a.config.Mount[rt.Path].ServeHTTP(w, r)
		return
	}
	v := &visit{}
	v.form = a.receiveForm(w, r, rt)
	v.begin(a, r, cmp.Or(rt.Timeout, a.config.Limits.Timeout))
	defer v.Stop()
	ctx := context.Context(v)
	if rt.Kind == route.KindPage { // who it is for is asked when it has waited for its turn
		var read *reading
		if read, ctx, err = v.conn.beginRead(v); err != nil {
			a.Fail(w, r, err)
			return
		}
		defer read.end()
	}
	s := &v.session
	s.connect(ctx, &v.conn, &v.follower)
	if note := noteOf(ctx); note != nil {
		note.Who, note.Path = v.conn.Label(), loggedPath(r.URL.Path, rt, values)
	}
	if err = s.err; err == nil {
		switch rt.Kind {
		case route.KindPage:
			err = a.servePage(ctx, w, r, s, rt, values)
		case route.KindHandler:
			err = a.serveHandler(v, w, r, s, rt, values)
		default:
			err = a.serveAction(v, w, r, s, rt, values)
		}
	}
	if err != nil {
		a.Fail(w, r, err)
	}
}

// A visit is a request to a route: its context, and the connection and the session that
// serve it. It is one piece of memory because there are many, each for a short time.
type visit struct {
	deadline.Context
	conn     Connection
	session  Session
	follower follower
	form     *receivedForm // nil: no form with files
}

// begin starts the context of a visit, and its connection.
func (v *visit) begin(a *App, r *http.Request, timeout time.Duration) {
	now := time.Now()
	v.Start(r.Context(), now.Add(timeout))
	login := a.sessions.Of(r, a.secure(r))
	v.conn.app, v.conn.user, v.conn.login, v.conn.remote, v.conn.from, v.conn.since = a, login.User, login, a.facts(r).Remote, r, now
}

// serveAction runs an action and answers with JSON. It redirects a form that was sent by a
// browser.
func (a *App) serveAction(v *visit, w http.ResponseWriter, r *http.Request, s *Session, rt *route.Route, values url.Values) error {
	ctx := context.Context(v)
	body, sent, err := a.readBody(w, r, v.form, cmp.Or(rt.MaxBody, a.config.Limits.MaxBody))
	key := strings.Trim(r.Header.Get("Idempotency-Key"), `"`)
	var result *callResult
	if err == nil {
		call := &CallRequest{Route: rt, Path: values, Body: body, form: sent, key: key, counts: true, http: true, note: noteOf(ctx)}
		result, err = a.Serve(ctx, s, call)
		if result != nil {
			call.made = max(call.made, result.Seq) // of an earlier run
		}
		a.setCommit(w, r, call.made)
	}
	asForm := sent != nil && r.Method == http.MethodPost && accepts(r, "text/html")
	if err != nil {
		if problems := fault.As(err).Problems; asForm && problems != nil && rt.Form != "" {
			read, ctx, err := s.Conn.beginRead(ctx)
			if err != nil {
				return err
			}
			defer read.end()
			return a.serveForm(ctx, w, r, s, rt, values, &form.State{Values: sent, Problems: problems.Map()})
		}
		return err
	}
	if result.SignIn != nil {
		if err := s.Conn.setCookie(r.Context(), w, a.secure(r), *result.SignIn); err != nil {
			return err
		}
	}
	addCookies(w, result.Cookies)
	if result.repeated {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	if result.given != nil {
		s.Conn.answered(len(result.given.Text))
		a.send(w, r, result.given)
		return nil
	}
	if asForm {
		to := a.destination(r, result.Location)
		if result.SignIn != nil && result.SignIn.User != "" {
			to = cmp.Or(a.returnPath(sent), a.returnPath(r.URL.Query()), to)
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	s.Conn.answered(len(result.Out))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(result.Status)
	_, _ = w.Write(append(result.Out, '\n'))
	return nil
}

// readBody returns the JSON or the form in a request, of so many bytes at most, unless the form
// has been received already.
func (a *App) readBody(w http.ResponseWriter, r *http.Request, received *receivedForm, most int64) (body json.RawMessage, sent url.Values, err error) {
	if received != nil {
		return nil, withQuery(received.sent, r.URL.Query()), received.err
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = http.MaxBytesReader(w, r.Body, most)
	switch kind {
	case "application/x-www-form-urlencoded":
		if err = r.ParseForm(); err == nil {
			sent = r.PostForm
		}
	case "multipart/form-data":
		sent, err = readMultipart(r, most, nil)
	case "application/json":
		body, err = readAll(r, most)
	case "":
		if body, err = readAll(r, most); err == nil && len(body) > 0 {
			err = fault.Errorf(fault.BadRequest, "the request has no Content-Type; send application/json or a form")
		}
	default:
		err = fault.Errorf(fault.BadRequest, "a %s is not understood; send application/json or a form", kind)
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		sent = r.URL.Query()
	} else if sent != nil {
		sent = withQuery(sent, r.URL.Query())
	}
	return body, sent, unreadable(err)
}

// readAll returns the body of a request, of so many bytes at most. It is read into memory of
// its own length, if that is known and small.
func readAll(r *http.Request, most int64) ([]byte, error) {
	if r.ContentLength < 0 || r.ContentLength > min(most, 4<<10) {
		return io.ReadAll(r.Body)
	}
	body := make([]byte, r.ContentLength)
	n, err := io.ReadFull(r.Body, body)
	return body[:n], err
}

// unreadable returns the error of a request whose body cannot be read.
func unreadable(err error) error {
	if err != nil && fault.As(err).Code == fault.Internal {
		err = fault.Errorf(fault.BadRequest, "the request cannot be read: %v", err)
	}
	return err
}

// withQuery returns the values of a form after those in the query of its action, as the
// browser library sends them: the last one counts.
func withQuery(sent, query url.Values) url.Values {
	query.Del("_method")
	for name, values := range sent {
		query[name] = append(query[name], values...)
	}
	return query
}

// readMultipart returns the values of a form. A file in it that nobody receives is a problem of
// its field.
func readMultipart(r *http.Request, most int64, receivers map[string]form.Receiver) (url.Values, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	values, problems, err := form.ReadMultipart(parts, most, receivers)
	if err == nil && problems.Any() {
		err = &fault.Error{Code: fault.Invalid, Message: "not valid", Problems: problems}
	}
	return values, err
}

// Fail answers with an error: as a page for a browser, as JSON for a program.
func (a *App) Fail(w http.ResponseWriter, r *http.Request, err error) {
	coded := a.Report(r.Context(), "request", err)
	status := coded.Status()
	if seconds := coded.RetryAfter(); seconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	}
	if coded.Allow != "" {
		w.Header().Set("Allow", coded.Allow)
	}
	if to := a.signInPath(r); to != "" && coded.Code == fault.Unauthenticated && accepts(r, "text/html") && !session.HasToken(r) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Add("Vary", "Cookie")
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	if accepts(r, "text/html") {
		page, pageErr := a.views.Failure(view.NewFailure(coded, requestid.Of(r.Context()), r.URL.Path, a.assets.URL, nonce(r.Context())), a.detail(coded, err))
		if pageErr != nil {
			a.log.Error("page of an error", "error", pageErr)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write(page) // the client may be gone
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]*wire.Error{"error": coded.Wire()})
}

// detail returns what a developer sees of an error, "" if there is nothing beside its
// message, or nobody should.
func (a *App) detail(coded *fault.Error, err error) string {
	if a.config.Env == "development" && err.Error() != coded.Error() {
		return err.Error()
	}
	return ""
}

// nonce returns a function that makes the nonce of the answer to a request.
func nonce(ctx context.Context) func() (string, error) {
	return func() (string, error) {
		if x := chain.From(ctx); x != nil {
			return x.Nonce()
		}
		return "", errors.New("this request has no nonce")
	}
}

// accepts reports whether the client accepts a media type.
func accepts(r *http.Request, kind string) bool {
	return strings.Contains(r.Header.Get("Accept"), kind)
}
