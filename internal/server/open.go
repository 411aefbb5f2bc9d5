package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A cursorRequest is a cursor as a client asks for it.
type cursorRequest struct {
	route   *Route
	in      any
	partial string // of a page's list: what renders a record

	where []byte
	order []string
	limit int32
	scope bool // it wants to know the scope
}

// perViewer reports whether the partial is rendered for each viewer, which its
// name declares: "posts/_post.viewer.html".
func (w *cursorRequest) perViewer() bool { return strings.HasSuffix(w.partial, ".viewer.html") }

// tag keeps cursors apart that are asked for in different ways: scopes that are
// equal now may differ when the user's rights have changed.
func (w *cursorRequest) tag(viewer *Connection) (string, error) {
	in, err := json.Marshal(w.in)
	if err != nil {
		return "", fmt.Errorf("encode its input: %w", err)
	}
	tag := fmt.Sprintf("%s %s %s %q %d %s", w.route.Name, in, w.where, w.order, w.limit, w.partial)
	if w.perViewer() {
		tag = fmt.Sprintf("%s for %d", tag, viewer.number)
	}
	return tag, nil
}

// narrow applies what the client asked for on top of the application's scope,
// on the fields that the application allows.
func (w *cursorRequest) narrow(scope query.Scope) (query.Scope, error) {
	if w.route.Value && (len(w.order) > 0 || w.limit > 0) {
		return scope, Errorf(CodeBadRequest, "%s is a value; it takes neither an order nor a limit", w.route.Name)
	}
	if len(w.where) > 0 {
		where, err := parseWhere(scope.Model, w.where)
		if err != nil {
			return scope, err
		}
		if err := w.checkFields(slices.Collect(where.Fields)); err != nil {
			return scope, err
		}
		scope.Where = query.And(scope.Where, where)
	}
	if len(w.order) > 0 {
		order, err := query.ParseOrder(scope.Model, w.order)
		if err != nil {
			return scope, Errorf(CodeBadRequest, "%v", err)
		}
		fields := make([]*record.Field, len(order))
		for i, term := range order {
			fields[i] = term.Field
		}
		if err := w.checkFields(fields); err != nil {
			return scope, err
		}
		if scope.Limit != 0 || scope.Offset != 0 {
			return scope, Errorf(CodeBadRequest, "%s has a limit of its own and keeps its order", w.route.Name)
		}
		scope.Order = order
	}
	if limit := int(w.limit); limit > 0 && (scope.Limit == 0 || limit < scope.Limit) {
		scope.Limit = limit
	}
	return scope, nil
}

func (w *cursorRequest) checkFields(fields []*record.Field) error {
	for _, field := range fields {
		if !slices.Contains(w.route.Narrow, field) {
			return Errorf(CodeForbidden, "%s cannot be narrowed by %s", w.route.Name, field.Name)
		}
	}
	return nil
}

func parseWhere(m *record.Model, data []byte) (query.Condition, error) {
	var where map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&where); err != nil {
		return query.Condition{}, Errorf(CodeBadRequest, "the conditions are not a JSON object: %v", err)
	}
	condition, err := query.Parse(m, where)
	if err != nil {
		return condition, Errorf(CodeBadRequest, "%v", err)
	}
	return condition, nil
}

// An openCursor cursor is held by one connection, which holds equal ones once.
type openCursor struct {
	cursor.Membership
	conn     *Connection
	request  *cursorRequest
	query    *cursor.Query
	follower *follower   // nil: its scope depends on nothing but the visit
	live     atomic.Bool // its client is to be told what becomes of it
}

