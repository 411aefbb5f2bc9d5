package server

import (
	"context"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// A impactPreview is what a commit that is not made would make of connections.
type impactPreview struct {
	hub      *hub
	ctx      context.Context          // in which the state after the commit is read
	sessions map[*Connection]*Session // those that would be made anew
	moves    []cursor.Move
}

// previewMoves says which cursors a commit that is not made would give another scope,
// as Rescope does, and changes nothing: connections that stand in for the real
// ones are asked who they are.
func (h *hub) previewMoves(ctx context.Context, commit store.Commit) *impactPreview {
	db := ReadOnlyDB{Reason: "a preview writes nothing", Read: func(ctx context.Context, fn func(*store.Snapshot) error) error {
		return h.app.store.ViewWith(ctx, commit, fn)
	}}
	f := &impactPreview{hub: h, ctx: withDB(ctx, db), sessions: map[*Connection]*Session{}}
	touched := h.watches.Touched(commit)
	for _, by := range touched {
		if c := by.conn; c.isCurrent(by) && c.current() != nil {
			shadow := &Connection{app: c.app, number: c.number, user: c.user, remote: c.remote, since: c.since, db: db}
			f.sessions[c] = shadow.connect(f.ctx, &follower{})
			for _, oc := range c.OpenCursors() {
				f.move(f.sessions[c], oc)
			}
		}
	}
	for _, by := range touched {
		if oc := by.openCursor(); oc != nil && f.sessions[by.conn] == nil && oc.live.Load() {
			f.move(by.conn.current(), oc)
		}
	}
	return f
}

func (f *impactPreview) move(s *Session, oc *OpenCursor) {
	move := cursor.Move{Holder: oc}
	if spec, _, err := s.spec(f.ctx, &follower{}, oc.Request); err == nil {
		move.To = &spec
	}
	f.moves = append(f.moves, move)
}

// reactions is what connections would be told beside what becomes of their cursors.
func (f *impactPreview) reactions() (all []wire.Reaction) {
	for c, s := range f.sessions {
		told := wire.Reaction{Connection: c.number, User: c.Label(), Deltas: []wire.RecordDelta{}, Ends: s.err != nil}
		if told.Rights = s.err == nil && s.rights() != c.rights; told.Rights || told.Ends {
			all = append(all, told)
		}
	}
	return all
}
