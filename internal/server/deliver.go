package server

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/outbox"
	"github.com/towerkit/tower/internal/server/tracing"
	"github.com/towerkit/tower/internal/server/view"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// Deliver sends each connection that holds a touched cursor one frame for a commit.
// Connections that the commit touches in the same way share the bytes of the frame. The
// engine calls it for each commit, in order.
func (h *hub) Deliver(commit store.Commit, effects []cursor.Effect, moved []cursor.Moved) {
	d := &delivery{hub: h, commit: commit, effects: effects, moved: moved,
		trace: h.app.inspector.trace(commit), frames: map[string]*outbox.Frame{}}
	if commit.At.IsZero() {
		h.app.resyncAll(cursor.Expired) // commits are missing from the log, so the rights of clients are unknown
		return
	}
	touched, delay := d.collect(), h.shouldDelay(commit)
	for c := range h.renewed {
		if len(c.touched) == 0 {
			touched = append(touched, c)
		}
	}
	for c := range h.regions {
		if len(c.touched) == 0 && h.renewed[c] == nil {
			touched = append(touched, c)
		}
	}
	h.app.meter.Delivered(len(touched))
	d.trace.requestAcks(len(touched))
	d.span = h.app.traces.Deliver(commit.Trace, commit.Seq, len(touched))
	defer d.span.End(len(touched))
	for _, c := range touched {
		if c.endedBefore(commit.Seq) {
			c.touched = c.touched[:0]
			continue
		}
		frame, err := d.frame(c)
		if err != nil {
			h.app.Report(h.app.ctx, "rule", err)
			c.disconnect(outbox.CloseInternal, "the server could not encode a frame")
			continue
		}
		if d.wantsAcks() {
			c.owed.Add(1)
		}
		c.outbox.Deliver(frame, delay)
		c.seq.Store(commit.Seq) // answers with this position come after the frame
		if delay && !c.unflushed {
			c.unflushed = true
			h.unflushed = append(h.unflushed, c)
		}
	}
	if !delay {
		h.flushAll()
	}
	d.trace.publish(len(touched), h)
	for _, c := range h.denied {
		c.outbox.Finish(outbox.ClosePolicy, "this user's rights could not be evaluated; connect again")
	}
	clear(h.renewed)
	clear(h.regions)
	h.denied = nil
}

// If more commits wait to be delivered, frames are held back until the last of them, so
// that a burst becomes few messages. The delay is bounded: by these constants, and by the
// time that sending will take anyway.
const (
	maxDelayedCommits = 256 // commits
	maxDelay          = 5 * time.Millisecond
	sendTime          = 5 * time.Microsecond // added for each connection; a write to a socket takes twice as long
)

// shouldDelay reports whether the frames of a commit are held back.
func (h *hub) shouldDelay(commit store.Commit) bool {
	if h.app.store.Seq() <= commit.Seq {
		return false
	}
	now := time.Now()
	if h.unflushedFrom == 0 {
		h.unflushedFrom, h.unflushedSince = commit.Seq, now
	}
	return commit.Seq-h.unflushedFrom < maxDelayedCommits && now.Sub(h.unflushedSince) < maxDelay+time.Duration(len(h.unflushed))*sendTime
}

// flushAll sends the frames that were held back.
func (h *hub) flushAll() {
	for i, c := range h.unflushed {
		c.outbox.Flush()
		c.unflushed, h.unflushed[i] = false, nil
	}
	h.unflushed, h.unflushedFrom = h.unflushed[:0], 0
}

// A delivery sends the frames of one commit.
type delivery struct {
	hub     *hub
	commit  store.Commit
	effects []cursor.Effect
	moved   []cursor.Moved
	trace   *trace
	span    *tracing.Delivery
	frames  map[string]*outbox.Frame
	html    view.Renderings
	own     map[viewedEffect]*OpenCursor
	key     []byte
}

// A viewedEffect is an effect on the cursor of one connection, whose HTML depends on the
// viewer.
type viewedEffect struct {
	conn  *Connection
	index int
}

// collect returns the touched connections, and lists in the touched field of each one the
// indexes of its effects. A move, which concerns one connection only, follows as a
// negative number.
func (d *delivery) collect() []*Connection {
	var touched []*Connection
	add := func(c *Connection, index int) {
		if len(c.touched) == 0 {
			touched = append(touched, c)
		}
		if n := len(c.touched); n == 0 || c.touched[n-1] != index { // the connection may hold the query twice
			c.touched = append(c.touched, index)
		}
	}
	for i, effect := range d.effects {
		for _, holder := range effect.Holders {
			oc := holder.(*OpenCursor)
			if effect.Resync != "" {
				d.trace.recordReach(oc, nil, nil, nil, wire.Lost)
				oc.Conn.resync(effect.Resync)
				continue
			}
			if !oc.live.Load() { // it is being closed, and did not move with its session
				continue
			}
			add(oc.Conn, i)
			if oc.Request.perViewer() {
				if d.own == nil {
					d.own = map[viewedEffect]*OpenCursor{}
				}
				d.own[viewedEffect{oc.Conn, i}] = oc
			}
			d.trace.recordReach(oc, effect.Deltas, effect.Value, effect.Included, "")
		}
	}
	for i, move := range d.moved {
		oc := move.Holder.(*OpenCursor)
		if move.Resync != "" {
			d.trace.recordReach(oc, nil, nil, nil, wire.Lost)
			oc.Conn.resync(move.Resync)
			continue
		}
		if moveCursor(oc, move) {
			add(oc.Conn, -1-i)
			d.trace.recordReach(oc, move.Deltas, move.Value, move.Included, ended(move))
		}
	}
	return touched
}

