package cursor

import (
	"context"
	"fmt"

	"github.com/towerkit/tower/internal/store"
)

// A Move gives a holder another spec.
type Move struct {
	Holder Holder
	To     *Spec // nil: it is closed
}

// Moved is what a commit did to a holder that it gave another spec.
type Moved struct {
	Holder Holder
	From   *Query
	To     *Query       // nil: it is closed
	Deltas []Delta      // from what it held before the commit to what it holds after it
	Value  *store.Value // of a cursor of a value: what it is now, if that is another

	// Resync says why there are no deltas, as in [Effect]: the holder holds
	// nothing until it is opened again.
	Resync string
}

// A departure is a holder on its way from one query to another.
type departure struct {
	move  Move
	from  *Query
	ids   []store.ID  // that it held
	value store.Value // or this
	err   error
}

// detach takes the holders that move away from their queries, with what they
// held before the commit: none of it reaches them under their old spec.
func (e *Engine) detach(c store.Commit, moves []Move) []departure {
	before := e.at(context.Background(), c.Seq-1)
	held := map[*Query]*departure{}
	var leaving []departure
	for _, m := range moves {
		if o := e.openings[m.Holder]; o != nil {
			e.redirect(o, m.To)
			continue
		}
		p, open := e.places[m.Holder]
		if !open {
			e.early[m.Holder] = m.To
			continue
		}
		if p.query.serves(m.To) {
			continue
		}
		d := departure{move: m, from: p.query}
		if d.from.tally != nil {
			d.value = d.from.tally.value()
		} else if known := held[d.from]; known != nil {
			d.ids, d.err = known.ids, known.err
		} else {
			d.ids, d.err = d.from.ids(before)
			held[d.from] = &d
		}
		if e.unhold(m.Holder); d.from.key == "" {
			e.release(d.from)
		}
		leaving = append(leaving, d)
	}
	return leaving
}

// redirect gives an opening another spec.
func (e *Engine) redirect(o *opening, to *Spec) {
	if to == nil {
		o.err = ErrClosed
		delete(e.openings, o.holder)
		return
	}
	o.spec, o.again = *to, true
}

// serves reports whether the query is what a holder of the spec would share.
func (q *Query) serves(to *Spec) bool {
	return to != nil && q.key != "" && to.Allow == nil && q.spec.Scope.Model == to.Scope.Model &&
		q.key == to.key(canonical(to.Scope.Where).key)
}

// ids returns the ids that the query's holders hold, in their order; before is
// the state that they hold.
func (q *Query) ids(before view) ([]store.ID, error) {
	if ids, ok := q.remembered(); ok {
		return ids, nil
	}
	l := q.emptyList()
	err := l.fill(before)
	return idsOf(nil, l.visible()), err
}

// attach brings the holders that move to their new queries, as of the commit.
func (e *Engine) attach(c store.Commit, leaving []departure) []Moved {
	at := e.at(context.Background(), c.Seq)
	now := map[*Query][]*store.Image{}
	var moved []Moved
	for _, d := range leaving {
		m := Moved{Holder: d.move.Holder, From: d.from}
		var images []*store.Image
		err := d.err
		if err == nil && d.move.To != nil {
			m.To, images, err = e.arrive(d, at, now)
		}
		switch {
		case err != nil:
			m.To, m.Resync = nil, e.reason(err)
		case !d.from.spec.valued():
			m.Deltas = diff(d.ids, images, c.Seq-1, m.To != nil && m.To.Ordered())
		case m.To != nil:
			m.Value = m.To.tally.since(d.value)
		}
		moved = append(moved, m)
	}
	for _, d := range leaving {
		e.release(d.from)
	}
	return moved
}

// arrive makes a holder one of its new query's, and returns what that shows; now
// holds what is known of it already.
func (e *Engine) arrive(d departure, at view, now map[*Query][]*store.Image) (*Query, []*store.Image, error) {
	to := d.move.To
	if err := to.check(); err != nil {
		return nil, nil, err
	}
	if to.valued() != d.from.spec.valued() {
		return nil, nil, fmt.Errorf("%s cannot become %s: one carries records, one a value", &d.from.spec, to)
	}
	q := e.query(*to)
	images, known := now[q]
	if !known {
		r := q.empty()
		if q.live() {
			r = q.reading()
		} else if err := r.fill(at); err != nil {
			e.release(q)
			return nil, nil, err
		} else {
			q.keep(r)
		}
		if l, ok := r.(*list); ok {
			images = l.visible()
		}
		now[q] = images
	}
	e.hold(d.move.Holder, q)
	return q, images, nil
}
