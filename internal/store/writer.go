package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/towerkit/tower/internal/layers"
	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

const (
	maxGroup = 1000 // transactions that share one write to the disk
	trimMore = 64   // log entries, and keys, that a group may remove beyond the number it adds
)

// A pending is a transaction that waits for the writer. The committing goroutine
// prepares everything in it that does not depend on the commit's number.
type pending struct {
	ctx      context.Context
	reads    layers.Map[record.Key, read]
	scans    []scanRead
	by       string
	attempt  *Attempt
	trace    any
	changes  []Change
	moves    []move
	entry    []byte    // for the log
	versions []int     // where the commit's number goes in entry
	since    time.Time // when it was handed to the writer, with a shared log
	answer   chan answer
}

type answer struct {
	commit Commit
	err    error
}

func (s *Store) prepare(tx *Tx, changes []Change) *pending {
	p := &pending{reads: tx.reads, scans: tx.scans.Since(0), by: tx.by, attempt: tx.attempt, trace: tx.trace, changes: changes, answer: make(chan answer, 1)}
	for i := range changes {
		p.moves = s.tables[changes[i].Model].moves(p.moves, &changes[i])
	}
	p.entry, p.versions = encodeCommit(tx.by, changes)
	return p
}

// submit hands p to the writer and waits for the result.
func (s *Store) submit(ctx context.Context, p *pending) (Commit, error) {
	p.ctx = ctx
	if s.options.Log != nil {
		p.since = time.Now()
	}
	if err := ctx.Err(); err != nil {
		return Commit{}, err
	}
	select {
	case <-s.closing:
		return Commit{}, ErrClosed
	default:
	}
	select {
	case s.queue <- p:
	case <-s.closing:
		return Commit{}, ErrClosed
	case <-ctx.Done():
		return Commit{}, ctx.Err()
	}
	var err error
	select {
	case a := <-p.answer:
		return a.commit, a.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.stopped:
		err = ErrClosed
	}
	select {
	case a := <-p.answer: // it came at the same time
		return a.commit, a.err
	default:
		return Commit{}, err
	}
}

// write is the writer's goroutine. It commits waiting transactions until the store is
// closing and none is left.
func (s *Store) write() {
	defer close(s.stopped)
	var due <-chan time.Time // for answers that no commit has taken along
	wake, look, stop := s.watchLog()
	defer stop()
	for {
		if all := s.postponed; len(all) > 0 {
			s.postponed = nil
			s.writeGroup(all...)
			continue
		}
		select {
		case p := <-s.queue:
			s.writeGroup(p)
			continue
		case <-wake:
			s.followFor() // [Store.Following] has the error
			continue
		case <-look:
			s.followFor()
			continue
		case asked := <-s.following.asked:
			s.followFor(asked)
			continue
		case <-s.answers.wake:
			if due == nil {
				due = time.After(answerWait)
			}
			continue
		case <-due:
			due = nil
			s.writeGroup()
			continue
		case <-s.closing:
		}
		select {
		case p := <-s.queue:
			s.writeGroup(p)
		default:
			s.writeGroup()
			return
		}
	}
}

// A group is transactions that are written together, and the answers of calls that are
// written along with them.
type group struct {
	all     []*pending
	answers []answer // of all, in order; when writing fails, only the errors in them are valid
	calls   map[string]waitingAnswer
	apart   bool       // no transaction joins it
	sent    []Appended // to a shared log, which may or may not have them
}

// writeGroup commits transactions, and whatever else waits, in one transaction of the
// file and sends each its result. It also writes the waiting answers of calls.
func (s *Store) writeGroup(all ...*pending) {
	g := &group{all: all, calls: s.answers.all()}
	if len(g.all)+len(g.calls) == 0 {
		return
	}
	var err error
	if s.options.Log == nil {
		err = s.guarded(func() error { return s.writeFile(g) })
	} else {
		err = s.writeShared(g)
	}
	if errors.Is(err, ErrAway) || errors.Is(err, ErrUnknown) {
		s.answers.keep(g.calls)
	} else {
		s.answers.drop(g.calls)
	}
	g.answer(err)
}

// answer sends each transaction of the group its result. err is why writing them failed.
func (g *group) answer(err error) {
	for i, p := range g.all {
		switch {
		case err == nil || i < len(g.answers) && g.answers[i].err != nil:
			p.answer <- g.answers[i]
		default:
			p.answer <- answer{err: fmt.Errorf("commit: %w", err)}
		}
	}
}

// writeFile commits the group to the file, which has the only log.
func (s *Store) writeFile(g *group) error {
	return s.inBatch(func(b *batch) error {
		s.gather(g)
		if err := b.applyAll(g); err != nil || len(b.commits)+len(g.calls) == 0 {
			return err
		}
		if err := b.putAnswers(g.calls); err != nil {
			return err
		}
		return b.commit()
	})
}

// gather adds waiting transactions to the group.
func (s *Store) gather(g *group) {
	for !g.apart && len(g.all) < maxGroup {
		select {
		case p := <-s.queue:
			g.all = append(g.all, p)
		default:
			return
		}
	}
}

// inBatch calls fn with a new batch, which has no effect unless fn commits it.
func (s *Store) inBatch(fn func(*batch) error) error {
	btx, err := s.begin(true)
	if err != nil {
		return err
	}
	defer btx.Rollback()
	b := s.newBatch(btx)
	if err := b.catchUp(); err != nil {
		return err
	}
	return fn(b)
}

func (s *Store) newBatch(btx *bolt.Tx) *batch {
	b := &batch{store: s, btx: btx, head: readHead(btx), forks: readForks(btx)}
	b.since, b.next = b.head.seq, b.head.seq+1
	return b
}

// catchUp publishes commits that reached the file although writing them returned an
// error.
func (b *batch) catchUp() error {
	newest := b.store.ring.newest()
	if b.head.seq == newest {
		return nil
	}
	commits, err := b.store.readLog(b.btx, b.forks.Next(newest), b.head.seq, math.MaxInt)
	if err == nil {
		b.store.ring.publish(commits, logStart(b.btx, b.head), b.forks)
	}
	return err
}

// applyAll applies the transactions of the group that pass their checks.
func (b *batch) applyAll(g *group) error {
	g.answers = make([]answer, len(g.all))
	for i, p := range g.all {
		err := b.check(p)
		if err != nil {
			g.answers[i].err = err
			if errors.Is(err, ErrConflict) {
				b.store.stats.conflicts.Add(1)
			}
			continue
		}
		if g.answers[i].commit, err = b.apply(p); err != nil {
			return err
		}
	}
	return nil
}

// commit makes the batch durable, and publishes it to the feeds. It also removes what
// has become too old.
func (b *batch) commit() error {
	s := b.store
	now, limit := s.now(), len(b.commits)+trimMore
	if err := s.expire(b.btx, now, limit); err != nil {
		return err
	}
	if err := s.trim(b.btx, &b.head, now, limit); err != nil {
		return err
	}
	s.touch(metaBucket, headKey)
	if err := b.head.write(b.btx); err != nil {
		return err
	}
	start := logStart(b.btx, b.head)
	if err := b.btx.Commit(); err != nil {
		return err
	}
	s.ring.publish(b.commits, start, b.forks)
	s.stats.commits.Add(uint64(len(b.commits)))
	s.stats.writes.Add(1)
	return nil
}
