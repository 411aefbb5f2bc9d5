package systemtest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"go.yaml.in/yaml/v4"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store/storetest"
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

var tidy = tower.NewJob[struct{}]("tidy")

// measured returns an application with metrics after some traffic.
func measured(t *testing.T) *towertest.App {
	t.Helper()
	t.Setenv("TOWER_METRICS_TOKEN", metricsToken)
	t.Setenv("TOWER_BACKUP", t.TempDir())
	config := sample()
	config.Jobs = []tower.Work{tidy.Do(func(context.Context, *tower.App, struct{}) error { return nil })}
	app := towertest.Open(t, config)
	for _, delay := range []time.Duration{0, time.Hour} {
		if _, err := tidy.Enqueue(t.Context(), app, struct{}{}, tower.Delay(delay)); err != nil {
			t.Fatal(err)
		}
	}
	app.Jobs().Run(t)
	user := &User{Name: "Ada", Editor: true}
	if err := Users.Create(t.Context(), app, user); err != nil {
		t.Fatal(err)
	}
	ada := app.Connect(t, user.ID)
	posts := ada.Open("posts.visible", nil)
	ada.Call("POST /posts", map[string]any{"title": "Hello", "published": true})
	posts.AwaitLen(1)
	app.Get(t, "/posts")
	app.PostForm(t, user.ID, "/purge", "")
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
		`tower_job_duration_seconds_count{job="tidy",outcome="done"}`:            1,
		`tower_jobs_late_seconds{queue="default"}`:                               0,
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

// exported returns the labels of each metric of an application, with their values.
func exported(t *testing.T) map[string]map[string][]string {
	t.Helper()
	all := map[string]map[string][]string{}
	for _, app := range []http.Handler{measured(t).Handler(), measuredNode(t).Handler()} {
		for name := range scrape(t, app) {
			base, rest, _ := strings.Cut(name, "{")
			if all[base] == nil {
				all[base] = map[string][]string{}
			}
			for _, label := range labelValue.FindAllStringSubmatch(rest, -1) {
				all[base][label[1]] = append(all[base][label[1]], label[2])
			}
		}
	}
	return all
}

// measuredNode opens an application that is one of several nodes.
func measuredNode(t *testing.T) *tower.App {
	t.Helper()
	config := sample()
	config.Env, config.Data, config.Log = "test", filepath.Join(t.TempDir(), "replica.db"), slog.New(slog.DiscardHandler)
	app, err := tower.New(config)
	if err != nil {
		t.Fatal(err)
	}
	server.ShareLog(server.AppOf(app), storetest.NewLog().Node())
	if err := app.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close() })
	return app
}

var labelValue = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)

// added are the labels that Prometheus adds.
var added = map[string]bool{"instance": true, "job": true}

// checkLabels checks the labels that a query names, and returns those that its result may have.
func checkLabels(t *testing.T, where string, query metricsql.Expr, all map[string]map[string][]string) (labels map[string]bool) {
	t.Helper()
	labels = maps.Clone(added)
	grouped := map[string]bool{}
	metricsql.VisitAll(query, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.MetricExpr:
			var name string
			for _, filter := range e.LabelFilterss[0] {
				switch values := all[name][filter.Label]; {
				case filter.Label == "__name__":
					name = filter.Value
					for label := range all[name] {
						labels[label] = true
					}
				case added[filter.Label]:
				case values == nil:
					t.Errorf("%s: %s has no label %s", where, name, filter.Label)
				case !filter.IsRegexp && !slices.Contains(values, filter.Value):
					t.Errorf("%s: the label %s of %s is never %q", where, filter.Label, name, filter.Value)
				}
			}
		case *metricsql.AggrFuncExpr:
			for _, label := range e.Modifier.Args {
				grouped[label] = true
				if !labels[label] {
					t.Errorf("%s: nothing in it has the label %s", where, label)
				}
			}
		}
	})
	if len(grouped) > 0 {
		return grouped
	}
	return labels
}

var (
	metricName  = regexp.MustCompile(`\b(tower|go|process)_[a-z_]+`)
	shownLabel  = regexp.MustCompile(`\$labels\.([a-z_]+)`)
	legendLabel = regexp.MustCompile(`{{ *([a-z_]+) *}}`)
)

// Each metric and each label in the dashboard and the rules of the documentation is there, and
// each query can be read.
func TestTheDashboardShowsWhatThereIs(t *testing.T) {
	names := exported(t)
	queries := 0
	check := func(where, query, shown string, label *regexp.Regexp) {
		queries++
		readable := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(query)
		parsed, err := metricsql.Parse(readable)
		if err != nil {
			t.Errorf("%s: %q: %v", where, query, err)
			return
		}
		labels := checkLabels(t, where, parsed, names)
		for _, used := range label.FindAllStringSubmatch(shown, -1) {
			if !labels[used[1]] {
				t.Errorf("%s: %q shows the label %s, which %q does not have", where, shown, used[1], query)
			}
		}
		found := metricName.FindAllString(query, -1)
		for _, name := range found {
			if names[name] == nil {
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
			Targets []struct{ Expr, LegendFormat string }
		}
		Annotations struct{ List []struct{ Expr string } }
	}
	readInto(t, "dashboard.json", json.Unmarshal, &dashboard)
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			check(panel.Title, target.Expr, target.LegendFormat, legendLabel)
		}
	}
	for _, annotation := range dashboard.Annotations.List {
		check("annotation", annotation.Expr, "", legendLabel)
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
			check(rule.Alert, rule.Expr, rule.Annotations["summary"], shownLabel)
			if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" {
				t.Errorf("%s has no severity or no summary", rule.Alert)
			}
		}
	}
	if queries < 25 {
		t.Errorf("only %d queries were found", queries)
	}
}

var describedMetric = regexp.MustCompile("`(tower_[a-z_]+)(?:{([a-z,]+)})?`")

// The guide describes each metric that is exported, with its labels, and no other.
func TestTheGuideDescribesEachMetric(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guide/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]string{}
	for _, found := range describedMetric.FindAllSubmatch(guide, -1) {
		described[string(found[1])] = cmp.Or(string(found[2]), described[string(found[1])])
	}
	there := map[string]bool{}
	for name, labels := range exported(t) {
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if histogram, is := strings.CutSuffix(name, part); is {
				name = histogram
			}
		}
		delete(labels, "le")
		want := strings.Join(slices.Sorted(maps.Keys(labels)), ",")
		if got, found := described[name]; strings.HasPrefix(name, "tower_") && (!found || got != want) {
			t.Errorf("%s has the labels %q, the guide describes %q (%v)", name, want, got, found)
		}
		there[name] = true
	}
	for name := range described {
		if !there[name] {
			t.Errorf("the guide describes %s, which is not exported", name)
		}
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
