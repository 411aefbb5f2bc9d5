package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/record"
)

// The errors of a [Log].
var (
	// ErrMoved reports that nothing was appended, because something has come in between. The
	// store begins another turn.
	ErrMoved = errors.New("the log has moved on")
	// ErrSetBack reports that other commits have the numbers of commits that the store has:
	// their clients cannot be told apart.
	ErrSetBack = errors.New("the log was set back to an earlier state, and other commits have been given the same numbers since")
	// ErrUnknown reports that commits may or may not have been appended. The store finds out
	// in its next turn.
	ErrUnknown = errors.New("it is not known whether the commit was made")
	// ErrNoCommit reports that the history has no commit with that number, or has lost it.
	ErrNoCommit = errors.New("there is no such commit")
	// ErrAway reports that nothing was committed, because the log could not be reached.
	ErrAway = errors.New("the log that the nodes share cannot be reached")
	// ErrHeld reports that nothing was committed, because another program has locked a record
	// that the transaction writes, and does not end its own.
	ErrHeld = errors.New("another program has locked the record")
)

// A LostError reports that the history does not have the newest commit of a store any more:
// the log goes on without the commits after Fork.
type LostError struct{ Fork uint64 }

func (e *LostError) Error() string {
	return fmt.Sprintf("the commits after %d have been lost", e.Fork)
}

// A Log is one history of commits that several stores share: numbered 1, 2, 3, … in one
// order for all. The file of each store is a replica: it takes in what others have appended,
// and a store whose turn it is appends. The store calls one method at a time, except Answer,
// Secret and Wake.
//
// The engine of a log may lose commits that stores have taken in. What is appended then has
// numbers from [lineage.First] on, so that no number has two meanings.
type Log interface {
	// Begin opens the log for the records of these models: those of the application, and
	// the store's own, see [Marks]. It returns the epoch, which stays the same as long as the
	// history does.
	Begin(ctx context.Context, models []*record.Model) (epoch string, err error)
	// Tail returns commits after a position, in order: at least one if there is one. It returns
	// [ErrExpired] if the log has the first of them no more, and a [*LostError] if it has not
	// the commit at the position.
	Tail(ctx context.Context, at Position) ([]Entry, error)
	// Turn waits, for a bounded time, until no other store may append. It returns all commits
	// after a position with the turn, or one of Tail's errors. Another error than these and
	// [ErrMoved] means that the log cannot be reached: the store tries again for a while.
	//
	// A log that expects nobody else to append need not wait. Append then fails with [ErrMoved]
	// if somebody has, or if another program has written something.
	Turn(ctx context.Context, at Position) (Turn, []Entry, error)
	// Snapshot calls fn with all records as of one commit, some of a model at a time, in the
	// order of their ids: all of one model before those of the next. The rows are fn's to keep.
	// It returns the number of the commit, and start: Tail has the commits after start - 1.
	Snapshot(ctx context.Context, fn func(model string, rows []Row) error) (seq, start uint64, err error)
	// Answer returns what is stored with the key of a call; nil if there is no such key.
	Answer(ctx context.Context, key string) (call []byte, err error)
	// Secret returns the secret with a name, which is fresh for whoever asks first. All get
	// the same. It is called after Begin.
	Secret(ctx context.Context, name, fresh string) (string, error)
	// Foreign reports whether other programs had written something that has no number yet when
	// Tail was called last. The store then takes a turn.
	Foreign() bool
	// Wake receives a value when others may have appended something. It may miss that: a
	// store also looks ten times a second.
	Wake() <-chan struct{}
}

// A Position is a commit that a store has. Tag is the commit's; 0 is any.
type Position struct{ Seq, Tag uint64 }

// SharesLog reports whether the store shares its log with others.
func (s *Store) SharesLog() bool { return s.options.Log != nil }

