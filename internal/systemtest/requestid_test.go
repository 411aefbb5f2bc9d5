package systemtest

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// A journal keeps the lines of a log.
type journal struct {
	mu    sync.Mutex
	lines []map[string]any
	text  strings.Builder
	grown chan struct{} // closed with the next line
}

func newJournal() *journal { return &journal{grown: make(chan struct{})} }

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var entry map[string]any
	if err := json.Unmarshal(line, &entry); err != nil {
		return 0, err
	}
	j.lines = append(j.lines, entry)
	close(j.grown)
	j.grown = make(chan struct{})
	return j.text.Write(line)
}

// find returns the lines whose message begins with prefix, the oldest first.
func (j *journal) find(prefix string) (found []map[string]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		if strings.HasPrefix(line["msg"].(string), prefix) {
			found = append(found, line)
		}
	}
	return found
}

// await returns when done does.
func (j *journal) await(t *testing.T, done func() bool) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		j.mu.Lock()
		grown := j.grown
		j.mu.Unlock()
		if done() {
			return
		}
		select {
		case <-grown:
		case <-late:
			t.Fatalf("the log is:\n%s", j)
		}
	}
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// one returns the only line whose message begins with prefix.
func (j *journal) one(t *testing.T, prefix string) map[string]any {
	t.Helper()
	found := j.find(prefix)
	if len(found) != 1 {
		t.Fatalf("%d lines begin with %q:\n%s", len(found), prefix, j)
	}
	return found[0]
}

// openLogged opens the sample with an access log.
func openLogged(t *testing.T, change func(*tower.Config)) (*towertest.App, *journal) {
	t.Helper()
	t.Setenv("TOWER_ACCESS_LOG", "on")
	config, log := sample(), newJournal()
	config.Env, config.Data, config.Log = "test", filepath.Join(t.TempDir(), "test.db"), slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if change != nil {
		change(&config)
	}
	app, end := towertest.Serve(t, config)
	t.Cleanup(end)
	return app, log
}

var madeID = regexp.MustCompile(`^[0-9a-f]{16}$`)

func TestEachRequestHasAnID(t *testing.T) {
	const parent, trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "0af7651916cd43dd8448eb211c80319c"
	app, log := openLogged(t, func(c *tower.Config) { c.TrustedProxies = []string{"10.0.0.0/8"} })
	seen := map[string]bool{}
	for i, test := range []struct {
		from   string
		header []string
		want   string // "": one that is made
	}{
		{"192.0.2.1:9", nil, ""},
		{"192.0.2.1:9", []string{"X-Request-ID", "chosen"}, ""},
		{"192.0.2.1:9", []string{"traceparent", parent}, ""},
		{"10.0.0.1:9", nil, ""},
		{"10.0.0.1:9", []string{"X-Request-ID", "Root=1-67891233-abcdef"}, "Root=1-67891233-abcdef"},
		{"10.0.0.1:9", []string{"X-Request-ID", "5f2b", "traceparent", parent}, "5f2b"},
		{"10.0.0.1:9", []string{"traceparent", parent}, trace},
		{"10.0.0.1:9", []string{"X-Request-ID", strings.Repeat("x", 128)}, strings.Repeat("x", 128)},
		{"10.0.0.1:9", []string{"X-Request-ID", strings.Repeat("x", 129)}, ""},
		{"10.0.0.1:9", []string{"X-Request-ID", ""}, ""},
		{"10.0.0.1:9", []string{"X-Request-ID", "a b"}, ""},
		{"10.0.0.1:9", []string{"X-Request-ID", "a\nlevel=ERROR"}, ""},
		{"10.0.0.1:9", []string{"X-Request-ID", "<script>"}, ""},
		{"10.0.0.1:9", []string{"X-Request-ID", "日本"}, ""},
		{"10.0.0.1:9", []string{"traceparent", strings.ToUpper(parent)}, ""},
		{"10.0.0.1:9", []string{"traceparent", strings.ReplaceAll(parent, trace, strings.Repeat("0", 32))}, ""},
		{"10.0.0.1:9", []string{"traceparent", parent + "-x"}, ""},
	} {
		w := probe(app.Handler(), "/greeting", test.from, "example.com", test.header...)
		lines := log.find("GET /greeting")
		if len(lines) != i+1 {
			t.Fatalf("%d lines after %d requests", len(lines), i+1)
		}
		id, logged := w.Header().Get("X-Request-Id"), lines[i]["request"]
		if logged != id {
			t.Errorf("%s %q: the answer has %q, the log %q", test.from, test.header, id, logged)
		}
		if test.want != "" && id != test.want || test.want == "" && (!madeID.MatchString(id) || seen[id]) {
			t.Errorf("%s %q: the id is %q, want %q", test.from, test.header, id, test.want)
		}
		seen[id] = true
	}
}

