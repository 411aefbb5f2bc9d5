package view

import (
	"encoding/json"
	"errors"
	"html/template"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/route"
)

// files returns views and public files, by their paths.
func files(texts map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range texts {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

// pagesOf returns a router with a page of posts for each action.
func pagesOf(actions ...string) *route.Router {
	router := &route.Router{}
	for _, action := range actions {
		router.Routes = append(router.Routes, &route.Route{Kind: route.KindPage, Method: "GET", Path: "/" + action, Action: action, Controller: &route.Controller{Name: "posts"}})
	}
	return router
}

type noSource struct{}

func (noSource) List(string, string, json.RawMessage) (*Listing, error) {
	return nil, errors.New("no list")
}
func (noSource) Value(string, json.RawMessage) (record.Value, template.HTMLAttr, error) {
	return record.Value{}, "", errors.New("no value")
}
func (noSource) Region(string, any) (*Region, error) { return nil, errors.New("no region") }
func (noSource) Asset(string) (string, error)        { return "", errors.New("no asset") }
func (noSource) Nonce() (string, error)              { return "n0nce", nil }

const layout = `[{{block "title" .}}home{{end}}|{{template "main" .}}]`

func render(t *testing.T, texts map[string]string, funcs template.FuncMap, data any) (string, error) {
	t.Helper()
	if texts["views/layout.html"] == "" {
		texts["views/layout.html"] = layout
	}
	router := pagesOf("Index")
	templates, err := New(Config{Files: files(texts), Funcs: funcs}, router)
	if err != nil {
		return "", err
	}
	html, err := templates.Page(&Page{Data: data, Route: router.Routes[0], Source: noSource{}})
	return string(html), err
}

func TestPages(t *testing.T) {
	for name, test := range map[string]struct {
		texts map[string]string
		want  string
	}{
		"the layout": {map[string]string{"views/posts/index.html": `{{define "main"}}M{{end}}`}, "[home|M]"},
		"a block":    {map[string]string{"views/posts/index.html": `{{define "title"}}T{{end}}{{define "main"}}M{{end}}`}, "[T|M]"},
		"another layout": {map[string]string{
			"views/layouts/admin.html": `({{block "title" .}}admin{{end}}|{{template "main" .}})`,
			"views/posts/index.html":   `{{define "layout"}} admin {{end}}{{define "main"}}M{{end}}`}, "(admin|M)"},
		"each layout has its own blocks": {map[string]string{
			"views/layouts/admin.html": `{{block "title" .}}admin{{end}}{{template "main" .}}`,
			"views/posts/index.html":   `{{define "main"}}M{{end}}`}, "[home|M]"},
		"no layout":                 {map[string]string{"views/posts/index.html": `{{define "layout"}}none{{end}}<p>{{.Data}}</p>`}, "<p>D</p>"},
		"no layout, with a main":    {map[string]string{"views/posts/index.html": `{{define "layout"}}none{{end}}{{define "main"}}M{{end}}`}, "M"},
		"a partial with arguments":  {map[string]string{"views/_card.html": `{{.title}}/{{.wide}}`, "views/posts/index.html": `{{define "main"}}{{template "_card.html" (args "title" .Data "wide" true)}}{{end}}`}, "[home|D/true]"},
		"a component with a slot":   {map[string]string{"views/_card.html": `<b>{{.body}}</b>`, "views/posts/index.html": `{{define "main"}}{{template "_card.html" (args "body" (render "inner" .))}}{{end}}{{define "inner"}}<i>{{.Data}}</i>{{end}}`}, "[home|<b><i>D</i></b>]"},
		"a slot escapes its values": {map[string]string{"views/_card.html": `{{.body}}`, "views/posts/index.html": `{{define "main"}}{{render "_card.html" (args "body" "<")}}{{end}}`}, "[home|&lt;]"},
		"a function":                {map[string]string{"views/posts/index.html": `{{define "main"}}{{shout .Data}}{{end}}`}, "[home|D!]"},
		"a nonce":                   {map[string]string{"views/posts/index.html": `{{define "main"}}<script nonce="{{.Nonce}}">1</script>{{end}}`}, `[home|<script nonce="n0nce">1</script>]`},
		"a byte order mark":         {map[string]string{"views/posts/index.html": "\ufeff{{define \"main\"}}M{{end}}"}, "[home|M]"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := render(t, test.texts, template.FuncMap{"shout": func(s string) string { return s + "!" }}, "D")
			if err != nil || strings.TrimSpace(got) != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestMistakesNameTheirPlace(t *testing.T) {
	for name, test := range map[string]struct {
		texts map[string]string
		want  string
	}{
		"a syntax error":           {map[string]string{"views/posts/index.html": "{{define \"main\"}}\n\n{{if}}{{end}}{{end}}"}, "views/posts/index.html:3: missing value for if"},
		"an unknown function":      {map[string]string{"views/posts/index.html": "{{define \"main\"}}\n{{nope}}{{end}}"}, `views/posts/index.html:2: function "nope" not defined`},
		"a mistake of a partial":   {map[string]string{"views/_a.html": "\n{{", "views/posts/index.html": `{{define "main"}}{{end}}`}, "views/_a.html:2: unclosed action"},
		"a mistake of a layout":    {map[string]string{"views/layout.html": "\n{{end}}", "views/posts/index.html": `{{define "main"}}{{end}}`}, "views/layout.html:2: unexpected {{end}}"},
		"an unsafe place":          {map[string]string{"views/posts/index.html": "{{define \"main\"}}\n<p {{if .}}a=\"{{end}}></p>{{end}}"}, "views/posts/index.html:2: {{if}} branches end in different contexts"},
		"an unsafe partial":        {map[string]string{"views/_a.html": "\n<a href='{{if .}}'{{end}}>", "views/posts/index.html": `{{define "main"}}{{end}}`}, "views/_a.html:2: "},
		"a missing partial":        {map[string]string{"views/posts/index.html": "{{define \"main\"}}\n{{template \"_nope.html\" .}}{{end}}"}, `views/posts/index.html:2: no such template "_nope.html"`},
		"a missing layout":         {map[string]string{"views/posts/index.html": `{{define "layout"}}nope{{end}}{{define "main"}}{{end}}`}, "views/posts/index.html: its layout views/layouts/nope.html does not exist"},
		"a layout made by code":    {map[string]string{"views/posts/index.html": `{{define "layout"}}{{.}}{{end}}{{define "main"}}{{end}}`}, `views/posts/index.html: "layout" is a name`},
		"a page without a main":    {map[string]string{"views/posts/index.html": `M`}, `views/posts/index.html: a page defines "main"`},
		"a page that is missing":   {map[string]string{}, "GET /Index shows views/posts/index.html, which does not exist"},
		"an error page of nothing": {map[string]string{"views/errors/oops.html": "", "views/posts/index.html": `{{define "main"}}{{end}}`}, "views/errors/oops.html: the page of an error has the name of its status"},
		"an error at run time":     {map[string]string{"views/posts/index.html": "{{define \"main\"}}\n\n\n{{.Data.Nope}}{{end}}"}, "views/posts/index.html:4: "},
		"arguments of one":         {map[string]string{"views/posts/index.html": `{{define "main"}}{{args "a"}}{{end}}`}, "views/posts/index.html:1: executing"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := render(t, test.texts, nil, "D")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestFunctionsThatCannotBeCalled(t *testing.T) {
	for name, funcs := range map[string]template.FuncMap{
		"a function of tower's":           {"ref": func() string { return "" }},
		"a function of the language":      {"len": func() int { return 0 }},
		"a function that is none":         {"pi": 3.14},
		"a function with three results":   {"many": func() (int, int, int) { return 1, 2, 3 }},
		"a name that is not one":          {"not-a-name": func() int { return 0 }},
		"a function that returns nothing": {"void": func() {}},
	} {
		if _, err := New(Config{Funcs: funcs}, pagesOf()); err == nil || !strings.Contains(err.Error(), "Config.Funcs: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPagesOfErrors(t *testing.T) {
	templates, err := New(Config{Files: files(map[string]string{
		"views/layout.html":        layout,
		"views/layouts/plain.html": `({{template "main" .}})`,
		"views/_foot.html":         "foot",
		"views/errors/404.html":    `<h1>Lost: {{.Path}}</h1>{{template "_foot.html"}}`,
		"views/errors/403.html":    `{{define "layout"}}plain{{end}}{{define "main"}}{{.Status}} {{.Message}}{{end}}`,
		"views/errors/500.html":    `half a page {{.Nope}}`,
		"views/errors/503.html":    `<script nonce="{{.Nonce}}"></script>{{.Asset "/app.css"}}`,
	})}, pagesOf())
	if err != nil {
		t.Fatal(err)
	}
	asset := func(name string) (string, error) { return name + "?", nil }
	nonce := func() (string, error) { return "n0nce", nil }
	for _, test := range []struct {
		err          *fault.Error
		detail, want string
		failed       bool
	}{
		{fault.Errorf(fault.NotFound, "there is no page"), "", "<h1>Lost: /p&lt;</h1>foot", false},
		{fault.Errorf(fault.Forbidden, "not you"), "", "(403 not you)", false},
		{fault.Errorf(fault.Internal, "secret"), "", "Back to the front page", true},
		{fault.Errorf(fault.Unavailable, "later"), "", `<script nonce="n0nce"></script>/app.css?`, false},
		{fault.Errorf(fault.NotFound, "there is no page"), "the reason", "<pre>the reason</pre>", false},
		{fault.Errorf(fault.BadRequest, "bad <form>"), "", "<p>bad &lt;form&gt;</p>", false},
	} {
		html, err := templates.Failure(NewFailure(test.err, "8f3a", "/p<", asset, nonce), test.detail)
		if got := string(html); !strings.Contains(got, test.want) || strings.Contains(got, "half a page") || (err != nil) != test.failed {
			t.Errorf("%v shows %q, %v; want %q", test.err, got, err, test.want)
		}
	}
}

func TestPublicFilesHaveAddressesOfTheirContents(t *testing.T) {
	public := files(map[string]string{
		"public/app.css":                  `@import "base/base.css"; @import url(other.css); a{background:url('img/a.png?x#y')} b{background:url( /img/a.png )} /* url(img/a.png) */ c{background:url(data:image/png;base64,AA),url(https://a.test/b.png),url(nope.png),url(#id)}`,
		"public/base/base.css":            `@import "../app.css"; p{background:url(../img/a.png)}`,
		"public/other.css":                `i{}`,
		"public/img/a.png":                "png",
		"public/.env":                     "SECRET",
		"public/x/.git/config":            "SECRET",
		"public/_tower/app/b.js":          "1",
		"public/_tower/app/manifest.json": `{}`,
	})
	assets, err := NewAssets("production", "", public)
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) (status bool, header, body string) {
		w := httptest.NewRecorder()
		served := assets.ServePublic(w, httptest.NewRequest("GET", path, nil))
		return served, w.Header().Get("Cache-Control"), w.Body.String()
	}
	url := func(name string) string {
		t.Helper()
		address, err := assets.URL(name)
		if err != nil {
			t.Fatal(err)
		}
		return address
	}
	image, base, other := url("/img/a.png"), url("/base/base.css"), url("/other.css")
	if served, header, body := get(image); !served || header != "public, max-age=31536000, immutable" || body != "png" {
		t.Errorf("%s answers %v %q %q", image, served, header, body)
	}
	_, _, css := get(url("/app.css"))
	want := `@import "` + base + `"; @import url(` + other + `); a{background:url('` + image + `?x#y')} b{background:url( ` + image + ` )} /* url(img/a.png) */ c{background:url(data:image/png;base64,AA),url(https://a.test/b.png),url(nope.png),url(#id)}`
	if css != want {
		t.Errorf("the style sheet is\n%s, want\n%s", css, want)
	}
	if _, _, css := get(base); css != `@import "/app.css"; p{background:url(`+image+`)}` {
		t.Errorf("a style sheet that imports its importer is %s", css)
	}
	for _, path := range []string{"/app.css", "/.env", "/x/.git/config", strings.Replace(image, ".png", ".gif", 1), "/img/a.000000000000.png"} {
		if served, _, _ := get(path); served {
			t.Errorf("%s is served for ever", path)
		}
	}
	for _, name := range []string{"/.env", "/x/.git/config", "/nope.css", "/../secret", "/img", "/"} {
		if address, err := assets.URL(name); err == nil {
			t.Errorf("asset %q is %q", name, address)
		}
	}
	public["public/img/a.png"] = &fstest.MapFile{Data: []byte("another")}
	changed, err := NewAssets("production", "", public)
	if err != nil {
		t.Fatal(err)
	}
	if address, _ := changed.URL("/app.css"); address == url("/app.css") {
		t.Error("the address of a style sheet stays while its image changes")
	}
	development, _ := NewAssets("development", "", public)
	if address, err := development.URL("/img/a.png"); address != "/img/a.png" || err != nil {
		t.Errorf("in development the address is %q, %v", address, err)
	}
}
