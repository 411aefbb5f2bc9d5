package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/compress"
	"github.com/towerkit/tower/internal/files"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/chain"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/form"
	"github.com/towerkit/tower/internal/server/limit"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/server/session"
	"github.com/towerkit/tower/internal/server/upload"
	"github.com/towerkit/tower/internal/store"
)

// checkFiles returns an error if tower cannot ask the rule of a record whose files are
// downloaded, or if inputs are files and nothing keeps them.
func (a *App) checkFiles() error {
	for _, m := range a.config.Models {
		for _, f := range m.FileFields() {
			if _, err := a.ruleController(m); err != nil && !f.Private {
				return fmt.Errorf("files of %s: %w", m.Name, err)
			}
		}
	}
	for _, rt := range a.router.Routes {
		if rt.Inputs == nil || len(rt.Inputs.Files()) == 0 {
			continue
		}
		switch {
		case rt.Kind != route.KindAction:
			return fmt.Errorf("%s: only an action has inputs that are files", rt.Pattern())
		case a.config.Uploads == nil:
			return fmt.Errorf("%s: its input has a file, and no model of Config.Models does", rt.Pattern())
		}
	}
	return nil
}

// openFile returns the file for which the session's user has a token.
func (s *Session) openFile(token string) (file record.File, err error) {
	if err = s.Conn.app.sessions.OpenFile("file", s.Conn.user, token, &file); err != nil {
		return file, errors.New("is not an upload of yours, or it is too old; choose the file again")
	}
	return file, nil
}

// A receivedForm is a form with files, which have been stored. The value of a file is its token.
type receivedForm struct {
	sent url.Values
	err  error // why it was not received
}

// receiveForm receives the form in a request to a route that takes files, however long that
// takes. It returns nil for another request.
func (a *App) receiveForm(w http.ResponseWriter, r *http.Request, rt *route.Route) *receivedForm {
	if rt.Kind != route.KindAction || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	inputs := rt.Inputs.Files()
	if kind != "multipart/form-data" || len(inputs) == 0 {
		return nil
	}
	if err := a.mayUpload(r, rt); err != nil {
		return &receivedForm{err: err}
	}
	most := cmp.Or(rt.MaxBody, a.config.Limits.MaxBody)
	all := most
	receivers := map[string]form.Receiver{}
	for _, input := range inputs {
		all += input.Rules.Max
		receivers[input.Name] = a.receiver(r, input)
	}
	r.Body = http.MaxBytesReader(w, r.Body, all)
	sent, err := readMultipart(r, most, receivers)
	if sent == nil {
		sent = url.Values{}
	}
	return &receivedForm{sent, unreadable(err)}
}

// mayUpload returns an error if the client of a request may not use a route.
func (a *App) mayUpload(r *http.Request, rt *route.Route) error {
	v := &visit{}
	v.begin(a, r, a.config.Limits.Timeout)
	defer v.Stop()
	v.session.connect(v, &v.conn, &v.follower)
	if v.session.err != nil {
		return v.session.err
	}
	return v.session.admits(rt, rt.Method)
}

// receiver stores the files that a form sends in a field.
func (a *App) receiver(r *http.Request, input route.FileInput) form.Receiver {
	user := a.sessions.Of(r, a.secure(r)).User
	return func(_, name string, content io.Reader) (string, string, error) {
		file, err := a.files.Receive(r.Context(), name, content, input.Rules, a.party(r))
		var refused *files.Refusal
		if errors.As(err, &refused) {
			return "", refused.Problem, nil
		}
		if err != nil {
			return "", "", upload.Coded(err)
		}
		token, err := a.sessions.SealFile("file", user, file)
		return token, "", err
	}
}

// An uploadHost is what package upload sees of the application.
type uploadHost struct{ *App }

// Admit returns the rules of an input of an action that the client of a request may use.
func (a uploadHost) Admit(r *http.Request, method, path, field string) (*record.FileRules, error) {
	rt, _, err := a.router.Find(method, path)
	if err != nil {
		return nil, err
	}
	if rt.Kind == route.KindAction {
		for _, input := range rt.Inputs.Files() {
			if input.Name == field {
				return input.Rules, a.mayUpload(r, rt)
			}
		}
	}
	return nil, fault.Errorf(fault.BadRequest, "%s %s takes no file %q", method, path, field)
}

