package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/budget"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/limit"
	"github.com/towerkit/tower/internal/server/read"
	"github.com/towerkit/tower/internal/server/slow"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// ReadCursor answers an open with everything that the user of a request may see: in the
// newest state, or in the state at a position. It opens nothing. A client that reads more
// than its share waits: see [budget.Clients].
func (a *App) ReadCursor(r *http.Request, q *wire.Request, at string) (answer *wire.Answer, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), a.config.Limits.Timeout)
	defer cancel()
	c := a.newConnection(r)
	read, ctx, err := c.beginRead(ctx)
	if err != nil {
		return nil, err
	}
	defer read.end()
	seq := a.store.Seq()
	since, err := a.ResumeFrom(ctx, c, at)
	switch {
	case err != nil:
		return nil, err
	case since != nil && since.resync != "":
		return nil, fault.Errorf(fault.Expired, "this position is not one of this application's records")
	case since != nil:
		seq = since.seq
	}
	ctx = atSeq(ctx, seq)
	session := c.connect(ctx, &follower{})
	if session.err != nil {
		return nil, session.err
	}
	if rt := a.router.Cursors[q.Open]; rt != nil && !session.Allows(rt) { // before its input says which fields there are
		return nil, errNotOpened(rt)
	}
	cr, _, err := a.CursorRequest(ctx, c, q)
	if err != nil {
		return nil, err
	}
	spec, _, err := session.spec(ctx, &follower{}, cr)
	if err != nil {
		return nil, err
	}
	timed, ctx := a.timeRead(ctx, cr.Route.Name)
	defer timed.end(ctx, &spec.Scope)
	answer = &wire.Answer{Status: http.StatusOK, At: wire.Position(a.store.Epoch(), seq), Model: spec.Scope.Model.Name}
	if cr.Route.Value {
		value, err := a.engine.ReadValue(ctx, seq, spec)
		answer.Value = ValueJSON(&value)
		return answer, err
	}
	state, err := a.engine.Read(ctx, seq, spec)
	addRecords(answer, &state)
	for _, image := range state.Images {
		read.made(len(image.JSON))
	}
	return answer, err
}

// A timedRead is a read of a cursor, which is reported if it is slow. nil is not timed.
type timedRead struct {
	app   *App
	name  string
	began time.Time
	meter store.Meter
}

// manyRead is the least number of records for which the report of a slow read names a missing index.
const manyRead = 1000

// timeRead begins to time a read, and returns the context to read with.
func (a *App) timeRead(ctx context.Context, name string) (*timedRead, context.Context) {
	if a.slow == nil {
		return nil, ctx
	}
	t := &timedRead{app: a, name: name, began: a.slow.Begin()}
	return t, t.meter.Context(ctx)
}

// end reports the read if it was slow, with the number of records that it read and the field whose index
// would have avoided most of them. A nil scope names no field.
func (t *timedRead) end(ctx context.Context, scope *query.Scope) {
	if t == nil {
		return
	}
	t.app.slow.EndAbout(ctx, slow.Cursor, t.name, t.began, func() []any {
		about := []any{"read", t.meter.Examined()}
		if t.meter.Examined() < manyRead || scope == nil {
			return about
		}
		if f := scope.Unindexed(); f != nil {
			about = append(about, "missing_index", scope.Model.Name+"."+f.Name)
		}
		return about
	})
}

// addRecords adds all records of a cursor to an answer.
func addRecords(answer *wire.Answer, o *cursor.Opened) {
	answer.IDs, answer.Records = nil, map[string][]json.RawMessage{answer.Model: {}}
	listed := map[record.ID]bool{}
	for _, image := range o.Images {
		listed[image.ID] = true
		answer.IDs = append(answer.IDs, string(image.ID))
		answer.Records[answer.Model] = append(answer.Records[answer.Model], image.JSON)
	}
	answer.Include = map[string][]string{}
	for _, in := range o.Included {
		model := in.Model.Name
		answer.Include[model] = []string{}
		for _, image := range in.Images {
			answer.Include[model] = append(answer.Include[model], string(image.ID))
			if model != answer.Model || !listed[image.ID] {
				answer.Records[model] = append(answer.Records[model], image.JSON)
			}
		}
	}
}

