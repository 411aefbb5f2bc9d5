//go:build unix

package towertest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
)

type (
	articleSession struct{ *tower.Connection }
	articles       struct{ *articleSession } // of the older build
	headlines      struct{ *articleSession } // of the newer one

	byAuthor     struct{ Author string }
	writeArticle struct {
		ID      tower.ID // "": a new one
		Delete  bool
		Article oldArticle
	}
)

func (articles) Top(context.Context, struct{}) (tower.Scope[oldArticle], error) {
	return oldArticles.Where(tower.Is(&oldArticles.Fields.Draft, false)).Desc(&oldArticles.Fields.Views).Limit(20), nil
}

func (articles) By(_ context.Context, in byAuthor) (tower.Scope[oldArticle], error) {
	return oldArticles.Where(tower.Is(&oldArticles.Fields.Author, in.Author)).Asc(&oldArticles.Fields.Title).Limit(50), nil
}

// Read answers with the titles of an author.
func (a articles) Read(ctx context.Context, in byAuthor) (titles []string, err error) {
	scope, err := a.By(ctx, in)
	if err != nil {
		return nil, err
	}
	all, err := scope.Records(ctx, a)
	for _, article := range all {
		titles = append(titles, article.Title)
	}
	return titles, err
}

func (a articles) Write(ctx context.Context, in writeArticle) (id tower.ID, err error) {
	switch {
	case in.ID == "":
		in.Article.Record = tower.Record{}
		err = oldArticles.Create(ctx, a, &in.Article)
		return in.Article.ID, err
	case in.Delete:
		return in.ID, oldArticles.Delete(ctx, a, in.ID)
	}
	_, err = oldArticles.Update(ctx, a, in.ID, func(article *oldArticle) error {
		in.Article.Record = article.Record
		*article = in.Article
		return nil
	})
	return in.ID, err
}

func (headlines) Top(context.Context, struct{}) (tower.Scope[newArticle], error) {
	return newArticles.All().Desc(&newArticles.Fields.Views).Limit(20), nil
}

func (headlines) By(_ context.Context, in byAuthor) (tower.Scope[newArticle], error) {
	return newArticles.Where(tower.Is(&newArticles.Fields.Last, in.Author[len(in.Author)-2:])).Asc(&newArticles.Fields.Headline).Limit(50), nil
}

func (h headlines) Read(ctx context.Context, in byAuthor) (titles []string, err error) {
	scope, err := h.By(ctx, in)
	if err != nil {
		return nil, err
	}
	all, err := scope.Records(ctx, h)
	for _, article := range all {
		titles = append(titles, article.Headline)
	}
	return titles, err
}

func (h headlines) Write(ctx context.Context, in writeArticle) (id tower.ID, err error) {
	made := migrated(&in.Article)
	switch {
	case in.ID == "":
		made.Record, made.Slug = tower.Record{}, fmt.Sprint(rand.Int64())
		err = newArticles.Create(ctx, h, &made)
		return made.ID, err
	case in.Delete:
		return in.ID, newArticles.Delete(ctx, h, in.ID)
	}
	_, err = newArticles.Update(ctx, h, in.ID, func(article *newArticle) error {
		made.Record, made.Slug = article.Record, article.Slug
		*article = made
		return nil
	})
	return in.ID, err
}

func articlesConfig(data string, newer bool) tower.Config {
	r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*articleSession, error) { return &articleSession{c}, nil })
	config := tower.Config{Name: "articles", Env: "production", Data: data, Routes: r, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), Quiet: true}
	if newer {
		config.Models, config.Migrations = []tower.AnyModel{newArticles, writers}, articleMigrations()
		mounted := tower.Mount(r, "articles", func(s *articleSession) *headlines { return &headlines{s} })
		tower.Cursor(mounted, "top", (*headlines).Top)
		tower.Cursor(mounted, "by", (*headlines).By)
		tower.Action(mounted, "POST /articles/read", (*headlines).Read)
		tower.Action(mounted, "POST /articles/write", (*headlines).Write)
		return config
	}
	mounted := tower.Mount(r, "articles", func(s *articleSession) *articles { return &articles{s} })
	tower.Cursor(mounted, "top", (*articles).Top)
	tower.Cursor(mounted, "by", (*articles).By)
	tower.Action(mounted, "POST /articles/read", (*articles).Read)
	tower.Action(mounted, "POST /articles/write", (*articles).Write)
	config.Models = []tower.AnyModel{oldArticles}
	return config
}

const someAuthors = 20

func someAuthor(random *rand.Rand) string {
	return fmt.Sprintf("A%d B%d", random.IntN(50), random.IntN(someAuthors/2))
}

// Readers are clients that hold cursors, read and write.
type readers struct {
	t       *testing.T
	app     *App
	clients []*Client
	held    []*Cursor
	random  []*rand.Rand
	writes  atomic.Int64
	slowest atomic.Int64 // write, in nanoseconds

	gate    sync.RWMutex // locked while nobody writes
	stopped chan struct{}
	stop    func()
	running sync.WaitGroup
}

