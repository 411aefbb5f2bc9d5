package systemtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	"go.yaml.in/yaml/v4"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// scrape returns the metrics of an application by their names with labels.
func scrape(t *testing.T, h http.Handler) map[string]float64 {
	t.Helper()
	w := probe(h, "/_tower/metrics", "192.0.2.1:9", "10.0.0.5:3000", "Authorization", "Bearer "+metricsToken)
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	all := map[string]float64{}
	for line := range strings.Lines(w.Body.String()) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if _, twice := all[line[:at]]; twice {
			t.Errorf("%s is there twice", line[:at])
		}
		all[line[:at]] = value
	}
	return all
}

// measured returns an application with metrics after some traffic.
func measured(t *testing.T) *towertest.App {
	t.Helper()
	t.Setenv("TOWER_METRICS_TOKEN", metricsToken)
	t.Setenv("TOWER_BACKUP", t.TempDir())
	app := towertest.Open(t, sample())
	user := &User{Name: "Ada", Editor: true}
	if err := Users.Create(t.Context(), app, user); err != nil {
		t.Fatal(err)
	}
	ada := app.Connect(t, user.ID)
	posts := ada.Open("posts.visible", nil)
	ada.Call("POST /posts", map[string]any{"title": "Hello", "published": true})
	posts.AwaitLen(1)
	app.Get(t, "/posts")
	for i := range 50 {
		app.Get(t, fmt.Sprintf("/nothing/%d", i))
	}
	return app
}

func TestMetricsCount(t *testing.T) {
	app := measured(t)
	h := app.Handler()
	got := scrape(t, h)
	for name, want := range map[string]float64{
		`tower_ready`:                           1,
		`tower_commit`:                          float64(app.Seq()),
		`tower_commits_total`:                   float64(app.Seq()),
		`tower_matching_lag_commits`:            0,
		`tower_connections{transport="socket"}`: 1,
		`tower_connections{transport="poll"}`:   0,
		`tower_cursors{kind="list"}`:            1,
		`tower_messages_total`:                  1,
		`tower_resyncs_total{reason="slow"}`:    0,
		`tower_action_duration_seconds_count{action="POST /posts",status="2xx"}`: 1,
		`tower_request_duration_seconds_count{route="none",status="4xx"}`:        50,
		`tower_archive_failing`: 0,
	} {
		if value, found := got[name]; !found || value != want {
			t.Errorf("%s is %v (%v), want %v", name, value, found, want)
		}
	}
	for name := range got {
		if strings.Contains(name, "/nothing/") || strings.Contains(name, "Ada") {
			t.Errorf("%s grows with what clients send", name)
		}
	}
}

func TestMetricsAreForWhoBringsTheToken(t *testing.T) {
	off := towertest.Open(t, sample())
	if w := probe(off.Handler(), "/_tower/metrics", "127.0.0.1:9", "localhost", "Authorization", "Bearer "); w.Code != 404 {
		t.Errorf("without a token they are served: %d", w.Code)
	}
	t.Setenv("TOWER_METRICS_TOKEN", "short")
	if _, err := tower.New(sample()); err == nil || !strings.Contains(err.Error(), "openssl rand -hex 32") {
		t.Errorf("a short token: %v", err)
	}
	h := measured(t).Handler()
	for _, header := range []string{"", "Bearer", "Bearer 1", "Basic " + metricsToken, metricsToken} {
		w := probe(h, "/_tower/metrics", "127.0.0.1:9", "localhost", "Authorization", header)
		if w.Code != 401 || strings.Contains(w.Body.String(), "tower_ready") {
			t.Errorf("%q reads them: %d", header, w.Code)
		}
	}
}

// A panic and a refusal by a limit are counted.
func TestMetricsOfWhatGoesWrong(t *testing.T) {
	t.Setenv("TOWER_METRICS_TOKEN", metricsToken)
	config := sample()
	config.Limits.MaxCursors = 1
	config.Mount = map[string]http.Handler{"/broken": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("broken") })}
	app := towertest.Open(t, config)
	before := scrape(t, app.Handler())["tower_panics_total"]
	app.Get(t, "/broken")
	visitor := app.Connect(t, "")
	visitor.Open("posts.visible", nil)
	if _, answer := visitor.TryOpen("posts.visible", nil); answer.Status != 429 {
		t.Error("the limit is not reached")
	}
	got := scrape(t, app.Handler())
	if got["tower_panics_total"] != before+1 || got[`tower_limits_reached_total{limit="cursors"}`] != 1 || got[`tower_request_duration_seconds_count{route="/broken",status="5xx"}`] != 1 {
		t.Errorf("%v", got)
	}
}

var metricName = regexp.MustCompile(`\b(tower|go|process)_[a-z_]+`)

// Each metric in the dashboard and the rules of the documentation is there, and each query
// can be read.
func TestTheDashboardShowsWhatThereIs(t *testing.T) {
	names := map[string]bool{}
	for name := range scrape(t, measured(t).Handler()) {
		base, _, _ := strings.Cut(name, "{")
		names[base] = true
	}
	queries := 0
	check := func(where, query string) {
		queries++
		readable := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(query)
		if _, err := metricsql.Parse(readable); err != nil {
			t.Errorf("%s: %q: %v", where, query, err)
		}
		found := metricName.FindAllString(query, -1)
		for _, name := range found {
			if !names[name] {
				t.Errorf("%s: there is no %s", where, name)
			}
		}
		if len(found) == 0 {
			t.Errorf("%s: %q names no metric", where, query)
		}
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Annotations struct{ List []struct{ Expr string } }
	}
	readInto(t, "dashboard.json", json.Unmarshal, &dashboard)
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			check(panel.Title, target.Expr)
		}
	}
	for _, annotation := range dashboard.Annotations.List {
		check("annotation", annotation.Expr)
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For string
				Labels           map[string]string
				Annotations      map[string]string
			}
		}
	}
	readInto(t, "alerts.yaml", func(data []byte, into any) error { return yaml.Unmarshal(data, into) }, &rules)
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			check(rule.Alert, rule.Expr)
			if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" {
				t.Errorf("%s has no severity or no summary", rule.Alert)
			}
		}
	}
	if queries < 25 {
		t.Errorf("only %d queries were found", queries)
	}
}

func readInto(t *testing.T, name string, unmarshal func([]byte, any) error, into any) {
	t.Helper()
	data, err := os.ReadFile("../../docs/operations/" + name)
	if err == nil {
		err = unmarshal(data, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
