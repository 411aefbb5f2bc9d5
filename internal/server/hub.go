package server

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/limit"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
	"golang.org/x/time/rate"
)

// A hub holds the open connections and the records that their sessions and cursors
// follow. It is the sink of the cursor engine: it turns the effects of a commit into one
// frame for each connection.
type hub struct {
	app     *App
	places  *limit.Places
	refused rate.Sometimes // logs connections without a place
	watches cursor.Watches[*follower]

	mu          sync.Mutex
	connections map[uint64]*Connection
	users       map[record.ID][]*Connection // without visitors
	lastNumber  uint64

	// Rescope sets these for Deliver.
	renewed map[*Connection]*wire.Allowed // connections whose rights changed in this commit
	denied  []*Connection                 // connections whose session could not be evaluated
	regions map[*Connection][]regionDelta // regions that this commit changes

	// Only Deliver uses these.
	unflushed      []*Connection
	unflushedFrom  uint64 // the first commit that is held back, 0 for none
	unflushedSince time.Time
}

func newHub(app *App) *hub {
	return &hub{app: app, connections: map[uint64]*Connection{}, users: map[record.ID][]*Connection{}, places: limit.NewPlaces(&app.config.Limits), renewed: map[*Connection]*wire.Allowed{},
		regions: map[*Connection][]regionDelta{}, refused: rate.Sometimes{Interval: time.Minute}}
}

// join adds a connection and assigns its number. It fails if there is no place for the
// client. Consoles take no place.
func (h *hub) join(c *Connection) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.app.sessions.Live(c.login) { // it ended after the cookie was read
		return fault.Errorf(fault.Unauthenticated, sessionOver)
	}
	if c.meter != nil {
		if err := h.places.Take(c.party); err != nil {
			h.refused.Do(func() {
				h.app.log.Warn("connection refused", "reason", err, "remote", c.remote, "hint", "raise Config.Limits; behind a proxy, set TOWER_TRUSTED_PROXIES")
			})
			return err
		}
	}
	h.lastNumber++
	c.number = h.lastNumber
	h.connections[c.number] = c
	if c.user != "" {
		h.users[c.user] = append(h.users[c.user], c)
	}
	return nil
}

// leave removes a connection and closes its cursors.
func (h *hub) leave(c *Connection) {
	h.mu.Lock()
	joined := h.connections[c.number] == c
	if joined {
		delete(h.connections, c.number)
		if left := slices.DeleteFunc(h.users[c.user], func(other *Connection) bool { return other == c }); len(left) > 0 {
			h.users[c.user] = left
		} else {
			delete(h.users, c.user)
		}
	}
	h.mu.Unlock()
	if joined && c.meter != nil {
		h.places.Leave(c.party)
	}
	c.mu.Lock()
	c.ended = true
	s := c.session
	c.mu.Unlock()
	c.closeWhere(func(*OpenCursor) bool { return true })
	c.closeRegions(func(*region) bool { return true })
	if s != nil {
		s.follower.end()
	}
}

// all returns the connections in the order that they joined.
func (h *hub) all() []*Connection {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]*Connection, 0, len(h.connections))
	for _, number := range slices.Sorted(maps.Keys(h.connections)) {
		out = append(out, h.connections[number])
	}
	return out
}

// of returns the connections of a signed-in user.
func (h *hub) of(user record.ID) []*Connection {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.users[user])
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.connections)
}

// Rescope evaluates again what a commit makes outdated, as of that commit: the sessions
// that follow a record that it changes, with all cursors of their connections, and single
// cursors whose own scope follows one. It returns the moves of cursors to their new
// scopes. The engine calls it before it matches the commit.
func (h *hub) Rescope(commit store.Commit) []cursor.Move {
	h.app.traces.Match(commit.Trace)
	h.endByCommit(commit)
	h.app.handleByCommit(commit)
	touched := h.watches.Touched(commit)
	ctx := atSeq(h.app.ctx, commit.Seq)
	var moves []cursor.Move
	for _, f := range touched {
		f.conn.settled.Store(commit.Seq)
	}
	for _, f := range touched {
		if f.conn.isCurrent(f) {
			moves = append(moves, h.renewSession(ctx, f.conn)...)
		}
	}
	for _, f := range touched { // followers of a replaced session have no cursor any more
		if oc := f.openCursor(); oc != nil {
			moves = append(moves, h.rescopeCursor(ctx, f.conn.current(), oc))
		}
		if r := f.region(); r != nil {
			h.renewRegions(ctx, f.conn, f.conn.current(), func(one *region) bool { return one == r })
		}
	}
	return moves
}