// thinking is how long a client waits on average before its next step, for each client that there
// is: so that together they take about a hundred steps a second, and leave the processors to what is tested.
const thinking = 10 * time.Millisecond

func newReaders(t *testing.T, app *App, n int, seed uint64) *readers {
	t.Helper()
	r := &readers{t: t, app: app, stopped: make(chan struct{})}
	r.stop = sync.OnceFunc(func() { close(r.stopped) })
	for i := range n {
		r.random = append(r.random, rand.New(rand.NewPCG(seed, uint64(i)+1)))
		client := app.Connect(t, "")
		r.clients = append(r.clients, client)
		r.held = append(r.held, client.Open("articles.top", nil), client.Open("articles.by", byAuthor{fmt.Sprintf("A%d B%d", i%2, i%(someAuthors/2))}))
	}
	for i := range r.clients {
		r.running.Go(func() {
			for r.think(i) && r.step(i) {
			}
		})
	}
	t.Cleanup(r.close)
	return r
}

// think returns after a while; false if the clients are to stop.
func (r *readers) think(i int) bool {
	select {
	case <-time.After(time.Duration(r.random[i].Int64N(int64(2 * thinking * time.Duration(len(r.clients)))))):
		return true
	case <-r.stopped:
		return false
	}
}

// step has a client read, or write a record of one of its lists.
func (r *readers) step(i int) bool {
	r.gate.RLock()
	defer r.gate.RUnlock()
	client, random := r.clients[i], r.random[i]
	list := r.held[2*i+random.IntN(2)]
	in := writeArticle{Article: *someArticle(random)}
	if ids := list.IDs(); len(ids) > 0 && random.IntN(4) > 0 {
		in.ID = tower.ID(ids[random.IntN(len(ids))])
		in.Delete = random.IntN(4) == 0
	}
	if random.IntN(3) == 0 {
		return r.accepts(client.Call("POST /articles/read", byAuthor{in.Article.Author}))
	}
	began := time.Now()
	ok := r.accepts(client.Call("POST /articles/write", in))
	took := int64(time.Since(began))
	for slowest := r.slowest.Load(); took > slowest && !r.slowest.CompareAndSwap(slowest, took); slowest = r.slowest.Load() {
	}
	r.writes.Add(1)
	return ok
}

// accepts reports whether a client may be answered like that.
func (r *readers) accepts(a Answer) bool {
	switch a.Status {
	case http.StatusOK, http.StatusCreated, http.StatusTooManyRequests, http.StatusServiceUnavailable:
	case http.StatusNotFound, http.StatusConflict: // another client was faster
	default:
		r.t.Errorf("%d %s", a.Status, a.Message)
		return false
	}
	return true
}

// pause has all clients end what they do, for good.
func (r *readers) pause() {
	r.stop()
	r.running.Wait()
}

// close disconnects.
func (r *readers) close() {
	r.pause()
	for _, client := range r.clients {
		client.Close()
	}
}

// comeBack connects the clients to another build, with what they held, and has them write.
func (r *readers) comeBack(app *App) {
	r.t.Helper()
	r.app = app
	for i := range r.clients {
		r.clients[i] = app.Connect(r.t, "")
		for j := 2 * i; j < 2*i+2; j++ {
			cursor, answer := r.clients[i].resume(wire.Request{Open: r.held[j].name, In: r.held[j].in}, r.held[j])
			if answer.Status != http.StatusOK {
				r.t.Fatalf("%+v", answer)
			}
			r.held[j] = cursor
		}
	}
	for i := range r.clients {
		r.running.Go(func() {
			for range 10 {
				r.step(i)
			}
		})
	}
	r.running.Wait()
}

// judge compares what the clients hold with a naive reading of all records, as Converge does.
func (r *readers) judge() {
	r.t.Helper()
	r.gate.Lock()
	defer r.gate.Unlock()
	all, err := everything(r.t.Context(), r.app.App)
	if err != nil {
		r.t.Fatal(err)
	}
	answers := map[string]answer{}
	for _, held := range r.held {
		question := held.name + " " + string(held.in)
		want, known := answers[question]
		if !known {
			if want, err = ask(r.t.Context(), r.app.App, "", wire.Request{Open: held.name, In: held.in}, all); err != nil || want.refused != "" {
				r.t.Fatalf("%s: %s %v", question, want.refused, err)
			}
			answers[question] = want
		}
		held.client.await("what a fresh query gives in "+question, func() bool { return holds(held, want) })
	}
}

// holds reports whether the cursor holds what a fresh query gives. Nothing arrives meanwhile.
func holds(held *Cursor, want answer) bool {
	if !slices.Equal(held.state.IDs(), want.ids) {
		return false
	}
	for _, id := range want.ids {
		if got, err := decoded(held.state.Record(id)); err != nil || !reflect.DeepEqual(got, want.records[id]) {
			return false
		}
	}
	return true
}
