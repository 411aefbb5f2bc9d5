package cursor

import (
	"errors"
	"fmt"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Move gives a holder another spec.
type Move struct {
	Holder Holder
	To     *Spec // nil closes the holder
	Resend bool  // report all records that stay as changed
}

// Moved is what a commit did to a holder whose spec it changed.
type Moved struct {
	Holder Holder
	From   *Query
	To     *Query        // nil if it is closed
	Deltas []Delta       // from what it held before the commit to what it holds after it
	Value  *record.Value // the new value of a cursor that carries one, if it changed

	Included []Included // changes of included records

	// Resync is the reason why there are no deltas, as in [Effect]. The holder then
	// holds nothing until it is opened again.
	Resync string
}

// A leavingHolder is a holder between two queries, with what it held before the
// commit that moves it.
type leavingHolder struct {
	move     Move
	from     *Query
	ids      []record.ID
	included includedIDs
	value    record.Value // if the query carries a value, instead of ids
	err      error
}

// leaving returns a leavingHolder without a move for holders of the group. before
// views the state that they hold.
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

// check returns an error if the holder cannot move.
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

// moved returns what the commit seq does to the holder. now is what it holds after
// the commit, nil for nothing.
func (d *leavingHolder) moved(now result, seq uint64) Moved {
	m := Moved{Holder: d.move.Holder, From: d.from}
	switch now := now.(type) {
	case *aggregate:
		m.Value = now.since(d.value)
	case *list:
		m.Included = d.included.diff(now, seq-1)
		since := d.from.key.resendAfter(seq-1, d.move.To)
		if d.move.Resend {
			since = 0
		}
		m.Deltas = now.nest(diff(d.ids, now.visible(), since, d.move.To.ordered()), m.Included)
	default:
		m.Deltas, m.Included = diff(d.ids, nil, seq-1, false), d.included.diff(nil, seq-1)
	}
	return m
}

// detach removes the moving holders from their queries and notes what they held
// before the commit: nothing of the commit reaches them under their old spec.
func (e *Engine) detach(c store.Commit, moves []Move) []leavingHolder {
	before := e.at(e.metered, e.st.Before(c.Seq))
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
		if !m.Resend && g.query.serves(m.To) {
			continue
		}
		d, known := left[g]
		if !known {
			if d = e.leaving(g, m.Holder, before); !errors.Is(d.err, errCostly) { // another holder may afford it
				left[g] = d
			}
		}
		d.move = m
		e.detachHolder(m.Holder)
		leaving = append(leaving, d)
	}
	return leaving
}

// leaving returns what the holders of a group hold before a commit that moves one of them.
func (e *Engine) leaving(g *group, h Holder, before view) (d leavingHolder) {
	if err := e.readForMove(h, func() error {
		d = g.leaving(before)
		return nil
	}); err != nil {
		return leavingHolder{from: g.query, err: err}
	}
	return d
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

// serves reports whether a holder of the spec would share the query.
func (q *Query) serves(to *Spec) bool {
	if to == nil || q.ruled || to.ruled() || q.key.Scope.Model != to.Scope.Model {
		return false
	}
	return q.tag == to.Tag && q.key.key == string(to.appendKey(nil)) &&
		query.Compare(q.selector.condition(), query.Canonical(to.Scope.Where)) == 0
}

// attach adds the moving holders to their new queries, as of the commit.
func (e *Engine) attach(c store.Commit, leaving []leavingHolder) []Moved {
	at := e.at(e.metered, c.Seq)
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

// rejoin adds a holder to its new query and returns the query's result. read caches
// the results of queries.
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
		if err := e.readForMove(d.move.Holder, func() error { return fill(now, &commitView{at: at}, own) }); err != nil {
			e.release(q)
			return nil, nil, err
		}
	}
	_ = e.hold(d.move.Holder, q, true) // it must be held
	if !q.ruled {
		read[q] = now
	}
	e.attachHolder(d.move.Holder, own, q.join(now))
	return q, now, nil
}