// renewSession connects a client again and returns the moves of its cursors. If that
// fails, everything is denied and the connection ends after this commit, so that its
// client connects again.
func (h *hub) renewSession(ctx context.Context, c *Connection) []cursor.Move {
	fresh := c.connect(ctx, &follower{conn: c})
	if fresh.err != nil {
		h.app.Report(ctx, "rule", fresh.err)
	}
	if c.keepSession(fresh) || !c.replaceSession(fresh) {
		return nil
	}
	switch rights := fresh.rights(); {
	case fresh.err != nil:
		h.denied = append(h.denied, c)
	case rights != c.rights:
		c.rights = rights
		h.renewed[c] = h.app.allowed(rights)
	}
	var moves []cursor.Move
	for _, oc := range c.movable() {
		move := h.rescopeCursor(ctx, fresh, oc)
		move.Resend = oc.Request.perViewer() // its HTML may show the session
		moves = append(moves, move)
	}
	h.renewRegions(ctx, c, fresh, func(*region) bool { return true })
	return moves
}

// rescopeCursor evaluates the scope of an open cursor again. If that fails, the move closes
// the cursor.
func (h *hub) rescopeCursor(ctx context.Context, s *Session, oc *OpenCursor) cursor.Move {
	move := cursor.Move{Holder: oc}
	spec, f, err := s.spec(ctx, &follower{conn: s.Conn}, oc.Request)
	if err == nil {
		move.To = &spec
	} else {
		h.app.Report(ctx, "rule", err)
	}
	oc.setFollower(f)
	return move
}

// resyncAll ends every connection, because the rights of the users are unknown.
func (a *App) resyncAll(reason string) {
	for _, c := range a.hub.all() {
		c.resync(reason)
	}
}

// resync ends a connection whose cursors cannot be kept current. Its client connects
// again, sends its positions, and receives the reason.
func (c *Connection) resync(reason string) {
	c.app.meter.Resync(reason)
	c.disconnect(outbox.CloseSlow, "the server lost track of a cursor ("+reason+"); connect again")
}

// An impactPreview is the effect that a commit would have on connections.
type impactPreview struct {
	hub      *hub
	ctx      context.Context          // reads the state after the commit
	sessions map[*Connection]*Session // of the connections that would get a new session
	moves    []cursor.Move
}

// previewMoves returns the cursors that a commit would move to another scope, as Rescope
// does. It changes nothing: it connects copies of the connections.
func (h *hub) previewMoves(ctx context.Context, commit store.Commit) *impactPreview {
	db := ReadOnlyDB{Reason: "a preview writes nothing", Read: func(ctx context.Context, fn func(*store.Snapshot) error) error {
		return h.app.store.ViewWith(ctx, commit, fn)
	}}
	p := &impactPreview{hub: h, ctx: withDB(ctx, db), sessions: map[*Connection]*Session{}}
	touched := h.watches.Touched(commit)
	for _, f := range touched {
		if c := f.conn; c.isCurrent(f) && c.current() != nil {
			shadow := &Connection{app: c.app, number: c.number, user: c.user, login: c.login, remote: c.remote, since: c.since, db: db}
			p.sessions[c] = shadow.connect(p.ctx, &follower{})
			for _, oc := range c.OpenCursors() {
				p.move(p.sessions[c], oc)
			}
		}
	}
	for _, f := range touched {
		if oc := f.openCursor(); oc != nil && p.sessions[f.conn] == nil && oc.live.Load() {
			p.move(f.conn.current(), oc)
		}
	}
	return p
}

// move adds the move of a cursor.
func (p *impactPreview) move(s *Session, oc *OpenCursor) {
	move := cursor.Move{Holder: oc}
	if spec, _, err := s.spec(p.ctx, &follower{}, oc.Request); err == nil {
		move.To = &spec
	}
	p.moves = append(p.moves, move)
}

// reactions returns the effects on connections besides the moves of their cursors.
func (p *impactPreview) reactions() (all []wire.Reaction) {
	for c, s := range p.sessions {
		reaction := wire.Reaction{Connection: c.number, User: c.Label(), Deltas: []wire.RecordDelta{}, Ends: s.err != nil}
		if reaction.Rights = s.err == nil && s.rights() != c.rights; reaction.Rights || reaction.Ends {
			all = append(all, reaction)
		}
	}
	return all
}
