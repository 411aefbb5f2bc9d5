package systemtest

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// BenchmarkPage measures how fast 32 clients fetch a page over HTTP that shows the newest 20 of 10,000 records
// with their authors, and the same rows by html/template over a bare bbolt. The microseconds are the
// server's processor time for one page.
func BenchmarkPage(b *testing.B) {
	const clients = 32
	records, step := number(b, "TOWER_BENCH_RECORDS", 10_000, benchRows), 1600
	if testing.Short() {
		step = clients
	}
	bare := httptest.NewServer(benchBarePage(b, records))
	b.Cleanup(bare.Close)
	ours := &poster{swarm: startSwarm(b, orders{URL: benchTowerPage(b, records).URL + "/posts", Clients: clients, Get: true})}
	floor := &poster{swarm: startSwarm(b, orders{URL: bare.URL, Clients: clients, Get: true})}
	b.Cleanup(bare.CloseClientConnections)
	for b.Loop() {
		ours.send(step)
		floor.send(step)
	}
	b.ReportMetric(middle(floor.took, ours.took), "offloor")
	b.ReportMetric(float64(step)/median(ours.took).Seconds(), "pages/s")
	b.ReportMetric(float64(step)/median(floor.took).Seconds(), "floor/s")
	b.ReportMetric(float64(median(ours.busy).Microseconds())/float64(step), "µs/page")
	b.ReportMetric(float64(median(floor.busy).Microseconds())/float64(step), "µs/floor")
	b.ReportMetric(0, "ns/op")
}

func benchTowerPage(b *testing.B, records int) *towertest.App {
	config := sample()
	config.Routes = benchPostsRoutes()
	config.Files = fstest.MapFS{
		"views/layout.html":      {Data: []byte(`<!doctype html><title>Posts</title>{{template "main" .}}`)},
		"views/posts/index.html": {Data: []byte(`{{define "main"}}{{$l := .Cursor "newest" "posts/_post.html"}}<ul {{$l.Attrs}}>{{$l.Items}}</ul>{{end}}`)},
		"views/posts/_post.html": {Data: []byte(`<li class="post"><h2>{{.Title}}</h2>{{with ref .AuthorID}}{{.Name}}{{end}} {{.Likes}}</li>`)},
	}
	app := towertest.Open(b, config)
	if err := app.Transaction(b.Context(), func(tx *tower.Tx) error {
		for i := range records {
			author := &User{Name: fmt.Sprint("author ", i)}
			err := Users.Create(b.Context(), tx, author)
			if err == nil {
				err = Posts.Create(b.Context(), tx, &Post{AuthorID: author.ID, Title: fmt.Sprint("Post ", i), Published: true})
			}
			if err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	return app
}

func benchBarePage(b *testing.B, records int) http.Handler {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	users, posts := []byte("users"), []byte("posts")
	err = db.Update(func(tx *bolt.Tx) error {
		for _, bucket := range [][]byte{users, posts} {
			if _, err := tx.CreateBucket(bucket); err != nil {
				return err
			}
		}
		for i := range records {
			user := User{Record: tower.Record{ID: tower.NewID(), CreatedAt: time.Now(), UpdatedAt: time.Now()}, Name: fmt.Sprint("author ", i)}
			post := Post{Record: tower.Record{ID: tower.NewID(), CreatedAt: time.Now(), UpdatedAt: time.Now()}, AuthorID: user.ID, Title: fmt.Sprint("Post ", i), Published: true}
			for key, rec := range map[tower.ID]any{user.ID: user, post.ID: post} {
				data, err := json.Marshal(rec)
				if err != nil {
					return err
				}
				bucket := map[bool][]byte{true: users, false: posts}[key == user.ID]
				if err := tx.Bucket(bucket).Put([]byte(key), data); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	type row struct {
		Post
		Author User
	}
	page := template.Must(template.New("").Parse(`<!doctype html><title>Posts</title><ul>{{range .}}<li class="post"><h2>{{.Title}}</h2>{{.Author.Name}} {{.Likes}}</li>{{end}}</ul>`))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var rows []row
		err := db.View(func(tx *bolt.Tx) error {
			authors, c := tx.Bucket(users), tx.Bucket(posts).Cursor()
			for key, data := c.Last(); key != nil && len(rows) < benchRows; key, data = c.Prev() {
				var one row
				if err := json.Unmarshal(data, &one.Post); err != nil {
					return err
				}
				if err := json.Unmarshal(authors.Get([]byte(one.AuthorID)), &one.Author); err != nil {
					return err
				}
				rows = append(rows, one)
			}
			return nil
		})
		if err == nil {
			w.Header().Set("Content-Type", "text/html")
			err = page.Execute(w, rows)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}