// A Turn is the right to append to a log.
type Turn interface {
	// Foreign returns what other programs have committed to the tables of the log, and what
	// has no number yet: a transaction each, in an order in which they may have happened. The
	// store makes commits of them, which Append appends; none of a transaction that has
	// changed nothing.
	Foreign() []Foreign
	// Next returns the number of the commit to append first.
	Next() uint64
	// Append makes commits durable, all or none, and ends the turn. calls are calls that took
	// effect before, with their answers. It keeps no bytes of either. If the turn was lost, it
	// returns an error: [ErrMoved] if the store should try again, [ErrAway] if the log cannot take
	// anything at the moment, [ErrUnknown] if the commits may have been appended nevertheless.
	// Another error, such as [ErrHeld], means that the log does not take these commits: the
	// store tries them one by one.
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

// A Foreign is a transaction of another program: the records that it has written, in order.
type Foreign []ForeignRecord

// A ForeignRecord is a record as another program has left it.
type ForeignRecord struct {
	Model string
	ID    record.ID
	// Image returns the record as the store keeps it, nil if it was deleted. It may be no
	// record that the application would make, and need not fit its model. before is what the
	// store has of it; nil if it has none.
	Image func(m *record.Model, before *record.Image) (*record.Image, error)
}

// AnotherProgram is who has made the commits of other programs.
const AnotherProgram = "another program"

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
	var doubted time.Time
	for turns := 1; ; {
		err := s.guarded(func() error { return s.takeTurn(g) })
		if lost := (*LostError)(nil); errors.As(err, &lost) {
			if err = s.rejoin(lost.Fork); err == nil {
				err = ErrMoved
			}
		}
		switch {
		case err == nil:
			return nil
		case g.sent != nil:
			if doubted.IsZero() {
				doubted = time.Now()
			}
			s.postpone(err)
			if time.Since(doubted) > maxDoubt || s.Err() != nil || !s.pause(err) {
				return fmt.Errorf("%w: %w", ErrUnknown, err)
			}
		case errors.Is(err, ErrExpired):
			s.following.look(err)
			s.following.end(err)
			return fmt.Errorf("%w: %w", ErrAway, err)
		case errors.Is(err, ErrAway):
			s.following.look(err)
			if !s.await(g, err) {
				return err
			}
		case len(g.all) > 1 && (!errors.Is(err, ErrMoved) || turns > 1):
			return s.writeApart(g)
		case !errors.Is(err, ErrMoved) || turns == maxTurns:
			return err
		default:
			turns++
			_ = s.guarded(s.takeTail) // now, so that the next turn is short; it meets the error
			// What other programs have written goes first: it may hold up the group.
			_ = s.guarded(func() error { return s.takeTurn(&group{apart: true}) }) // the next turn meets its error
		}
	}
}

// writeApart writes the transactions of a group one by one: one that the log does not take
// fails alone.
func (s *Store) writeApart(g *group) error {
	all := g.all
	g.all, g.answers, g.apart = nil, nil, true
	for _, p := range all {
		one := &group{all: []*pending{p}, apart: true}
		one.answer(s.writeShared(one))
	}
	return s.writeShared(g) // the answers of calls
}

// await waits a moment for a log that cannot be reached, and refuses the transactions that
// have waited for too long. It returns false if no transaction waits any more.
func (s *Store) await(g *group, away error) bool {
	g.all = s.refuseLate(g.all, away)
	g.answers = nil
	if len(g.all) == 0 || !s.pause(away) {
		return false
	}
	s.gather(g)
	return true
}

// refuseLate refuses those of the transactions that have waited for too long, and returns the
// others.
func (s *Store) refuseLate(all []*pending, away error) []*pending {
	return slices.DeleteFunc(all, func(p *pending) bool {
		late := time.Since(p.since) >= s.options.LogWait
		if late {
			p.answer <- answer{err: fmt.Errorf("commit: %w", away)}
		}
		return late
	})
}

// postpone takes transactions from the queue that wait behind a group whose fate is not known.
// They do not wait longer than others for a log that is away.
func (s *Store) postpone(doubt error) {
	away := fmt.Errorf("%w: %s", ErrAway, doubt.Error()) // it does not wrap doubt: nothing is in doubt of these
	g := &group{all: s.postponed}
	s.gather(g)
	s.postponed = s.refuseLate(g.all, away)
}

// pause waits before the log is tried again. Meanwhile who asks for its newest commits gets
// the error. It returns false if the store is closing.
func (s *Store) pause(err error) bool {
	again := time.NewTimer(lookWait)
	defer again.Stop()
	for {
		select {
		case asked := <-s.following.asked:
			asked <- err
		case <-again.C:
			return true
		case <-s.closing:
			return false
		}
	}
}

// takeTurn takes in what others have appended, and then appends the group.
func (s *Store) takeTurn(g *group) error {
	at, err := s.position()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.options.LogWait)
	defer cancel()
	turn, tail, err := s.options.Log.Turn(ctx, at)
	if err != nil {
		return asAway(err)
	}
	defer turn.End()
	return s.inBatch(func(b *batch) error {
		if err := b.takeIn(tail); err != nil {
			return err
		}
		b.next = turn.Next()
		if g.sent != nil && slices.ContainsFunc(tail, func(e Entry) bool { return e.Tag == g.sent[0].Tag }) {
			err := b.commit() // the group was appended
			s.following.look(err)
			return err
		}
		return b.append(turn, g)
	})
}

