package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// The errors that callers distinguish.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("changed by another transaction")
	ErrExpired  = errors.New("no longer in the log")
	ErrClosed   = errors.New("the store is closed")
)

// A Store holds records, their indexes and the log of commits in one file. It is safe
// for concurrent use.
type Store struct {
	options Options
	path    string
	db      atomic.Pointer[bolt.DB] // replaced by a compaction; see begin
	epoch   string
	models  map[string]*record.Model
	tables  map[*record.Model]*table
	ring    ring
	answers answers

	queue       chan *pending
	postponed   []*pending    // the writer's; they wait behind a group whose fate is not known
	closing     chan struct{} // closed to stop the writer
	stopped     chan struct{} // closed by the writer
	failed      chan struct{} // closed when the file turns out to be damaged
	damage      atomic.Pointer[DamagedError]
	upkeep      sync.Mutex    // held while the file is compacted, or rows of a migration are written
	touched     touched       // not nil during a compaction; for a transaction that writes the file
	noted       atomic.Int64  // about how many keys are in touched
	compactKeys int           // most keys that a compaction copies at once
	indexRun    int           // most keys of an index that are prepared at once
	retryQueue  chan struct{} // holds a value while a transaction runs again after a conflict
	following   following     // of a shared log
	marks       *record.Model // of marks that stores share; nil without a shared log
	held        atomic.Uint64 // see Hold
	close       sync.Once

	stats struct{ commits, writes, conflicts atomic.Uint64 }
}

// Stats are what a store has done since it was opened.
type Stats struct {
	Commits   uint64
	Writes    uint64 // to the disk; one carries many commits
	Conflicts uint64 // transactions that came after another one that changed what they read
	Queued    int    // transactions that wait to be written
}

// Stats returns what the store has done.
func (s *Store) Stats() Stats {
	return Stats{s.stats.commits.Load(), s.stats.writes.Load(), s.stats.conflicts.Load(), len(s.queue)}
}

// Epoch returns the name of the file's history. It was chosen when the file was
// created.
func (s *Store) Epoch() string { return s.epoch }

// Seq returns the number of the newest commit; 0 before the first.
func (s *Store) Seq() uint64 { return s.ring.newest() }

// After returns when the first commit after seq was made, or of those the first that is in
// memory. It is zero if there is none.
func (s *Store) After(seq uint64) time.Time {
	s.ring.mu.Lock()
	defer s.ring.mu.Unlock()
	if seq >= s.ring.seq || len(s.ring.commits) == 0 {
		return time.Time{}
	}
	return s.ring.commits[s.ring.from(seq+1)].At
}

// Before returns the number of the commit before another one: one less, unless commits in
// between have been lost. seq must not be 0.
func (s *Store) Before(seq uint64) uint64 {
	s.ring.mu.Lock()
	defer s.ring.mu.Unlock()
	return s.ring.forks.Before(seq)
}

// Count returns how many commits were made after one, up to a later one.
func (s *Store) Count(after, last uint64) uint64 {
	s.ring.mu.Lock()
	defer s.ring.mu.Unlock()
	return s.ring.forks.Count(after, last)
}

// has reports whether a number is of no commit that was lost.
func (s *Store) has(seq uint64) bool {
	s.ring.mu.Lock()
	defer s.ring.mu.Unlock()
	return s.ring.forks.Has(seq)
}

// LogStart returns the number of the oldest commit in the log, or of the next commit
// if the log is empty. A feed can begin there.
func (s *Store) LogStart() uint64 {
	s.ring.mu.Lock()
	defer s.ring.mu.Unlock()
	return s.ring.start
}

// Model returns the model with that name, or nil.
func (s *Store) Model(name string) *record.Model { return s.models[name] }

// Models returns the store's models in the order of the options.
func (s *Store) Models() []*record.Model { return slices.Clone(s.options.Models) }

// View calls fn with the newest state. fn must be short and must call nothing of the
// store but its snapshot: the file cannot grow while it runs.
func (s *Store) View(ctx context.Context, fn func(*Snapshot) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.read(func(btx *bolt.Tx) error {
		snap := &Snapshot{store: s, ctx: ctx, btx: btx, seq: readHead(btx).seq}
		defer func() {
			snap.btx = nil
			snap.count()
		}()
		return fn(snap)
	})
}

