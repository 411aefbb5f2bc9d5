package systemtest

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower/towertest"
)

// browse asks for a page as a browser does.
func browse(t testing.TB, app *towertest.App, path string) (answer *http.Response, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", app.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html")
	if answer, err = http.DefaultClient.Do(request); err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

func openWithViews(t testing.TB, views map[string]string, funcs map[string]any) *towertest.App {
	t.Helper()
	config := sample()
	files := fstest.MapFS{}
	for name, file := range sampleViews {
		files[name] = file
	}
	for name, text := range views {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	config.Files, config.Funcs = files, funcs
	return towertest.Open(t, config)
}

func TestAnApplicationWritesItsErrorPages(t *testing.T) {
	app := openWithViews(t, map[string]string{
		"views/errors/404.html": `<link href="{{.Asset "/app.css"}}"><h1>Nothing at {{.Path}}</h1>`,
		"views/errors/500.html": `<h1>Broken</h1>`,
		"views/errors/401.html": `{{.Nope}}`,
		"views/posts/new.html":  `{{define "main"}}{{fail}}{{end}}`,
	}, map[string]any{"fail": func() string { panic("a secret") }})
	answer, body := browse(t, app, "/nowhere")
	if answer.StatusCode != 404 || !regexp.MustCompile(`^<link href="/app\.[0-9a-f]{12}\.css"><h1>Nothing at /nowhere</h1>$`).MatchString(body) {
		t.Errorf("a missing page answers %d %s", answer.StatusCode, body)
	}
	if answer, body = browse(t, app, "/posts/new"); answer.StatusCode != 500 || body != `<h1>Broken</h1>` {
		t.Errorf("a page that fails answers %d %s", answer.StatusCode, body)
	}
}

func TestInlineScriptsHaveANonce(t *testing.T) {
	app := openWithViews(t, map[string]string{
		"views/layout.html":      `<script nonce="{{.Nonce}}">1</script><style nonce="{{.Nonce}}"></style>{{template "main" .}}`,
		"views/posts/index.html": `{{define "main"}}{{end}}`,
	}, nil)
	seen := map[string]bool{}
	for range 2 {
		answer, body := browse(t, app, "/posts")
		nonces := regexp.MustCompile(`nonce="([^"]+)"`).FindAllStringSubmatch(body, -1)
		policy := answer.Header.Get("Content-Security-Policy")
		if len(nonces) != 2 || nonces[0][1] != nonces[1][1] || seen[nonces[0][1]] || !strings.Contains(policy, "script-src 'self' 'nonce-"+nonces[0][1]+"'") {
			t.Errorf("the nonces %v do not fit the policy %s", nonces, policy)
		}
		seen[nonces[0][1]] = true
	}
}

func TestPublicFilesAreKeptForAYear(t *testing.T) {
	app := openWithViews(t, map[string]string{
		"views/layout.html":      `<link rel="stylesheet" href="{{.Asset "/app.css"}}">{{template "main" .}}`,
		"views/posts/index.html": `{{define "main"}}{{end}}`,
		"public/app.css":         `a{background:url(a.svg)}`,
		"public/a.svg":           `<svg/>`,
	}, nil)
	_, body := browse(t, app, "/posts")
	address := regexp.MustCompile(`href="([^"]+)"`).FindStringSubmatch(body)[1]
	answer, css := browse(t, app, address)
	if answer.StatusCode != 200 || answer.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/css") {
		t.Errorf("%s answers %d %v", address, answer.StatusCode, answer.Header)
	}
	image := strings.TrimSuffix(strings.TrimPrefix(css, "a{background:url("), ")}")
	if answer, body := browse(t, app, image); answer.StatusCode != 200 || body != "<svg/>" || answer.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("%s answers %d %s", image, answer.StatusCode, body)
	}
	if answer, _ := browse(t, app, "/app.css"); answer.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("without a hash it is kept: %v", answer.Header)
	}
}
