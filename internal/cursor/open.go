package cursor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// Resume is a position that a client resumes from: the state of a spec after a
// commit. The spec's rule is the one that applied when the client got its records.
type Resume struct {
	Seq      uint64
	Spec     Spec
	SameRule bool // the rule gives the same answers as the rule of the spec to open
}

// Opened describes an opened cursor: the state after the commit Seq.
type Opened struct {
	Query    *Query
	Seq      uint64
	Images   []*record.Image // all records in order; nil if the cursor was resumed
	Value    record.Value    // the value, if the spec asks for one
	Deltas   []Delta         // if the cursor was resumed: the changes since
	Included []Included
	With     [][]*record.Image // if the spec is inline: what each of Images includes, as in Delta
	Shared   bool              // Deltas and Included are the same slices for all clients that resume from there
	Resumed  bool
	Resync   string // why the cursor could not be resumed: Expired, Epoch or Overflow
}

// An opening is a cursor that is registered and not yet reported as opened.
type opening struct {
	holder  Holder
	spec    Spec
	rules   rules
	query   *Query
	next    *opening       // of the same query
	seq     uint64         // the state to read
	touches []touch        // what commits did since
	changes []store.Change // all that they did, if records are included
	stale   bool           // spec or query has changed
	read    int            // records that were read for it
	err     error          // why the opening must fail
}

// Open opens a cursor for a holder that has none, and calls opened with its state.
// The sink then gets every commit after that state and none before. opened is called
// under the engine's lock, between two calls of the sink; like these, it must return
// soon and call nothing of the engine. It is called exactly once if Open succeeds,
// and never if Open fails.
//
// from is the position that the holder's client resumes from, or nil. A cursor of a
// value ignores it and always reports the value.
//
// Open reads the store and calls the rule while commits are being delivered. If
// Rescope moves the holder before or meanwhile, it opens with the new spec; if the
// holder is closed meanwhile, Open returns [ErrClosed].
func (e *Engine) Open(ctx context.Context, h Holder, spec Spec, from *Resume, opened func(Opened)) error {
	if err := spec.check(); err != nil {
		return fmt.Errorf("open a cursor: %w", err)
	}
	if spec.valued() {
		from = nil
	}
	if from != nil && from.Spec.Scope.Model != spec.Scope.Model {
		return fmt.Errorf("open a cursor on %s: the position to resume from is of another model", spec.Scope.Model.Name)
	}
	state, err := e.loadResume(ctx, from, &spec)
	if err != nil {
		return fmt.Errorf("resume a cursor on %s: %w", spec.Scope.Model.Name, err)
	}
	o, err := e.begin(h, spec, state)
	for done := false; err == nil && !done; {
		r, failed := e.read(ctx, o, state)
		done, err = e.finish(ctx, o, r, failed, state, opened)
	}
	if err != nil {
		return fmt.Errorf("open a cursor on %s: %w", spec.Scope.Model.Name, err)
	}
	return nil
}

// begin registers the holder. From now on it collects what commits do to the query.
func (e *Engine) begin(h Holder, spec Spec, from *resume) (*opening, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.stopped:
		return nil, ErrStopped
	default:
	}
	if h.membership().group != nil || e.openings[h] != nil {
		return nil, errors.New("its holder already has one open")
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
	if err := e.register(o); err != nil {
		return nil, err
	}
	return o, nil
}

// register gives an opening its query. If the query is refused, the opening ends.
func (e *Engine) register(o *opening) error {
	q := e.query(o.spec)
	if err := e.hold(o.holder, q, false); err != nil {
		delete(e.openings, o.holder)
		e.release(q)
		return err
	}
	o.query, o.rules, o.seq, o.touches, o.changes, o.stale = q, e.rules(&o.spec), e.Seq(), nil, nil, false
	o.next, o.query.openings = o.query.openings, o
	e.takeKept(o.query, &o.spec)
	if len(o.spec.Include) > 0 {
		e.including[o] = struct{}{}
	}
	return nil
}

// read reads the query's records, or its value, as of the opening's registration,
// unless the query has them or they are not needed. It also reads what the client
// held, if that is needed.
func (e *Engine) read(ctx context.Context, o *opening, from *resume) (result, error) {
	if err := e.readResume(ctx, from); err != nil {
		return nil, err
	}
	e.mu.Lock()
	live, examined, chosen := o.query.live(), o.query.examined, o.spec.Chosen
	r, own := o.query.newResult(), o.rules
	e.mu.Unlock()
	switch resumed := from.byHistory && o.query.stateless(); {
	case live != nil && chosen && !resumed:
		return nil, imitate(ctx, examined)
	case live != nil:
		return nil, nil
	case resumed:
		return r, nil
	}
	var meter store.Meter
	err := e.fill(meter.Context(ctx), r, o.seq, own, chosen)
	o.read = meter.Examined()
	if errors.Is(err, store.ErrExpired) {
		// The engine is far behind: try again when it has caught up.
		return nil, e.Wait(ctx, o.seq+1)
	}
	return r, err
}

// finish brings the result up to date and adds the holder to its query. It returns
// false if the opening must start again.
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
		e.drop(o.holder, q)
		e.release(q)
		return false, e.register(o)
	}
	delete(e.openings, o.holder)
	if q.live() == nil {
		q.examined = o.read
	}
	g := q.join(now)
	e.attachHolder(o.holder, o.rules, g)
	opened(e.describe(o, g, now, from))
	return true, nil
}

// catchUp lets the result follow the commits that came while it was read.
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

// leave removes an opening from its query.
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
	e.drop(o.holder, o.query)
	e.release(o.query)
}

// describe returns the state of a holder of the group, as it was opened.
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

// setRecords adds all records of the list.
func (o *Opened) setRecords(l *list) {
	o.Images, o.Included, o.With = slices.Clone(l.visible()), l.included(), l.nested()
}

// overflows reports whether more records have left than are in the list. A small
// number of leaves is always accepted.
func overflows(deltas []Delta, now *list) bool {
	const accepted = 100
	least := max(len(now.visible()), accepted)
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