// Seal returns a text that only the user of a request can use.
func (a uploadHost) Seal(r *http.Request, kind string, value any) (string, error) {
	return a.sessions.SealFile(kind, a.sessions.Of(r, a.secure(r)).User, value)
}

// Unseal reads a text of Seal.
func (a uploadHost) Unseal(r *http.Request, kind, text string, into any) error {
	return a.sessions.OpenFile(kind, a.sessions.Of(r, a.secure(r)).User, text, into)
}

// Party names the client of a request.
func (a uploadHost) Party(r *http.Request) string { return a.party(r) }

// party names the client of a request: a user, or the visitors at an address.
func (a *App) party(r *http.Request) string {
	return limit.PartyOf(string(a.sessions.Of(r, a.secure(r)).User), a.facts(r).Remote).Key()
}

// UploadedBy returns the files that a user has uploaded and that no record has.
func (a *App) UploadedBy(ctx context.Context, user record.ID) ([]record.ID, error) {
	return a.files.UploadedBy(ctx, limit.PartyOf(string(user), "").Key())
}

// serveFile serves the file in a field of a record to those whom the record's rule shows it.
func (a *App) serveFile(w http.ResponseWriter, r *http.Request) {
	if x := chain.From(r.Context()); x != nil {
		x.Route = "GET /_tower/files"
	}
	field, file, err := a.findFile(r)
	if err == nil {
		err = a.sendFile(w, r, field, file)
	}
	if err != nil {
		a.Fail(w, r, err)
	}
}

// filesOf, after the name of a model, names the downloads of its files among the actions of a token.
const filesOf = ".files"

// hasFiles reports whether a name is one of the downloads of a model's files.
func (a *App) hasFiles(name string) bool {
	model, is := strings.CutSuffix(name, filesOf)
	return is && slices.ContainsFunc(a.config.Models, func(m *record.Model) bool { return m.Name == model && len(m.FileFields()) > 0 })
}

// findFile returns the file that a request names, and its field, if its client may see it or has a link.
func (a *App) findFile(r *http.Request) (f *record.Field, file record.File, err error) {
	missing := fault.Errorf(fault.NotFound, "there is no %s", r.URL.Path)
	linked, err := a.linked(r)
	if err != nil {
		return f, file, err
	}
	m := a.store.Model(r.PathValue("model"))
	if m == nil || m.Field(r.PathValue("field")) == nil {
		return f, file, missing
	}
	f = m.Field(r.PathValue("field"))
	id, err := record.ParseID(r.PathValue("record"))
	if f.File == nil || f.Private && !linked || err != nil {
		return f, file, missing
	}
	image, err := a.shownImage(r, record.Key{Model: m, ID: id}, linked)
	if errors.Is(err, store.ErrNotFound) {
		return f, file, missing
	}
	if err != nil {
		return f, file, err
	}
	if file = image.File(f); string(file.ID) != r.PathValue("file") || file.ID == "" {
		return f, record.File{}, missing
	}
	return f, file, nil
}

// shownImage returns a record. The error is [store.ErrNotFound] if there is none, or its rule does not show it to
// the client of a request that has no link.
func (a *App) shownImage(r *http.Request, k record.Key, linked bool) (image *record.Image, err error) {
	v := &visit{}
	v.begin(a, r, a.config.Limits.Timeout)
	defer v.Stop()
	s := &v.session
	if !linked {
		s.connect(v, &v.conn, &v.follower)
		if !v.conn.login.Permits(k.Model.Name + filesOf) {
			return nil, fault.Errorf(fault.Forbidden, "you may not use %s%s", k.Model.Name, filesOf)
		}
	}
	err = a.store.View(v, func(snap *store.Snapshot) (err error) {
		image, err = snap.Get(k.Model, k.ID)
		return err
	})
	if err != nil || linked {
		return image, err
	}
	rule, err := s.ruleOf(v, k.Model)
	if err == nil && rule != nil && !rule(image) {
		err = store.ErrNotFound
	}
	return image, err
}

