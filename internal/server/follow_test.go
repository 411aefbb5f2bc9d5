package server

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/server/session"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/store/typed"
)

// A badge determines the rights of a user.
type badge struct {
	record.Record
	UserID string `json:"userId" tower:"index"`
	Level  int    `json:"level"`
}

// A device is the record of a session.
type device struct {
	record.Record
	UserID    string    `json:"userId" tower:"index"`
	ExpiresAt time.Time `json:"expiresAt" tower:"index"`
}

// openBadges opens an application whose sessions follow their user's badges. The cursor
// peers holds the badges of the user's highest level; the cursor top follows the boss's
// badges and holds those of the boss's level. Each evaluation calls the functions in
// meanwhile, once, after reading and before returning.
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
		for _, next := range meanwhile {
			if fn := *next; fn != nil {
				*next = nil
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
	controller := &route.Controller{Name: "badges", Type: "Badges", Zero: (*holder)(nil), Make: func(session any) any { return session.(*holder) }}
	r.Mount(controller)
	r.Add(&route.Route{Kind: route.KindCursor, Action: "Peers", Controller: controller, In: reflect.TypeFor[struct{}](), Spec: func(ctx context.Context, session, in any) (cursor.Spec, error) {
		return peers(badges, session.(*holder).level), nil
	}}, "peers")
	r.Add(&route.Route{Kind: route.KindCursor, Action: "Top", Controller: controller, In: reflect.TypeFor[struct{}](), Spec: func(ctx context.Context, session, in any) (cursor.Spec, error) {
		level, err := levelOf(ctx, session.(*holder).conn, "boss")
		return peers(badges, level), err
	}}, "top")
	devices, err := record.NewModel("devices", &device{})
	if err != nil {
		t.Fatal(err)
	}
	none := &typed.Table[session.Details]{Model: devices} // nobody signs in
	sessions := session.Options{Table: none, Tokens: none, Idle: time.Hour, Age: time.Hour}
	app, err := New(Config{Name: "badges", Data: filepath.Join(t.TempDir(), "badges.db"), Models: []*record.Model{badges, devices}, Session: sessions, Router: r})
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	})
	return app, badges
}

// A holder is a session and its own controller.
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

// A fakeTransport passes each message to send.
type fakeTransport struct{ send func(message []byte) }

func (f fakeTransport) Name() string        { return "fake" }
func (f fakeTransport) Send(message []byte) { f.send(message) }
func (f fakeTransport) End(int, string)     {}

// connect greets a client and returns its messages, which grow as they are sent.
func connect(t testing.TB, app *App, user record.ID) (c *Connection, sent *[]string) {
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

// TestClosingCursorSendsNothing removes a cursor from its connection while the engine still
// knows it. The cursor does not move when its user loses a right, so its changes must not
// be sent.
func TestClosingCursorSendsNothing(t *testing.T) {
	app, badges := openBadges(t)
	mine := give(t, app, badges, "ada", 3)
	c, sent := connect(t, app, "ada")
	oc := &OpenCursor{Conn: c, Request: &CursorRequest{Route: app.router.Cursors["badges.peers"]}, follower: &follower{conn: c}}
	if _, err := c.tryOpen(t.Context(), oc, nil, func(o cursor.Opened) { c.keep(oc, o.Query) }); err != nil {
		t.Fatal(err)
	}
	give(t, app, badges, "bob", 3)
	if last := (*sent)[len(*sent)-1]; !strings.Contains(last, "bob") {
		t.Fatalf("while it was open it sent %s", last)
	}
	c.mu.Lock()
	c.open = without(c.open, oc)
	c.mu.Unlock()
	oc.live.Store(false) // as closeWhere does, before it closes the cursor in the engine
	commit(t, app, func(tx *store.Tx) error { return tx.Delete(badges, mine) })
	before := len(*sent)
	give(t, app, badges, "carol", 3)
	if len(*sent) != before {
		t.Errorf("it sent %s", (*sent)[before:])
	}
	app.engine.Close(oc)
}

// TestChangesDuringEvaluationCount raises the boss's level after the boss's badges have been
// read, and before the result is used: while the boss connects, and while a client opens a
// cursor that follows the boss. By then the commit has been delivered.
func TestChangesDuringEvaluationCount(t *testing.T) {
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
	boss, _ := connect(t, app, "boss")
	expect(boss, "badges.peers")
	ada, _ := connect(t, app, "ada")
	meanwhile = rise
	expect(ada, "badges.top")
	meanwhile = rise
	expect(boss, "badges.top")
}

// TestClosedConnectionsFollowNothing counts what remains of connections that have left.
func TestClosedConnectionsFollowNothing(t *testing.T) {
	app, badges := openBadges(t)
	mine := give(t, app, badges, "ada", 3)
	for _, user := range []record.ID{"ada", "bob"} {
		c, _ := connect(t, app, user)
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

// BenchmarkRescopeOneOf100kSessions commits a change of one badge, with a hundred thousand
// sessions that each follow another badge: it finds that session and evaluates it again.
func BenchmarkRescopeOneOf100kSessions(b *testing.B) {
	for _, users := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint("sessions=", users), func(b *testing.B) {
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
				connections[i], _ = connect(b, app, record.ID(fmt.Sprint("user", i)))
			}
			used := heap() - empty
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
			b.ReportMetric(float64(used)/float64(users), "B/session") // with the connection and its outbox
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
