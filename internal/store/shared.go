package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/record"
)

// The errors of a [Log].
var (
	// ErrMoved reports that nothing was appended, because something has come in between. The
	// store begins another turn.
	ErrMoved = errors.New("the log has moved on")
	// ErrUnknown reports that commits may or may not have been appended. The store finds out
	// in its next turn.
	ErrUnknown = errors.New("it is not known whether the commit was made")
	// ErrNoCommit reports that the history has no commit with that number.
	ErrNoCommit = errors.New("there is no such commit")
)

// A Log is one history of commits that several stores share: numbered 1, 2, 3, … without
// gaps, in one order for all. The file of each store is a replica: it takes in what others
// have appended, and a store whose turn it is appends. The store calls one method at a
// time, except Answer and Wake.
type Log interface {
	// Begin opens the log for the records of these models. It returns the epoch, which stays
	// the same as long as the history does.
	Begin(ctx context.Context, models []*record.Model) (epoch string, err error)
	// Tail returns commits after seq, in order: at least one if there is one. It returns
	// [ErrExpired] if the log has the first of them no more.
	Tail(ctx context.Context, seq uint64) ([]Entry, error)
	// Turn waits, for a bounded time, until no other store may append. It returns all commits
	// after seq with the turn, or [ErrExpired].
	Turn(ctx context.Context, seq uint64) (Turn, []Entry, error)
	// Snapshot calls fn with all records as of one commit, some of a model at a time, in the
	// order of their ids. It returns the number of the commit, and from which one on Tail has
	// the commits.
	Snapshot(ctx context.Context, fn func(model string, rows []Row) error) (seq, start uint64, err error)
	// Answer returns what is stored with the key of a call; nil if there is no such key.
	Answer(ctx context.Context, key string) (call []byte, err error)
	// Wake receives a value when others may have appended something. It may miss that: a
	// store also looks ten times a second.
	Wake() <-chan struct{}
}

// SharesLog reports whether the store shares its log with others.
func (s *Store) SharesLog() bool { return s.options.Log != nil }

// A Turn is the right to append to a log.
type Turn interface {
	// Append makes commits durable, all or none, and ends the turn. calls are calls that took
	// effect before, with their answers. It keeps no bytes of either. If the turn was lost, it
	// returns an error: [ErrMoved] if the store should try again, [ErrUnknown] if the commits
	// may have been appended nevertheless.
	Append(ctx context.Context, commits []Appended, calls []Call) error
	// End ends a turn without an append. It does nothing after Append.
	End()
}

// An Appended is a commit for a log. Changes are for a log that keeps tables of records.
type Appended struct {
	Entry
	Changes []Change
	Adopted bool // another program has made the changes: the tables have them
}

// A Call is what the store keeps of a call, under its key.
type Call struct {
	Key  string
	Call []byte
}

const (
	maxTurns = 20                     // that a group takes before it fails
	maxDoubt = 30 * time.Second       // how long a group tries to learn whether it was appended
	lookWait = 100 * time.Millisecond // between two looks into the log, or two tries to reach it
)

// writeShared commits the group to the log that the store shares, and to the file.
func (s *Store) writeShared(g *group) error {
	begun := time.Now()
	for turns := 1; ; turns++ {
		err := s.guarded(func() error { return s.takeTurn(g) })
		switch {
		case err == nil:
			return nil
		case g.sent != nil && (time.Since(begun) > maxDoubt || s.Err() != nil):
			return fmt.Errorf("%w: %w", ErrUnknown, err)
		case g.sent != nil:
			time.Sleep(lookWait) // a log that cannot be reached may say so at once
		case !errors.Is(err, ErrMoved) || turns == maxTurns:
			return err
		}
	}
}

// takeTurn takes in what others have appended, and then appends the group.
func (s *Store) takeTurn(g *group) error {
	turn, tail, err := s.options.Log.Turn(context.Background(), s.ring.newest())
	if err != nil {
		return err
	}
	defer turn.End()
	return s.inBatch(func(b *batch) error {
		if err := b.takeIn(tail); err != nil {
			return err
		}
		if g.sent != nil && slices.ContainsFunc(tail, func(e Entry) bool { return e.Tag == g.sent[0].Tag }) {
			return b.commit() // the group was appended
		}
		return b.append(turn, g)
	})
}

// append applies the group, and appends it to the log.
func (b *batch) append(turn Turn, g *group) error {
	g.sent = nil
	b.store.gather(g)
	own := len(b.commits)
	if err := b.applyAll(g); err != nil {
		return err
	}
	if err := b.putAnswers(g.calls); err != nil {
		return err
	}
	commits, calls := b.appended(g, b.commits[own:]), b.answered(g)
	if len(commits)+len(calls) > 0 {
		if err := turn.Append(context.Background(), commits, calls); err != nil {
			if errors.Is(err, ErrUnknown) {
				g.sent = commits
			}
			return err
		}
	}
	if len(b.commits)+len(calls) == 0 {
		return nil
	}
	err := b.commit()
	if err != nil && len(commits) > 0 {
		b.store.following.err.Store(&err) // the log has the commits: the file takes them in later
		return nil
	}
	return err
}

