package hostile

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/towerkit/tower"
)

// TestMiddlewareSeesEveryRequest wraps each answer in a writer that only unwraps, as much
// middleware does.
func TestMiddlewareSeesEveryRequest(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	config := notebook()
	config.Wrap = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			seen[r.Method+" "+r.URL.Path] = true
			mu.Unlock()
			w.Header().Set("X-Wrapped", "yes")
			next.ServeHTTP(struct {
				http.ResponseWriter
				unwrapped
			}{w, unwrapped{w}}, r)
		})
	}
	a := attack(t, config)
	for _, d := range entrances {
		if status, text := d.try(a); status != d.status {
			t.Errorf("%s: %s %s", d, status, text)
		}
		if mu.Lock(); !seen[d.String()] {
			t.Errorf("the middleware has not seen %s", d)
		}
		mu.Unlock()
	}
	onEachTransport(t, func(t *testing.T, transport string) {
		p := a.in(t).greet(transport)
		if called := p.answer(1, `{"id":1,"call":"POST /echo","in":{"text":"x"}}`); called.Status != 200 {
			t.Errorf("called: %+v", called)
		}
		p.leave()
	})
	response, _ := a.request("GET", "/notes", "")
	if response.Header.Get("X-Wrapped") != "yes" || response.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the header is %v", response.Header)
	}
	clear(seen)
	if response, _ = a.request("GET", "/notes", "", "Host", "evil.test"); response.StatusCode != 421 || len(seen) > 0 {
		t.Errorf("a foreign host reached the middleware: %s", response.Status)
	}
}

type unwrapped struct{ inner http.ResponseWriter }

func (u unwrapped) Unwrap() http.ResponseWriter { return u.inner }

// TestPanicsOfMiddleware lets middleware panic at each moment, with and without compression.
func TestPanicsOfMiddleware(t *testing.T) {
	config, book := logged(notebook())
	config.Env = "test"
	config.Wrap = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/at-once":
				panic("at once")
			case "/after-a-word":
				w.Header().Set("Content-Length", "100")
				w.Header().Set("Set-Cookie", "half=done")
				fmt.Fprint(w, strings.Repeat("half of an answer", 100))
				panic("after a word")
			case "/after-a-flush":
				fmt.Fprint(w, "half of an answer")
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
				panic("after a flush")
			case "/abort":
				panic(http.ErrAbortHandler)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
	a := serve(t, config)
	for _, coding := range []string{"identity", "gzip"} {
		response, body := a.request("GET", "/at-once", "", "Accept-Encoding", coding)
		if response.StatusCode != 500 || !strings.Contains(body, `"internal"`) || strings.Contains(body, "at once") {
			t.Errorf("%s, at once: %s %s", coding, response.Status, body)
		}
		if response.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: the header is %v", coding, response.Header)
		}
		for _, path := range []string{"/after-a-word", "/after-a-flush", "/abort"} {
			response, err := a.client().Do(a.newRequest("GET", path, "", "Accept-Encoding", coding))
			if err != nil {
				continue // broken off
			}
			_, err = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if err == nil && response.StatusCode == 200 {
				t.Errorf("%s, %s looks complete: %v", coding, path, response.Header)
			}
		}
	}
	for _, text := range []string{"at once", "after a word", "after a flush"} {
		if lines := book.lines(text); len(lines) == 0 {
			t.Errorf("the log does not know about the panic %s", text)
		}
	}
	if lines := book.lines("abort Handler"); len(lines) > 0 {
		t.Errorf("an aborted answer is logged: %q", lines)
	}
}

