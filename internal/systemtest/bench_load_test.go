package systemtest

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/systemtest/browser"
	"github.com/towerkit/tower/towertest"
)

const benchRows = 20

type benchPosts struct{ *tower.Connection }

func (c *benchPosts) Newest(ctx context.Context, in tower.None) (tower.Scope[Post], error) {
	return Posts.All().Desc(&Posts.Fields.CreatedAt).Limit(benchRows).Include(&Posts.Fields.AuthorID), nil
}

// BenchmarkLoad loads the page of a scaffold in a browser that has seen nothing of the site, in
// turns with the same page and style sheet by html/template and net/http, without a script.
// "KiB" is all that the server sends until the page is live, with headers. "paint" and
// "3Gpaint" are the ratios of the first contentful paint, the latter on an emulated fast 3G.
func BenchmarkLoad(b *testing.B) {
	live, bare := serveCounted(b, scaffoldPage(b)), serveCounted(b, bareScaffoldPage(b))
	elsewhere := otherSite(b)
	chromium := browser.Start(b)
	var bytes []int64
	paints := map[string][]float64{}
	load := func(name string, server *counted, conditions *network.Conditions, done string) {
		before := server.sent.Load()
		paints[name] = append(paints[name], firstPaint(b, chromium, elsewhere.URL, server.URL+"/posts", conditions, done))
		if name == "live" {
			bytes = append(bytes, server.sent.Load()-before)
		}
	}
	fast3G := &network.Conditions{Latency: 562.5, DownloadThroughput: 180_000, UploadThroughput: 84_375}
	for b.Loop() {
		load("live", live, nil, isLive)
		load("bare", bare, nil, isComplete)
		load("live on 3G", live, fast3G, isLive)
		load("bare on 3G", bare, fast3G, isComplete)
	}
	slices.Sort(bytes)
	for _, figures := range paints {
		slices.Sort(figures)
	}
	middle := func(name string) float64 { return paints[name][len(paints[name])/2] }
	b.ReportMetric(float64(bytes[len(bytes)/2])/1024, "KiB")
	b.ReportMetric(middle("live"), "ms-paint")
	b.ReportMetric(middle("live")/middle("bare"), "paint")
	b.ReportMetric(middle("live on 3G"), "ms-3Gpaint")
	b.ReportMetric(middle("live on 3G")/middle("bare on 3G"), "3Gpaint")
}

const (
	isComplete = `document.readyState === "complete" && performance.getEntriesByName("first-contentful-paint").length > 0`
	isLive     = isComplete + ` && document.documentElement.dataset.tower === "online"`
)

// firstPaint follows a link from another site to a page in a new session of the browser, waits
// until it is done, and returns after how many milliseconds it was first seen.
func firstPaint(b *testing.B, chromium context.Context, elsewhere, url string, conditions *network.Conditions, done string) float64 {
	ctx, cancel := context.WithTimeout(chromium, time.Minute)
	defer cancel()
	tab, end := chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
	defer end()
	if err := chromedp.Do(tab, chromedp.Navigate(elsewhere)); err != nil {
		b.Fatal(err)
	}
	if conditions != nil {
		rules := network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{conditions}}
		if _, err := chromedp.Call(tab, network.EmulateNetworkConditionsByRule, rules); err != nil {
			b.Fatal(err)
		}
	}
	if err := chromedp.Do(tab, chromedp.Navigate(url)); err != nil {
		b.Fatal(err)
	}
	for {
		at, err := chromedp.Run(tab, chromedp.Evaluate[float64](`(`+done+`) ? performance.getEntriesByName("first-contentful-paint")[0].startTime : 0`))
		if err != nil {
			b.Fatal(err)
		}
		if at > 0 {
			return at
		}
		time.Sleep(5 * time.Millisecond) // between polls of another process
	}
}

// otherSite serves a page of another site than the measured ones. A browser that comes from there
// needs another process for their pages, as is usual, whatever their headers say.
func otherSite(b *testing.B) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>Elsewhere</title>Elsewhere")) // the browser may be gone
	}))
	server.URL = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	b.Cleanup(server.Close)
	return server
}

// A counted is a server that counts the bytes it sends.
type counted struct {
	*httptest.Server
	sent atomic.Int64
}

func serveCounted(b *testing.B, handler http.Handler) *counted {
	c := &counted{Server: httptest.NewUnstartedServer(handler)}
	c.Listener = countedListener{c.Listener, &c.sent}
	c.Start()
	b.Cleanup(c.Close)
	return c
}

type countedListener struct {
	net.Listener
	sent *atomic.Int64
}

