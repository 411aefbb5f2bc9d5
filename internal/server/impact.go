package server

import (
	"context"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// foresee says which cursors a commit that is not made would give another scope,
// as Rescope does, and changes nothing.
func (h *hub) foresee(ctx context.Context, commit store.Commit) []cursor.Move {
	db := still{why: "this is only thought of", view: func(ctx context.Context, fn func(*store.Snapshot) error) error {
		return h.app.store.ViewWith(ctx, commit, fn)
	}}
	ctx = on(ctx, db)
	var moves []cursor.Move
	known := map[*opened]bool{}
	move := func(v *visit, handle *opened) {
		if known[handle] {
			return
		}
		known[handle] = true
		m := cursor.Move{Holder: handle}
		if spec, _, err := v.spec(ctx, &follower{}, handle.want); err == nil {
			m.To = &spec
		}
		moves = append(moves, m)
	}
	touched := h.watches.Touched(commit)
	for _, f := range touched {
		if c := f.conn; c.follows(f) {
			shadow := &Connection{app: c.app, number: c.number, user: c.user, remote: c.remote, since: c.since, db: db}
			fresh := shadow.connect(ctx, &follower{})
			for _, handle := range c.handles() {
				move(fresh, handle)
			}
		}
	}
	for _, f := range touched {
		if handle := f.handle(); handle != nil {
			move(f.conn.current(), handle)
		}
	}
	return moves
}

const maxTold = 1000 // cursors named in one impact

// impact says what a transaction would do to open cursors. Nobody is told.
func (c *console) impact(ctx context.Context, req *wire.ControlRequest) (any, error) {
	d, err := c.draft(req)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	commit, seen, err := c.app.engine.Foresee(ctx,
		func(seq uint64) (store.Commit, error) { return d.tx.Prospect(ctx, seq) },
		func(commit store.Commit) []cursor.Move { return c.app.hub.foresee(ctx, commit) })
	if err != nil {
		return nil, err
	}
	moved, err := c.moved(ctx, d.tx)
	if err != nil {
		return nil, err
	}
	out := wire.Impact{Seq: commit.Seq - 1, Changes: len(commit.Changes), Connections: c.app.hub.count(), Reached: []wire.Told{}, Moved: []wire.Moved{}}
	for _, m := range moved {
		out.Moved = append(out.Moved, m.Moved)
	}
	reached := map[uint64]bool{}
	slices.SortStableFunc(seen, func(a, b cursor.Foreseen) int {
		x, y := a.Holder.(*opened), b.Holder.(*opened)
		if x.conn.number != y.conn.number {
			return int(x.conn.number) - int(y.conn.number)
		}
		return strings.Compare(x.want.route.Name, y.want.route.Name)
	})
	for _, f := range seen {
		handle := f.Holder.(*opened)
		if reached[handle.conn.number] = true; len(out.Reached) < maxTold {
			out.Reached = append(out.Reached, describeForeseen(handle, f, commit))
		}
	}
	out.ReachedAll = len(reached)
	return out, nil
}

func describeForeseen(handle *opened, f cursor.Foreseen, commit store.Commit) wire.Told {
	out := wire.Told{Connection: handle.conn.number, User: handle.conn.Label(), Cursor: handle.want.route.Name, Closed: f.Closed, Value: valueJSON(f.Value), Deltas: []wire.Turn{}}
	add := func(model *store.Model, deltas []cursor.Delta) {
		for _, delta := range deltas {
			turn := wire.Turn{Op: delta.Op.String(), Model: model.Name, ID: string(delta.ID), Label: labelOf(delta.Image)}
			for _, change := range commit.Changes {
				if delta.Image == nil && change.Model == model && change.ID == delta.ID {
					turn.Label = labelOf(change.Before)
				}
			}
			out.Deltas = append(out.Deltas, turn)
		}
	}
	add(handle.model(), f.Deltas)
	for _, in := range f.Included {
		add(in.Model, in.Deltas)
	}
	return out
}

// model is that of the cursor's records.
func (o *opened) model() *store.Model {
	o.conn.mu.Lock()
	defer o.conn.mu.Unlock()
	return o.query.Spec().Scope.Model
}
