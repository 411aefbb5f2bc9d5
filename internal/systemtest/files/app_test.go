// Package files has tests of files that clients upload and download.
package files

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	_ "github.com/towerkit/tower/images"
	"github.com/towerkit/tower/s3"
	"github.com/towerkit/tower/towertest"
)

type User struct {
	tower.Record
	Name string `json:"name"`
}

type Photo struct {
	tower.Record
	Owner tower.ID   `json:"owner" tower:"ref=users,delete=cascade"`
	Open  bool       `json:"open"`
	Image tower.File `json:"image" tower:"max=1MB,accept=image/png image/jpeg,variants=thumb:60x60 square:50x50:fill wide:2000x2000"`
	Any   tower.File `json:"any" tower:"max=20MB"`
	Own   tower.File `json:"own" tower:"private"`
	Big   tower.File `json:"big" tower:"max=8GB"`
}

var (
	users  = tower.NewModel[User]("users")
	photos = tower.NewModel[Photo]("photos")
)

type session struct{ *tower.Connection }

type Photos struct{ *session }

type NewPhoto struct {
	Open  bool       `json:"open"`
	Image tower.File `json:"image" tower:"max=1MB,accept=image/png image/jpeg"`
	Any   tower.File `json:"any" tower:"max=20MB"`
	Own   tower.File `json:"own"`
	Big   tower.File `json:"big" tower:"max=8GB"`
	Title string     `json:"title" validate:"max=5"`
}

func (c *Photos) Match(p *Photo) bool { return p.Open || p.Owner == c.UserID() && p.Owner != "" }

func (c *Photos) Create(ctx context.Context, in NewPhoto) (*Photo, error) {
	p := &Photo{Owner: c.UserID(), Open: in.Open, Image: in.Image, Any: in.Any, Own: in.Own, Big: in.Big}
	return p, photos.Create(ctx, c, p)
}

type change struct {
	ID    tower.ID    `json:"id"`
	Open  *bool       `json:"open"`
	Image *tower.File `json:"image" tower:"max=1MB,accept=image/*"`
}

func (c *Photos) Update(ctx context.Context, in change) (*Photo, error) {
	return tower.UpdateVisible(ctx, c, photos, in.ID, func(p *Photo) error { return tower.Assign(p, in) })
}

type one struct {
	ID tower.ID `json:"id"`
}

func (c *Photos) Delete(ctx context.Context, in one) (*tower.None, error) {
	return nil, tower.DeleteVisible(ctx, c, photos, in.ID)
}

func (c *Photos) Show(ctx context.Context, in one) (*Photo, error) {
	return tower.Visible(ctx, c, photos, in.ID)
}

func (c *Photos) New(context.Context, struct{}) (*Photo, error) { return &Photo{}, nil }

func config(views fstest.MapFS) tower.Config {
	r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*session, error) { return &session{c}, nil })
	m := tower.Mount(r, "photos", func(s *session) *Photos { return &Photos{s} })
	tower.Page(m, "GET /photos/new", (*Photos).New)
	tower.Page(m, "GET /photos/{id}", (*Photos).Show)
	tower.Action(m, "POST /photos", (*Photos).Create, tower.FormPage("GET /photos/new"), tower.RedirectTo("/photos/{id}"))
	tower.Action(m, "PATCH /photos/{id}", (*Photos).Update)
	tower.Action(m, "DELETE /photos/{id}", (*Photos).Delete)
	return tower.Config{Name: "photos", Models: []tower.AnyModel{users, photos}, Routes: r, Files: views, OpenPlace: s3.Open}
}

// png is the smallest image that browsers show.
var png = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82")

// A sent is a part of a form.
type sent struct {
	name, file, kind string
	content          []byte
}

// world is an application with two users.
type world struct {
	*towertest.App
	t        *testing.T
	ada, bob tower.ID
}

func open(t *testing.T) *world { return openWith(t, page("")) }

// page returns the views of the application, with a head.
func page(head string) fstest.MapFS {
	return fstest.MapFS{
		"views/layout.html":      {Data: []byte(`<!doctype html><title>x</title>` + head + `{{template "main" .}}`)},
		"views/photos/new.html":  {Data: []byte(`{{define "main"}}<form {{.Form "POST /photos"}}>{{.File "image" .Data}}{{.Problem "title"}}{{.Problem ""}}<input type="hidden" name="open" value="true"><button>Save</button></form>{{end}}`)},
		"views/photos/show.html": {Data: []byte(`{{define "main"}}<img src="{{.Data.Image.URL}}">{{end}}`)},
	}
}

func openWith(t *testing.T, views fstest.MapFS) *world {
	w := &world{App: towertest.Open(t, config(views)), t: t}
	w.ada, w.bob = w.user("Ada"), w.user("Bob")
	return w
}

func (w *world) user(name string) tower.ID {
	u := &User{Name: name}
	if err := users.Create(w.t.Context(), w.App.App, u); err != nil {
		w.t.Fatal(err)
	}
	return u.ID
}

// do sends a request as a user, and returns its answer with the body read.
func (w *world) do(user tower.ID, method, path, kind string, body io.Reader, headers ...string) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.URL+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if user != "" {
		cookie, err := w.Cookie(user)
		if err != nil {
			w.t.Fatal(err)
		}
		req.AddCookie(cookie)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res, string(text)
}

// form returns a form with parts.
func form(parts ...sent) (kind string, body *bytes.Buffer) {
	body = &bytes.Buffer{}
	m := multipart.NewWriter(body)
	for _, p := range parts {
		header := textproto.MIMEHeader{}
		disposition := `form-data; name="` + p.name + `"`
		if p.file != "" {
			disposition += `; filename="` + p.file + `"`
			header.Set("Content-Type", p.kind)
		}
		header.Set("Content-Disposition", disposition)
		w, err := m.CreatePart(header)
		if err == nil {
			_, err = w.Write(p.content)
		}
		if err != nil {
			panic(err) // a buffer takes everything
		}
	}
	_ = m.Close()
	return m.FormDataContentType(), body
}

// create sends a form as a user, and returns the photo of the answer.
func (w *world) create(user tower.ID, parts ...sent) *Photo {
	w.t.Helper()
	kind, body := form(parts...)
	res, text := w.do(user, "POST", "/photos", kind, body, "Accept", "application/json")
	var p Photo
	if err := json.Unmarshal([]byte(text), &p); err != nil || res.StatusCode != http.StatusCreated {
		w.t.Fatalf("create: %d %s %v", res.StatusCode, text, err)
	}
	return &p
}

// refused sends a form as a user, and expects the problem of a field.
func (w *world) refused(user tower.ID, problem string, parts ...sent) {
	w.t.Helper()
	kind, body := form(parts...)
	res, text := w.do(user, "POST", "/photos", kind, body, "Accept", "application/json")
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, problem) {
		w.t.Errorf("%d %s; want the problem %q", res.StatusCode, text, problem)
	}
}
