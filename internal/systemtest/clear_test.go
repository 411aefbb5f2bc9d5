package systemtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// A Card has a field of each type that may be empty.
type Card struct {
	tower.Record
	Title  string     `json:"title"`
	Rank   *int       `json:"rank"`
	Score  *float64   `json:"score"`
	Open   *bool      `json:"open"`
	Code   *string    `json:"code"`
	Until  *time.Time `json:"until"`
	Due    time.Time  `json:"due,omitzero"`
	Desk   tower.ID   `json:"desk" tower:"ref=desks"`
	State  string     `json:"state" validate:"omitempty,oneof=open done"`
	Labels []string   `json:"labels"`
}

var cards = tower.NewModel[Card]("cards")

type cardInput struct {
	ID     tower.ID                `json:"id"`
	Title  *string                 `json:"title"`
	Rank   tower.Optional[int]     `json:"rank"`
	Score  tower.Optional[float64] `json:"score"`
	Open   tower.Optional[bool]    `json:"open"`
	Code   *string                 `json:"code"`
	Until  *time.Time              `json:"until"`
	Due    *time.Time              `json:"due"`
	Desk   *tower.ID               `json:"desk"`
	State  *string                 `json:"state"`
	Labels *[]string               `json:"labels"`
}

type cardPages struct{ *tower.Connection }

func (c *cardPages) Update(ctx context.Context, in cardInput) (*Card, error) {
	return tower.UpdateVisible(ctx, c, cards, in.ID, func(card *Card) error { return tower.Assign(card, in) })
}

func (c *cardPages) Edit(ctx context.Context, in struct {
	ID tower.ID `json:"id"`
}) (*Card, error) {
	return tower.Visible(ctx, c, cards, in.ID)
}

func cardConfig() tower.Config {
	r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	m := tower.Mount(r, "cards", func(c *tower.Connection) *cardPages { return &cardPages{c} })
	tower.Page(m, "GET /cards/{id}", (*cardPages).Edit)
	tower.Action(m, "PATCH /cards/{id}", (*cardPages).Update, tower.FormPage("GET /cards/{id}"), tower.RedirectTo("/cards/{id}"))
	return tower.Config{Models: []tower.AnyModel{cards, Desks}, Routes: r, Files: fstest.MapFS{
		"views/layout.html":     {Data: []byte(`<!doctype html><title>x</title>{{block "main" .}}{{end}}`)},
		"views/cards/edit.html": {Data: []byte(`{{define "main"}}{{.Input "rank" .Data}}{{end}}`)},
	}}
}

