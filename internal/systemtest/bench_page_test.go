package systemtest

import (
	"context"
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

const benchRows = 20

type benchPosts struct{ *tower.Connection }

func (c *benchPosts) Newest(ctx context.Context, in tower.None) (tower.Scope[Post], error) {
	return Posts.All().Desc(&Posts.Fields.CreatedAt).Limit(benchRows).Include(&Posts.Fields.AuthorID), nil
}

// BenchmarkPage renders a page of 20 records with their authors, beside the same rows by
// html/template over a bare bbolt. "ratio" is the time of the one over that of the other.
func BenchmarkPage(b *testing.B) {
	ours, theirs := benchTowerPage(b), benchBarePage(b)
	request := httptest.NewRequest("GET", "/posts", nil)
	request.Host = "127.0.0.1"
	serve := func(h http.Handler) time.Duration {
		start := time.Now()
		for range 50 {
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, request); w.Code != http.StatusOK {
				b.Fatal(w.Code, w.Body)
			}
		}
		return time.Since(start)
	}
	serve(ours)
	serve(theirs)
	var own, bare time.Duration
	for b.Loop() {
		own += serve(ours)
		bare += serve(theirs)
	}
	b.ReportMetric(float64(own.Microseconds())/float64(50*b.N), "µs/page")
	b.ReportMetric(float64(bare.Microseconds())/float64(50*b.N), "µs/bare")
	b.ReportMetric(float64(own)/float64(bare), "ratio")
}

func benchTowerPage(b *testing.B) http.Handler {
	config := sample()
	config.Routes = benchPostsRoutes()
	config.Files = fstest.MapFS{
		"views/layout.html":      {Data: []byte(`<!doctype html><title>Posts</title>{{template "main" .}}`)},
		"views/posts/index.html": {Data: []byte(`{{define "main"}}{{$l := .Cursor "newest" "posts/_post.html"}}<ul {{$l.Attrs}}>{{$l.Items}}</ul>{{end}}`)},
		"views/posts/_post.html": {Data: []byte(`<li class="post"><h2>{{.Title}}</h2>{{with ref .AuthorID}}{{.Name}}{{end}} {{.Likes}}</li>`)},
	}
	app := towertest.Open(b, config)
	for i := range benchRows {
		makePost(b, app, makeUser(b, app, fmt.Sprint("author ", i), false), fmt.Sprint("Post ", i), true)
	}
	return app.Handler()
}

func benchBarePage(b *testing.B) http.Handler {
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
		for i := range benchRows {
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