func TestWhatTheApplicationLogsNamesTheRequest(t *testing.T) {
	var app *towertest.App
	app, log := openLogged(t, func(c *tower.Config) {
		c.Mount = map[string]http.Handler{"/logging": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			app.Log().InfoContext(r.Context(), "plain", "id", tower.RequestID(r.Context()))
			app.Log().With("a", 1).WithGroup("mail").InfoContext(r.Context(), "grouped", "to", 2)
			app.Log().Info("outside")
		})}
	})
	w := probe(app.Handler(), "/logging", "192.0.2.1:9", "example.com")
	id := w.Header().Get("X-Request-Id")
	if line := log.one(t, "plain"); line["request"] != id || line["id"] != id || id == "" {
		t.Errorf("%q: %v", id, line)
	}
	if line := log.one(t, "grouped"); line["request"] != id || line["a"] != 1.0 || line["mail"].(map[string]any)["to"] != 2.0 {
		t.Errorf("%q: %v", id, line)
	}
	if line := log.one(t, "outside"); line["request"] != nil {
		t.Errorf("a line without a request: %v", line)
	}
}

// An internal error says by which id the log has its reason.
func TestAnInternalErrorNamesItsRequest(t *testing.T) {
	var log *journal
	app, path := controlled(t, func() (app *towertest.App) {
		app, log = openLogged(t, nil)
		return app
	})
	editor := makeUser(t, app, "Ada", true)
	ids := func(t *testing.T, message string) (ids []string) {
		t.Helper()
		for _, line := range log.find(message) {
			id, _ := line["request"].(string)
			if !madeID.MatchString(id) || slices.Contains(ids, id) {
				t.Errorf("%q: the id is %q", line["msg"], id)
			}
			ids = append(ids, id)
		}
		return ids
	}
	header := map[string]string{"Cookie": cookieOf(t, app, editor.ID), "Content-Type": "application/json"}
	answer, body := request(t, app, "POST", "/purge", "{}", header)
	var failed struct{ Error wire.Error }
	if err := json.Unmarshal([]byte(body), &failed); err != nil || answer.StatusCode != 500 || failed.Error.Request != answer.Header.Get("X-Request-Id") {
		t.Errorf("%d %s with the header %q", answer.StatusCode, body, answer.Header.Get("X-Request-Id"))
	}
	header["Accept"] = "text/html"
	answer, page := request(t, app, "POST", "/purge", "{}", header)
	if id := answer.Header.Get("X-Request-Id"); id == "" || !strings.Contains(page, id) {
		t.Errorf("the page does not have %q: %s", id, page)
	}
	if _, page := request(t, app, "GET", "/nothing", "", map[string]string{"Accept": "text/html"}); strings.Contains(page, "Request") {
		t.Errorf("the page of an error that says everything: %s", page)
	}
	for _, transport := range towertest.Transports() {
		app.Transport = transport
		client := app.Connect(t, editor.ID)
		client.Call("POST /purge", nil)
		frames := client.Frames()
		failed := wire.Answer{}
		if err := json.Unmarshal([]byte(frames[len(frames)-1]), &failed); err != nil || failed.Error == nil || failed.Error.Request == "" {
			t.Fatalf("%s: %s", transport, frames[len(frames)-1])
		}
		if all := ids(t, "request"); all[len(all)-1] != failed.Error.Request {
			t.Errorf("%s: the answer has %q, the log %q", transport, failed.Error.Request, all)
		}
		client.Close()
	}
	log.await(t, func() bool { return len(log.find("POST /purge")) == 2+len(towertest.Transports()) })
	logged, reported := ids(t, "POST /purge"), ids(t, "request")
	if slices.Sort(logged); !slices.Equal(logged, slices.Sorted(slices.Values(reported))) {
		t.Errorf("the access log has %q, errors are of %q", logged, reported)
	}
	attach(t, path).do(wire.ControlRequest{Do: wire.DoCall, Name: "POST /purge", As: string(editor.ID)}, nil)
	if console := ids(t, "request"); len(console) != len(reported)+1 {
		t.Errorf("an error of a console is not logged with an id: %q after %q", console, reported)
	}
}
