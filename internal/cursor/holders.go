package cursor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// rules returns a holder's rules, in which a panic denies.
func (e *Engine) rules(spec *Spec) rules {
	own := spec.rules()
	for i, allow := range own {
		own[i] = e.rule(allow)
	}
	return own
}

// rule returns a rule as one that a panic makes deny, nil for nil.
func (e *Engine) rule(allow func(*record.Image) bool) rule {
	if allow == nil {
		return nil
	}
	return func(img *record.Image) (allowed bool) {
		defer func() {
			if r := recover(); r != nil {
				allowed = false
				e.report(fmt.Errorf("the rule of a cursor on %s, asked for %s: panic: %v", img.Model.Name, img.ID, r))
			}
		}()
		return allow(img)
	}
}

// query returns the query that a holder of the spec shares, or a new one, which
// follows the commits from now on.
func (e *Engine) query(spec Spec) *Query {
	x := e.indexes[spec.Scope.Model]
	if x == nil {
		x = newIndex()
		e.indexes[spec.Scope.Model] = x
	}
	s, by := x.add(query.Canonical(spec.Scope.Where)), queryKey{x.specKey(&spec), spec.Tag}
	q := s.query(by)
	if q == nil {
		e.number++
		q = &Query{engine: e, selector: s, key: by.form, tag: by.tag, number: e.number}
		if q.ruled = spec.ruled(); q.ruled {
			q.partition = &partition{}
		} else {
			q.whole.reset(q, nil)
		}
		s.add(q)
		by.form.queries++
	}
	return q
}

// release ends a query that nobody holds or opens.
func (e *Engine) release(q *Query) {
	for _, g := range q.groups() {
		if len(g.holders) > 0 {
			return
		}
	}
	if q.openings == nil {
		e.end(q)
	}
}

// end forgets a query. It may have been forgotten before.
func (e *Engine) end(q *Query) {
	if q.ended {
		return
	}
	q.ended = true
	for _, g := range q.groups() {
		g.untrack()
	}
	s, x := q.selector, q.selector.index
	if s.remove(q); len(s.queries) == 0 {
		x.remove(s)
	}
	if x.release(q.key); len(x.selectors) == 0 {
		delete(e.indexes, q.key.Scope.Model)
	}
}

// failGroup ends a group that cannot be kept current, and appends what its holders
// are to be told.
func (e *Engine) failGroup(effects []Effect, g *group, err error) []Effect {
	for _, h := range g.holders {
		*h.membership() = Membership{}
	}
	if len(g.holders) > 0 {
		effects = append(effects, Effect{Query: g.query, Holders: slices.Clone(g.holders), Resync: e.resyncReason(err)})
	}
	g.query.remove(g)
	if d := g.query.partition; d != nil {
		d.byHash = nil
	}
	e.release(g.query)
	return effects
}

// resyncReason names an error as the reason for a resync.
func (e *Engine) resyncReason(err error) string {
	if errors.Is(err, store.ErrExpired) {
		return Expired
	}
	e.report(fmt.Errorf("keep a cursor current: %w", err))
	return Failed
}

// attachHolder makes a holder one of a group's.
func (e *Engine) attachHolder(h Holder, own rules, g *group) {
	*h.membership() = Membership{g, len(g.holders)}
	if g.holders = append(g.holders, h); g.query.ruled {
		g.rules = append(g.rules, own)
	}
}

// detachHolder takes the holder away from its group, and returns its query, nil if it
// holds none.
func (e *Engine) detachHolder(h Holder) *Query {
	g, at := h.membership().group, h.membership().at
	if g == nil {
		return nil
	}
	last := len(g.holders) - 1
	g.holders[at] = g.holders[last]
	g.holders[at].membership().at = at
	g.holders[last] = nil
	g.holders = g.holders[:last]
	*h.membership() = Membership{}
	if g.query.ruled {
		g.rules[at] = g.rules[last]
		g.rules[last] = nil
		g.rules = g.rules[:last]
	}
	if last == 0 && g.query.ruled {
		g.query.drop(g)
	}
	return g.query
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
	delete(e.moved, h)
	if q := e.detachHolder(h); q != nil {
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