// appended returns the commits that the batch has made of the group, as the log takes them.
func (b *batch) appended(g *group, commits []Commit) []Appended {
	keys := b.btx.Bucket(keysBucket)
	var all []Appended
	for i, p := range g.all {
		if g.answers[i].err != nil {
			continue
		}
		c := &commits[len(all)]
		a := Appended{Entry: Entry{Seq: c.Seq, Data: p.entry, Tag: rand.Uint64()}, Changes: c.Changes}
		if p.attempt != nil {
			if call := keys.Get([]byte(p.attempt.key)); binary.BigEndian.Uint64(call) == c.Seq {
				a.Key, a.Call = []byte(p.attempt.key), call
			}
		}
		all = append(all, a)
	}
	return all
}

// answered returns the calls of the group whose answers are known now.
func (b *batch) answered(g *group) []Call {
	var calls []Call
	for key, w := range g.calls {
		call := b.btx.Bucket(keysBucket).Get([]byte(key))
		if applied := decodeApplied(call); applied != nil && applied.run == w.run {
			calls = append(calls, Call{key, call})
		}
	}
	return calls
}

// takeIn applies commits that others have appended to the log.
func (b *batch) takeIn(entries []Entry) error {
	for i := range entries {
		e := &entries[i]
		if err := b.takeInOne(e); err != nil {
			return fmt.Errorf("take in commit %d: %w", e.Seq, err)
		}
	}
	return nil
}

func (b *batch) takeInOne(e *Entry) error {
	if e.Seq != b.head.seq+1 {
		return fmt.Errorf("the newest commit is %d", b.head.seq)
	}
	data := bytes.Clone(e.Data)
	c, err := decodeCommit(e.Seq, data, b.store.Model)
	if err != nil {
		return err
	}
	changes, err := rawChanges(data)
	if err != nil {
		return err
	}
	if err := b.bucket(logBucket, appendFill).Put(seqKey(e.Seq), data); err != nil {
		return err
	}
	for i := range changes {
		b.store.touch(append([]byte(recordsPrefix), changes[i].model...), changes[i].id)
		if err := changes[i].put(b.btx, changes[i].after); err != nil {
			return err
		}
	}
	var moves []move
	for i := range c.Changes {
		moves = b.store.tables[c.Changes[i].Model].moves(moves, &c.Changes[i])
	}
	err = b.move(moves)
	if err == nil && len(e.Key) > 0 {
		err = b.putCall(&c, e.Key, e.Call)
	}
	b.head.seq, b.newest = c.Seq, c.At
	b.head.bytes += uint64(len(data))
	b.commits = append(b.commits, c)
	return err
}

// A following is how a store keeps up with the log that it shares.
type following struct {
	asked chan chan<- error     // receives who waits for the store to look into the log
	err   atomic.Pointer[error] // of the last look
}

// watchLog returns channels that receive a value when the log should be looked at.
func (s *Store) watchLog() (wake <-chan struct{}, look <-chan time.Time, stop func()) {
	if s.options.Log == nil {
		return nil, nil, func() {}
	}
	ticker := time.NewTicker(lookWait)
	return s.options.Log.Wake(), ticker.C, ticker.Stop
}

// follow takes in what others have appended to the log.
func (s *Store) follow() error {
	err := s.guarded(func() error {
		for {
			tail, err := s.options.Log.Tail(context.Background(), s.ring.newest())
			if err != nil || len(tail) == 0 {
				return err
			}
			if err := s.inBatch(func(b *batch) error {
				if err := b.takeIn(tail); err != nil {
					return err
				}
				return b.commit()
			}); err != nil {
				return err
			}
		}
	})
	s.following.err.Store(&err)
	return err
}

// Following returns why the store does not have the newest commits of the log that it
// shares: nil if it had them when it looked last, a moment ago.
func (s *Store) Following() error {
	if err := s.following.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Reach returns once the store has the commit seq. It returns [ErrNoCommit] if the history
// does not have it yet, and another error if the log that the store shares cannot be read.
func (s *Store) Reach(ctx context.Context, seq uint64) error {
	if s.Seq() >= seq {
		return nil
	}
	if s.options.Log != nil {
		followed := make(chan error, 1)
		select {
		case s.following.asked <- followed:
		case <-s.closing:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case err := <-followed:
			if err != nil {
				return fmt.Errorf("read the log: %w", err)
			}
		case <-s.stopped:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if s.Seq() < seq {
		return fmt.Errorf("commit %d: %w", seq, ErrNoCommit)
	}
	return nil
}
