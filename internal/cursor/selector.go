package cursor

import (
	"sync"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A selector is what all queries with equal conditions share: one test of each
// change, however many they are.
type selector struct {
	index   *index
	where   []query.Condition // all have to hold
	queries []*Query
	sole    [1]*Query           // as most have one
	shared  map[queryKey]*Query // by what they differ in; nil: they are few
	entry   entry               // the first of its filings, in the order of its niches
	round   uint64              // of the index, when it last met this selector
	touches *[]touch            // what the commit at hand did to its records; nil: nothing
}

// A queryKey is what holders of the same conditions have to have in common, too, to
// share a query.
type queryKey struct {
	form *specKey
	tag  string
}

// fewQueries is how many queries of a selector are searched one by one.
const fewQueries = 8

func (q *Query) queryKey() queryKey { return queryKey{q.key, q.tag} }

// newSelector returns a selector for conditions that all have to hold. One or two
// are kept beside it, where they are at hand when it is.
func newSelector(where []query.Condition) *selector {
	var s *selector
	switch len(where) {
	case 1:
		near := &struct {
			selector
			where [1]query.Condition
		}{where: [1]query.Condition(where)}
		s = &near.selector
		s.where = near.where[:]
	case 2:
		near := &struct {
			selector
			where [2]query.Condition
		}{where: [2]query.Condition(where)}
		s = &near.selector
		s.where = near.where[:]
	default:
		s = &selector{where: where}
	}
	s.queries = s.sole[:0]
	return s
}

// condition returns what has to hold.
func (s *selector) condition() query.Condition { return query.Conjunction(s.where) }

// matches reports whether the conditions hold for the record, nil for none.
func (s *selector) matches(img *record.Image) bool {
	if img == nil {
		return false
	}
	for i := range s.where {
		if !s.where[i].Match(img) {
			return false
		}
	}
	return true
}

// query returns the one of the selector's queries that is shared, nil for none.
func (s *selector) query(by queryKey) *Query {
	if s.shared != nil {
		return s.shared[by]
	}
	for _, q := range s.queries {
		if q.queryKey() == by {
			return q
		}
	}
	return nil
}

func (s *selector) add(q *Query) {
	q.at = int32(len(s.queries))
	s.queries = append(s.queries, q)
	switch {
	case s.shared != nil:
		s.shared[q.queryKey()] = q
	case len(s.queries) > fewQueries:
		s.shared = map[queryKey]*Query{}
		for _, q := range s.queries {
			s.shared[q.queryKey()] = q
		}
	}
}

func (s *selector) remove(q *Query) {
	last := len(s.queries) - 1
	s.queries[q.at] = s.queries[last]
	s.queries[q.at].at = q.at
	s.queries[last] = nil
	s.queries = s.queries[:last]
	delete(s.shared, q.queryKey())
}

// terms returns where the selector is filed; the zero niche is the residual.
func (s *selector) terms() []query.Term {
	if niches, ok := query.ConjunctionTerms(s.where, query.TermFilter{}); ok {
		return niches
	}
	return []query.Term{{}}
}

// A entry is one place at which a selector is found. Those of a niche are linked,
// in no order; the first is its drawer, nil an empty one.
type entry struct {
	selector   *selector
	prev, next *entry
	nextTerm   *entry // the next of the same selector
}

// pushOnto puts the filing into a drawer, and returns that.
func (f *entry) pushOnto(drawer *entry) *entry {
	if f.next = drawer; drawer != nil {
		drawer.prev = f
	}
	return f
}

// removeFrom takes the filing out of its drawer, and returns that.
func (f *entry) removeFrom(drawer *entry) *entry {
	if f.next != nil {
		f.next.prev = f.prev
	}
	if f.prev == nil {
		return f.next
	}
	f.prev.next = f.next
	return drawer
}

// touch notes a touch, and reports whether it is the commit's first.
func (s *selector) touch(t touch) (first bool) {
	if first = s.touches == nil; first {
		s.touches = touches.Get().(*[]touch)
	}
	*s.touches = append(*s.touches, t)
	return first
}

// clearTouches lets go of a commit's touches.
func (s *selector) clearTouches() {
	clear(*s.touches)
	*s.touches = (*s.touches)[:0]
	touches.Put(s.touches)
	s.touches = nil
}

var touches = sync.Pool{New: func() any { return new([]touch) }}

// A touch is a change of a record for which conditions hold before or after it.
type touch struct {
	change        *store.Change
	before, after bool
}

func (t *touch) op() DeltaOp {
	switch {
	case !t.before:
		return Enter
	case !t.after:
		return Leave
	default:
		return Change
	}
}