func (l countedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countedConn{conn, l.sent}, nil
}

type countedConn struct {
	net.Conn
	sent *atomic.Int64
}

func (c *countedConn) Write(data []byte) (int, error) {
	n, err := c.Conn.Write(data)
	c.sent.Add(int64(n))
	return n, err
}

const (
	scaffoldIndex = `{{define "title"}}Posts{{end}}{{define "main"}}
<header class="head">
  <h1>Posts</h1>
  <a class="button" href="/posts/new">New post</a>
</header>
{{$list := .Cursor "newest" "posts/_post.html"}}
<ul class="list" {{$list.Attrs}}>{{$list.Items}}</ul>
<p class="empty">No posts yet.</p>
{{end}}`
	scaffoldItem = `<li>
  <a href="/posts/{{.ID}}">{{.Title}}</a>
  <span class="meta">
    <span>Author {{with ref .AuthorID}}{{.Name}}{{end}}</span>
    <span>Likes {{.Likes}}</span>
    {{time .CreatedAt "2 Jan 2006"}}
  </span>
</li>`
)

// scaffoldFiles returns the views and the public files of a generated application.
func scaffoldFiles(b *testing.B) fstest.MapFS {
	files := fstest.MapFS{"views/posts/index.html": {Data: []byte(scaffoldIndex)}, "views/posts/_post.html": {Data: []byte(scaffoldItem)}}
	for _, name := range []string{"views/layout.html", "views/_unsent.html", "public/app.css", "public/favicon.svg"} {
		text, err := os.ReadFile("../../scaffolds/app/" + name)
		if err != nil {
			b.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: bytes.ReplaceAll(text, []byte("[[.Name]]"), []byte("blog"))}
	}
	return files
}

func scaffoldPage(b *testing.B) http.Handler {
	config := sample()
	config.Routes = benchPostsRoutes()
	config.Files = scaffoldFiles(b)
	app := towertest.Open(b, config)
	for i := range benchRows {
		makePost(b, app, makeUser(b, app, fmt.Sprint("author ", i), false), fmt.Sprint("Post ", i), true)
	}
	return app.Handler()
}

func benchPostsRoutes() *tower.Router[*benchPosts] {
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*benchPosts, error) { return &benchPosts{c}, nil })
	posts := tower.Mount(r, "posts", func(c *benchPosts) *benchPosts { return c })
	tower.Page(posts, "GET /posts", tower.ViewOnly)
	tower.Cursor(posts, "newest", (*benchPosts).Newest)
	return r
}

// bareScaffoldPage returns the same page, as html/template and net/http serve it.
func bareScaffoldPage(b *testing.B) http.Handler {
	files := scaffoldFiles(b)
	layout := bytes.Replace(files["views/layout.html"].Data, []byte(`  <script type="module" src="/_tower/tower.js"></script>`+"\n"), nil, 1)
	layout = bytes.Replace(layout, []byte(`{{.Asset "/app.css"}}`), []byte("/app.css"), 1)
	funcs := template.FuncMap{"time": func(at time.Time, layout string) template.HTML {
		return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, at.Format(time.RFC3339), at.Format(layout)))
	}}
	page := template.Must(template.New("layout").Funcs(funcs).Parse(string(layout)))
	template.Must(page.New("_unsent.html").Parse(string(files["views/_unsent.html"].Data)))
	index := bytes.Replace([]byte(scaffoldIndex), []byte(`{{$list := .Cursor "newest" "posts/_post.html"}}`), nil, 1)
	index = bytes.Replace(index, []byte(`<ul class="list" {{$list.Attrs}}>{{$list.Items}}</ul>`), []byte(`<ul class="list">{{range .}}{{template "_post" .}}{{end}}</ul>`), 1)
	template.Must(page.Parse(string(index)))
	item := bytes.Replace([]byte(scaffoldItem), []byte(`{{with ref .AuthorID}}{{.Name}}{{end}}`), []byte(`{{.Author.Name}}`), 1)
	template.Must(page.New("_post").Parse(string(item)))
	type row struct {
		Post
		Author User
	}
	rows := make([]row, benchRows)
	for i := range rows {
		rows[i] = row{Post{Record: tower.Record{ID: tower.NewID(), CreatedAt: time.Now()}, Title: fmt.Sprint("Post ", i)}, User{Name: fmt.Sprint("author ", i)}}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /posts", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := page.Execute(w, rows); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	public := http.FileServerFS(os.DirFS("../../scaffolds/app/public"))
	mux.Handle("GET /", public)
	return mux
}