// ViewAt calls fn with the state after the commit seq: the newest state with later
// commits undone. It returns [ErrExpired] if the log does not reach back that far.
// See View for what fn may do.
func (s *Store) ViewAt(ctx context.Context, seq uint64, fn func(*Snapshot) error) error {
	return s.View(ctx, func(snap *Snapshot) error {
		if seq > snap.seq {
			return fmt.Errorf("view commit %d: the newest is %d", seq, snap.seq)
		}
		snap.over = overlay{}
		if err := s.eachSince(snap.btx, seq, snap.seq, snap.over.undo); err != nil {
			return err
		}
		snap.seq = seq
		return fn(snap)
	})
}

// eachSince calls fn with the changes of each commit after seq up to last, in order.
// It takes commits from memory if they are there, and otherwise from the log that btx
// sees.
func (s *Store) eachSince(btx *bolt.Tx, seq, last uint64, fn func([]Change)) error {
	recent, forks := s.ring.since(seq), readForks(btx)
	if !forks.Has(seq) {
		return lost(seq)
	}
	var older []Commit
	for next := forks.Next(seq); next <= last; {
		for len(recent) > 0 && recent[0].Seq < next {
			recent = recent[1:]
		}
		if len(recent) > 0 && recent[0].Seq == next {
			fn(recent[0].Changes)
			next = forks.Next(next)
			continue
		}
		until := last
		if len(recent) > 0 {
			until = min(last, recent[0].Seq-1)
		}
		commits, err := s.readLog(btx, next, until, aheadBytes)
		if err != nil {
			return err
		}
		for i := range commits {
			fn(commits[i].Changes)
			next = forks.Next(next)
		}
		older = append(older, commits...)
	}
	s.ring.prepend(older)
	return nil
}

const (
	maxTries     = 20
	minRetryWait = 8 * time.Millisecond // half of the first wait for a turn: a few commits
	maxRetryWait = time.Second          // longest wait for a turn
)

// Update runs fn in a transaction and commits it. After a conflict it runs fn again,
// up to 20 times, and then returns [ErrConflict]. If fn fails, Update returns fn's
// error as it is and commits nothing; but if what fn read has changed meanwhile, that may be
// why it failed, so Update runs it again.
func (s *Store) Update(ctx context.Context, by string, fn func(*Tx) error) (Commit, error) {
	turn := false
	defer func() {
		if turn {
			<-s.retryQueue
		}
	}()
	for try := 1; ; try++ {
		tx := s.Begin(by)
		err := fn(tx)
		if err != nil && (try == maxTries || !tx.overtaken(ctx)) {
			return Commit{}, err
		}
		if err == nil {
			c, err := tx.Commit(ctx)
			if !errors.Is(err, ErrConflict) {
				return c, err
			}
			if try == maxTries {
				return Commit{}, fmt.Errorf("gave up after %d tries: %w", try, err)
			}
		}
		if turn, err = s.waitTurn(ctx, turn, min(minRetryWait<<try, maxRetryWait)); err != nil {
			return Commit{}, err
		}
	}
}

// Note makes a commit without changes: the log keeps who did something that changes no
// record. It returns when the disk has it.
func (s *Store) Note(ctx context.Context, by string) (Commit, error) {
	return s.submit(ctx, s.prepare(s.Begin(by), nil))
}

// waitTurn lets transactions retry one after another after a conflict, so that they
// do not conflict with each other again. After wait it returns without a turn,
// because the transaction whose turn it is may be busy with something else.
func (s *Store) waitTurn(ctx context.Context, turn bool, wait time.Duration) (bool, error) {
	if turn {
		return true, nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case s.retryQueue <- struct{}{}:
		return true, nil
	case <-timer.C:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// read runs fn in a read transaction of the file.
func (s *Store) read(fn func(*bolt.Tx) error) error {
	return s.guarded(func() error {
		btx, err := s.begin(false)
		if err != nil {
			return err
		}
		defer btx.Rollback()
		return fn(btx)
	})
}

// update runs fn in a transaction of the file, beside the writer.
func (s *Store) update(fn func(*bolt.Tx) error) error {
	return s.guarded(func() error {
		btx, err := s.begin(true)
		if err != nil {
			return err
		}
		defer btx.Rollback()
		if err := fn(btx); err != nil {
			return err
		}
		return btx.Commit()
	})
}
