package files

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// A link is good for one file, for whoever has it, until its time, and as long as the record has the file.
func TestLinks(t *testing.T) {
	w := open(t)
	p := w.create(w.ada, image("a.png", redAndBlue(300, 200, false)), anything("a.txt", "", []byte("text")), sent{"own", "secret.txt", "", []byte("secret")})
	other := w.create(w.ada, image("a.png", redAndBlue(300, 200, false)))
	w.runJobs()
	stored, err := photos.Find(t.Context(), w.App, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(path string) string {
		t.Helper()
		link, err := w.SignedURL(path, w.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return link
	}
	get := func(path string) (int, string) {
		t.Helper()
		res, text := w.do("", "GET", path, "", nil)
		return res.StatusCode, text
	}
	links := map[string]string{"the image": sign(p.Image.URL), "a variant": sign(p.Image.Variant("thumb")), "a text": sign(p.Any.URL), "a private file": sign(stored.Own.URL)}
	for what, link := range links {
		if status, _ := get(link); status != http.StatusOK {
			t.Errorf("%s: %d", what, status)
		}
		path, _, _ := strings.Cut(link, "?")
		if status, _ := get(path); status != http.StatusNotFound {
			t.Errorf("%s without the link: %d", what, status)
		}
	}
	if status, text := get(links["a private file"]); status != 200 || text != "secret" {
		t.Errorf("%d %q", status, text)
	}
	if res, text := w.do("", "GET", links["a text"], "", nil, "Range", "bytes=1-2"); res.StatusCode != http.StatusPartialContent || text != "ex" {
		t.Errorf("a range: %d %q", res.StatusCode, text)
	}
	_, token, _ := strings.Cut(links["the image"], "?")
	for what, path := range map[string]string{"another record": other.Image.URL + "?" + token, "a variant of it": p.Image.Variant("thumb") + "?" + token,
		"another field": p.Any.URL + "?" + token, "a forged link": p.Image.URL + "?" + token[:len(token)-4] + "AAAA", "an empty link": p.Image.URL + "?link="} {
		if status, _ := get(path); status != http.StatusForbidden {
			t.Errorf("%s: %d", what, status)
		}
	}
	if res, text := w.do(w.ada, "PATCH", "/photos/"+string(p.ID), "application/json", strings.NewReader(`{"image":""}`)); res.StatusCode != 200 {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	if status, _ := get(links["the image"]); status != http.StatusNotFound {
		t.Errorf("when the record has not that file any more: %d", status)
	}
	w.Advance(59 * time.Minute)
	if status, _ := get(links["a text"]); status != http.StatusOK {
		t.Errorf("before its time is over: %d", status)
	}
	w.Advance(time.Minute)
	if status, _ := get(links["a text"]); status != http.StatusForbidden {
		t.Errorf("when its time is over: %d", status)
	}
	last := sign(p.Any.URL)
	if res, _ := w.do(w.ada, "DELETE", "/photos/"+string(p.ID), "", nil); res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	if status, _ := get(last); status != http.StatusNotFound {
		t.Errorf("when the record is gone: %d", status)
	}
}

func TestWhatIsNotSigned(t *testing.T) {
	w := open(t)
	p := w.create(w.ada, image("a.png", png))
	for path, until := range map[string]time.Duration{"/photos": time.Hour, p.Image.URL + "?download": time.Hour, w.URL + p.Image.URL: time.Hour, "": time.Hour, p.Image.URL: 0} {
		if link, err := w.SignedURL(path, w.Now().Add(until)); err == nil {
			t.Errorf("%q for %s is signed: %s", path, until, link)
		}
	}
}

// A text that is written to by several goroutines.
type text struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *text) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func TestLogsHaveNoLinks(t *testing.T) {
	t.Setenv("TOWER_ACCESS_LOG", "on")
	t.Setenv("TOWER_SLOW", "1ms")
	log := &text{}
	c := config(page(""))
	c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c.Env, c.Data = "test", filepath.Join(t.TempDir(), "test.db")
	app, err := tower.New(c)
	if err == nil {
		err = app.Open()
	}
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(app.Handler())
	t.Cleanup(func() {
		server.Close()
		_ = app.Close()
	})
	w := &world{App: &towertest.App{App: app, URL: server.URL}, t: t}
	w.ada = w.user("Ada")
	p := w.create(w.ada, anything("a.txt", "", []byte("text")))
	link, err := w.SignedURL(p.Any.URL, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, link + "AA"} {
		w.do("", "GET", path, "", nil)
	}
	server.Close() // once all lines are written
	_, token, _ := strings.Cut(link, "?link=")
	log.mu.Lock()
	defer log.mu.Unlock()
	if got := log.String(); !strings.Contains(got, p.Any.URL) || strings.Contains(got, token[:20]) {
		t.Errorf("the log is\n%s", got)
	}
}