// ended returns the outcome of a move that closed the cursor, "" for others.
func ended(move cursor.Moved) wire.Outcome {
	if move.To == nil {
		return wire.Closed
	}
	return ""
}

// moveCursor moves a cursor to another query, and reports whether its client must be
// informed.
func moveCursor(oc *OpenCursor, move cursor.Moved) bool {
	c := oc.Conn
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.Index(c.open, oc)
	if at < 0 {
		return false // it was closed meanwhile
	}
	if move.To != nil {
		oc.query = move.To
	} else {
		c.open = slices.Delete(c.open, at, at+1)
	}
	return move.To != move.From || len(move.Deltas)+len(move.Included) > 0 || move.Value != nil
}

// wantsAcks reports whether clients are asked to acknowledge the commit, for consoles or for
// its trace.
func (d *delivery) wantsAcks() bool { return d.trace.wantsAcks() || d.span.WantsAcks() }

// frame returns the frame for a connection, shared if another connection has the same.
func (d *delivery) frame(c *Connection) (*outbox.Frame, error) {
	d.key = d.key[:0]
	allowed, regions := d.hub.renewed[c], d.hub.regions[c]
	shared := allowed == nil && regions == nil
	var viewed map[int][]outbox.Step
	for _, index := range c.touched {
		shared = shared && index >= 0
		d.key = binary.AppendVarint(d.key, int64(index))
		oc := d.own[viewedEffect{c, index}]
		if oc == nil {
			continue
		}
		steps, variants, err := d.hub.app.steps(oc, d.effects[index].Deltas, &d.html)
		if err != nil {
			return nil, err
		}
		if viewed == nil {
			viewed = map[int][]outbox.Step{}
		}
		viewed[index] = steps
		for _, variant := range variants {
			d.key = binary.AppendVarint(d.key, int64(variant))
		}
	}
	defer func() { c.touched = c.touched[:0] }()
	if f, ok := d.frames[string(d.key)]; ok && shared {
		return f, nil
	}
	deltas, err := d.deltas(c.touched, viewed)
	if err != nil {
		return nil, err
	}
	for i := range regions {
		deltas = append(deltas, regions[i].delta())
	}
	f := outbox.NewFrame(d.commit.Seq, d.commit.Seq, d.wantsAcks(), deltas, allowed)
	if shared {
		d.frames[string(d.key)] = f
	}
	return f, nil
}

// deltas returns what the effects and moves with these indexes change. viewed has the
// steps of effects whose HTML depends on the viewer.
func (d *delivery) deltas(indexes []int, viewed map[int][]outbox.Step) ([]outbox.CursorDelta, error) {
	out := make([]outbox.CursorDelta, len(indexes))
	for i, index := range indexes {
		p := &out[i]
		oc, deltas := (*OpenCursor)(nil), []cursor.Delta(nil)
		var err error
		if index >= 0 {
			effect := &d.effects[index]
			p.Number, oc, deltas = effect.Query.PublicNumber(), effect.Holders[0].(*OpenCursor), effect.Deltas
			p.Value, p.Include = ValueJSON(effect.Value), included(effect.Included)
		} else {
			move := &d.moved[-1-index]
			p.Number, oc, deltas = move.From.PublicNumber(), move.Holder.(*OpenCursor), move.Deltas
			p.Value, p.Include = ValueJSON(move.Value), included(move.Included)
			if move.To == nil {
				p.Closed = fault.Errorf(fault.Forbidden, "you may no longer see this").Wire()
			} else if move.To != move.From {
				p.To = move.To.PublicNumber()
				if p.Scope, err = d.hub.app.scopeInfo(oc.Conn, oc.Request, move.To); err != nil {
					return nil, err
				}
			}
		}
		p.HTML = oc.Request.partial != ""
		if p.Steps = viewed[index]; p.Steps != nil {
			continue
		}
		if p.Steps, _, err = d.hub.app.steps(oc, deltas, &d.html); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// steps returns the deltas as steps, with HTML for the list of a page, and the variants of
// the HTML.
func (a *App) steps(oc *OpenCursor, deltas []cursor.Delta, done *view.Renderings) (steps []outbox.Step, variants []int, err error) {
	steps = make([]outbox.Step, len(deltas))
	for i, delta := range deltas {
		steps[i].Delta = delta
		if oc.Request.partial != "" && delta.Image != nil {
			var variant int
			if steps[i].HTML, variant, err = a.render(oc, delta.Image, delta.With, done); err != nil {
				return nil, nil, err
			}
			variants = append(variants, variant)
		}
	}
	return steps, variants, nil
}

// included returns the steps of included records, by model.
func included(all []cursor.Included) map[string][]outbox.Step {
	out := make(map[string][]outbox.Step, len(all))
	for _, in := range all {
		for _, delta := range in.Deltas {
			out[in.Model.Name] = append(out[in.Model.Name], outbox.Step{Delta: delta})
		}
	}
	return out
}

// ValueJSON returns a cursor's value in its wire form, nil for no value.
func ValueJSON(v *record.Value) json.RawMessage {
	if v == nil {
		return nil
	}
	data, err := json.Marshal(v.Any())
	if err != nil {
		panic(err) // a field's value always has a JSON form
	}
	return data
}

// render renders a record for a cursor: see [view.Templates.Partial].
func (a *App) render(oc *OpenCursor, image *record.Image, with []*record.Image, done *view.Renderings) (string, int, error) {
	var reader view.Viewer
	if oc.Request.perViewer() {
		reader = viewer{oc.Conn.current(), oc.Request.Route.Controller}
	}
	return a.views.Partial(done, oc.Request.partial, image, with, reader)
}
