package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/budget"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/limit"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/wire"
)

// An OpenCursor is a cursor that a connection holds open. A connection holds equal
// cursors once.
type OpenCursor struct {
	cursor.Membership
	Conn     *Connection
	Request  *CursorRequest
	query    *cursor.Query
	follower *follower   // nil: its scope depends only on the session
	opened   uint64      // the newest commit when it was opened
	live     atomic.Bool // its client receives its changes
}

// OpenCursor opens a cursor. It reserves the slot of the answer when the engine has
// read the cursor, so that the frames of later commits come after it, and sends the
// frame that answer returns. It waits for the read, and stops when ctx ends. If the
// client has read more than its share, it also waits for its turn: see [budget.Clients].
func (c *Connection) OpenCursor(ctx context.Context, cr *CursorRequest, since *ResumeFrom, answer func(cursor.Opened) (any, error)) error {
	read, ctx, err := c.beginRead(ctx)
	if err != nil {
		return err
	}
	defer read.end()
	timed, ctx := c.app.timeRead(ctx, cr.Route.Name)
	var scope *query.Scope
	defer func() { timed.end(ctx, scope) }()
	oc := &OpenCursor{Conn: c, Request: cr, follower: &follower{conn: c}}
	var state cursor.Opened
	var slot *outbox.Slot
	scope, err = c.tryOpen(ctx, oc, since, func(o cursor.Opened) {
		state, slot = o, c.outbox.Reserve()
		c.keep(oc, o.Query)
	})
	if !oc.live.Load() {
		c.discard(oc)
	}
	if err != nil {
		return err
	}
	var data []byte
	frame, err := answer(state)
	if err == nil {
		data, err = wire.Encode(frame)
		read.answered(len(data))
	}
	c.outbox.Fill(slot, data)
	if err != nil {
		c.closeWhere(func(other *OpenCursor) bool { return other == oc })
	}
	return err
}

// tryOpen opens a cursor with the scope that the user's rights allow now. If they change
// meanwhile, Rescope moves the cursor to the new scope. It returns that of now, nil if there is none.
func (c *Connection) tryOpen(ctx context.Context, oc *OpenCursor, since *ResumeFrom, opened func(cursor.Opened)) (*query.Scope, error) {
	cr, f := oc.Request, oc.follower
	s := c.addOpening(oc)
	spec, f, err := s.spec(ctx, f, cr)
	if err == nil {
		err = f.catchUp(ctx)
	}
	if err != nil {
		return nil, err
	}
	var from *cursor.Resume
	if since != nil && since.resync == "" && !cr.Route.Value {
		from = c.loadResume(ctx, s, cr, since)
	}
	err = c.app.engine.Open(ctx, oc, spec, from, opened)
	if errors.Is(err, cursor.ErrClosed) {
		return &spec.Scope, errNotOpened(cr.Route)
	}
	if err != nil {
		return &spec.Scope, fmt.Errorf("open %s: %w", cr.Route.Name, err)
	}
	return &spec.Scope, nil
}

// addOpening makes a cursor known to Rescope before its scope is evaluated, and returns
// the session to evaluate it with.
func (c *Connection) addOpening(oc *OpenCursor) *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opening = append(c.opening, oc)
	return c.session
}

// keep adds a cursor to the open ones, unless the connection holds its query already or
// has ended.
func (c *Connection) keep(oc *OpenCursor, q *cursor.Query) {
	c.mu.Lock()
	defer c.mu.Unlock()
	twice := slices.IndexFunc(c.open, func(other *OpenCursor) bool { return other.query == q })
	if twice >= 0 {
		other := c.open[twice].Request
		other.scope = other.scope || oc.Request.scope
	}
	if twice >= 0 || c.ended {
		return
	}
	c.opening = without(c.opening, oc)
	c.open = append(c.open, oc)
	oc.query, oc.opened = q, c.app.engine.Seq()
	oc.live.Store(true)
	if oc.follower.idle() {
		oc.follower = nil
	}
}

// discard closes a cursor that was not kept.
func (c *Connection) discard(oc *OpenCursor) {
	c.mu.Lock()
	c.opening = without(c.opening, oc)
	c.mu.Unlock()
	c.app.engine.Close(oc)
	oc.follower.end()
}

// without removes a cursor from a list, in place.
func without(cursors []*OpenCursor, one *OpenCursor) []*OpenCursor {
	return slices.DeleteFunc(cursors, func(other *OpenCursor) bool { return other == one })
}

// setFollower replaces the follower of a cursor. If the cursor has been closed, the new
// follower ends.
func (oc *OpenCursor) setFollower(fresh *follower) {
	c := oc.Conn
	c.mu.Lock()
	if slices.Contains(c.open, oc) || slices.Contains(c.opening, oc) {
		oc.follower, fresh = fresh, oc.follower
	} // otherwise the cursor's own follower has ended
	c.mu.Unlock()
	fresh.end()
}

