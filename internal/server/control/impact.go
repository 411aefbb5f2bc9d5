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

// maxReactions is the most cursors that are listed in one impact.
const maxReactions = 1000

// impact returns what a transaction would do to open cursors. Clients receive nothing.
func (c *console) impact(ctx context.Context, req *wire.ControlRequest) (any, error) {
	t, err := c.openTransaction(req)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var reactions []wire.Reaction
	commit, seen, err := c.app.Engine().Preview(ctx,
		func(seq uint64) (store.Commit, error) { return t.tx.Preview(ctx, seq) },
		func(commit store.Commit) []cursor.Move {
			moves, others := c.app.PreviewMoves(ctx, commit)
			reactions = others
			return moves
		})
	if err != nil {
		return nil, err
	}
	moved, err := c.staleReads(ctx, t.tx)
	if err != nil {
		return nil, err
	}
	out := wire.Impact{Seq: commit.Seq - 1, Changes: len(commit.Changes), Connections: len(c.app.Connections()), Reached: []wire.Reaction{}, Moved: []wire.StaleRead{}}
	for _, stale := range moved {
		out.Moved = append(out.Moved, stale.StaleRead)
	}
	for _, f := range seen {
		reactions = append(reactions, describePreviewed(f.Holder.(*server.OpenCursor), f, commit))
	}
	slices.SortStableFunc(reactions, func(a, b wire.Reaction) int {
		return cmp.Or(cmp.Compare(a.Connection, b.Connection), cmp.Compare(a.Cursor, b.Cursor))
	})
	reached := map[uint64]bool{}
	for _, r := range reactions {
		reached[r.Connection] = true
	}
	out.Reached, out.ReachedAll = append(out.Reached, reactions[:min(len(reactions), maxReactions)]...), len(reached)
	return out, nil
}

// describePreviewed describes what a commit would do to one cursor.
func describePreviewed(oc *server.OpenCursor, f cursor.Previewed, commit store.Commit) wire.Reaction {
	out := wire.Reaction{Connection: oc.Conn.Number(), User: oc.Conn.Label(), Cursor: oc.Request.Route.Name, Closed: f.Closed, Value: server.ValueJSON(f.Value), Deltas: []wire.RecordDelta{}}
	add := func(model *record.Model, deltas []cursor.Delta) {
		for _, delta := range deltas {
			rd := wire.RecordDelta{Op: delta.Op.String(), Model: model.Name, ID: string(delta.ID), Label: server.Label(delta.Image)}
			for _, change := range commit.Changes {
				if delta.Image == nil && change.Model == model && change.ID == delta.ID {
					rd.Label = server.Label(change.Before)
				}
			}
			out.Deltas = append(out.Deltas, rd)
		}
	}
	add(oc.Model(), f.Deltas)
	for _, in := range f.Included {
		add(in.Model, in.Deltas)
	}
	return out
}
