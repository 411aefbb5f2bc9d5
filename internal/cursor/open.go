package cursor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Resume is what a client that comes back holds: the state of a spec after a
// commit. The rule in it is the one by which the records were sent.
type Resume struct {
	Seq      uint64
	Spec     Spec
	SameRule bool // the rule answers as that of what is opened
}

// Opened is a cursor as it was opened: the state after the commit Seq.
type Opened struct {
	Query    *Query
	Seq      uint64
	Images   []*record.Image // all, in order; not where it is resumed
	Value    record.Value    // of a spec that asks for one, in place of them
	Deltas   []Delta         // where it is resumed: from what was held
	Included []Included
	With     [][]*record.Image // of a spec that is inline, for each of Images, as in Delta
	Shared   bool              // Delta is the same slice for all who come back from there, and Included is
	Resumed  bool
	Resync   string // why it was not resumed though something was held: Expired, Epoch, Overflow
}

// An opening is a cursor between its registration and the first that its holder
// hears of it.
type opening struct {
	holder  Holder
	spec    Spec
	rules   rules
	query   *Query
	next    *opening       // of the same query
	seq     uint64         // the state to be read
	touches []touch        // what commits did since
	changes []store.Change // all that they did, if records are included
	stale   bool           // spec, or query, is not what it was
	err     error          // it is to end with this
}

// Open opens a cursor for a holder that has none, and calls opened with its
// state. From then on the sink hears of every commit after that state and of
// none before: opened is called under the engine's lock, between the calls of
// the sink, and like those must return soon and call nothing of the engine.
//
// It is called once, before Open returns nil; where Open fails it is not. from
// is what the holder's client holds already, nil for nothing; a value is told
// whatever was held.
//
// Open reads the store, and asks a rule, while commits go on being delivered.
// When Rescope moves the holder meanwhile, or did before, it is opened with its
// new spec; when it is closed, the error is [ErrClosed].
func (e *Engine) Open(ctx context.Context, h Holder, spec Spec, from *Resume, opened func(Opened)) error {
	if err := spec.check(); err != nil {
		return fmt.Errorf("open a cursor: %w", err)
	}
	if spec.valued() {
		from = nil
	}
	if from != nil && from.Spec.Scope.Model != spec.Scope.Model {
		return fmt.Errorf("open a cursor on %s: what is held is of another model", spec.Scope.Model.Name)
	}
	past, err := e.loadResume(ctx, from, &spec)
	if err != nil {
		return fmt.Errorf("resume a cursor on %s: %w", spec.Scope.Model.Name, err)
	}
	o, err := e.begin(h, spec, past)
	for done := false; err == nil && !done; {
		r, failed := e.read(ctx, o, past)
		done, err = e.finish(ctx, o, r, failed, past, opened)
	}
	if err != nil {
		return fmt.Errorf("open a cursor on %s: %w", spec.Scope.Model.Name, err)
	}
	return nil
}

// begin registers the holder: from now on what commits do to its query is noted.
func (e *Engine) begin(h Holder, spec Spec, from *resume) (*opening, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.stopped:
		return nil, ErrStopped
	default:
	}
	if h.membership().group != nil || e.openings[h] != nil {
		return nil, errors.New("its holder has one open")
	}
	if to, moved := e.moved[h]; moved {
		delete(e.moved, h)
		if to == nil {
			return nil, ErrClosed
		}
		spec, from.byHistory = *to, false
	}
	o := &opening{holder: h, spec: spec}
	e.openings[h] = o
	e.register(o)
	return o, nil
}

func (e *Engine) register(o *opening) {
	o.query, o.rules, o.seq, o.touches, o.changes, o.stale = e.query(o.spec), e.rules(&o.spec), e.Seq(), nil, nil, false
	o.next, o.query.openings = o.query.openings, o
	if len(o.spec.Include) > 0 {
		e.including[o] = struct{}{}
	}
}

