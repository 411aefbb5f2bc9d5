package systemtest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// A dashboard shows values of articles.
type dashboard struct{ *tower.Connection }

// A ruledDashboard shows those of the articles that its rule allows.
type ruledDashboard struct{ *dashboard }

func (c *ruledDashboard) Match(a *Article) bool { return a.Shade%2 == 0 }

var dashboardValues = map[string]func() tower.ValueScope[Article]{
	"count":  func() tower.ValueScope[Article] { return Articles.All().AsCount() },
	"exists": func() tower.ValueScope[Article] { return Articles.All().AsExists() },
	"sum":    func() tower.ValueScope[Article] { return Articles.All().AsSum(&Articles.Fields.Shade) },
	"avg":    func() tower.ValueScope[Article] { return Articles.All().AsAvg(&Articles.Fields.Shade) },
	"min":    func() tower.ValueScope[Article] { return Articles.All().AsMin(&Articles.Fields.Shade) },
	"max":    func() tower.ValueScope[Article] { return Articles.All().AsMax(&Articles.Fields.Shade) },
	"first":  func() tower.ValueScope[Article] { return Articles.All().AsMin(&Articles.Fields.CreatedAt) },
	"last":   func() tower.ValueScope[Article] { return Articles.All().AsMax(&Articles.Fields.CreatedAt) },
	"hot":    func() tower.ValueScope[Article] { return darkArticles().AsCount() },
	"hotsum": func() tower.ValueScope[Article] { return darkArticles().AsSum(&Articles.Fields.Shade) },
	"hotavg": func() tower.ValueScope[Article] { return darkArticles().AsAvg(&Articles.Fields.Shade) },
}

func darkArticles() tower.Scope[Article] {
	return Articles.Where(tower.Gt(&Articles.Fields.Shade, 2500))
}

func (c *dashboard) Value(_ context.Context, in struct {
	Of string `json:"of"`
}) (tower.ValueScope[Article], error) {
	return dashboardValues[in.Of](), nil
}

func (c *dashboard) Latest(context.Context, struct{}) (tower.Scope[Article], error) {
	return Articles.All().Desc(&Articles.Fields.CreatedAt).Limit(20), nil
}

func openDashboard(b *testing.B) *towertest.App {
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	plain := tower.Mount(r, "plain", func(c *tower.Connection) *dashboard { return &dashboard{c} })
	tower.Value(plain, "value", (*dashboard).Value)
	tower.Cursor(plain, "latest", (*dashboard).Latest)
	ruled := tower.Mount(r, "ruled", func(c *tower.Connection) *ruledDashboard { return &ruledDashboard{&dashboard{c}} })
	tower.Value(ruled, "value", (*ruledDashboard).Value)
	tower.Cursor(ruled, "latest", (*ruledDashboard).Latest)
	var values strings.Builder
	for name := range dashboardValues {
		fmt.Fprintf(&values, `{{with .LiveValue "value" "of" %q}}<b {{.Attrs}}>{{.Text}}</b>{{end}}`, name)
	}
	list := `{{with .Cursor "latest" "plain/_article.html"}}<ul {{.Attrs}}>{{.Items}}</ul>{{end}}`
	views := fstest.MapFS{"views/layout.html": {Data: []byte(`{{template "main" .}}`)}, "views/plain/_article.html": {Data: []byte(`<li>{{.Text}}</li>`)}}
	for _, of := range []string{"plain", "ruled"} {
		for page, content := range map[string]string{"empty": "", "values": values.String(), "list": list, "all": values.String() + list} {
			views["views/"+of+"/"+page+".html"] = &fstest.MapFile{Data: []byte(`{{define "main"}}` + content + `{{end}}`)}
		}
	}
	for _, page := range []string{"empty", "values", "list", "all"} {
		tower.Page(plain, "GET /plain/"+page, tower.ViewOnly[*dashboard])
		tower.Page(ruled, "GET /ruled/"+page, tower.ViewOnly[*ruledDashboard])
	}
	return towertest.Open(b, tower.Config{Name: "dashboard", Models: []tower.AnyModel{Articles}, Routes: r, Files: views, Limits: eager})
}

// BenchmarkDashboard is a page with eleven values over a hundred thousand records, beside
// the same page without them: a page that is empty otherwise, and one with twenty records.
// A record is created before each.
func BenchmarkDashboard(b *testing.B) {
	app := openDashboard(b)
	fillArticles(b, app, number(b, "TOWER_BENCH_ARTICLES", 100_000, 2000))
	for _, of := range []string{"plain", "ruled"} {
		for with, without := range map[string]string{"values": "empty", "all": "list"} {
			b.Run(of+"/"+with, func(b *testing.B) {
				get := func(page string) time.Duration {
					if err := Articles.Create(b.Context(), app, &Article{Topic: "new", Shade: 3000, Text: noteText}); err != nil {
						b.Fatal(err)
					}
					start := time.Now()
					response, err := http.Get(app.URL + "/" + of + "/" + page)
					if err != nil {
						b.Fatal(err)
					}
					defer response.Body.Close()
					if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
						b.Fatal(response.Status, err)
					}
					return time.Since(start)
				}
				first := get(with)
				var shown, bare []time.Duration
				for b.Loop() {
					shown, bare = append(shown, get(with)), append(bare, get(without))
				}
				b.ReportMetric(ms(first), "ms/first")
				b.ReportMetric(ms(median(shown)), "ms/with")
				b.ReportMetric(ms(median(bare)), "ms/without")
				b.ReportMetric(float64(median(shown))/float64(median(bare)), "ofwithout")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
