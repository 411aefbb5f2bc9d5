package server

import (
	"context"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A impactPreview is what a commit that is not made would make of connections.
type impactPreview struct {
	hub    *hub
	ctx    context.Context          // in which the state after the commit is read
	visits map[*Connection]*Session // those that would be made anew
	moves  []cursor.Move
}

// previewMoves says which cursors a commit that is not made would give another scope,
// as Rescope does, and changes nothing: connections that stand in for the real
// ones are asked who they are.
func (h *hub) previewMoves(ctx context.Context, commit store.Commit) *impactPreview {
	db := ReadOnlyDB{Reason: "this is only thought of", Read: func(ctx context.Context, fn func(*store.Snapshot) error) error {
		return h.app.store.ViewWith(ctx, commit, fn)
	}}
	f := &impactPreview{hub: h, ctx: withDB(ctx, db), visits: map[*Connection]*Session{}}
	touched := h.watches.Touched(commit)
	for _, by := range touched {
		if c := by.conn; c.isCurrent(by) && c.current() != nil {
			shadow := &Connection{app: c.app, number: c.number, user: c.user, remote: c.remote, since: c.since, db: db}
			f.visits[c] = shadow.connect(f.ctx, &follower{})
			for _, handle := range c.Handles() {
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

func (f *impactPreview) move(v *Session, handle *OpenCursor) {
	move := cursor.Move{Holder: handle}
	if spec, _, err := v.spec(f.ctx, &follower{}, handle.Request); err == nil {
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

// model is that of the cursor's records.
func (o *OpenCursor) Model() *record.Model {
	o.Conn.mu.Lock()
	defer o.Conn.mu.Unlock()
	return o.query.Spec().Scope.Model
}
