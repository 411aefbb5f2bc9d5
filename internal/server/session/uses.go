package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// author makes the commits that note when sessions were used, and that end those whose time
// is over.
const author = "sessions"

const (
	maxFresh = time.Hour             // for how long a session is not noted as used again, at most
	minPause = time.Second           // between two sweeps, unless poked
	soon     = 20 * time.Millisecond // between two searches for sessions whose time is over
	atOnce   = 1000                  // sessions in one transaction
)

// uses are the sessions that have been used since the last sweep.
type uses struct {
	mu      sync.Mutex
	since   map[record.ID]time.Time // when they were last noted as used
	refused map[record.ID]bool      // those that the next sweep ends
	poked   chan struct{}           // something has changed that the next sweep is for
}

func newUses() uses {
	return uses{since: map[record.ID]time.Time{}, refused: map[record.ID]bool{}, poked: make(chan struct{}, 1)}
}

func (u *uses) note(d *Details) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.since[d.ID] = d.Seen
	if d.Seen.IsZero() { // for the first time
		u.poke()
	}
}

func (u *uses) take() (used map[record.ID]time.Time, refused []record.ID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	used, refused = u.since, slices.Collect(maps.Keys(u.refused))
	u.since = map[record.ID]time.Time{}
	clear(u.refused)
	return used, refused
}

func (u *uses) poke() {
	select {
	case u.poked <- struct{}{}:
	default:
	}
}

// fresh is for how long a session that was noted as used is not noted again.
func (s *Sessions) fresh() time.Duration { return min(maxFresh, s.Idle/24) }

// Run notes now and then which sessions are used, and ends each one when its time is over,
// until ctx ends. open returns the sessions of open connections, which are in use.
func (s *Sessions) Run(ctx context.Context, open func() []record.ID, report func(error)) {
	var swept time.Time
	for {
		var next time.Duration
		var err error
		if now := time.Now(); now.Sub(swept) >= minPause {
			swept = now
			next, err = s.Sweep(ctx, open())
		} else {
			next, err = s.endAllOver(ctx)
		}
		if err != nil && ctx.Err() == nil {
			next = time.Minute
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.uses.poked:
			swept = time.Time{}
		case <-time.After(max(soon, next)):
		}
	}
}

// Sweep ends the sandboxes that were refused, notes the use of sessions that were noted last
// some time ago, those with open connections among them, and ends the sessions whose time is
// over. It returns when to do so again.
func (s *Sessions) Sweep(ctx context.Context, open []record.ID) (next time.Duration, err error) {
	used, refused := s.uses.take()
	if err := s.inBatches(ctx, refused, s.End); err != nil {
		return 0, fmt.Errorf("end sandboxes: %w", err)
	}
	for _, id := range open {
		if _, known := used[id]; !known {
			used[id] = time.Time{}
		}
	}
	due, err := s.due(ctx, used)
	if err == nil {
		err = s.inBatches(ctx, due, s.touch)
	}
	if err != nil {
		return 0, fmt.Errorf("note which sessions are used: %w", err)
	}
	return s.endAllOver(ctx)
}

// endAllOver ends the sessions whose time is over, and returns when to do so again.
func (s *Sessions) endAllOver(ctx context.Context) (next time.Duration, err error) {
	next, over, err := s.over(ctx)
	if err == nil {
		err = s.inBatches(ctx, over, s.endOver)
	}
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	return next, nil
}

// due returns the sessions whose use must be noted.
func (s *Sessions) due(ctx context.Context, used map[record.ID]time.Time) (due []record.ID, err error) {
	before := s.Now().Add(-s.fresh())
	err = s.store.View(ctx, func(snap *store.Snapshot) error {
		for id, since := range used {
			if since.After(before) {
				continue
			}
			d, err := s.get(snap, id)
			if err == nil && !d.Seen.After(before) {
				due = append(due, id)
			}
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	return due, err
}

// over returns the sessions whose time is over, and after which time to look again.
func (s *Sessions) over(ctx context.Context) (next time.Duration, over []record.ID, err error) {
	now := s.Now()
	next = s.fresh() / 4
	err = s.store.View(ctx, func(snap *store.Snapshot) (err error) {
		for _, t := range s.tables() {
			err = errors.Join(err, t.Scan(snap, store.Range{Index: t.Model.Field("expiresAt")}, func(d Details) bool {
				if d.Expires.After(now) {
					next = min(next, d.Expires.Sub(now))
					return false
				}
				over = append(over, d.ID)
				return true
			}))
		}
		return err
	})
	return next, over, err
}

// inBatches calls change for each of the ids, in transactions that are not too large.
func (s *Sessions) inBatches(ctx context.Context, ids []record.ID, change func(*store.Tx, record.ID) error) error {
	for batch := range slices.Chunk(ids, atOnce) {
		if _, err := s.store.Update(ctx, author, func(tx *store.Tx) error {
			for _, id := range batch {
				if err := change(tx, id); err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// touch notes that a session is used now.
func (s *Sessions) touch(tx *store.Tx, id record.ID) error {
	d, t, err := s.in(tx, id)
	if err != nil {
		return err
	}
	d.Seen = tx.Now()
	d.Expires = s.expiry(&d)
	return t.Put(tx, id, &d)
}

// endOver ends a session if its time is still over.
func (s *Sessions) endOver(tx *store.Tx, id record.ID) error {
	d, t, err := s.in(tx, id)
	if err != nil || d.Expires.After(s.Now()) {
		return err
	}
	return tx.Delete(t.Model, id)
}
