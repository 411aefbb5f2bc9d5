package cursor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// The errors of [Engine.Open] that callers tell apart.
var (
	ErrClosed  = errors.New("the cursor was closed while it was opened")
	ErrBehind  = errors.New("the engine fell behind the log while the cursor was opened; open it again")
	ErrStopped = errors.New("the cursor engine has stopped")
)

// The reasons for a resync.
const (
	Expired  = "expired"  // the log does not reach back to what was held
	Epoch    = "epoch"    // what was held is not of this store's history
	Overflow = "overflow" // so much of what was held has left that all there is, is less to tell
	Failed   = "failed"   // the store could not be read; the error was reported
)

// A Sink is told what becomes of the open cursors. Both methods are called under
// the engine's lock: they must return soon, and call nothing of the engine but
// [Engine.Seq].
type Sink interface {
	// Rescope is asked before a commit is matched which holders have another
	// spec from this commit on. It may name those that are still opening, and
	// those for which a call of Open is yet to come: so that no scope is opened
	// that was lost since it was made, name a holder from before its spec is
	// made. They are opened with what they are given here. One that is named so
	// and then not opened has to be closed.
	Rescope(c store.Commit) []Move

	// Deliver hands over all that a commit did, each commit once, in order, also
	// those that did nothing. Where the engine fell so far behind that the log
	// has lost commits, it gets one without changes in their place, and an
	// effect with a Resync for every query; what holders are opened with is then
	// to be made anew, since Rescope was not asked.
	//
	// The two slices, and the holders in them, are good until Deliver returns.
	// The deltas may be kept; nobody may write to them.
	Deliver(c store.Commit, effects []Effect, moved []Moved)
}

// An Effect is what a commit does to a query, for all of its holders, or for
// those of them whose rules let them see the same.
type Effect struct {
	Query   *Query
	Deltas  []Delta
	Value   *record.Value // of a query of a value: what it is now
	Holders []Holder

	Included []Included // what else: of the records that the query includes

	// Resync says why there are no deltas, one of the reasons above; else it is
	// empty. Such holders hold nothing until they are opened again.
	Resync string
}

// An Engine keeps cursors current: it reads the store's feed, finds the queries
// that a commit touches, and tells its sink what becomes of them. It is safe for
// concurrent use.
type Engine struct {
	st     *store.Store
	sink   Sink
	report func(error)
	feed   *store.Feed
	progress

	mu            sync.Mutex // held while a commit is matched and delivered
	indexes       map[*record.Model]*index
	openings      map[Holder]*opening
	including     map[*opening]struct{}              // those of openings that include records
	referring     map[record.Key]map[*group]struct{} // whose records refer to it
	moved         map[Holder]*Spec                   // given before Open was called; nil: closed
	history       *history                           // once somebody has come back
	sharedResumes map[*group]sharedResume
	number        uint64
	spare         int // see list
	reads         int // of the store, to refill windows
	measured      atomic.Bool
	historyLimit  int // changes that a history may hold

	firstReads  readCache
	loading     sync.Mutex // held while a history is read, around mu
	unreachable uint64     // no history reaches back to before this commit

	// What each commit uses again.
	now     commitView
	touched []*selector
	effects []Effect
	scratch []record.ID
}

// NewEngine returns an engine that will follow the store from its newest commit
// on, once it runs. report is given what goes wrong without a caller to return
// it to, a rule's panic or a read that failed; nil logs it.
func NewEngine(st *store.Store, sink Sink, report func(error)) *Engine {
	if report == nil {
		report = func(err error) { slog.Error("cursors", "error", err) }
	}
	seq := st.Seq()
	e := &Engine{
		st: st, sink: sink, report: report, feed: st.Feed(seq), spare: spare, historyLimit: maxHistory,
		progress: progress{stopped: make(chan struct{}), waiters: map[uint64]chan struct{}{}},
		indexes:  map[*record.Model]*index{},
		openings: map[Holder]*opening{}, moved: map[Holder]*Spec{},
		including: map[*opening]struct{}{}, referring: map[record.Key]map[*group]struct{}{}, sharedResumes: map[*group]sharedResume{},
	}
	e.now.at = e.viewNow
	e.reach(seq)
	return e
}

// Run matches and delivers commits until ctx ends or the store is closed, and
// then returns nil; a commit that it has begun is delivered. It is called once.
func (e *Engine) Run(ctx context.Context) error {
	defer close(e.stopped)
	for {
		c, err := e.feed.Next(ctx)
		switch {
		case err == nil:
			e.deliver(c)
		case errors.Is(err, store.ErrExpired):
			e.skip()
		case ctx.Err() != nil || errors.Is(err, store.ErrClosed):
			return nil
		default:
			return fmt.Errorf("follow the feed: %w", err)
		}
	}
}

