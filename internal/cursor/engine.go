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

// The errors of [Engine.Open] that callers distinguish.
var (
	ErrClosed  = errors.New("the cursor was closed while it was opened")
	ErrBehind  = errors.New("the engine fell behind the log while the cursor was opened; open it again")
	ErrStopped = errors.New("the cursor engine has stopped")
)

// The reasons for a resync.
const (
	Expired  = "expired"  // the log does not reach back to the client's position
	Epoch    = "epoch"    // the client's position is not in this store's history
	Overflow = "overflow" // so many records have left that the whole state is smaller
	Failed   = "failed"   // the store could not be read; the error was reported
	Costly   = "costly"   // keeping the cursor current takes more reading than the quota allows its holders
)

// A Sink receives what happens to the open cursors. The engine calls its methods
// under its lock: they must return soon, and may call nothing of the engine but
// [Engine.Seq].
type Sink interface {
	// Rescope returns, before a commit is matched, the holders whose spec this commit
	// changes. It may name holders that are still being opened, and holders for which
	// Open has not been called yet: these open with the spec that Rescope gave. To
	// make sure that no scope is opened after it was lost, name a holder from before
	// its spec is computed. A holder that was named and is not opened after all must
	// be closed.
	Rescope(c store.Commit) []Move

	// Deliver receives what a commit did: every commit once, in order, including
	// those without effects. If the engine falls so far behind that the log has dropped
	// commits, or commits that it has delivered are lost, Deliver gets one commit with a seq alone in their place, and an effect
	// with a Resync for every query. The caller must then compute the specs of its
	// holders again, since Rescope was not called for the lost commits.
	//
	// The two slices, and the slices of holders in them, are valid until Deliver
	// returns. The sink may keep the deltas but must not change them.
	Deliver(c store.Commit, effects []Effect, moved []Moved)
}

// An Effect is what a commit does to a query: for all of its holders or, if they have
// rules, for holders whose rules answer alike.
type Effect struct {
	Query   *Query
	Deltas  []Delta
	Value   *record.Value // the new value of a query that carries one
	Holders []Holder

	Included []Included // changes of the records that the query includes

	// Resync is the reason why there are no deltas, one of the constants above, or empty. The
	// holders then hold nothing until they are opened again.
	Resync string
}

// An Engine keeps cursors current: it reads the store's feed, finds the queries that
// a commit touches, and reports the effects to its sink. It is safe for concurrent
// use.
type Engine struct {
	st     *store.Store
	sink   Sink
	report func(error)
	quota  Quota // nil: none
	feed   *store.Feed
	progress

	mu            sync.Mutex // held while a commit is matched and delivered
	indexes       map[*record.Model]*index
	openings      map[Holder]*opening
	including     map[*opening]struct{}              // the openings that include records
	referring     map[record.Key]map[*group]struct{} // the groups whose records refer to a record
	moved         map[Holder]*Spec                   // specs that Rescope gave before Open was called; nil is closed
	kept          map[string]*keptValue
	keptBy        map[*selector][]*keptValue
	history       *history // nil until a client resumes
	sharedResumes map[*group]sharedResume
	number        uint64
	open          int // queries
	cover         cover
	spare         int // see list
	reads         int // how often matching a commit read the store
	meter         store.Meter
	metered       context.Context // of the reads under the lock, which the meter counts
	measured      atomic.Bool
	historyLimit  int // changes that a history may hold

	firstReads  readCache
	loading     sync.Mutex // held while a history is read; locked before mu
	unreachable uint64     // a history cannot reach back to before this commit

	// Reused for each commit.
	now     commitView
	touched []*selector
	effects []Effect
	refused []Effect // see Quota
	scratch []record.ID
}

// NewEngine returns an engine that will follow the store, from its newest commit on,
// once it runs. report receives errors that no caller gets, such as a rule's panic or
// a failed read; nil logs them.
func NewEngine(st *store.Store, sink Sink, report func(error)) *Engine {
	if report == nil {
		report = func(err error) { slog.Error("cursors", "error", err) }
	}
	seq := st.Seq()
	e := &Engine{
		st: st, sink: sink, report: report, cover: newCover(), feed: st.Feed(seq), spare: spare, historyLimit: maxHistory,
		progress: progress{stopped: make(chan struct{}), waiters: map[uint64]chan struct{}{}},
		indexes:  map[*record.Model]*index{},
		kept:     map[string]*keptValue{}, keptBy: map[*selector][]*keptValue{},
		openings: map[Holder]*opening{}, moved: map[Holder]*Spec{},
		including: map[*opening]struct{}{}, referring: map[record.Key]map[*group]struct{}{}, sharedResumes: map[*group]sharedResume{},
	}
	e.metered = e.meter.Context(context.Background())
	e.now.at = e.viewNow
	e.reach(seq)
	return e
}