const filesPath = "/_tower/files/"

// SignedURL returns a path at which anybody can download a file until a time: the given one, of the
// file or a variant, with a link.
func (a *App) SignedURL(path string, until time.Time) (string, error) {
	switch {
	case !strings.HasPrefix(path, filesPath) || strings.ContainsAny(path, "?#"):
		return "", fmt.Errorf("sign %q: it is not the URL of a file", path)
	case !until.After(a.store.Now()):
		return "", fmt.Errorf("sign %q: it would be good until %s, which is over", path, until.UTC().Format(time.RFC3339))
	}
	text, err := a.sessions.SealLink(session.Link{Path: path, Until: until})
	return path + "?link=" + text, err
}

// SignedURL returns what [App.SignedURL] returns.
func (c *Connection) SignedURL(path string, until time.Time) (string, error) {
	return c.app.SignedURL(path, until)
}

// linked reports whether a request has a link to its file.
func (a *App) linked(r *http.Request) (bool, error) {
	if !r.URL.Query().Has("link") {
		return false, nil
	}
	link, err := a.sessions.OpenLink(r.URL.Query().Get("link"))
	if err != nil || link.Path != r.URL.Path || !a.store.Now().Before(link.Until) {
		return false, fault.Errorf(fault.Forbidden, "this link is not valid, or not any more")
	}
	return true, nil
}

// ruleOf returns the rule of the session's user for the records of a model, nil if there is none.
func (s *Session) ruleOf(ctx context.Context, m *record.Model) (func(*record.Image) bool, error) {
	if s.err != nil {
		return nil, s.err
	}
	controller, err := s.matcher(nil, m)
	if controller == nil || err != nil {
		return nil, err
	}
	return s.Conn.app.Denying(s.Conn.app.rule(m, controller)), nil
}

// sendFile writes a file or the variant of it that is asked for, or a range.
func (a *App) sendFile(w http.ResponseWriter, r *http.Request, f *record.Field, file record.File) error {
	content, err := a.openContent(r, f, &file)
	if errors.Is(err, files.ErrGone) {
		return fault.Errorf(fault.NotFound, "the content of %s is not there", r.URL.Path)
	}
	if err != nil {
		return err
	}
	defer content.Close()
	header := w.Header()
	header.Set("Content-Type", servedType(file.Type))
	compress.Leave(w, r)
	header.Set("Cache-Control", "private, no-cache")
	header.Set("ETag", `"`+file.Sum+`"`)
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	disposition := "attachment"
	if isShown(file.Type) && !r.URL.Query().Has("download") {
		disposition = "inline"
	}
	header.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": file.Name}))
	http.ServeContent(w, r, "", time.Time{}, content)
	return nil
}

// openContent opens the content that a request asks for, and sets what is known of it.
func (a *App) openContent(r *http.Request, f *record.Field, file *record.File) (content io.ReadSeekCloser, err error) {
	name := r.PathValue("variant")
	if name == "" {
		content, _, err = a.files.Open(r.Context(), file.ID)
		return content, err
	}
	v := f.File.Variant(name)
	if v == nil {
		return nil, fault.Errorf(fault.NotFound, "%s.%s has no variant %q", r.PathValue("model"), f.Name, name)
	}
	content, e, err := a.files.OpenVariant(r.Context(), file.ID, *v)
	*file = e.File()
	return content, err
}

// isShown reports whether a browser may show a file of a type, which runs no script there.
func isShown(kind string) bool {
	top, sub, _ := strings.Cut(kind, "/")
	switch {
	case top == "image":
		return !strings.Contains(sub, "svg") && !strings.Contains(sub, "xml")
	case top == "audio", top == "video":
		return true
	}
	return kind == "text/plain"
}

// servedType returns the type as which a file is served. What may run scripts is only a text,
// which browsers save.
func servedType(kind string) string {
	switch {
	case kind == "text/plain" || strings.Contains(kind, "html") || strings.Contains(kind, "xml") || strings.Contains(kind, "javascript"):
		return "text/plain; charset=utf-8"
	}
	return kind
}