func TestAnswersAreCompressed(t *testing.T) {
	a := attack(t, notebook())
	a.makeNotes(50)
	get := func(path, coding string, header ...string) (*http.Response, []byte) {
		t.Helper()
		header = append(header, "Accept", "text/html", "Accept-Encoding", coding)
		response, body := a.request("GET", path, "", header...)
		return response, []byte(body)
	}
	for _, path := range []string{"/notes", "/_tower/tower.js"} {
		_, plain := get(path, "identity")
		response, body := get(path, "gzip, br")
		if response.Header.Get("Content-Encoding") != "gzip" || len(body) >= len(plain) {
			t.Fatalf("%s: %v, %d of %d bytes", path, response.Header, len(body), len(plain))
		}
		reader, err := gzip.NewReader(strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		// The page's sealed list differs with each answer.
		if unzipped, err := io.ReadAll(reader); err != nil || path != "/notes" && string(unzipped) != string(plain) || len(unzipped) != len(plain) {
			t.Errorf("%s: %d bytes, not %d (%v)", path, len(unzipped), len(plain), err)
		}
		for _, coding := range []string{"identity", "gzip", ""} {
			if response, _ := get(path, coding); !slices.ContainsFunc(response.Header.Values("Vary"), func(v string) bool { return strings.Contains(v, "Accept-Encoding") }) {
				t.Errorf("%s with %q varies by %q", path, coding, response.Header.Values("Vary"))
			}
		}
		if response, _ := get(path, "zstd, gzip;q=0.5"); response.Header.Get("Content-Encoding") != "zstd" {
			t.Errorf("%s: zstd was asked for: %v", path, response.Header)
		}
	}
	response, _ := get("/_tower/tower.js", "gzip")
	tag := response.Header.Get("Etag")
	if !strings.HasPrefix(tag, "W/") {
		t.Errorf("the tag of the compressed answer is %s", tag)
	}
	for _, coding := range []string{"gzip", "identity"} {
		if response, _ := get("/_tower/tower.js", coding, "If-None-Match", tag); response.StatusCode != 304 {
			t.Errorf("with %s, an answer that the client has is sent again: %s", coding, response.Status)
		}
	}
	if response, body := get("/_tower/tower.js", "gzip", "Range", "bytes=0-9"); response.StatusCode != 206 || len(body) != 10 {
		t.Errorf("a range: %s, %d bytes", response.Status, len(body))
	}
	p := a.with("Accept-Encoding", "gzip").greet("stream")
	p.leave()
}

func TestRequestsAreKeptAsTheyConnected(t *testing.T) {
	config := notebook()
	config.KeepHeaders = []string{"x-kept"}
	a := attack(t, config).at("127.0.0.9").with("User-Agent", "browser", "X-Kept", "kept", "X-Other", "other", "Cookie", "theme=dark; tower=secret",
		"Accept-Language", "en;q=0.5, de-CH, fr;q=0, *;q=0.1, de;q=0.9, x y, it;q=nan, "+strings.Repeat("a", 9))
	host := strings.TrimPrefix(a.app.URL, "http://")
	want := fmt.Sprint([]string{"127.0.0.9", "http", host, "browser", "kept", "", "dark", "de-CH", "de", "en"})
	response, body := a.request("POST", "/request", "", "Content-Type", "application/json")
	if got := strings.NewReplacer(`","`, " ", `["`, "[", `"]`, "]").Replace(strings.TrimSpace(body)); got != want {
		t.Errorf("over HTTP: %s %s, not %s", response.Status, got, want)
	}
	onEachTransport(t, func(t *testing.T, transport string) {
		p := a.in(t).greet(transport)
		called := p.answer(1, `{"id":1,"call":"POST /request"}`)
		if got := strings.NewReplacer(`","`, " ", `["`, "[", `"]`, "]").Replace(string(called.Out)); got != want {
			t.Errorf("%+v, not %s", called, want)
		}
		p.leave()
	})
	if got := (tower.RequestInfo{}).Languages(); len(got) > 0 {
		t.Errorf("no request has the languages %q", got)
	}
}

func TestAccessLog(t *testing.T) {
	config, book := logged(notebook())
	config.Env = "test"
	t.Setenv("TOWER_ACCESS_LOG", "on")
	a := serve(t, config)
	ada := a.makeUser("ada")
	a = a.as(ada.ID)
	a.request("GET", "/notes?token=hush", "", "Authorization", "Bearer hush")
	a.request("POST", "/notes", `{"title":"hush"}`)
	a.request("GET", "/nothing", "")
	p := a.greet("socket")
	p.answer(1, `{"id":1,"call":"POST /notes","in":{"title":"hush"}}`)
	p.answer(2, `{"id":2,"call":"POST /nothing"}`)
	p.answer(3, `{"id":3,"call":"POST /doors/hush"}`)
	a.request("POST", "/doors/hush", "", "Content-Type", "application/json")
	stream := a.greet("stream")
	stream.leave()
	for _, parts := range [][]string{
		{`msg="GET /notes"`, "status=200"},
		{`msg="POST /notes"`, "status=201", `changed="create notes/`, "commit=", "who=" + string(ada.ID)},
		{`msg="POST /notes"`, "status=201", `changed="create notes/`, "commit=", "who=" + string(ada.ID), "via=socket"},
		{`msg="GET /nothing"`, "status=404"},
		{`msg="POST /nothing"`, "status=404", "via=socket"},
		{`msg="GET /_tower/socket"`, "status=101"},
		{`msg="POST /_tower/stream"`, "ended="},
		{`msg="POST /doors/{token}"`, "status=200"},
		{`msg="POST /doors/{token}"`, "status=200", "via=socket"},
	} {
		book.await(t, parts...)
	}
	if lines := book.lines("hush"); len(lines) > 0 {
		t.Errorf("the log holds secrets: %q", lines)
	}
}