// closeCursor closes the cursor with a number.
func (c *Connection) closeCursor(number uint64) error {
	closed := c.closeWhere(func(oc *OpenCursor) bool { return oc.query.PublicNumber() == number })
	if closed+c.closeRegions(func(r *region) bool { return r.number == number }) == 0 {
		return fault.Errorf(fault.NotFound, "cursor %d is not open", number)
	}
	return nil
}

// closeWhere closes the cursors that matches reports true for, and returns their number.
func (c *Connection) closeWhere(matches func(*OpenCursor) bool) int {
	var closed []*OpenCursor
	c.mu.Lock()
	c.open = slices.DeleteFunc(c.open, func(oc *OpenCursor) bool {
		found := matches(oc)
		if found {
			oc.live.Store(false) // before Rescope loses sight of it
			closed = append(closed, oc)
		}
		return found
	})
	c.mu.Unlock()
	for _, oc := range closed {
		c.app.engine.Close(oc)
		oc.follower.end()
	}
	return len(closed)
}

// OpenCursors returns the open cursors in the order of their opening.
func (c *Connection) OpenCursors() []*OpenCursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.open)
}

// movable returns the cursors that move with the session: the open ones, and the ones that
// are being opened.
func (c *Connection) movable() []*OpenCursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(c.open, c.opening)
}

// Queries returns the open cursors by their queries.
func (c *Connection) Queries() map[*cursor.Query]*OpenCursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[*cursor.Query]*OpenCursor, len(c.open))
	for _, oc := range c.open {
		out[oc.query] = oc
	}
	return out
}

// AnswerOpen returns the answer to opening a cursor: its records or value, or the changes
// since the position that it resumes from.
func (a *App) AnswerOpen(c *Connection, cr *CursorRequest, req *wire.Request, since *ResumeFrom, o cursor.Opened) (*wire.Answer, error) {
	spec := o.Query.Spec()
	answer := &wire.Answer{ID: req.ID, Status: http.StatusOK, At: wire.Position(a.store.Epoch(), o.Seq),
		Cursor: o.Query.PublicNumber(), Model: spec.Scope.Model.Name, Resync: o.Resync}
	var err error
	if answer.Scope, err = a.scopeInfo(c, cr, o.Query); err != nil {
		return nil, err
	}
	if since != nil && since.resync != "" {
		answer.Resync = since.resync
	}
	if cr.Route.Value {
		answer.Resync, answer.Value = "", ValueJSON(&o.Value)
		return answer, nil
	}
	if answer.Resync != "" {
		a.meter.Resync(answer.Resync)
	}
	oc := &OpenCursor{Conn: c, Request: cr}
	if o.Resumed {
		var err error
		answer.Since = req.Since
		if cr.perViewer() {
			answer.Body, err = a.resumeAnswer(oc, &o)
		} else {
			answer.Body, err = a.answers.get(&o, func() ([]byte, error) { return a.resumeAnswer(oc, &o) })
		}
		return answer, err
	}
	if cr.partial != "" {
		for i, image := range o.Images {
			var with []*record.Image
			if o.With != nil {
				with = o.With[i]
			}
			html, _, err := a.render(oc, image, with, nil)
			if err != nil {
				return nil, err
			}
			answer.Items = append(answer.Items, wire.Item{ID: string(image.ID), HTML: html})
		}
		return answer, nil
	}
	addRecords(answer, &o)
	return answer, nil
}

// holdings counts the queries that cursors hold, and what commits read for them, for who answers for their
// connections. Consoles answer for nothing.
type holdings struct {
	queries *limit.Queries
	clients *budget.Clients
}

// Hold counts a query that a cursor opens: see [cursor.Quota].
func (u holdings) Hold(h cursor.Holder, q *cursor.Query, all int, must bool) error {
	if c := h.(*OpenCursor).Conn; c.meter != nil {
		return u.queries.Hold(c.party, q, all, must)
	}
	return nil
}

// Drop counts a query that a cursor holds no longer.
func (u holdings) Drop(h cursor.Holder, q *cursor.Query) {
	if c := h.(*OpenCursor).Conn; c.meter != nil {
		u.queries.Drop(c.party, q)
	}
}

// Spend divides the records that were read for cursors among the clients that have them open. A client that
// chose what its cursor asks for pays for all records, so that it cannot find out whether others ask for the same.
func (u holdings) Spend(holders []cursor.Holder, records int) {
	chosen := map[string]bool{} // by who pays: whether they chose it
	for _, h := range holders {
		oc := h.(*OpenCursor)
		payer := oc.Conn.payer()
		chosen[payer] = chosen[payer] || oc.Request.chosen()
	}
	for payer, chose := range chosen {
		if chose {
			u.clients.Followed(payer, records)
		} else {
			u.clients.Followed(payer, records/len(chosen))
		}
	}
}

// Afford reports whether more may be read for the client that has a cursor open.
func (u holdings) Afford(h cursor.Holder) bool {
	return u.clients.MayFollow(h.(*OpenCursor).Conn.payer())
}

// Model returns the model of the cursor's records.
func (oc *OpenCursor) Model() *record.Model {
	oc.Conn.mu.Lock()
	defer oc.Conn.mu.Unlock()
	return oc.query.Spec().Scope.Model
}
