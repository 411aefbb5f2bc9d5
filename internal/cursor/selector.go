package cursor

import (
	"sync"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A selector is shared by all queries with equal conditions. It tests each change
// once for all of them.
type selector struct {
	index   *index
	where   []query.Condition // all must be true
	queries []*Query
	sole    [1]*Query           // room for one query, the usual number
	shared  map[queryKey]*Query // by what distinguishes them; nil while they are few
	entry   entry               // the first of its entries, in the order of its terms
	round   uint64              // of the index, when it last tested this selector
	touches *[]touch            // what the current commit did to its records; nil for nothing
}

// A queryKey distinguishes queries with the same conditions. Holders with equal keys
// share a query.
type queryKey struct {
	spec *specKey
	tag  string
}

// fewQueries is how many queries of a selector are searched one by one.
const fewQueries = 8

func (q *Query) queryKey() queryKey { return queryKey{q.key, q.tag} }

// newSelector returns a selector of conditions that must all be true. One or two
// conditions are allocated together with the selector, to keep them close in memory.
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

// condition returns the conjunction of the conditions.
func (s *selector) condition() query.Condition { return query.Conjunction(s.where) }

// matches reports whether the record, nil for none, satisfies the conditions.
func (s *selector) matches(img *record.Image) bool {
	if img == nil || !img.Fits() {
		return false
	}
	for i := range s.where {
		if !s.where[i].Match(img) {
			return false
		}
	}
	return true
}

// query returns the query with that key, or nil.
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

// terms returns the terms of the selector. The zero term is the residual list.
func (s *selector) terms() []query.Term {
	if terms, ok := query.ConjunctionTerms(s.where, query.TermFilter{}); ok {
		return terms
	}
	return []query.Term{{}}
}

// An entry puts a selector into the bucket of one of its terms. The entries of a
// bucket are linked in no particular order; a bucket is its first entry, or nil.
type entry struct {
	selector   *selector
	prev, next *entry
	nextTerm   *entry // the next entry of the same selector
}

// pushOnto adds the entry to a bucket and returns the new bucket.
func (e *entry) pushOnto(bucket *entry) *entry {
	if e.next = bucket; bucket != nil {
		bucket.prev = e
	}
	return e
}

// removeFrom removes the entry from its bucket and returns the new bucket.
func (e *entry) removeFrom(bucket *entry) *entry {
	if e.next != nil {
		e.next.prev = e.prev
	}
	if e.prev == nil {
		return e.next
	}
	e.prev.next = e.next
	return bucket
}

// touch adds a touch and reports whether it is the commit's first.
func (s *selector) touch(t touch) (first bool) {
	if first = s.touches == nil; first {
		s.touches = touches.Get().(*[]touch)
	}
	*s.touches = append(*s.touches, t)
	return first
}

// clearTouches drops the commit's touches.
func (s *selector) clearTouches() {
	clear(*s.touches)
	*s.touches = (*s.touches)[:0]
	touches.Put(s.touches)
	s.touches = nil
}

var touches = sync.Pool{New: func() any { return new([]touch) }}

// A touch is a change of a record that satisfies conditions before or after it.
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