// TestClearing empties each field that may be empty, by each way in, and holds that a
// field that was not sent stays.
func TestClearing(t *testing.T) {
	app, control := controlled(t, func() *towertest.App { return towertest.Open(t, cardConfig()) })
	socket := app.Connect(t, "")
	form := func(t *testing.T, id tower.ID, values url.Values) {
		if status, page := app.PostForm(t, "", "/cards/"+string(id)+"?_method=PATCH", values.Encode()); status != http.StatusSeeOther {
			t.Errorf("the form %v answered %d:\n%s", values, status, page)
		}
	}
	ways := map[string]func(t *testing.T, id tower.ID, field string){
		"form": func(t *testing.T, id tower.ID, field string) { form(t, id, url.Values{field: {""}}) },
		"box of a form that was not empty": func(t *testing.T, id tower.ID, field string) {
			form(t, id, url.Values{field: {""}, field + "~": {`{"box":"1","is":1}`}})
		},
		"JSON": func(t *testing.T, id tower.ID, field string) {
			req, err := http.NewRequest(http.MethodPatch, app.URL+"/cards/"+string(id), strings.NewReader(`{"`+field+`":`+empty(field)+`}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s answered %d", field, resp.StatusCode)
			}
		},
		"socket": func(t *testing.T, id tower.ID, field string) {
			if got := socket.Call("PATCH /cards/"+string(id), map[string]any{field: json.RawMessage(empty(field))}); got.Status != http.StatusOK {
				t.Errorf("%s answered %d %v", field, got.Status, got.Problems)
			}
		},
		"console": func(t *testing.T, id tower.ID, field string) {
			var out json.RawMessage
			if refused := attach(t, control).do(wire.ControlRequest{Do: wire.DoUpdate, Model: "cards", Key: string(id), Set: raws(`{"` + field + `":` + empty(field) + `}`)}, &out); refused != "" {
				t.Error(refused)
			}
		},
	}
	desk := &Desk{}
	if err := Desks.Create(t.Context(), app, desk); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for way, clear := range ways {
		for _, field := range []string{"rank", "score", "open", "code", "until", "due", "desk", "state", "labels"} {
			t.Run(way+"/"+field, func(t *testing.T) {
				card := &Card{Title: "x", Rank: new(5), Score: new(1.5), Open: new(true), Code: new("c"), Until: &at, Due: at, Desk: desk.ID, State: "open", Labels: []string{"a"}}
				if err := cards.Create(t.Context(), app, card); err != nil {
					t.Fatal(err)
				}
				clear(t, card.ID, field)
				got, err := cards.Find(t.Context(), app, card.ID)
				if err != nil {
					t.Fatal(err)
				}
				before, after := members(t, card), members(t, got)
				for name, was := range before {
					is := after[name]
					switch {
					case name == "updatedAt":
					case name != field && fmt.Sprint(is) != fmt.Sprint(was):
						t.Errorf("%s was not sent and became %v", name, is)
					case name == field && is != nil && is != "" && fmt.Sprint(is) != "[]":
						t.Errorf("%s stayed %v", name, is)
					}
				}
			})
		}
	}
}

// TestTheSchemaSaysWhatMayBeNull compares what types and documents are made from with
// what an application answers to null.
func TestTheSchemaSaysWhatMayBeNull(t *testing.T) {
	app, socket := controlled(t, func() *towertest.App { return towertest.Open(t, cardConfig()) })
	var schema wire.Schema
	if refused := attach(t, socket).do(wire.ControlRequest{Do: wire.DoSchema}, &schema); refused != "" {
		t.Fatal(refused)
	}
	card := &Card{Title: "x"}
	if err := cards.Create(t.Context(), app, card); err != nil {
		t.Fatal(err)
	}
	client, fields := app.Connect(t, ""), 0
	for _, typ := range schema.Types {
		if !strings.HasSuffix(typ.Name, ".cardInput") {
			continue
		}
		for _, field := range typ.Fields {
			if field.Name == "id" {
				continue
			}
			fields++
			got := client.Call("PATCH /cards/"+string(card.ID), map[string]any{field.Name: nil})
			if taken := got.Status == http.StatusOK; taken != field.Clear || field.Required {
				t.Errorf("null for %s was answered %d %v, and the schema has %+v", field.Name, got.Status, got.Problems, field)
			}
		}
	}
	if fields != 10 {
		t.Errorf("the schema has %d fields of the input", fields)
	}
}

// A Tally has fields that always have a value.
type Tally struct {
	tower.Record
	Count int     `json:"count"`
	Score float64 `json:"score"`
	Open  bool    `json:"open"`
}

var tallies = tower.NewModel[Tally]("tallies")

type tallyInput struct {
	ID    tower.ID `json:"id"`
	Count *int     `json:"count"`
	Score *float64 `json:"score"`
	Open  *bool    `json:"open"`
}

type tallyPages struct{ *tower.Connection }

func (c *tallyPages) Update(ctx context.Context, in tallyInput) (*Tally, error) {
	return tower.UpdateVisible(ctx, c, tallies, in.ID, func(tally *Tally) error { return tower.Assign(tally, in) })
}

func (c *tallyPages) Edit(ctx context.Context, in struct {
	ID    tower.ID `json:"id"`
	Least *int     `json:"least"`
}) (*Tally, error) {
	return tower.Visible(ctx, c, tallies, in.ID)
}

// TestEmptyBoxes empties the box of a field that always has a value: neither is it
// cleared, nor kept without a word. A page that is asked with an empty value answers.
func TestEmptyBoxes(t *testing.T) {
	r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	m := tower.Mount(r, "tallies", func(c *tower.Connection) *tallyPages { return &tallyPages{c} })
	tower.Page(m, "GET /tallies/{id}", (*tallyPages).Edit)
	tower.Action(m, "PATCH /tallies/{id}", (*tallyPages).Update, tower.FormPage("GET /tallies/{id}"), tower.RedirectTo("/tallies/{id}"))
	app := towertest.Open(t, tower.Config{Models: []tower.AnyModel{tallies}, Routes: r, Files: fstest.MapFS{
		"views/layout.html":       {Data: []byte(`<!doctype html><title>x</title>{{block "main" .}}{{end}}`)},
		"views/tallies/edit.html": {Data: []byte(`{{define "main"}}{{.Input "count" .Data}}{{.Input "score" .Data}}{{.Input "open" .Data}}{{end}}`)},
	}})
	tally := &Tally{Count: 5, Score: 1.5, Open: true}
	if err := tallies.Create(t.Context(), app, tally); err != nil {
		t.Fatal(err)
	}
	path := "/tallies/" + string(tally.ID)
	for _, field := range []string{"count", "score", "open"} {
		status, page := app.PostForm(t, "", path+"?_method=PATCH", field+"=")
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="`+field+`-problem">cannot be empty`) {
			t.Errorf("the empty box of %s was answered %d:\n%s", field, status, page)
		}
		got := app.Connect(t, "").Call("PATCH "+path, map[string]any{field: nil})
		if got.Status != http.StatusUnprocessableEntity || len(got.Problems[field]) != 1 || got.Problems[field][0] != "cannot be null" {
			t.Errorf("null for %s was answered %d %v", field, got.Status, got.Problems)
		}
	}
	got, err := tallies.Find(t.Context(), app, tally.ID)
	if err != nil || got.Count != 5 || got.Score != 1.5 || !got.Open {
		t.Errorf("the record is %+v: %v", got, err)
	}
	if status, page := app.Get(t, path+"?least="); status != http.StatusOK {
		t.Errorf("a page with an empty value answered %d:\n%s", status, page)
	}
}

// empty returns the JSON that empties a field: a text has no null.
func empty(field string) string {
	if field == "state" || field == "code" {
		return `""`
	}
	return "null"
}

func members(t *testing.T, card *Card) (out map[string]any) {
	t.Helper()
	text, err := json.Marshal(card)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}
