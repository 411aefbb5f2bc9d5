package control

import (
	"cmp"
	"context"
	"slices"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

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
	commit, seen, err := c.app.Engine().Preview(ctx,
		func(seq uint64) (store.Commit, error) { return d.tx.Preview(ctx, seq) },
		func(commit store.Commit) []cursor.Move {
			moves, reactions := c.app.PreviewMoves(ctx, commit)
			told = reactions
			return moves
		})
	if err != nil {
		return nil, err
	}
	moved, err := c.staleReads(ctx, d.tx)
	if err != nil {
		return nil, err
	}
	out := wire.Impact{Seq: commit.Seq - 1, Changes: len(commit.Changes), Connections: len(c.app.Connections()), Reached: []wire.Reaction{}, Moved: []wire.StaleRead{}}
	for _, m := range moved {
		out.Moved = append(out.Moved, m.StaleRead)
	}
	for _, f := range seen {
		told = append(told, describePreviewed(f.Holder.(*server.OpenCursor), f, commit))
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

func describePreviewed(handle *server.OpenCursor, f cursor.Previewed, commit store.Commit) wire.Reaction {
	out := wire.Reaction{Connection: handle.Conn.Number(), User: handle.Conn.Label(), Cursor: handle.Request.Route.Name, Closed: f.Closed, Value: server.ValueJSON(f.Value), Deltas: []wire.RecordDelta{}}
	add := func(model *record.Model, deltas []cursor.Delta) {
		for _, delta := range deltas {
			turn := wire.RecordDelta{Op: delta.Op.String(), Model: model.Name, ID: string(delta.ID), Label: server.Label(delta.Image)}
			for _, change := range commit.Changes {
				if delta.Image == nil && change.Model == model && change.ID == delta.ID {
					turn.Label = server.Label(change.Before)
				}
			}
			out.Deltas = append(out.Deltas, turn)
		}
	}
	add(handle.Model(), f.Deltas)
	for _, in := range f.Included {
		add(in.Model, in.Deltas)
	}
	return out
}