// openCursor opens a cursor and sends the frame that answer makes of it, in its
// place among the commits.
func (c *Connection) openCursor(ctx context.Context, w *cursorRequest, since *resumeFrom, answer func(cursor.Opened) (any, error)) error {
	handle := &openCursor{conn: c, request: w, follower: &follower{conn: c}}
	var state cursor.Opened
	var place *place
	err := c.tryOpen(ctx, handle, since, func(o cursor.Opened) {
		state, place = o, c.outbox.reserve()
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
	c.outbox.fill(place, data)
	if err != nil {
		c.closeWhere(func(other *openCursor) bool { return other == handle })
	}
	return err
}

// resumeFrom is what a returning client says it holds. A reason says why it cannot be
// built upon.
type resumeFrom struct {
	seq    uint64
	user   record.ID
	resync string
}

// tryOpen opens a cursor by the scope that the user's rights give it now. Where
// these change meanwhile, Rescope has it opened by another one.
func (c *Connection) tryOpen(ctx context.Context, handle *openCursor, since *resumeFrom, opened func(cursor.Opened)) error {
	w, f := handle.request, handle.follower
	v := c.addOpening(handle)
	spec, f, err := v.spec(ctx, f, w)
	if err == nil {
		err = f.catchUp(ctx)
	}
	if err != nil {
		return err
	}
	var from *cursor.Resume
	if since != nil && since.resync == "" && !w.route.Value {
		from = c.loadResume(ctx, v, w, since)
	}
	err = c.app.engine.Open(ctx, handle, spec, from, opened)
	if errors.Is(err, cursor.ErrClosed) {
		return Errorf(CodeForbidden, "you may not open %s", w.route.Name)
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", w.route.Name, err)
	}
	return nil
}

// addOpening has Rescope know of a cursor before its scope is asked for, and returns
// the visit that is to be asked.
func (c *Connection) addOpening(handle *openCursor) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opening = append(c.opening, handle)
	return c.session
}

// keep keeps an open cursor, unless the connection holds its query already, or has
// ended.
func (c *Connection) keep(handle *openCursor, q *cursor.Query) {
	c.mu.Lock()
	defer c.mu.Unlock()
	twice := slices.IndexFunc(c.open, func(other *openCursor) bool { return other.query == q })
	if twice >= 0 {
		other := c.open[twice].request
		other.scope = other.scope || handle.request.scope
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
func (c *Connection) discard(handle *openCursor) {
	c.mu.Lock()
	c.opening = without(c.opening, handle)
	c.mu.Unlock()
	c.app.engine.Close(handle)
	handle.follower.end()
}

func without(handles []*openCursor, one *openCursor) []*openCursor {
	return slices.DeleteFunc(handles, func(other *openCursor) bool { return other == one })
}

// setFollower puts another follower in the place of a cursor's own.
func (handle *openCursor) setFollower(by *follower) {
	c := handle.conn
	c.mu.Lock()
	if slices.Contains(c.open, handle) || slices.Contains(c.opening, handle) {
		handle.follower, by = by, handle.follower
	} // else it has been closed, and its own has ended
	c.mu.Unlock()
	by.end()
}

// loadResume works out what the client held: the cursor's scope as it was then, for
// who the client was then. Where nothing that Connect followed has changed since,
// that is the visit, if it is still current; else Connect is asked again. Where it
// cannot be known, it notes why, and the client gets everything anew.
func (c *Connection) loadResume(ctx context.Context, v *session, w *cursorRequest, since *resumeFrom) *cursor.Resume {
	same, err := c.app.engine.Untouched(ctx, since.seq, v.follower.scopes()...)
	same = same && !v.follower.isEnded()
	ctx = atSeq(ctx, since.seq)
	if err == nil && !same {
		past := &Connection{app: c.app, number: c.number, user: since.user}
		v = past.connect(ctx, &follower{})
		err = v.err
	}
	if err == nil {
		var spec cursor.Spec
		if spec, _, err = v.spec(ctx, &follower{}, w); err == nil {
			return &cursor.Resume{Seq: since.seq, Spec: spec, Same: same}
		}
	}
	since.resync = "rules"
	if errors.Is(err, store.ErrExpired) {
		since.resync = "expired"
	}
	return nil
}

// closeCursor closes what is held under a number.
func (c *Connection) closeCursor(number uint64) error {
	if c.closeWhere(func(handle *openCursor) bool { return handle.query.Number() == number }) == 0 {
		return Errorf(CodeNotFound, "cursor %d is not open", number)
	}
	return nil
}

// closeWhere closes the cursors for which which is true, and returns how many.
func (c *Connection) closeWhere(which func(*openCursor) bool) int {
	var closed []*openCursor
	c.mu.Lock()
	c.open = slices.DeleteFunc(c.open, func(handle *openCursor) bool {
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

func (c *Connection) current() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

func (c *Connection) handles() []*openCursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.open)
}

// movable returns the cursors that move with the visit: those that are open, and
// those on their way there.
func (c *Connection) movable() []*openCursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(c.open, c.opening)
}

// queries returns what the connection holds, by query.
func (c *Connection) queries() map[*cursor.Query]*openCursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[*cursor.Query]*openCursor, len(c.open))
	for _, handle := range c.open {
		out[handle.query] = handle
	}
	return out
}

// send encodes a frame and queues it. A frame that does not encode holds an
// action's output that does not.
func (c *Connection) send(frame any) {
	data, err := wire.Encode(frame)
	if err != nil {
		c.app.log.Error("encode a frame", "error", err)
		c.disconnect(closeInternal, "a frame could not be made")
		return
	}
	c.outbox.put(data)
}
