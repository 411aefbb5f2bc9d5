package server

import (
	"cmp"
	"context"
	"slices"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A impactPreview is what a commit that is not made would make of connections.
type impactPreview struct {
	hub    *hub
	ctx    context.Context          // in which the state after the commit is read
	visits map[*Connection]*session // those that would be made anew
	moves  []cursor.Move
}

// previewMoves says which cursors a commit that is not made would give another scope,
// as Rescope does, and changes nothing: connections that stand in for the real
// ones are asked who they are.
func (h *hub) previewMoves(ctx context.Context, commit store.Commit) *impactPreview {
	db := readOnlyDB{reason: "this is only thought of", view: func(ctx context.Context, fn func(*store.Snapshot) error) error {
		return h.app.store.ViewWith(ctx, commit, fn)
	}}
	f := &impactPreview{hub: h, ctx: withDB(ctx, db), visits: map[*Connection]*session{}}
	touched := h.watches.Touched(commit)
	for _, by := range touched {
		if c := by.conn; c.isCurrent(by) && c.current() != nil {
			shadow := &Connection{app: c.app, number: c.number, user: c.user, remote: c.remote, since: c.since, db: db}
			f.visits[c] = shadow.connect(f.ctx, &follower{})
			for _, handle := range c.handles() {
				f.move(f.visits[c], handle)
			}
		}
	}
	for _, by := range touched {
		if handle := by.handle(); handle != nil && f.visits[by.conn] == nil && handle.live.Load() {
			f.move(by.conn.current(), handle)
		}
	}
	return f
}

func (f *impactPreview) move(v *session, handle *openCursor) {
	move := cursor.Move{Holder: handle}
	if spec, _, err := v.spec(f.ctx, &follower{}, handle.request); err == nil {
		move.To = &spec
	}
	f.moves = append(f.moves, move)
}

// reactions is what connections would be told beside what becomes of their cursors.
func (f *impactPreview) reactions() (all []wire.Reaction) {
	for c, v := range f.visits {
		told := wire.Reaction{Connection: c.number, User: c.Label(), Deltas: []wire.RecordDelta{}, Ends: v.err != nil}
		if told.Rights = v.err == nil && v.rights() != c.rights; told.Rights || told.Ends {
			all = append(all, told)
		}
	}
	return all
}

const maxReactions = 1000 // cursors named in one impact

// impact says what a transaction would do to open cursors. Nobody is told.
func (c *console) impact(ctx context.Context, req *wire.ControlRequest) (any, error) {
	d, err := c.openTransaction(req)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var told []wire.Reaction
	commit, seen, err := c.app.engine.Preview(ctx,
		func(seq uint64) (store.Commit, error) { return d.tx.Preview(ctx, seq) },
		func(commit store.Commit) []cursor.Move {
			f := c.app.hub.previewMoves(ctx, commit)
			told = f.reactions()
			return f.moves
		})
	if err != nil {
		return nil, err
	}
	moved, err := c.staleReads(ctx, d.tx)
	if err != nil {
		return nil, err
	}
	out := wire.Impact{Seq: commit.Seq - 1, Changes: len(commit.Changes), Connections: c.app.hub.count(), Reached: []wire.Reaction{}, Moved: []wire.StaleRead{}}
	for _, m := range moved {
		out.Moved = append(out.Moved, m.StaleRead)
	}
	for _, f := range seen {
		told = append(told, describePreviewed(f.Holder.(*openCursor), f, commit))
	}
	slices.SortStableFunc(told, func(a, b wire.Reaction) int {
		return cmp.Or(cmp.Compare(a.Connection, b.Connection), cmp.Compare(a.Cursor, b.Cursor))
	})
	reached := map[uint64]bool{}
	for _, t := range told {
		reached[t.Connection] = true
	}
	out.Reached, out.ReachedAll = append(out.Reached, told[:min(len(told), maxReactions)]...), len(reached)
	return out, nil
}

func describePreviewed(handle *openCursor, f cursor.Previewed, commit store.Commit) wire.Reaction {
	out := wire.Reaction{Connection: handle.conn.number, User: handle.conn.Label(), Cursor: handle.request.route.Name, Closed: f.Closed, Value: valueJSON(f.Value), Deltas: []wire.RecordDelta{}}
	add := func(model *record.Model, deltas []cursor.Delta) {
		for _, delta := range deltas {
			turn := wire.RecordDelta{Op: delta.Op.String(), Model: model.Name, ID: string(delta.ID), Label: labelOf(delta.Image)}
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
func (o *openCursor) model() *record.Model {
	o.conn.mu.Lock()
	defer o.conn.mu.Unlock()
	return o.query.Spec().Scope.Model
}
