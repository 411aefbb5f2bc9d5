package server

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/store"
)

// A badge is what a user's rights depend on.
type badge struct {
	record.Record
	UserID string `json:"userId" tower:"index"`
	Level  int    `json:"level"`
}

// openBadges opens an application whose clients follow their user's badges. One
// cursor is of the badges of their highest level, another one follows the boss's
// badges for that. Each calls what is in meanwhile, once, between reading and
// answering.
func openBadges(t testing.TB, meanwhile ...*func()) (*App, *record.Model) {
	t.Helper()
	badges, err := record.NewModel("badges", &badge{})
	if err != nil {
		t.Fatal(err)
	}
	levelOf := func(ctx context.Context, c *Connection, user record.ID) (level int64, err error) {
		images, err := c.Follow(ctx, query.Scope{Model: badges, Where: query.Is(badges.Field("userId"), record.StringValue(string(user)))})
		for _, image := range images {
			level = max(level, image.Value(badges.Field("level")).Any().(int64))
		}
		for _, happens := range meanwhile {
			if fn := *happens; fn != nil {
				*happens = nil
				fn()
			}
		}
		return level, err
	}
	r := route.NewRouter()
	r.Connect = func(ctx context.Context, connection any) (any, error) {
		c := connection.(*Connection)
		level, err := levelOf(ctx, c, c.UserID())
		return &holder{c, level}, err
	}
	controller := &route.Controller{Name: "badges", Type: "Badges", Make: func(session any) any { return session.(*holder) }}
	r.Mount(controller)
	r.Add(&route.Route{Kind: route.KindCursor, Action: "Peers", Controller: controller, In: reflect.TypeFor[struct{}](), Spec: func(ctx context.Context, session, in any) (cursor.Spec, error) {
		return peers(badges, session.(*holder).level), nil
	}}, "peers")
	r.Add(&route.Route{Kind: route.KindCursor, Action: "Top", Controller: controller, In: reflect.TypeFor[struct{}](), Spec: func(ctx context.Context, session, in any) (cursor.Spec, error) {
		level, err := levelOf(ctx, session.(*holder).conn, "boss")
		return peers(badges, level), err
	}}, "top")
	app, err := New(Config{Name: "badges", Data: filepath.Join(t.TempDir(), "badges.db"), Models: []*record.Model{badges}, Router: r})
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	})
	return app, badges
}

// A holder of badges is a session, and its own controller.
type holder struct {
	conn  *Connection
	level int64
}

func peers(badges *record.Model, level int64) cursor.Spec {
	return cursor.Spec{Scope: query.Scope{Model: badges, Where: query.Is(badges.Field("level"), record.IntValue(level))}}
}

func give(t testing.TB, app *App, m *record.Model, user string, level int) record.ID {
	t.Helper()
	b := &badge{UserID: user, Level: level}
	commit(t, app, func(tx *store.Tx) error {
		_, err := tx.Create(m, b)
		return err
	})
	return b.ID
}