// read reads the query's records, or its value, as of the opening's registration,
// unless the query itself knows them or nobody has to; and what was held, where it
// is to be known.
func (e *Engine) read(ctx context.Context, o *opening, from *resume) (result, error) {
	if err := e.readResume(ctx, from); err != nil {
		return nil, err
	}
	e.mu.Lock()
	live := o.query.live()
	r, own := o.query.newResult(), o.rules
	e.mu.Unlock()
	switch {
	case live != nil:
		return nil, nil
	case from.byHistory && o.query.stateless():
		return r, nil
	}
	err := e.fill(ctx, r, o.seq, own)
	if errors.Is(err, store.ErrExpired) {
		// The engine is far behind: begin again when it has come further.
		return nil, e.Wait(ctx, o.seq+1)
	}
	return r, err
}

// finish brings what was read up to the present, and makes the holder one of its
// query's. It reports false where the opening has to begin again.
func (e *Engine) finish(ctx context.Context, o *opening, r result, err error, from *resume, opened func(Opened)) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	q := o.query
	q.leave(o)
	delete(e.including, o)
	if o.err != nil {
		err = o.err
	}
	now := r
	switch {
	case err != nil || o.stale:
	case q.live() != nil:
		now = q.live()
	case from.byHistory && q.stateless():
	case r != nil:
		err = o.catchUp(r, e.at(ctx, e.Seq()))
	}
	if err != nil && !errors.Is(err, store.ErrExpired) {
		e.abandon(o)
		return false, err
	}
	from.byHistory = from.byHistory && !o.stale
	if err != nil || o.stale || now == nil || !e.canResume(from, o, now, e.at(ctx, e.Seq())) {
		e.release(q)
		e.register(o)
		return false, nil
	}
	delete(e.openings, o.holder)
	g := q.join(now)
	e.attachHolder(o.holder, o.rules, g)
	opened(e.describe(o, g, now, from))
	return true, nil
}

// catchUp lets a reading follow the commits that came while it was made.
func (o *opening) catchUp(r result, at view) error {
	for _, t := range o.touches {
		if r.asksRule(&t) {
			t.after = o.rules.allow(0, t.change.After)
		}
		r.apply(&t)
	}
	if r.needsFill() {
		if err := r.fill(at, o.rules); err != nil {
			return err
		}
	}
	return loadIncludes(r, &commitView{changes: o.changes, at: at}, o.rules)
}

// leave takes an opening away from its query.
func (q *Query) leave(o *opening) {
	at := &q.openings
	for *at != o {
		at = &(*at).next
	}
	*at, o.next = o.next, nil
}

func (e *Engine) abandon(o *opening) {
	if e.openings[o.holder] == o {
		delete(e.openings, o.holder)
	}
	e.release(o.query)
}

// describe tells the holder, which is one of the group's, where it stands.
func (e *Engine) describe(o *opening, g *group, now result, from *resume) Opened {
	to := Opened{Query: o.query, Seq: e.Seq(), Resumed: from.byHistory || from.loaded, Resync: from.resync}
	l, ok := now.(*list)
	switch {
	case !ok:
		to.Value = now.(*aggregate).value()
	case from.loaded:
		e.shareResume(g, from, &to, func() ([]Delta, []Included) {
			included := from.included.diff(l, from.from.Seq)
			since := from.from.Spec.resendAfter(from.from.Seq, &o.spec)
			return l.nest(diff(from.ids, l.visible(), since, o.query.Ordered()), included), included
		})
		if overflows(to.Deltas, l) {
			to = Opened{Query: to.Query, Seq: to.Seq, Resync: Overflow}
			to.setRecords(l)
		}
	case from.byHistory:
		e.shareResume(g, from, &to, func() ([]Delta, []Included) { return flat(e.missed(from, o)), nil })
	default:
		to.setRecords(l)
	}
	return to
}

// setRecords says all that the list holds.
func (o *Opened) setRecords(l *list) {
	o.Images, o.Included, o.With = slices.Clone(l.visible()), l.included(), l.nested()
}

// overflows reports whether more records have left than are in the list, and than
// may leave one by one in any case.
func overflows(deltas []Delta, now *list) bool {
	const fine = 100
	least := max(len(now.visible()), fine)
	if len(deltas) <= least {
		return false
	}
	leaves := 0
	for _, d := range deltas {
		if d.Op == Leave {
			leaves++
		}
	}
	return leaves > least
}
