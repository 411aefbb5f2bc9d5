package server

import (
	"encoding/binary"
	"encoding/json"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// Deliver is told by the engine what a commit did: each connection that holds a
// touched cursor gets one frame. Connections that are touched in the same way
// share its bytes.
func (h *hub) Deliver(commit store.Commit, effects []cursor.Effect, moved []cursor.Moved) {
	d := &delivery{hub: h, commit: commit, effects: effects, moved: moved,
		trace: h.app.inspector.trace(commit), frames: map[string][]byte{}, html: map[rendering]string{}}
	touched := d.collect()
	for _, c := range touched {
		frame, err := d.frame(c)
		if err != nil {
			h.report(err)
			c.leave(closeInternal, "a frame could not be made")
			continue
		}
		c.seq.Store(commit.Seq)
		c.outbox.put(frame)
	}
	d.trace.done(len(touched), h)
}

// A delivery is one commit on its way out.
type delivery struct {
	hub     *hub
	commit  store.Commit
	effects []cursor.Effect
	moved   []cursor.Moved
	trace   *trace
	frames  map[string][]byte
	html    map[rendering]string
	key     []byte
}

// A rendering is the HTML of one record by one partial for one viewer (nil:
// for everyone).
type rendering struct {
	partial string
	image   *store.Image
	viewer  *Connection
}

// collect finds the touched connections and notes on each the indexes of its
// effects; moves, which are its own, come after them as negative numbers.
func (d *delivery) collect() []*Connection {
	var touched []*Connection
	note := func(c *Connection, index int) {
		if len(c.touched) == 0 {
			touched = append(touched, c)
		}
		c.touched = append(c.touched, index)
	}
	for i, effect := range d.effects {
		for _, holder := range effect.Holders {
			handle := holder.(*opened)
			if effect.Resync != "" {
				handle.conn.resync(effect.Resync)
				continue
			}
			note(handle.conn, i)
			d.trace.reach(handle, effect.Deltas, effect.Value)
		}
	}
	for i, move := range d.moved {
		handle := move.Holder.(*opened)
		if move.Resync != "" {
			handle.conn.resync(move.Resync)
			continue
		}
		if renumber(handle, move) {
			note(handle.conn, -1-i)
			d.trace.reach(handle, move.Deltas, move.Value)
		}
	}
	return touched
}

// resync ends a connection whose cursors cannot be kept up: its client connects
// again, says what it holds, and is told the reason.
func (c *Connection) resync(reason string) {
	c.leave(closeSlow, "the server lost track of a cursor ("+reason+"); connect again")
}

// renumber keeps a moved cursor's number, and reports whether its client must
// be told.
func renumber(handle *opened, move cursor.Moved) bool {
	c := handle.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[move.From.Number()] != handle {
		return false // closed meanwhile
	}
	delete(c.open, move.From.Number())
	if move.To != nil {
		handle.query = move.To
		c.open[move.To.Number()] = handle
	}
	return move.To != move.From || len(move.Deltas) > 0 || move.Value != nil
}

func (d *delivery) frame(c *Connection) ([]byte, error) {
	d.key = d.key[:0]
	shared := true
	for _, index := range c.touched {
		shared = shared && index >= 0
		d.key = binary.AppendVarint(d.key, int64(index))
	}
	defer func() { c.touched = c.touched[:0] }()
	if frame, ok := d.frames[string(d.key)]; ok && shared {
		return frame, nil
	}
	frame, err := d.encode(c.touched)
	if err == nil && shared {
		d.frames[string(d.key)] = frame
	}
	return frame, err
}

func (d *delivery) encode(indexes []int) ([]byte, error) {
	out := wire.Commit{Seq: d.commit.Seq, Ack: d.trace != nil,
		Records: map[string][]json.RawMessage{}, Cursors: map[uint64]*wire.Delta{}}
	sent := map[*store.Image]bool{}
	add := func(number uint64, handle *opened, deltas []cursor.Delta) (*wire.Delta, error) {
		delta, err := d.hub.app.delta(handle, deltas, d.html)
		if err != nil {
			return nil, err
		}
		out.Cursors[number] = delta
		if handle.want.partial == "" {
			for _, change := range deltas {
				if image := change.Image; image != nil && !sent[image] {
					sent[image] = true
					out.Records[image.Model.Name] = append(out.Records[image.Model.Name], image.JSON)
				}
			}
		}
		return delta, nil
	}
	for _, index := range indexes {
		if index >= 0 {
			effect := d.effects[index]
			delta, err := add(effect.Query.Number(), effect.Holders[0].(*opened), effect.Deltas)
			if err != nil {
				return nil, err
			}
			delta.Value = valueJSON(effect.Value)
			continue
		}
		move := d.moved[-1-index]
		delta, err := add(move.From.Number(), move.Holder.(*opened), move.Deltas)
		if err != nil {
			return nil, err
		}
		if delta.Value = valueJSON(move.Value); move.To == nil {
			delta.Closed = Errorf(CodeForbidden, "you may not see this any more").wire()
		} else if move.To != move.From {
			delta.To = move.To.Number()
		}
	}
	return wire.Encode(out)
}

// delta puts what became of a cursor into the wire's form, rendering the
// records of a page's list.
func (a *App) delta(handle *opened, deltas []cursor.Delta, html map[rendering]string) (*wire.Delta, error) {
	out := &wire.Delta{}
	for _, change := range deltas {
		if change.Op == cursor.Leave {
			out.Leave = append(out.Leave, string(change.ID))
			continue
		}
		entry := wire.Entry{ID: string(change.ID), After: (*string)(change.After)}
		if handle.want.partial != "" {
			var err error
			if entry.HTML, err = a.render(handle, change.Image, html); err != nil {
				return nil, err
			}
		}
		if change.Op == cursor.Enter {
			out.Enter = append(out.Enter, entry)
		} else {
			out.Change = append(out.Change, entry)
		}
	}
	return out, nil
}

// valueJSON puts a cursor's value into the wire's form, nil for none.
func valueJSON(v *store.Value) json.RawMessage {
	if v == nil {
		return nil
	}
	data, err := json.Marshal(v.Any())
	if err != nil {
		panic(err) // a field's value always has a JSON form
	}
	return data
}

// render renders one record, once for all who see the same.
func (a *App) render(handle *opened, image *store.Image, done map[rendering]string) (string, error) {
	key := rendering{partial: handle.want.partial, image: image}
	var session any
	if handle.want.perViewer() {
		key.viewer = handle.conn
		session = handle.conn.current().session
	}
	if html, ok := done[key]; ok {
		return html, nil
	}
	html, err := a.views.partial(handle.want.partial, image, session)
	if err == nil && done != nil {
		done[key] = html
	}
	return html, err
}
