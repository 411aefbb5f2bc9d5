package systemtest

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

type shelfController struct{ *tower.Connection }

// A pageInput says which part of the snippets a client wants.
type pageInput struct {
	Page  int `json:"page"`
	Limit int `json:"limit"`
}

func (in pageInput) scope() tower.Scope[Snippet] {
	return Snippets.All().Asc(&Snippets.Fields.Title).Offset(in.Page * 2).Limit(in.Limit)
}

func (c *shelfController) Index(ctx context.Context, in pageInput) ([]*Snippet, error) {
	return in.scope().Records(ctx, c)
}

func (c *shelfController) Count(ctx context.Context, in pageInput) (int, error) {
	return in.scope().Count(ctx, c)
}

func (c *shelfController) Seen(ctx context.Context, in pageInput) (tower.None, error) {
	_, err := tower.VisibleAll(ctx, c, in.scope())
	return tower.None{}, err
}

func (c *shelfController) Part(_ context.Context, in pageInput) (tower.Scope[Snippet], error) {
	return in.scope(), nil
}

func (c *shelfController) Match(*Snippet) bool { return true }

func openShelf(t *testing.T) *towertest.App {
	r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	m := tower.Mount(r, "shelf", func(c *tower.Connection) *shelfController { return &shelfController{c} })
	tower.Page(m, "GET /shelf", (*shelfController).Index)
	tower.Action(m, "POST /shelf/count", (*shelfController).Count)
	tower.Action(m, "POST /shelf/seen", (*shelfController).Seen)
	tower.Cursor(m, "part", (*shelfController).Part)
	return towertest.Open(t, tower.Config{Name: "shelf", Models: []tower.AnyModel{Snippets, People}, Routes: r, Files: fstest.MapFS{
		"views/layout.html":      {Data: []byte(`{{template "main" .}}`)},
		"views/shelf/index.html": {Data: []byte(`{{define "main"}}{{len .Data}} snippets{{end}}`)},
	}})
}

func TestAPartThatCannotBeIsTheClientsError(t *testing.T) {
	app := openShelf(t)
	client := app.Connect(t, "")
	for query, want := range map[string]int{
		"page=0&limit=5": 200, "page=7": 200, "page=4611686018427387000&limit=9223372036854775807": 200, "page=1&limit=9223372036854775807": 200,
		"page=-1": 400, "limit=-1": 400, "page=-1&limit=-1": 400, "page=-4611686018427387000": 400,
		"page=abc": 422, "limit=abc": 422, "page=99999999999999999999": 422, "limit=1.5": 422, "page=-99999999999999999999": 422,
	} {
		if status, body := app.Get(t, "/shelf?"+query); status != want {
			t.Errorf("GET /shelf?%s answered %d %s; want %d", query, status, body, want)
		}
		for _, action := range []string{"/shelf/count", "/shelf/seen"} {
			status, body := app.PostForm(t, "", action, query)
			if status == http.StatusSeeOther {
				status = http.StatusOK
			}
			if status != want {
				t.Errorf("POST %s with %s answered %d %s; want %d", action, query, status, body, want)
			}
		}
	}
	for in, want := range map[pageInput]int{{Limit: 5}: 200, {Page: -1}: 400, {Limit: -1}: 400, {Page: math.MaxInt / 2, Limit: math.MaxInt}: 200} {
		if answer := client.Call("POST /shelf/count", in); answer.Status != want {
			t.Errorf("a call with %+v: %d %s; want %d", in, answer.Status, answer.Message, want)
		}
		_, answer := client.TryOpen("shelf.part", in)
		if answer.Status != want {
			t.Errorf("a cursor with %+v: %d %s; want %d", in, answer.Status, answer.Message, want)
		}
		if want == 400 && !strings.Contains(answer.Message, "must not be negative") {
			t.Errorf("a cursor with %+v: %q", in, answer.Message)
		}
	}
	for limit, want := range map[int]int{-1: 400, math.MinInt: 400, math.MaxInt: 200} {
		if _, answer := client.TryNarrow("shelf.part", towertest.Narrowing{Limit: limit}); answer.Status != want {
			t.Errorf("a limit of %d for a cursor: %d %s; want %d", limit, answer.Status, answer.Message, want)
		}
		if status, body := app.Get(t, fmt.Sprintf("/_tower/read/shelf/part?limit=%d", limit)); status != want {
			t.Errorf("a limit of %d for a cursor over HTTP: %d %s; want %d", limit, status, body, want)
		}
	}
}
