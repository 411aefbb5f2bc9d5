package server

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A follower records the scopes that one call of Connect, or of the method of a cursor,
// follows. A commit that changes a followed record makes the server call the function
// again.
//
// A scope is watched before it is read, so no commit can fall in between. A commit during
// the call starts another call, and its result replaces the result of the first.
type follower struct {
	conn *Connection // nil: nothing is watched, because the result is used once

	mu       sync.Mutex
	answered bool   // the function has returned
	ended    bool   // the result is not used any more
	seq      uint64 // the newest state that was read
	watches  []*cursor.Watch[*follower]
	recorded []query.Scope // without a conn: the scopes that would be watched
}

type followerKey struct{}

// evaluate calls fn with a context that can follow. It returns nil if fn followed
// nothing, and otherwise f, also with an error.
func (f *follower) evaluate(ctx context.Context, fn func(context.Context) error) (*follower, error) {
	err := fn(context.WithValue(ctx, followerKey{}, f))
	f.mu.Lock()
	f.answered = true
	f.mu.Unlock()
	if err != nil {
		f.end()
	}
	if f.idle() {
		return nil, err
	}
	return f, err
}

// idle reports whether f watches nothing.
func (f *follower) idle() bool {
	if f == nil {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watches) == 0
}

// watch starts to follow a scope, or only these fields of its records.
func (f *follower) watch(scope query.Scope, fields ...*record.Field) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.answered {
		return errors.New("the function that followed it has already returned")
	}
	if f.conn == nil {
		f.recorded = append(f.recorded, scope)
	}
	if f.ended || f.conn == nil {
		return nil
	}
	watch, err := f.conn.app.hub.watches.Add(f, scope, fields...)
	if err == nil {
		f.watches = append(f.watches, watch)
	}
	return err
}

// scopes returns the followed scopes.
func (f *follower) scopes() (all []query.Scope) {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, watch := range f.watches {
		all = append(all, watch.Scope())
	}
	return all
}

// isEnded reports whether the result is not used any more.
func (f *follower) isEnded() bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ended
}

// sawSeq records that the function read the state after a commit.
func (f *follower) sawSeq(seq uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq = max(f.seq, seq)
}

// catchUp waits until all commits that the function read have been delivered. A cursor must
// not be opened with a scope that is newer than the state of its connection.
func (f *follower) catchUp(ctx context.Context) error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	seq := f.seq
	f.mu.Unlock()
	return f.conn.app.engine.Wait(ctx, seq)
}

// end stops following.
func (f *follower) end() {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	for _, watch := range f.watches {
		f.conn.app.hub.watches.Remove(watch)
	}
	f.watches = nil
}

// openCursor returns the cursor that f belongs to, nil if there is none.
func (f *follower) openCursor() *OpenCursor {
	f.conn.mu.Lock()
	defer f.conn.mu.Unlock()
	for _, cursors := range [...][]*OpenCursor{f.conn.open, f.conn.opening} {
		for _, oc := range cursors {
			if oc.follower == f {
				return oc
			}
		}
	}
	return nil
}

// Follow returns the records of a scope, for Connect or the method of a cursor. The server
// calls that function again in each commit that changes such a record: a record that the
// scope's conditions match before or after the commit. ctx must be the context that the
// function received, and the function must not have returned. If fields are named, a change
// of others does not matter, as long as the record meets the conditions before and after.
func (c *Connection) Follow(ctx context.Context, scope query.Scope, fields ...*record.Field) (images []*record.Image, err error) {
	f, _ := ctx.Value(followerKey{}).(*follower)
	if f == nil && !c.standalone {
		return nil, fmt.Errorf("follow %s: only the connect function and the methods of cursors can follow, with the context that they receive", scope)
	}
	if f != nil {
		if err := f.watch(scope, fields...); err != nil {
			return nil, fmt.Errorf("follow %s: %w", scope, err)
		}
	}
	err = c.View(ctx, func(snap *store.Snapshot) error {
		if f != nil {
			f.sawSeq(snap.Seq())
		}
		images, err = query.Fetch(snap, scope)
		return err
	})
	return images, err
}
