package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/wire"
)

// An openCursor cursor is held by one connection, which holds equal ones once.
type OpenCursor struct {
	cursor.Membership
	Conn     *Connection
	Request  *CursorRequest
	query    *cursor.Query
	follower *follower   // nil: its scope depends on nothing but the visit
	live     atomic.Bool // its client is to be told what becomes of it
}

// openCursor opens a cursor and sends the frame that answer makes of it, in its
// place among the commits.
func (c *Connection) OpenCursor(ctx context.Context, w *CursorRequest, since *ResumeFrom, answer func(cursor.Opened) (any, error)) error {
	handle := &OpenCursor{Conn: c, Request: w, follower: &follower{conn: c}}
	var state cursor.Opened
	var place *outbox.Place
	err := c.tryOpen(ctx, handle, since, func(o cursor.Opened) {
		state, place = o, c.outbox.Reserve()
		c.keep(handle, o.Query)
	})
	if !handle.live.Load() {
		c.discard(handle)
	}
	if err != nil {
		return err
	}
	var data []byte
	frame, err := answer(state)
	if err == nil {
		data, err = wire.Encode(frame)
	}
	c.outbox.Fill(place, data)
	if err != nil {
		c.closeWhere(func(other *OpenCursor) bool { return other == handle })
	}
	return err
}

// tryOpen opens a cursor by the scope that the user's rights give it now. Where
// these change meanwhile, Rescope has it opened by another one.
func (c *Connection) tryOpen(ctx context.Context, handle *OpenCursor, since *ResumeFrom, opened func(cursor.Opened)) error {
	w, f := handle.Request, handle.follower
	v := c.addOpening(handle)
	spec, f, err := v.spec(ctx, f, w)
	if err == nil {
		err = f.catchUp(ctx)
	}
	if err != nil {
		return err
	}
	var from *cursor.Resume
	if since != nil && since.resync == "" && !w.Route.Value {
		from = c.loadResume(ctx, v, w, since)
	}
	err = c.app.engine.Open(ctx, handle, spec, from, opened)
	if errors.Is(err, cursor.ErrClosed) {
		return fault.Errorf(fault.Forbidden, "you may not open %s", w.Route.Name)
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", w.Route.Name, err)
	}
	return nil
}

// addOpening has Rescope know of a cursor before its scope is asked for, and returns
// the visit that is to be asked.
func (c *Connection) addOpening(handle *OpenCursor) *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opening = append(c.opening, handle)
	return c.session
}

// keep keeps an open cursor, unless the connection holds its query already, or has
// ended.
func (c *Connection) keep(handle *OpenCursor, q *cursor.Query) {
	c.mu.Lock()
	defer c.mu.Unlock()
	twice := slices.IndexFunc(c.open, func(other *OpenCursor) bool { return other.query == q })
	if twice >= 0 {
		other := c.open[twice].Request
		other.scope = other.scope || handle.Request.scope
	}
	if twice >= 0 || c.ended {
		return
	}
	c.opening = without(c.opening, handle)
	c.open = append(c.open, handle)
	handle.query = q
	handle.live.Store(true)
	if handle.follower.idle() {
		handle.follower = nil
	}
}

// discard closes a cursor that is not kept.
func (c *Connection) discard(handle *OpenCursor) {
	c.mu.Lock()
	c.opening = without(c.opening, handle)
	c.mu.Unlock()
	c.app.engine.Close(handle)
	handle.follower.end()
}

func without(handles []*OpenCursor, one *OpenCursor) []*OpenCursor {
	return slices.DeleteFunc(handles, func(other *OpenCursor) bool { return other == one })
}

// setFollower puts another follower in the place of a cursor's own.
func (handle *OpenCursor) setFollower(by *follower) {
	c := handle.Conn
	c.mu.Lock()
	if slices.Contains(c.open, handle) || slices.Contains(c.opening, handle) {
		handle.follower, by = by, handle.follower
	} // else it has been closed, and its own has ended
	c.mu.Unlock()
	by.end()
}

// closeCursor closes what is held under a number.
func (c *Connection) closeCursor(number uint64) error {
	if c.closeWhere(func(handle *OpenCursor) bool { return handle.query.Number() == number }) == 0 {
		return fault.Errorf(fault.NotFound, "cursor %d is not open", number)
	}
	return nil
}

// closeWhere closes the cursors for which which is true, and returns how many.
func (c *Connection) closeWhere(which func(*OpenCursor) bool) int {
	var closed []*OpenCursor
	c.mu.Lock()
	c.open = slices.DeleteFunc(c.open, func(handle *OpenCursor) bool {
		found := which(handle)
		if found {
			handle.live.Store(false) // before Rescope knows it no more
			closed = append(closed, handle)
		}
		return found
	})
	c.mu.Unlock()
	for _, handle := range closed {
		c.app.engine.Close(handle)
		handle.follower.end()
	}
	return len(closed)
}

func (c *Connection) Handles() []*OpenCursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.open)
}

// movable returns the cursors that move with the visit: those that are open, and
// those on their way there.
func (c *Connection) movable() []*OpenCursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(c.open, c.opening)
}

// queries returns what the connection holds, by query.
func (c *Connection) Queries() map[*cursor.Query]*OpenCursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[*cursor.Query]*OpenCursor, len(c.open))
	for _, handle := range c.open {
		out[handle.query] = handle
	}
	return out
}