// asAway returns the error of a log as ErrAway, unless the log could be reached.
func asAway(err error) error {
	if lost := (*LostError)(nil); errors.Is(err, ErrMoved) || errors.Is(err, ErrExpired) || errors.Is(err, ErrSetBack) || errors.As(err, &lost) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// append applies the group, and appends it to the log.
func (b *batch) append(turn Turn, g *group) error {
	g.sent = nil
	foreign := turn.Foreign()
	commits, err := b.adopt(foreign)
	if err != nil {
		return err
	}
	b.store.gather(g)
	own := len(b.commits)
	if err := b.applyAll(g); err != nil {
		return err
	}
	if err := b.putAnswers(g.calls); err != nil {
		return err
	}
	commits, calls := append(commits, b.appended(g, b.commits[own:])...), b.answered(g)
	if n := len(commits); n > 0 {
		b.head.tag = commits[n-1].Tag
	}
	if len(commits)+len(calls)+len(foreign) > 0 {
		if err := turn.Append(context.Background(), commits, calls); err != nil {
			if errors.Is(err, ErrUnknown) {
				g.sent = commits
			}
			return err
		}
	}
	if len(b.commits)+len(calls) > 0 {
		err = b.commit()
	}
	b.store.following.look(err)
	if len(commits) > 0 {
		return nil // the log has the commits: the file takes them in later
	}
	return err
}

// adopt makes commits of what other programs have written, and returns them.
func (b *batch) adopt(all []Foreign) ([]Appended, error) {
	var adopted []Appended
	for _, f := range all {
		changes, err := b.foreignChanges(f)
		if err != nil {
			return nil, err
		}
		if len(changes) == 0 {
			continue
		}
		p := &pending{by: AnotherProgram, changes: changes}
		for i := range changes {
			p.moves = b.store.tables[changes[i].Model].moves(p.moves, &changes[i])
		}
		p.entry, p.versions = encodeCommit(p.by, changes)
		after := b.head.seq
		c, err := b.apply(p)
		if err != nil {
			return nil, err
		}
		adopted = append(adopted, Appended{Entry: Entry{Seq: c.Seq, After: after, Data: p.entry, Tag: newTag()}, Changes: c.Changes, Adopted: true})
	}
	return adopted, nil
}

// foreignChanges returns the net effect of what another program has written.
func (b *batch) foreignChanges(f Foreign) ([]Change, error) {
	last := map[record.Key]*ForeignRecord{}
	var order []record.Key
	for i := range f {
		m := b.store.Model(f[i].Model)
		if m == nil {
			return nil, fmt.Errorf("another program has written a record of %s, which is not a model of the store", f[i].Model)
		}
		k := record.Key{Model: m, ID: f[i].ID}
		if last[k] == nil {
			order = append(order, k)
		}
		last[k] = &f[i]
	}
	changes := make([]Change, 0, len(order))
	for _, k := range order {
		var before *record.Image
		t := b.store.tables[k.Model]
		if data := b.btx.Bucket(t.bucket).Get([]byte(k.ID)); data != nil {
			var err error
			if before, err = t.image(k.ID, bytes.Clone(data)); err != nil {
				return nil, err
			}
		}
		after, err := last[k].Image(k.Model, before)
		if err != nil {
			return nil, fmt.Errorf("%s/%s, which another program has written: %w", k.Model.Name, k.ID, err)
		}
		if after != nil {
			_, _ = after.Record() // it is decoded now, or does not fit
		}
		same := before != nil && after != nil && bytes.Equal(before.JSON, after.JSON) && bytes.Equal(before.Private, after.Private)
		if c, changed := changeOf(k, before, after, false); changed && !same {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

// appended returns the commits that the batch has made of the group, as the log takes them.
func (b *batch) appended(g *group, commits []Commit) []Appended {
	keys := b.btx.Bucket(keysBucket)
	before := b.since
	if n := len(b.commits) - len(commits); n > 0 {
		before = b.commits[n-1].Seq
	}
	var all []Appended
	for i, p := range g.all {
		if g.answers[i].err != nil {
			continue
		}
		c := &commits[len(all)]
		a := Appended{Entry: Entry{Seq: c.Seq, After: before, Data: p.entry, Tag: newTag()}, Changes: c.Changes}
		before = c.Seq
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
	if e.After != b.head.seq || e.Seq <= e.After {
		return fmt.Errorf("it follows commit %d, and the newest is %d", e.After, b.head.seq)
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
	if err := putEntry(b.bucket(logBucket, appendFill), e.Seq, data); err != nil {
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
	if err != nil {
		return err
	}
	b.newest, b.head.tag = c.At, e.Tag
	return b.follow(&c, len(data))
}

// A following is how a store keeps up with the log that it shares.
type following struct {
	asked    chan chan<- error     // receives who waits for the store to look into the log
	err      atomic.Pointer[error] // of the last look
	opened   time.Time
	level    atomic.Int64  // when the store had all commits, in nanoseconds after it was opened
	changed  func(error)   // is called when the log cannot be read any more, or again
	outdated chan struct{} // closed when the log has lost commits that the store does not have
	once     sync.Once     // closes outdated
}

// look notes the result of a look into the log.
func (f *following) look(err error) {
	if err == nil {
		f.level.Store(int64(time.Since(f.opened)))
	}
	was := f.err.Swap(&err)
	if f.changed != nil && (was != nil && *was != nil) != (err != nil) {
		f.changed(err)
	}
}

// end notes that the store cannot follow the log any more, if that is what err says.
func (f *following) end(err error) {
	if errors.Is(err, ErrExpired) {
		f.once.Do(func() { close(f.outdated) })
	}
}

// watchLog returns channels that receive a value when the log should be looked at.
func (s *Store) watchLog() (wake <-chan struct{}, look <-chan time.Time, stop func()) {
	if s.options.Log == nil {
		return nil, nil, func() {}
	}
	ticker := time.NewTicker(lookWait)
	return s.options.Log.Wake(), ticker.C, ticker.Stop
}

// tail returns some of the commits that the log has after the newest one of the file.
func (s *Store) tail() ([]Entry, error) {
	at, err := s.position()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.options.LogWait)
	defer cancel()
	tail, err := s.options.Log.Tail(ctx, at)
	if err != nil {
		return nil, asAway(err)
	}
	return tail, nil
}

// follow takes in what others have appended to the log.
func (s *Store) follow() error {
	err := s.guarded(s.takeTail)
	if err == nil && s.options.Log.Foreign() {
		g := &group{} // transactions that wait go along
		err = s.writeShared(g)
		g.answer(err)
	}
	s.following.look(err)
	return err
}

// takeTail takes in what others have appended.
func (s *Store) takeTail() error {
	for {
		tail, err := s.tail()
		if lost := (*LostError)(nil); errors.As(err, &lost) {
			if err = s.rejoin(lost.Fork); err == nil {
				continue
			}
		}
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
}

// followFor follows the log once, for all who have asked by then.
func (s *Store) followFor(asked ...chan<- error) {
	all := asked
	for {
		select {
		case other := <-s.following.asked:
			all = append(all, other)
			continue
		default:
		}
		err := s.follow()
		s.following.end(err)
		for _, one := range all {
			one <- err
		}
		return
	}
}

// Following returns why the store does not have the newest commits of the log that it
// shares: nil if it had them when it looked last, a moment ago.
func (s *Store) Following() error {
	if err := s.following.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Outdated returns a channel that is closed when the log no longer has commits that the store
// does not have: it was away for too long. Opened again, it builds its replica anew.
func (s *Store) Outdated() <-chan struct{} { return s.following.outdated }

// Lag returns how long ago the store had all commits of the log that it shares; 0 if it
// shares none.
func (s *Store) Lag() time.Duration {
	if s.options.Log == nil {
		return 0
	}
	return time.Since(s.following.opened) - time.Duration(s.following.level.Load())
}

// Secret returns the secret with a name that all have who share the log: fresh, if it has
// none yet. Without a log it returns fresh.
func (s *Store) Secret(ctx context.Context, name, fresh string) (string, error) {
	if s.options.Log == nil {
		return fresh, nil
	}
	secret, err := s.options.Log.Secret(ctx, name, fresh)
	if err != nil {
		return "", fmt.Errorf("read the secret %s from the log: %w", name, err)
	}
	return secret, nil
}

// Adopt returns once all that other programs have written to the tables of the log has become
// commits. While others go on writing, it may not return before ctx ends.
func (s *Store) Adopt(ctx context.Context) error {
	for {
		if err := s.Reach(ctx, s.Seq()+1); errors.Is(err, ErrNoCommit) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Reach returns once the store has the commit seq. It returns [ErrNoCommit] if the history
// does not have it yet, or has lost it, and another error if the log that the store shares
// cannot be read.
func (s *Store) Reach(ctx context.Context, seq uint64) error {
	if s.options.Log != nil && s.Seq() < seq {
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
	if s.Seq() < seq || !s.has(seq) {
		return fmt.Errorf("commit %d: %w", seq, ErrNoCommit)
	}
	return nil
}
