package server

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/nodes"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
	"strings"
	"unicode/utf8"
)

// This file holds what package control needs: consoles read the same store, act through
// the same sessions and open the same cursors as clients.

// ServeConsoles calls open, which starts to serve consoles of the open application.
// Close closes what open returns.
func (a *App) ServeConsoles(open func(*App) (io.Closer, error)) error {
	consoles, err := open(a)
	if err == nil {
		a.consoles = consoles
	}
	return err
}

// Store returns the application's store.
func (a *App) Store() *store.Store { return a.store }

// Engine returns the engine that keeps the application's cursors.
func (a *App) Engine() *cursor.Engine { return a.engine }

// Nodes returns the nodes of the application, nil if it is alone.
func (a *App) Nodes() *nodes.Group { return a.nodes }

// Router returns the application's routes.
func (a *App) Router() *route.Router { return a.router }

// Config returns the application's configuration, with its defaults.
func (a *App) Config() Config { return a.config }

// Context returns a context that ends when the application closes.
func (a *App) Context() context.Context { return a.ctx }

// Connections returns the open connections in the order that they joined.
func (a *App) Connections() []*Connection { return a.hub.all() }

// Join adds a connection to the application. It fails if there is no place for its client.
func (a *App) Join(c *Connection) error { return a.hub.join(c) }

// Leave removes a connection and closes its cursors.
func (a *App) Leave(c *Connection) { a.hub.leave(c) }

// Announce reports a connection that has joined to the consoles that watch.
func (a *App) Announce(c *Connection) { a.inspector.joined(c) }

// Subscribe returns a subscription to the application's events. It starts with the newest
// lines of the log. Call Unsubscribe to end it.
func (a *App) Subscribe() *Subscription { return a.inspector.subscribe() }

// Unsubscribe ends a subscription.
func (a *App) Unsubscribe(s *Subscription) { a.inspector.unsubscribe(s) }

// PreviewMoves returns the cursors that a commit would move to another scope, and its
// other effects on connections. It changes nothing: it evaluates copies of the
// connections.
func (a *App) PreviewMoves(ctx context.Context, commit store.Commit) ([]cursor.Move, []wire.Reaction) {
	p := a.hub.previewMoves(ctx, commit)
	return p.moves, p.reactions()
}

// A ConsoleConnection describes a connection that a console acts through.
type ConsoleConnection struct {
	User      record.ID
	Remote    string
	By        string           // the author of its commits: "console:ada"; "": the user
	DB        DB               // read and written instead of the store; nil: the store
	Transport outbox.Transport // nil: it receives nothing
}

// ConnectConsole returns a connection for a console. The application does not know it
// before [App.Join].
func (a *App) ConnectConsole(o ConsoleConnection) *Connection {
	c := &Connection{app: a, user: o.User, remote: o.Remote, by: o.By, db: o.DB, since: time.Now()}
	c.outbox.Limit, c.outbox.Transport = a.config.Limits.MaxQueue, o.Transport
	return c
}

// OpenSession returns the session that a new client of the connection's user would get,
// and a context that reads and writes the connection's DB. The session follows nothing.
// If Connect looks for the user and there is none, the error is [fault.Unauthenticated].
func (c *Connection) OpenSession(ctx context.Context) (*Session, context.Context, error) {
	ctx = c.withDB(ctx)
	recorder := &follower{}
	s := c.connect(ctx, recorder)
	if s.err != nil {
		return nil, ctx, s.err
	}
	return s, ctx, s.checkUser(ctx, recorder)
}

// Spec returns what a cursor would be opened with for the session's user. It follows
// nothing.
func (s *Session) Spec(ctx context.Context, cr *CursorRequest) (cursor.Spec, error) {
	spec, _, err := s.spec(ctx, &follower{}, cr)
	return spec, err
}

// Number returns the number of the connection, 0 before it joins the application.
func (c *Connection) Number() uint64 { return c.number }

// checkUser returns [fault.Unauthenticated] if Connect looked for the user and there is
// none.
func (s *Session) checkUser(ctx context.Context, recorder *follower) error {
	id := s.Conn.user
	for _, scope := range recorder.recorded {
		word, field, values, _ := scope.Where.Parts()
		if id == "" || word != "is" || field.Name != "id" || values[0].Text() != string(id) {
			continue
		}
		err := s.Conn.View(ctx, func(snap *store.Snapshot) error {
			_, err := snap.Get(scope.Model, id)
			return err
		})
		if errors.Is(err, store.ErrNotFound) {
			return fault.Errorf(fault.Unauthenticated, "there is no %s %s", scope.Model.Type, id)
		}
		return err
	}
	return nil
}

// Label returns a short text that identifies a record for people: its title or name, or
// else its first text field. It returns "" if there is none or image is nil.
func Label(image *record.Image) string {
	if image == nil {
		return ""
	}
	if f := labelField(image.Model); f != nil {
		return shorten(image.Value(f).Text(), maxLabel)
	}
	return ""
}

// labelField returns the field that Label uses, nil if there is none.
func labelField(m *record.Model) *record.Field {
	for _, name := range []string{"title", "name"} {
		if f := m.Field(name); f != nil && f.Kind == record.String && !f.Private {
			return f
		}
	}
	for _, f := range m.Fields {
		if f.Kind == record.String && f.Ref == "" && f.Name != "id" && !f.Private {
			return f
		}
	}
	return nil
}

// shorten cuts a text to at most most characters, with an ellipsis.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// shortenBoth shortens two texts and keeps the place where they start to differ.
func shortenBoth(a, b string) (string, string) {
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	if from := same - maxText/4; from > maxText/2 {
		for !utf8.RuneStart(a[from]) {
			from--
		}
		a, b = "…"+a[from:], "…"+b[from:]
	}
	return shorten(a, maxText), shorten(b, maxText)
}

// ChangedFields returns the names of the fields that an update changed.
func ChangedFields(change store.Change) []string {
	var names []string
	for _, f := range change.Model.Fields {
		if change.Op == store.Update && f.Name != "updatedAt" && !change.Same(f) {
			names = append(names, f.Name)
		}
	}
	return names
}

const maxLabel = 40

// DoneBy returns the author of a commit without changes, which says what was done.
func DoneBy(did, by string) string { return did + " by " + by }

// DoneIn returns what a commit without changes says was done, "" if it is another one, and
// its author.
func DoneIn(commit *store.Commit) (did, by string) {
	if at := strings.LastIndex(commit.By, " by "); at >= 0 && len(commit.Changes) == 0 {
		return commit.By[:at], commit.By[at+len(" by "):]
	}
	return "", commit.By
}
