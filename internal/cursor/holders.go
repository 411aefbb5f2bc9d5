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

// rules returns the spec's rules. A rule that panics denies.
func (e *Engine) rules(spec *Spec) rules {
	own := spec.rules()
	for i, allow := range own {
		own[i] = e.rule(allow)
	}
	return own
}

// rule returns a rule that denies and reports if allow panics; nil for nil.
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

// index returns the index of a model's selectors.
func (e *Engine) index(m *record.Model) *index {
	x := e.indexes[m]
	if x == nil {
		x = newIndex()
		e.indexes[m] = x
	}
	return x
}

// releaseSelector removes a selector that nothing uses any longer, and its index.
func (e *Engine) releaseSelector(s *selector, m *record.Model) {
	x := s.index
	if len(s.queries) == 0 && len(e.keptBy[s]) == 0 {
		x.remove(s)
	}
	if len(x.selectors) == 0 {
		delete(e.indexes, m)
	}
}

// query returns the query that holders of the spec share. It creates the query if
// there is none; it then follows commits from now on.
func (e *Engine) query(spec Spec) *Query {
	x := e.index(spec.Scope.Model)
	where := query.Canonical(spec.Scope.Where)
	s, by := x.add(where), queryKey{x.specKey(&spec), spec.Tag}
	q := s.query(by)
	if q == nil {
		e.number++
		q = &Query{engine: e, selector: s, key: by.spec, tag: by.tag, number: e.number, public: e.cover.ofQuery(spec.Scope.Model, &where, by)}
		if q.ruled = spec.ruled(); q.ruled {
			q.partition = &partition{}
		} else {
			q.whole.reset(q, nil)
		}
		s.add(q)
		e.open++
		by.spec.queries++
	}
	return q
}

// release ends a query that has no holders and no openings.
func (e *Engine) release(q *Query) {
	if q.isUnused() {
		e.end(q)
	}
}

// end removes a query, if it has not been removed before.
func (e *Engine) end(q *Query) {
	if q.ended {
		return
	}
	q.ended = true
	e.open--
	for _, g := range q.groups() {
		g.untrack()
	}
	q.selector.remove(q)
	q.selector.index.release(q.key)
	e.releaseSelector(q.selector, q.key.Scope.Model)
}

// failGroup ends a group that cannot be kept current and appends the effect on its
// holders.
func (e *Engine) failGroup(effects []Effect, g *group, err error) []Effect {
	for _, h := range g.holders {
		*h.membership() = Membership{}
		e.drop(h, g.query)
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

// resyncReason returns the reason for a resync that corresponds to an error.
func (e *Engine) resyncReason(err error) string {
	switch {
	case errors.Is(err, store.ErrNoCommit):
		return Epoch
	case errors.Is(err, store.ErrExpired):
		return Expired
	case errors.Is(err, errCostly):
		return Costly
	}
	e.report(fmt.Errorf("keep a cursor current: %w", err))
	return Failed
}

// attachHolder adds a holder to a group.
func (e *Engine) attachHolder(h Holder, own rules, g *group) {
	*h.membership() = Membership{g, len(g.holders)}
	if g.holders = append(g.holders, h); g.query.ruled {
		g.rules = append(g.rules, own)
	}
}

// detachHolder removes a holder from its group. It returns the holder's query, or nil
// if the holder has none.
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
	e.drop(h, g.query)
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

// Close closes what the holder has open, or is opening. The sink gets nothing more
// for it. Close does nothing for other holders.
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
