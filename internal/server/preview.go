package server

import (
	"context"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// An impactPreview is the effect that a commit would have on connections.
type impactPreview struct {
	hub      *hub
	ctx      context.Context          // reads the state after the commit
	sessions map[*Connection]*Session // of the connections that would get a new session
	moves    []cursor.Move
}

// previewMoves returns the cursors that a commit would move to another scope, as Rescope
// does. It changes nothing: it connects copies of the connections.
func (h *hub) previewMoves(ctx context.Context, commit store.Commit) *impactPreview {
	db := ReadOnlyDB{Reason: "a preview writes nothing", Read: func(ctx context.Context, fn func(*store.Snapshot) error) error {
		return h.app.store.ViewWith(ctx, commit, fn)
	}}
	p := &impactPreview{hub: h, ctx: withDB(ctx, db), sessions: map[*Connection]*Session{}}
	touched := h.watches.Touched(commit)
	for _, f := range touched {
		if c := f.conn; c.isCurrent(f) && c.current() != nil {
			shadow := &Connection{app: c.app, number: c.number, user: c.user, remote: c.remote, since: c.since, db: db}
			p.sessions[c] = shadow.connect(p.ctx, &follower{})
			for _, oc := range c.OpenCursors() {
				p.move(p.sessions[c], oc)
			}
		}
	}
	for _, f := range touched {
		if oc := f.openCursor(); oc != nil && p.sessions[f.conn] == nil && oc.live.Load() {
			p.move(f.conn.current(), oc)
		}
	}
	return p
}

// move adds the move of a cursor.
func (p *impactPreview) move(s *Session, oc *OpenCursor) {
	move := cursor.Move{Holder: oc}
	if spec, _, err := s.spec(p.ctx, &follower{}, oc.Request); err == nil {
		move.To = &spec
	}
	p.moves = append(p.moves, move)
}

// reactions returns the effects on connections besides the moves of their cursors.
func (p *impactPreview) reactions() (all []wire.Reaction) {
	for c, s := range p.sessions {
		reaction := wire.Reaction{Connection: c.number, User: c.Label(), Deltas: []wire.RecordDelta{}, Ends: s.err != nil}
		if reaction.Rights = s.err == nil && s.rights() != c.rights; reaction.Rights || reaction.Ends {
			all = append(all, reaction)
		}
	}
	return all
}