func commit(t testing.TB, app *App, change func(*store.Tx) error) store.Commit {
	t.Helper()
	made, err := app.store.Update(t.Context(), "test", change)
	if err == nil {
		err = app.engine.Wait(t.Context(), made.Seq)
	}
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// A fakeTransport passes messages to took.
type fakeTransport struct{ took func(message []byte) }

func (f fakeTransport) Name() string        { return "fake" }
func (f fakeTransport) Send(message []byte) { f.took(message) }
func (f fakeTransport) End(int, string)     {}

// greeted connects a client of which all that it is sent is kept.
func greeted(t testing.TB, app *App, user record.ID) (c *Connection, sent *[]string) {
	t.Helper()
	c, sent = &Connection{app: app, user: user}, new([]string)
	c.outbox.Limit = 1 << 20
	c.outbox.Transport = fakeTransport{func(message []byte) {
		*sent = append(*sent, string(message))
		c.outbox.Sent()
	}}
	if err := c.Greet(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, sent
}

// TestACursorThatIsBeingClosedTellsNothing has a cursor dropped by its connection
// while the engine still knows it: it does not move when its user loses a right,
// and so nothing may be sent of it.
func TestACursorThatIsBeingClosedTellsNothing(t *testing.T) {
	app, badges := openBadges(t)
	mine := give(t, app, badges, "ada", 3)
	c, sent := greeted(t, app, "ada")
	oc := &OpenCursor{Conn: c, Request: &CursorRequest{Route: app.router.Cursors["badges.peers"]}, follower: &follower{conn: c}}
	if err := c.tryOpen(t.Context(), oc, nil, func(o cursor.Opened) { c.keep(oc, o.Query) }); err != nil {
		t.Fatal(err)
	}
	give(t, app, badges, "bob", 3)
	if last := (*sent)[len(*sent)-1]; !strings.Contains(last, "bob") {
		t.Fatalf("while it is open it tells %s", last)
	}
	c.mu.Lock()
	c.open = without(c.open, oc)
	c.mu.Unlock()
	oc.live.Store(false) // as drop does, before it tells the engine
	commit(t, app, func(tx *store.Tx) error { return tx.Delete(badges, mine) })
	before := len(*sent)
	give(t, app, badges, "carol", 3)
	if len(*sent) != before {
		t.Errorf("it was sent %s", (*sent)[before:])
	}
	app.engine.Close(oc)
}

// TestWhatChangesMeanwhileCounts has the boss rise after its badges were read, and
// before what depends on them is in use: as it arrives, and as somebody opens a
// cursor that follows it. Connections have been handed that commit by then.
func TestWhatChangesMeanwhileCounts(t *testing.T) {
	var meanwhile func()
	app, badges := openBadges(t, &meanwhile)
	give(t, app, badges, "boss", 1)
	level := 1
	rise := func() {
		level++
		give(t, app, badges, "boss", level)
	}
	expect := func(c *Connection, name string) {
		t.Helper()
		err := c.OpenCursor(t.Context(), &CursorRequest{Route: app.router.Cursors[name]}, nil, func(o cursor.Opened) (any, error) {
			if len(o.Images) != 1 || o.Images[0].Value(badges.Field("level")).Any() != int64(level) {
				t.Errorf("%s holds %v, and the boss has level %d", name, o.Images, level)
			}
			return "opened", nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	meanwhile = rise
	boss, _ := greeted(t, app, "boss")
	expect(boss, "badges.peers")
	ada, _ := greeted(t, app, "ada")
	meanwhile = rise
	expect(ada, "badges.top")
	meanwhile = rise
	expect(boss, "badges.top")
}

// TestWhoIsGoneFollowsNothing counts what is left of connections that have gone.
func TestWhoIsGoneFollowsNothing(t *testing.T) {
	app, badges := openBadges(t)
	mine := give(t, app, badges, "ada", 3)
	for _, user := range []record.ID{"ada", "bob"} {
		c, _ := greeted(t, app, user)
		if err := c.OpenCursor(t.Context(), &CursorRequest{Route: app.router.Cursors["badges.peers"]}, nil, func(cursor.Opened) (any, error) { return "opened", nil }); err != nil {
			t.Fatal(err)
		}
		if len(app.engine.Queries()) != 1 {
			t.Error("it holds no query")
		}
		app.hub.leave(c)
	}
	change := commit(t, app, func(tx *store.Tx) error { return tx.Delete(badges, mine) })
	if touched, queries := app.hub.watches.Touched(change), app.engine.Queries(); len(touched)+len(queries) > 0 {
		t.Errorf("%d followers and %d queries are left", len(touched), len(queries))
	}
}

// BenchmarkRescopeOneOf100kVisits is a commit that changes a record on which the
// rights of one of a hundred thousand users depend, each with one of its own:
// finding that user, and evaluating it anew.
func BenchmarkRescopeOneOf100kVisits(b *testing.B) {
	for _, users := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint("visits=", users), func(b *testing.B) {
			app, badges := openBadges(b)
			var ids []record.ID
			for len(ids) < users {
				commit(b, app, func(tx *store.Tx) error {
					for range 1000 {
						one := &badge{UserID: fmt.Sprint("user", len(ids)), Level: 1}
						if _, err := tx.Create(badges, one); err != nil {
							return err
						}
						ids = append(ids, one.ID)
					}
					return nil
				})
			}
			connections := make([]*Connection, users)
			empty := heap()
			for i := range connections {
				connections[i], _ = greeted(b, app, record.ID(fmt.Sprint("user", i)))
			}
			held := heap() - empty
			change := commit(b, app, func(tx *store.Tx) error {
				_, err := tx.Update(badges, ids[users/2], func(rec any) error {
					rec.(*badge).Level++
					return nil
				})
				return err
			})
			b.ReportAllocs()
			for b.Loop() {
				app.hub.Rescope(change)
			}
			b.ReportMetric(float64(held)/float64(users), "B/visit") // the connection and its outbox, too
			runtime.KeepAlive(connections)
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
