package client_test

import (
	"context"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/client"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/audit"
	"github.com/towerkit/tower/towertest"
)

// A Parcel has a weight, which pages sum.
type Parcel struct {
	tower.Record
	Name   string  `json:"name"`
	Weight float64 `json:"weight"`
}

var Parcels = tower.NewModel[Parcel]("parcels")

type parcels struct{ *tower.Connection }

func (c *parcels) All(context.Context, tower.None) (tower.Scope[Parcel], error) {
	return Parcels.All().Desc(&Parcels.Fields.Weight).Limit(3), nil
}

func (c *parcels) Weight(context.Context, tower.None) (tower.ValueScope[Parcel], error) {
	return Parcels.All().AsSum(&Parcels.Fields.Weight), nil
}

// TestPagesAreAudited opens pages in a browser, which send checksums of their lists and
// values. It then removes a row from one.
func TestPagesAreAudited(t *testing.T) {
	t.Setenv("TOWER_AUDIT", "20ms")
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*parcels, error) { return &parcels{c}, nil })
	m := tower.Mount(r, "parcels", func(c *parcels) *parcels { return c })
	tower.Cursor(m, "all", (*parcels).All)
	tower.Value(m, "weight", (*parcels).Weight)
	tower.Page(m, "GET /parcels/list", tower.ViewOnly)
	tower.Page(m, "GET /parcels/value", tower.ViewOnly)
	app := towertest.Open(t, tower.Config{Name: "parcels", Models: []tower.AnyModel{Parcels}, Routes: r, Files: fstest.MapFS{
		"views/layout.html":          {Data: []byte(`<!doctype html><html lang="en"><script type="module" src="/_tower/tower.js"></script>{{template "main" .}}`)},
		"views/parcels/list.html":    {Data: []byte(`{{define "main"}}{{$l := .Cursor "all" "parcels/_parcel.html"}}<ul {{$l.Attrs}}>{{$l.Items}}</ul>{{end}}`)},
		"views/parcels/value.html":   {Data: []byte(`{{define "main"}}{{with (.LiveValue "weight").Number 1}}<b {{.Attrs}}>{{.Text}}</b>{{end}}{{end}}`)},
		"views/parcels/_parcel.html": {Data: []byte(`<li>{{.Name}}</li>`)},
	}})
	post := func(weight float64) {
		if err := Parcels.Create(t.Context(), app, &Parcel{Name: "a parcel", Weight: weight}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 5 {
		post(float64(n) / 10)
	}
	await := func(what string, done func(audit.Counts) bool) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); !done(server.AppOf(app.App).Audits()); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: the audits are %+v", what, server.AppOf(app.App).Audits())
			}
		}
	}
	browser := client.StartBrowser(t)
	for _, path := range []string{"/parcels/value", "/parcels/list"} {
		tab := client.NewTab(t, browser)
		if err := chromedp.Do(tab, chromedp.Navigate(app.URL+path)); err != nil {
			t.Fatal(err)
		}
		for range 2 { // as the page was rendered, and after a change
			equal := server.AppOf(app.App).Audits().Equal
			await("the page "+path+" holds what it should", func(c audit.Counts) bool { return c.Equal > equal+3 })
			post(0.7)
		}
		if counts := server.AppOf(app.App).Audits(); counts.Divergences+counts.Failed > 0 {
			t.Fatalf("the page %s caused %+v", path, counts)
		}
		if path == "/parcels/list" {
			if _, err := chromedp.Run(tab, chromedp.Evaluate[string](`document.querySelector("li").remove(), ""`)); err != nil {
				t.Fatal(err)
			}
			await("a row was removed", func(c audit.Counts) bool { return c.Divergences > 0 })
		}
		if err := chromedp.Do(tab, chromedp.Navigate("about:blank")); err != nil {
			t.Fatal(err)
		}
	}
}