// A pageState is what the cursors of a page hold, all as of one commit.
type pageState struct {
	At      string        `json:"at"`
	Cursors []*read.State `json:"cursors"`
}

// wantsJSON reports whether a program asks for what the cursors of a page hold.
func wantsJSON(r *http.Request) bool {
	return accepts(r, "application/json") && !accepts(r, "text/html")
}

// show adds a cursor that the page shows to what a program gets of it.
func (p *pageSource) show(cr *CursorRequest, in json.RawMessage, answer *wire.Answer) error {
	state, err := read.StateOf(cr.Route.Name, answer)
	if err != nil {
		return err
	}
	if string(in) != "{}" {
		state.In = in
	}
	p.shown = append(p.shown, state)
	return nil
}

// writeState answers with what the cursors of a page hold.
func (a *App) writeState(ctx context.Context, w http.ResponseWriter, r *http.Request, p *pageSource) error {
	if err := p.pin(); err != nil {
		return err
	}
	tag, err := read.Tag(p.shown...)
	if err != nil {
		return fmt.Errorf("describe the page: %w", err)
	}
	at := wire.Position(a.store.Epoch(), p.seq)
	size, err := read.Write(w, r, at, tag, pageState{at, append([]*read.State{}, p.shown...)})
	readingOf(ctx).answered(size)
	return err
}

// A reading is a request of a client that reads: its cost is counted until it ends.
type reading struct {
	conn  *Connection
	meter store.Meter
	bytes int
	leave func(budget.Cost)
}

// beginRead returns when the client of a connection may read: see [budget.Clients.Enter].
// Records that are read with the context that it returns are counted. The caller must end
// the reading.
func (c *Connection) beginRead(ctx context.Context) (*reading, context.Context, error) {
	leave, err := c.app.clients.Enter(ctx, c.payer())
	if err != nil {
		return nil, ctx, tooSoon(err)
	}
	r := &reading{conn: c, leave: leave, meter: store.Meter{Part: c.app.clients.Turn}}
	return r, context.WithValue(r.meter.Context(ctx), readingKey{}, r), nil
}

type readingKey struct{}

// readingOf returns the reading that a context belongs to.
func readingOf(ctx context.Context) *reading { return ctx.Value(readingKey{}).(*reading) }

// made counts bytes that are made of what is read, and may not be sent.
func (r *reading) made(bytes int) { r.bytes += bytes }

// answered counts bytes that the client is answered with.
func (r *reading) answered(bytes int) {
	r.made(bytes)
	r.conn.answered(bytes)
}

func (r *reading) end() { r.leave(budget.Cost{Records: r.meter.Examined(), Bytes: r.bytes}) }

// answered counts bytes that the client is answered with.
func (c *Connection) answered(bytes int) { c.app.clients.Answered(c.payer(), bytes) }

// mayBeAnswered returns an error if the client has been answered with more than it may.
func (c *Connection) mayBeAnswered() error { return tooSoon(c.app.clients.Check(c.payer())) }

// Answered counts bytes that a request was answered with.
func (a *App) Answered(r *http.Request, bytes int) {
	party := limit.PartyOf(string(a.sessions.Of(r, a.secure(r)).User), a.facts(r).Remote)
	a.clients.Answered(party.Key(), bytes)
}

// tooSoon returns the error that a client receives for a refusal.
func tooSoon(err error) error {
	var refused *budget.Refusal
	if errors.As(err, &refused) {
		return fault.TooSoon("reading", refused.Wait, refused.Reason)
	}
	return err
}
