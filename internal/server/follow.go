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

// A follower is an answer of the application's that depends on records: who a
// client is, by Connect, or the scope of a cursor, by its method. The commit that
// changes what it followed has the answer given anew.
//
// What it follows is watched before it is read. So no commit falls between the
// two: one that comes then has the answer given anew although it is not complete
// yet, and that other answer counts.
type follower struct {
	conn *Connection // nil: who asks now will not stay, and need not be told

	mu       sync.Mutex
	answered bool   // the answer is complete
	ended    bool   // it does not count any more
	seq      uint64 // of the newest state that was read
	watches  []*cursor.Watch[*follower]
	recorded []query.Scope // without a conn: what would be watched
}

type followerKey struct{}

// evaluate runs what gives the answer, with a context in which it can follow. It
// returns nil where nothing is followed.
func (f *follower) evaluate(ctx context.Context, answer func(context.Context) error) (*follower, error) {
	err := answer(context.WithValue(ctx, followerKey{}, f))
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

// idle reports whether nothing is followed.
func (f *follower) idle() bool {
	if f == nil {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watches) == 0
}

// watch follows a scope from now on.
func (f *follower) watch(scope query.Scope) error {
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
	watch, err := f.conn.app.hub.watches.Add(f, scope)
	if err == nil {
		f.watches = append(f.watches, watch)
	}
	return err
}

// scopes returns what is followed.
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

// isEnded reports whether the answer does not count any more.
func (f *follower) isEnded() bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ended
}

func (f *follower) sawSeq(seq uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq = max(f.seq, seq)
}

// catchUp waits until connections have been handed the state that the answer is
// made of: a cursor that stands at an earlier one must not be opened by it.
func (f *follower) catchUp(ctx context.Context) error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	seq := f.seq
	f.mu.Unlock()
	return f.conn.app.engine.Wait(ctx, seq)
}

// end follows nothing any more.
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

// openCursor returns the cursor whose scope is the answer, nil if there is none.
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

// Follow reads the records of a scope for Connect, or for the method of a cursor,
// and has it asked again in the commit that changes one of them: a record for
// which the scope's conditions hold before the commit or after it.
func (c *Connection) Follow(ctx context.Context, scope query.Scope) (images []*record.Image, err error) {
	f, _ := ctx.Value(followerKey{}).(*follower)
	if f == nil {
		return nil, fmt.Errorf("follow %s: only the connect function and the methods of cursors can follow, with the context that they receive", scope)
	}
	if err := f.watch(scope); err != nil {
		return nil, fmt.Errorf("follow %s: %w", scope, err)
	}
	err = c.View(ctx, func(snap *store.Snapshot) error {
		f.sawSeq(snap.Seq())
		images, err = query.Fetch(snap, scope)
		return err
	})
	return images, err
}