// Run matches and delivers commits until ctx ends or the store is closed, and then
// returns nil. It finishes a commit that it has begun. It must be called only once.
func (e *Engine) Run(ctx context.Context) error {
	defer close(e.stopped)
	for {
		c, err := e.feed.Next(ctx)
		switch {
		case err == nil:
			e.deliver(c)
		case errors.Is(err, store.ErrExpired): // or the last one was lost
			e.skip(err)
		case ctx.Err() != nil || errors.Is(err, store.ErrClosed):
			return nil
		default:
			return fmt.Errorf("follow the feed: %w", err)
		}
	}
}

// deliver matches one commit and reports its effects.
func (e *Engine) deliver(c store.Commit) {
	e.mu.Lock()
	defer e.mu.Unlock()
	moves := e.detach(c, e.sink.Rescope(c))
	effects := e.match(c)
	moved := e.attach(c, moves)
	e.sink.Deliver(c, effects, moved)
	clear(effects)
	clear(e.sharedResumes)
	if c.Seq%sweepEvery == 0 {
		e.forgetUnused(time.Now())
	}
	if e.history != nil {
		if e.history.add(c); e.history.full() {
			e.history = nil
		}
	}
	e.reach(c.Seq)
}

// match finds the queries that a commit touches and lets them follow it.
func (e *Engine) match(c store.Commit) []Effect {
	touched, effects := e.lookUp(c.Changes, e.touched[:0]), e.effects[:0]
	e.now.seq, e.now.changes = c.Seq, c.Changes
	for _, s := range touched {
		for i := len(s.queries) - 1; i >= 0; i-- {
			effects = e.followMeasured(effects, s.queries[i], *s.touches, &e.now)
		}
		if len(e.keptBy) > 0 {
			e.followKept(s, *s.touches, c.Seq)
		}
		s.clearTouches()
	}
	clear(touched)
	effects = e.followReferred(effects, &e.now)
	effects = append(effects, e.refused...)
	clear(e.refused)
	for o := range e.including {
		o.changes = append(o.changes, c.Changes...)
	}
	e.touched, e.effects, e.refused, e.now.changes = touched, effects, e.refused[:0], nil
	return effects
}

// lookUp appends to touched the selectors that changes touch. Each selector keeps its
// touches until they are cleared.
func (e *Engine) lookUp(changes []store.Change, touched []*selector) []*selector {
	for i := range changes {
		if x := e.indexes[changes[i].Model]; x != nil {
			touched = x.match(&changes[i], touched)
		}
	}
	return touched
}

// follow lets one query follow a commit and appends the effects on its holders.
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

// followMeasured lets a query follow a commit and adds up the cost.
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

// skip continues after commits that cannot be followed, for a reason.
func (e *Engine) skip(reason error) {
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
	e.forgetAll()
	var effects []Effect
	for _, q := range e.queries() {
		for _, g := range slices.Backward(q.groups()) {
			effects = e.failGroup(effects, g, reason)
		}
	}
	e.sink.Deliver(store.Commit{Seq: seq}, effects, nil)
	e.reach(seq)
}

// Between calls fn between two commits, with the number of the newest delivered commit and
// a number that no query has. As under a call of the sink, fn must return soon, and may
// call nothing of the engine.
func (e *Engine) Between(fn func(seq, number uint64)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.number++
	fn(e.Seq(), e.cover.ofCount(e.number))
}

// at returns a view of the state after the commit seq.
func (e *Engine) at(ctx context.Context, seq uint64) view {
	return func(read func(*store.Snapshot) error) error { return e.st.ViewAt(ctx, seq, read) }
}

// parts returns a view of the state after the commit seq, for a read outside the lock: see
// [store.Store.ViewPart].
func (e *Engine) parts(ctx context.Context, seq uint64) view {
	return func(read func(*store.Snapshot) error) error { return e.st.ViewPart(ctx, seq, read) }
}

// Read returns the records of a spec after the commit seq, as Open does, without opening
// it: in order, with what they include. It returns [store.ErrExpired] if the log does not
// reach back to seq.
func (e *Engine) Read(ctx context.Context, seq uint64, spec Spec) (state Opened, err error) {
	if err := spec.check(); err != nil {
		return state, err
	}
	l, err := e.readList(ctx, seq, &spec)
	if err != nil {
		return state, err
	}
	state.Seq = seq
	state.setRecords(l)
	return state, nil
}

func (e *Engine) readList(ctx context.Context, seq uint64, spec *Spec) (*list, error) {
	l := newList(spec, 0)
	if err := e.fill(ctx, l, seq, e.rules(spec), spec.Chosen); err != nil {
		return nil, fmt.Errorf("read %s: %w", spec, err)
	}
	return l, nil
}