// deliver matches one commit and hands over what it did.
func (e *Engine) deliver(c store.Commit) {
	e.mu.Lock()
	defer e.mu.Unlock()
	moves := e.detach(c, e.sink.Rescope(c))
	effects := e.match(c)
	moved := e.attach(c, moves)
	e.sink.Deliver(c, effects, moved)
	clear(effects)
	clear(e.sharedResumes)
	if e.history != nil {
		if e.history.add(c); e.history.full() {
			e.history = nil
		}
	}
	e.reach(c.Seq)
}

// match finds the queries that a commit touches, and lets them follow it.
func (e *Engine) match(c store.Commit) []Effect {
	touched, effects := e.lookUp(c.Changes, e.touched[:0]), e.effects[:0]
	e.now.seq, e.now.changes = c.Seq, c.Changes
	for _, s := range touched {
		for i := len(s.queries) - 1; i >= 0; i-- {
			effects = e.followMeasured(effects, s.queries[i], *s.touches, &e.now)
		}
		s.clearTouches()
	}
	clear(touched)
	effects = e.followReferred(effects, &e.now)
	for o := range e.including {
		o.changes = append(o.changes, c.Changes...)
	}
	e.touched, e.effects, e.now.changes = touched, effects, nil
	return effects
}

// lookUp appends to touched the selectors that changes touch; each keeps its touches
// until they are cleared.
func (e *Engine) lookUp(changes []store.Change, touched []*selector) []*selector {
	for i := range changes {
		if x := e.indexes[changes[i].Model]; x != nil {
			touched = x.match(&changes[i], touched)
		}
	}
	return touched
}

// follow lets one query follow a commit, and appends what its holders are to be
// told.
func (e *Engine) follow(effects []Effect, q *Query, touches []touch, now *commitView) []Effect {
	for o := q.openings; o != nil; o = o.next {
		o.touches = append(o.touches, touches...)
	}
	if !q.ruled {
		return q.whole.follow(effects, touches, now)
	}
	for i := len(q.partition.groups) - 1; i >= 0; i-- {
		effects = q.partition.groups[i].followRuled(effects, touches, now)
	}
	q.reunite()
	return effects
}

// followMeasured lets a query follow a commit, and notes what that cost.
func (e *Engine) followMeasured(effects []Effect, q *Query, touches []touch, now *commitView) []Effect {
	q.cost.Evaluations++
	reads := e.reads
	if e.measured.Load() {
		start := time.Now()
		defer func() { q.cost.Spent += time.Since(start) }()
	}
	effects = e.follow(effects, q, touches, now)
	if e.reads != reads {
		q.cost.Refills++
	}
	return effects
}

// skip starts again behind commits that the log has lost.
func (e *Engine) skip() {
	e.mu.Lock()
	defer e.mu.Unlock()
	seq := e.st.Seq()
	e.feed = e.st.Feed(seq)
	for _, o := range e.openings {
		o.err = ErrBehind
	}
	clear(e.moved)
	clear(e.sharedResumes)
	e.history = nil
	var effects []Effect
	for _, q := range e.queries() {
		for _, g := range slices.Backward(q.groups()) {
			effects = e.failGroup(effects, g, store.ErrExpired)
		}
	}
	e.sink.Deliver(store.Commit{Seq: seq}, effects, nil)
	e.reach(seq)
}

// at returns a view of the state after the commit seq.
func (e *Engine) at(ctx context.Context, seq uint64) view {
	return func(read func(*store.Snapshot) error) error { return e.st.ViewAt(ctx, seq, read) }
}

// Read returns the records of a spec after the commit seq, in order, and if it is
// inline what each of them comes with. It fails with [store.ErrExpired] where the log
// does not reach back to it.
func (e *Engine) Read(ctx context.Context, seq uint64, spec Spec) (images []*record.Image, with [][]*record.Image, err error) {
	if err := spec.check(); err != nil {
		return nil, nil, err
	}
	l, err := e.readList(ctx, seq, &spec)
	if err != nil {
		return nil, nil, err
	}
	return l.visible(), l.nested(), nil
}

func (e *Engine) readList(ctx context.Context, seq uint64, spec *Spec) (*list, error) {
	l := newList(spec, 0)
	if err := e.fill(ctx, l, seq, e.rules(spec)); err != nil {
		return nil, fmt.Errorf("read %s: %w", spec, err)
	}
	return l, nil
}

// ReadValue returns the value of a spec after the commit seq. It fails as Read
// does.
func (e *Engine) ReadValue(ctx context.Context, seq uint64, spec Spec) (record.Value, error) {
	spec.Allow = e.rule(spec.Allow)
	return ReadValue(e.at(ctx, seq), spec)
}
