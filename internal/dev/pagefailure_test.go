package dev

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An error in a template is shown with its place, like an error of the compiler.
func TestTheFailureOfAPageNamesItsPlace(t *testing.T) {
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "views", "posts"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "views", "posts", "index.html"), []byte("<h1>\n{{.Nope}}\n</h1>\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	page := func(detail string) string {
		return `<body><main class="failure"><h1>500</h1><p>internal</p><pre>` + detail + `</pre></main></body>`
	}
	const detail = "render posts/index: views/posts/index.html:2:2: executing &#34;main&#34; at &lt;.Nope&gt;: nil data; no entry"
	answer := func(status int, body string) *http.Response {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{"Content-Type": {"text/html"}},
			Request: &http.Request{Method: http.MethodGet}}
	}
	r := answer(500, page(detail))
	f := pageFailure(r, folder)
	if f == nil || f.Errors[0].place() != "views/posts/index.html:2:2" || f.Errors[0].Message != `executing "main" at <.Nope>: nil data; no entry` || len(f.Errors[0].Source) != 3 {
		t.Fatalf("%+v", f)
	}
	inject(r, "1", f)
	text, err := io.ReadAll(r.Body)
	if err != nil || !strings.HasPrefix(string(text), `<body><main class="failure">`) || !strings.Contains(string(text), `data-failure="{&#34;title&#34;:&#34;The page failed&#34;`) {
		t.Errorf("the page is %s: %v", text, err)
	}
	for _, r := range []*http.Response{answer(200, page(detail)), answer(500, page("no place")), answer(500, "<p>own page</p>"), answer(500, page("/etc/passwd:1:1: x"))} {
		if f := pageFailure(r, folder); f != nil {
			t.Errorf("%d: %+v", r.StatusCode, f)
		}
		if text, err := io.ReadAll(r.Body); err != nil || len(text) == 0 {
			t.Errorf("the page is lost: %v", err)
		}
	}
}
