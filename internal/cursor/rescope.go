package cursor

import (
	"context"
	"fmt"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
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
	To     *Query        // nil: it is closed
	Deltas []Delta       // from what it held before the commit to what it holds after it
	Value  *record.Value // of a cursor of a value: what it is now, if that is another

	Included []Included // what else

	// Resync says why there are no deltas, as in [Effect]: the holder holds
	// nothing until it is opened again.
	Resync string
}

// A leavingHolder is a holder on its way from one query to another, and what it held
// before the commit that moves it.
type leavingHolder struct {
	move     Move
	from     *Query
	ids      []record.ID
	included includedIDs
	value    record.Value // of a query of a value, instead of ids
	err      error
}

// leaving returns what a holder of the group leaves with, but for its move. before
// views the state that the group holds.
func (g *group) leaving(before view) leavingHolder {
	d := leavingHolder{from: g.query}
	switch r := g.result.(type) {
	case *aggregate:
		d.value = r.value()
		return d
	case *list:
		d.included = r.includedIDs()
	}
	d.ids, d.err = g.ids(before)
	return d
}

// check reports why the holder cannot move.
func (d *leavingHolder) check() error {
	to := d.move.To
	if err := to.check(); err != nil {
		return err
	}
	if to.valued() != d.from.key.valued() {
		from := d.from.Spec()
		return fmt.Errorf("%s cannot become %s: one carries records, one a value", &from, to)
	}
	return nil
}

// moved returns what the commit seq does to the holder, which holds now after it,
// nil for nothing.
func (d *leavingHolder) moved(now result, seq uint64) Moved {
	m := Moved{Holder: d.move.Holder, From: d.from}
	switch now := now.(type) {
	case *aggregate:
		m.Value = now.since(d.value)
	case *list:
		m.Included = d.included.diff(now, seq-1)
		since := d.from.key.resendAfter(seq-1, d.move.To)
		m.Deltas = now.nest(diff(d.ids, now.visible(), since, d.move.To.ordered()), m.Included)
	default:
		m.Deltas, m.Included = diff(d.ids, nil, seq-1, false), d.included.diff(nil, seq-1)
	}
	return m
}

// detach takes the holders that move away from their queries, with what they
// held before the commit: none of it reaches them under their old spec.
func (e *Engine) detach(c store.Commit, moves []Move) []leavingHolder {
	before := e.at(context.Background(), c.Seq-1)
	left := map[*group]leavingHolder{}
	var leaving []leavingHolder
	for _, m := range moves {
		if o := e.openings[m.Holder]; o != nil {
			e.redirect(o, m.To)
			continue
		}
		g := m.Holder.membership().group
		if g == nil {
			e.moved[m.Holder] = m.To
			continue
		}
		if g.query.serves(m.To) {
			continue
		}
		d, known := left[g]
		if !known {
			d = g.leaving(before)
			left[g] = d
		}
		d.move = m
		e.detachHolder(m.Holder)
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
	o.spec, o.stale = *to, true
}

// serves reports whether the query is what a holder of the spec would share.
func (q *Query) serves(to *Spec) bool {
	if to == nil || q.ruled || to.ruled() || q.key.Scope.Model != to.Scope.Model {
		return false
	}
	return q.tag == to.Tag && q.key.key == string(to.appendKey(nil)) &&
		query.Compare(q.selector.condition(), query.Canonical(to.Scope.Where)) == 0
}

// attach brings the holders that move to their new queries, as of the commit.
func (e *Engine) attach(c store.Commit, leaving []leavingHolder) []Moved {
	at := e.at(context.Background(), c.Seq)
	read := map[*Query]result{}
	var moved []Moved
	for i := range leaving {
		d := &leaving[i]
		var to *Query
		var now result
		err := d.err
		if err == nil && d.move.To != nil {
			to, now, err = e.rejoin(d, at, read)
		}
		m := Moved{Holder: d.move.Holder, From: d.from}
		if err != nil {
			m.Resync = e.resyncReason(err)
		} else {
			m = d.moved(now, c.Seq)
			m.To = to
		}
		moved = append(moved, m)
	}
	for _, d := range leaving {
		e.release(d.from)
	}
	return moved
}

// rejoin makes a holder one of its new query's, and returns what that shows; read
// holds what is known of it already.
func (e *Engine) rejoin(d *leavingHolder, at view, read map[*Query]result) (*Query, result, error) {
	to := d.move.To
	if err := d.check(); err != nil {
		return nil, nil, err
	}
	q, own := e.query(*to), e.rules(to)
	now := read[q]
	if now == nil {
		now = q.live()
	}
	if now == nil {
		now = q.newResult()
		if err := fill(now, &commitView{at: at}, own); err != nil {
			e.release(q)
			return nil, nil, err
		}
	}
	if !q.ruled {
		read[q] = now
	}
	e.attachHolder(d.move.Holder, own, q.join(now))
	return q, now, nil
}
