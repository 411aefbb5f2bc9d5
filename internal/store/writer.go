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
	changes  []Change
	moves    []move
	entry    []byte // for the log
	versions []int  // where the commit's number goes in entry
	answer   chan answer
}

type answer struct {
	commit Commit
	err    error
}

func (s *Store) prepare(tx *Tx, changes []Change) *pending {
	p := &pending{reads: tx.reads, scans: tx.scans.Since(0), by: tx.by, attempt: tx.attempt, changes: changes, answer: make(chan answer, 1)}
	for i := range changes {
		p.moves = s.tables[changes[i].Model].moves(p.moves, &changes[i])
	}
	p.entry, p.versions = encodeCommit(tx.by, changes)
	return p
}

// submit hands p to the writer and waits for the result.
func (s *Store) submit(ctx context.Context, p *pending) (Commit, error) {
	p.ctx = ctx
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
	for {
		select {
		case p := <-s.queue:
			s.writeGroup([]*pending{p})
			continue
		case <-s.answers.wake:
			if due == nil {
				due = time.After(answerWait)
			}
			continue
		case <-due:
			due = nil
			s.writeGroup(nil)
			continue
		case <-s.closing:
		}
		select {
		case p := <-s.queue:
			s.writeGroup([]*pending{p})
		default:
			s.writeGroup(nil)
			return
		}
	}
}

// writeGroup commits the group, and whatever else waits, in one transaction of the
// file and sends each its result. It also writes the waiting answers of calls.
func (s *Store) writeGroup(group []*pending) {
	waiting := s.answers.all()
	defer s.answers.drop(waiting)
	if len(group)+len(waiting) == 0 {
		return
	}
	var answers []answer
	err := s.guarded(func() error {
		btx, err := s.begin(true)
		if err != nil {
			return err
		}
		defer btx.Rollback()
		group = s.gather(group)
		answers = make([]answer, len(group))
		return s.commitGroup(btx, group, waiting, answers)
	})
	if answers == nil {
		answers = make([]answer, len(group))
	}
	for i, p := range group {
		if err != nil && answers[i].err == nil {
			answers[i] = answer{err: fmt.Errorf("commit: %w", err)}
		}
		p.answer <- answers[i]
	}
}

// gather adds waiting transactions to the group.
func (s *Store) gather(group []*pending) []*pending {
	for len(group) < maxGroup {
		select {
		case p := <-s.queue:
			group = append(group, p)
		default:
			return group
		}
	}
	return group
}

// commitGroup writes the transactions of the group that pass their checks, and
// publishes them to the feed once they are on the disk. If it fails, only the errors
// in answers are valid.
func (s *Store) commitGroup(btx *bolt.Tx, group []*pending, waiting map[string]waitingAnswer, answers []answer) error {
	b := &batch{store: s, btx: btx, head: readHead(btx)}
	b.since = b.head.seq
	if err := s.catchUp(b); err != nil {
		return err
	}
	for i, p := range group {
		err := b.check(p)
		if err != nil {
			answers[i].err = err
			if errors.Is(err, ErrConflict) {
				s.stats.conflicts.Add(1)
			}
			continue
		}
		if answers[i].commit, err = b.apply(p); err != nil {
			return err
		}
	}
	if len(b.commits)+len(waiting) == 0 {
		return nil
	}
	if err := b.putAnswers(waiting); err != nil {
		return err
	}
	now, limit := s.now(), len(b.commits)+trimMore
	if err := s.expire(btx, now, limit); err != nil {
		return err
	}
	if err := s.trim(btx, &b.head, now, limit); err != nil {
		return err
	}
	s.touch(metaBucket, headKey)
	if err := b.head.write(btx); err != nil {
		return err
	}
	start := logStart(btx, b.head)
	if err := btx.Commit(); err != nil {
		return err
	}
	s.ring.publish(b.commits, start)
	s.stats.commits.Add(uint64(len(b.commits)))
	s.stats.writes.Add(1)
	return nil
}

// catchUp publishes commits that reached the file although writing them returned an
// error.
func (s *Store) catchUp(b *batch) error {
	newest := s.ring.newest()
	if b.head.seq == newest {
		return nil
	}
	commits, err := s.readLog(b.btx, newest+1, b.head.seq, math.MaxInt)
	if err == nil {
		s.ring.publish(commits, logStart(b.btx, b.head))
	}
	return err
}
