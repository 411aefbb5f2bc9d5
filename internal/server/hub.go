package server

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/store"
)

// A hub knows the open connections and which of them follow which records. It
// is the cursor engine's sink: what a commit did to cursors becomes one frame
// for each connection.
type hub struct {
	app *App

	mu          sync.Mutex
	connections map[uint64]*Connection
	perUser     map[store.ID]int
	lastNumber  uint64
	followers   map[follow]map[*visit]struct{}

	// Deliver's own.
	held      []*Connection
	heldFrom  uint64 // the first commit that is held, 0 for none
	heldSince time.Time
}

func newHub(app *App) *hub {
	return &hub{app: app, connections: map[uint64]*Connection{},
		perUser: map[store.ID]int{}, followers: map[follow]map[*visit]struct{}{}}
}

// join adds a connection and gives it its number.
func (h *hub) join(c *Connection, limit int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.user != "" && h.perUser[c.user] >= limit {
		return Errorf(CodeTooMany, "this user has %d connections open already; close one", limit)
	}
	h.lastNumber++
	c.number = h.lastNumber
	h.connections[c.number] = c
	h.perUser[c.user]++
	return nil
}

// part forgets a connection and closes its cursors.
func (h *hub) part(c *Connection) {
	h.mu.Lock()
	if h.connections[c.number] == c {
		delete(h.connections, c.number)
		if h.perUser[c.user]--; h.perUser[c.user] == 0 {
			delete(h.perUser, c.user)
		}
	}
	h.mu.Unlock()
	c.mu.Lock()
	c.ended = true
	v := c.visit
	c.mu.Unlock()
	for _, handle := range c.handles() {
		h.app.engine.Close(handle)
	}
	if v != nil {
		h.unfollow(v)
	}
}

// all returns the connections in the order they came.
func (h *hub) all() []*Connection {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]*Connection, 0, len(h.connections))
	for _, number := range slices.Sorted(maps.Keys(h.connections)) {
		out = append(out, h.connections[number])
	}
	return out
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.connections)
}

func (h *hub) follow(v *visit, f follow) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.followers[f] == nil {
		h.followers[f] = map[*visit]struct{}{}
	}
	h.followers[f][v] = struct{}{}
	v.follows = append(v.follows, f)
}

func (h *hub) unfollow(v *visit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range v.follows {
		if delete(h.followers[f], v); len(h.followers[f]) == 0 {
			delete(h.followers, f)
		}
	}
	v.follows = nil
}

func (h *hub) concerned(c store.Commit) []*visit {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := map[*visit]struct{}{}
	for _, change := range c.Changes {
		maps.Copy(found, h.followers[follow{change.Model, change.ID}])
	}
	return slices.Collect(maps.Keys(found))
}

// Rescope is asked by the engine before a commit is matched: connections that
// follow a record it changes are evaluated anew, as of that commit, and their
// cursors move to the scopes they have from then on.
func (h *hub) Rescope(commit store.Commit) []cursor.Move {
	var moves []cursor.Move
	for _, v := range h.concerned(commit) {
		v.stale.Store(true)
		if v.conn.current() == v {
			moves = append(moves, h.rescope(v, commit)...)
		}
	}
	return moves
}

func (h *hub) rescope(old *visit, commit store.Commit) []cursor.Move {
	c := old.conn
	ctx := asOf(h.app.ctx, commit.Seq)
	fresh, err := c.arrive(ctx)
	if err != nil {
		h.app.report("rule", err)
		fresh = &visit{conn: c}
	}
	c.mu.Lock()
	c.visit = fresh
	ended := c.ended
	c.mu.Unlock()
	h.unfollow(old)
	if ended {
		h.unfollow(fresh)
		return nil
	}

	var moves []cursor.Move
	for _, handle := range c.handles() {
		move := cursor.Move{Holder: handle}
		if err == nil {
			if spec, err := fresh.spec(ctx, handle.want); err == nil {
				move.To = &spec
			} else {
				h.app.report("rule", err)
			}
		}
		moves = append(moves, move)
	}
	return moves
}
