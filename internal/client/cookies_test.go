package client_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/client"
	"github.com/towerkit/tower/towertest"
)

type visitor struct{ *tower.Connection }

type theme struct {
	Name string `json:"name"`
}

func (v *visitor) Index(ctx context.Context, in tower.None) (tower.None, error) {
	return in, nil
}

func (v *visitor) Keep(ctx context.Context, in theme) (tower.None, error) {
	return tower.None{}, v.SetCookie(ctx, &http.Cookie{Name: "theme", Value: in.Name, HttpOnly: true, MaxAge: 3600})
}

func (v *visitor) KeepRefused(ctx context.Context, in theme) (tower.None, error) {
	if _, err := v.Keep(ctx, in); err != nil {
		return tower.None{}, err
	}
	return tower.None{}, tower.Forbidden("no")
}

func (v *visitor) Answer(ctx context.Context, in theme) (*tower.Answer, error) {
	return tower.SendText("kept").WithHeader("Set-Cookie", (&http.Cookie{Name: "theme", Value: in.Name, HttpOnly: true}).String()), nil
}

func (v *visitor) Take(ctx context.Context, in tower.None) (tower.None, error) {
	return in, v.SetCookie(ctx, &http.Cookie{Name: "tower", Value: "stolen"})
}

func (v *visitor) Kept(ctx context.Context, in tower.None) (string, error) {
	value, _ := v.Request().Cookie("theme")
	return value, nil
}

func (v *visitor) Handle(w http.ResponseWriter, r *http.Request) error {
	return v.SetCookie(r.Context(), &http.Cookie{Name: "theme", Value: r.URL.Query().Get("name"), HttpOnly: true})
}

// TestCookiesOfTheApplication sets cookies over every transport, in a browser, and sees that
// the server gets them and scripts do not.
func TestCookiesOfTheApplication(t *testing.T) {
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*visitor, error) { return &visitor{c}, nil })
	m := tower.Mount(r, "themes", func(v *visitor) *visitor { return v })
	tower.Page(m, "GET /themes", (*visitor).Index)
	tower.Action(m, "POST /themes/keep", (*visitor).Keep, tower.FormPage("GET /themes"))
	tower.Action(m, "POST /themes/refused", (*visitor).KeepRefused)
	tower.Action(m, "POST /themes/answer", (*visitor).Answer)
	tower.Action(m, "POST /themes/take", (*visitor).Take)
	tower.Action(m, "GET /themes/kept", (*visitor).Kept)
	tower.Handle(m, "POST /themes/handle", (*visitor).Handle)
	app := towertest.Open(t, tower.Config{Name: "themes", Models: []tower.AnyModel{}, Routes: r, Files: fstest.MapFS{
		"views/layout.html": {Data: []byte(`<!doctype html><html lang="en"><script type="module" src="/_tower/tower.js"></script>{{template "main" .}}`)},
		"views/themes/index.html": {Data: []byte(`{{define "main"}}
			<form id="live" method="post" action="/themes/keep"><input name="name" value="live"><p data-problem=""></p><button></button></form>
			<form id="native" method="post" action="/themes/keep" data-tower="off"><input name="name" value="native"><button></button></form>
			<form id="live-query" method="post" action="/themes/keep?name=live-query"><p data-problem=""></p><button></button></form>
			<form id="native-query" method="post" action="/themes/keep?name=native-query" data-tower="off"><button></button></form>{{end}}`)},
	}})
	tab, cancel := chromedp.NewContext(client.StartBrowser(t))
	defer cancel()
	tab, stop := context.WithTimeout(tab, 3*time.Minute)
	defer stop()
	ask := func(script string) string {
		t.Helper()
		value, err := chromedp.Run(tab, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return value
	}
	load := func() {
		t.Helper()
		if err := chromedp.Do(tab, chromedp.Navigate(app.URL+"/themes")); err != nil {
			t.Fatal(err)
		}
		ask(`new Promise(done => { const check = () => window.tower?.state.online ? done("") : setTimeout(check, 20); check(); })`)
	}
	const kept = `fetch("/themes/kept").then(answer => answer.json())`
	is := func(how, want string) {
		t.Helper()
		if got, script := ask(kept), ask("document.cookie"); got != want || script != "" {
			t.Errorf("%s: the server gets %q, want %q; scripts read %q", how, got, want, script)
		}
	}
	load()
	for _, transport := range []string{"socket", "stream", "poll"} {
		ask(fmt.Sprintf(`import("/_tower/tower.js").then(({ connect }) => { window.store = connect({ transports: [%q], share: false }); return ""; })`, transport))
		for _, action := range []string{"keep", "answer"} {
			name := transport + "-" + action
			if got := ask(fmt.Sprintf(`store.call("POST /themes/%s", { name: %q }).then(({ status }) => String(status))`, action, name)); got != "200" {
				t.Errorf("%s: status %s", name, got)
			}
			is(name, name)
			if got := ask(`store.call("GET /themes/kept").then(({ out }) => out)`); got != name {
				t.Errorf("%s: the connection has %q", name, got)
			}
		}
		before := transport + "-answer"
		if got := ask(`store.call("POST /themes/refused", { name: "x" }).then(({ status }) => String(status))`); got != "403" {
			t.Errorf("%s: a refused action has status %s", transport, got)
		}
		if got := ask(`store.call("POST /themes/take").then(({ status }) => String(status))`); got != "500" {
			t.Errorf("%s: tower's own cookie: status %s", transport, got)
		}
		is(transport+" refused", before)
	}
	for _, path := range []string{"keep", "answer"} {
		ask(fmt.Sprintf(`fetch("/themes/%s", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"name":"http-%s"}' }).then(() => "")`, path, path))
		is("http", "http-"+path)
	}
	ask(`fetch("/themes/handle?name=handler", { method: "POST" }).then(() => "")`)
	is("a handler", "handler")
	for _, form := range []string{"live", "native", "live-query", "native-query"} {
		load()
		if err := chromedp.Do(tab, chromedp.Click("#"+form+" button")); err != nil {
			t.Fatal(err)
		}
		for tab.Err() == nil { // a navigation ends the script
			if got, err := chromedp.Run(tab, chromedp.Evaluate[string](kept, chromedp.EvalAwaitPromise)); err == nil && got == form {
				break
			}
		}
		load()
		is("the form "+form, form)
	}
}
