package store

import (
	"context"
	"slices"
	"sort"
	"sync"

	"github.com/towerkit/tower/internal/lineage"
	bolt "go.etcd.io/bbolt"
)

// A ring holds the newest commits in memory: at most maxCount of them, in about
// maxSize bytes, and always the newest one. It is safe for concurrent use.
type ring struct {
	mu       sync.Mutex
	commits  []Commit // all from one on, oldest first
	size     int
	seq      uint64 // of the newest commit
	start    uint64 // of the log
	forks    lineage.Forks
	closed   bool
	wake     chan struct{} // closed when something changes
	maxCount int
	maxSize  int
}

// publish appends commits, which follow the newest one that is not lost, and wakes all
// readers. start is the new start of the log.
func (r *ring) publish(commits []Commit, start uint64, forks lineage.Forks) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start, r.forks = start, forks
	for n := len(r.commits); n > 0 && !forks.Has(r.commits[n-1].Seq); n-- {
		r.size -= r.commits[n-1].size()
		r.commits = r.commits[:n-1]
	}
	for i := range commits {
		r.commits = append(r.commits, commits[i])
		r.size += commits[i].size()
		r.seq = commits[i].Seq
	}
	drop := 0
	for drop < len(r.commits)-1 && (len(r.commits)-drop > r.maxCount || r.size > r.maxSize) {
		r.size -= r.commits[drop].size()
		r.commits[drop] = Commit{}
		drop++
	}
	r.commits = r.commits[drop:]
	close(r.wake)
	r.wake = make(chan struct{})
}

// prepend adds commits that were read from the log and end where those in memory
// begin, as many as there is room for, so that reads of nearby old states, common
// after a restart, do not read the log again.
func (r *ring) prepend(commits []Commit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.seq
	if len(r.commits) > 0 {
		last = r.forks.Before(r.commits[0].Seq)
	}
	for len(commits) > 0 && commits[0].Seq < r.start { // they were forgotten meanwhile
		commits = commits[1:]
	}
	for len(commits) > 0 && commits[len(commits)-1].Seq > last {
		commits = commits[:len(commits)-1]
	}
	if len(commits) == 0 || commits[len(commits)-1].Seq != last {
		return
	}
	from := len(commits)
	for from > 0 && len(r.commits)+len(commits)-from < r.maxCount && r.size+commits[from-1].size() <= r.maxSize {
		from--
		r.size += commits[from].size()
	}
	r.commits = append(slices.Clip(commits[from:]), r.commits...)
}

// forget drops the commits before start, at which the log begins now.
func (r *ring) forget(start uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start = max(r.start, start)
	for len(r.commits) > 0 && r.commits[0].Seq < r.start {
		r.size -= r.commits[0].size()
		r.commits = r.commits[1:]
	}
	r.commits = slices.Clone(r.commits)
}

// close wakes all readers. Feeds end.
func (r *ring) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	close(r.wake)
	r.wake = make(chan struct{})
}

// newest returns the seq of the newest commit.
func (r *ring) newest() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seq
}

// at returns the commit seq if it is in memory, and the zero Commit otherwise. The
// caller must hold the lock.
func (r *ring) at(seq uint64) Commit {
	if i := r.from(seq); i < len(r.commits) && r.commits[i].Seq == seq {
		return r.commits[i]
	}
	return Commit{}
}

// from returns where the first commit with that number or a later one is. The caller must
// hold the lock.
func (r *ring) from(seq uint64) int {
	return sort.Search(len(r.commits), func(i int) bool { return r.commits[i].Seq >= seq })
}

// since returns the commits after seq that are in memory: all commits after seq, or
// only those after a gap.
func (r *ring) since(seq uint64) []Commit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Commit(nil), r.commits[r.from(seq+1):]...)
}

// A Feed reads the store's commits in order. It is not safe for concurrent use. A
// store may have any number of feeds, and none of them delays the writer.
type Feed struct {
	store *Store
	seq   uint64   // of the last commit that Next returned
	ahead []Commit // read from the log, not returned yet
}

// Feed returns a feed of the commits after from.
func (s *Store) Feed(from uint64) *Feed { return &Feed{store: s, seq: from} }

// Next waits for the next commit and returns it. It returns [ErrExpired] if the log
// no longer has that commit, an error that is also [ErrNoCommit] if the commit before it
// was lost, [ErrClosed] when the store is closed, and ctx's error.
func (f *Feed) Next(ctx context.Context) (Commit, error) {
	for {
		c, wake, err := f.poll()
		if err != nil {
			return Commit{}, err
		}
		if c.Seq != 0 {
			f.seq = c.Seq
			return c, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return Commit{}, ctx.Err()
		}
	}
}

// poll returns the next commit if there is one, and otherwise the zero Commit and a
// channel that is closed when there may be one.
func (f *Feed) poll() (Commit, <-chan struct{}, error) {
	r := &f.store.ring
	r.mu.Lock()
	closed, wake, newest := r.closed, r.wake, r.seq
	has, next := r.forks.Has(f.seq), r.forks.Next(f.seq)
	c := r.at(next)
	r.mu.Unlock()
	if closed {
		if err := f.store.Err(); err != nil {
			return Commit{}, nil, err
		}
		return Commit{}, nil, ErrClosed
	}
	if !has {
		return Commit{}, nil, lost(f.seq)
	}
	if c.Seq == 0 && next <= newest {
		c, err := f.readAhead(next, newest)
		return c, nil, err
	}
	f.ahead = nil
	return c, wake, nil
}

const aheadBytes = 1 << 20

// readAhead returns the commit next from the log. It reads several commits at once.
func (f *Feed) readAhead(next, last uint64) (Commit, error) {
	if len(f.ahead) == 0 {
		err := f.store.read(func(btx *bolt.Tx) (err error) {
			f.ahead, err = f.store.readLog(btx, next, last, aheadBytes)
			return err
		})
		if err != nil {
			return Commit{}, err
		}
	}
	c := f.ahead[0]
	f.ahead = f.ahead[1:]
	return c, nil
}
