package cursor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/store"
)

// A place is where a holder stands among those of its query.
type place struct {
	query *Query
	at    int
}

// rule returns the spec's rule, as one that a panic makes deny.
func (e *Engine) rule(spec *Spec) func(*store.Image) bool {
	ask := spec.Allow
	if ask == nil {
		return allowAll
	}
	return func(img *store.Image) (allowed bool) {
		defer func() {
			if r := recover(); r != nil {
				allowed = false
				e.report(fmt.Errorf("the rule of a cursor on %s, asked for %s: panic: %v", img.Model.Name, img.ID, r))
			}
		}()
		return ask(img)
	}
}

func allowAll(*store.Image) bool { return true }

// query returns the query that a holder of the spec shares, or a new one, which
// follows the commits from now on.
func (e *Engine) query(spec Spec) *Query {
	where := canonical(spec.Scope.Where)
	key := spec.key(where.key)
	if q := e.shared[key]; q != nil && key != "" {
		return q
	}
	x := e.indexes[spec.Scope.Model]
	if x == nil {
		x = newIndex()
		e.indexes[spec.Scope.Model] = x
	}
	e.number++
	q := &Query{engine: e, number: e.number, spec: spec, key: key, allow: e.rule(&spec), index: x, selector: x.add(where)}
	q.spec.Scope.Where = q.selector.where // the same, held once
	q.selector.add(q)
	if key != "" {
		e.shared[key] = q
	}
	return q
}

// release ends a query that nobody holds or opens.
func (e *Engine) release(q *Query) {
	if len(q.holders) == 0 && len(q.openings) == 0 {
		e.end(q)
	}
}

// end forgets a query. It may have been forgotten before.
func (e *Engine) end(q *Query) {
	if q.ended {
		return
	}
	q.ended = true
	q.selector.remove(q)
	if len(q.selector.queries) == 0 {
		q.index.remove(q.selector)
	}
	if len(q.index.selectors) == 0 {
		delete(e.indexes, q.spec.Scope.Model)
	}
	if q.key != "" {
		delete(e.shared, q.key)
	}
}

// lose ends a query that cannot be kept current, and appends what its holders
// are to be told. Those that are opening it begin again.
func (e *Engine) lose(effects []Effect, q *Query, err error) []Effect {
	for _, h := range q.holders {
		delete(e.places, h)
	}
	for _, o := range q.openings {
		o.again = true
	}
	if len(q.holders) > 0 {
		effects = append(effects, Effect{Query: q, Holders: q.holders, Resync: e.reason(err)})
	}
	q.holders, q.list, q.tally, q.held = nil, nil, nil, nil
	e.end(q)
	return effects
}

// reason names an error as the reason for a resync.
func (e *Engine) reason(err error) string {
	if errors.Is(err, store.ErrExpired) {
		return Expired
	}
	e.report(fmt.Errorf("keep a cursor current: %w", err))
	return Failed
}

func (e *Engine) hold(h Holder, q *Query) {
	e.places[h] = place{q, len(q.holders)}
	q.holders = append(q.holders, h)
}

// unhold takes the holder away from its query, nil if it holds none.
func (e *Engine) unhold(h Holder) *Query {
	p, ok := e.places[h]
	if !ok {
		return nil
	}
	q, last := p.query, len(p.query.holders)-1
	q.holders[p.at] = q.holders[last]
	e.places[q.holders[p.at]] = p
	q.holders[last] = nil
	q.holders = q.holders[:last]
	delete(e.places, h)
	return q
}

// Close ends what the holder has open, or is opening; it gets nothing more. It
// does nothing for others.
func (e *Engine) Close(h Holder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if o := e.openings[h]; o != nil {
		o.err = ErrClosed
		delete(e.openings, h)
	}
	delete(e.early, h)
	if q := e.unhold(h); q != nil {
		e.release(q)
	}
}

// Queries returns the open queries, by number.
func (e *Engine) Queries() []*Query {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.queries()
}

func (e *Engine) queries() []*Query {
	var all []*Query
	for _, x := range e.indexes {
		for _, s := range x.selectors {
			all = append(all, s.queries...)
		}
	}
	slices.SortFunc(all, func(a, b *Query) int { return cmp.Compare(a.number, b.number) })
	return all
}
