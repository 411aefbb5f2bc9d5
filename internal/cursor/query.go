package cursor

import (
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/store"
)

// A Spec is what a cursor is opened with.
type Spec struct {
	Scope Scope

	// Value asks for a value of the scope's records in place of the records.
	Value ValueSpec

	// Tag keeps otherwise equal cursors apart.
	Tag string

	// Ordered asks for deltas that say After even where the scope has no order,
	// limit or offset.
	Ordered bool

	// Allow is the holder's own rule: of the records that the conditions hold
	// for, those that it denies are not in the cursor; they count for no limit
	// and no offset. nil allows all. It is asked when a record is read or
	// changes, often under the engine's lock, and must neither wait for the
	// engine nor call it. A panic denies. A query with a rule is not shared.
	Allow func(*store.Image) bool
}

// ordered reports whether there is an order to keep.
func (s *Spec) ordered() bool {
	return !s.valued() && (s.Ordered || len(s.Scope.Order) > 0 || s.Scope.Limit > 0 || s.Scope.Offset > 0)
}

// valued reports whether a value is asked for.
func (s *Spec) valued() bool { return s.Value.Kind != ValueNone }

// check says what is wrong with a spec that a program made.
func (s *Spec) check() error {
	if err := s.Scope.check(); err != nil {
		return err
	}
	return s.Value.check(&s.Scope)
}

// String returns the spec as a person reads it.
func (s *Spec) String() string {
	if s.valued() {
		return s.Value.String() + " of " + s.Scope.String()
	}
	return s.Scope.String()
}

// key is equal for specs that may share a query, "" for those that may not.
func (s *Spec) key(where string) string {
	if s.Allow != nil {
		return ""
	}
	key := appendText(nil, s.Tag)
	scope := s.Scope
	switch { // a byte for each form, so that no key is the beginning of another's
	case s.valued():
		scope.Order = nil
		key = appendText(append(key, 2), s.Value.String())
	case s.ordered():
		key = append(key, 1)
	default:
		key = append(key, 0)
	}
	return string(scope.appendKey(key, where))
}

// A Holder is one open cursor of the caller's, by which it is known: any
// comparable value.
type Holder = any

// A Query is a spec that is kept current for those who hold it. What it
// remembers of its records depends on the spec: of an ordered one the list up to
// the end of its window and some beyond, of a value the tally, of another one
// with a rule the ids, else nothing.
type Query struct {
	engine   *Engine
	number   uint64
	spec     Spec
	key      string // among those that are shared, or ""
	allow    func(*store.Image) bool
	index    *index
	selector *selector
	at       int  // among the selector's queries
	ended    bool // it follows no commits any more
	holders  []Holder
	openings []*opening
	cost     Cost

	list  *list                 // once an ordered query has been read
	tally *tally                // once one of a value has
	held  map[store.ID]struct{} // once an unordered one with a rule has
}

// Number returns the query's number. No other query has it, or had it.
func (q *Query) Number() uint64 { return q.number }

// Spec returns what the query was opened with, by the first to open it, its
// conditions in their canonical form.
func (q *Query) Spec() Spec { return q.spec }

// Ordered reports whether the query's records have an order to keep: its deltas
// say After. Those of other queries stand by id.
func (q *Query) Ordered() bool { return q.spec.ordered() }

// Holders returns who holds the query. A [Sink] must not call it, and has
// [Effect.Holders].
func (q *Query) Holders() []Holder {
	q.engine.mu.Lock()
	defer q.engine.mu.Unlock()
	return slices.Clone(q.holders)
}

// Len returns how many records the query remembers, -1 where it needs none. A
// [Sink] must not call it.
func (q *Query) Len() int {
	q.engine.mu.Lock()
	defer q.engine.mu.Unlock()
	switch {
	case q.list != nil:
		return len(q.list.images)
	case q.tally != nil && q.tally.own != nil:
		return len(q.tally.own)
	case q.held != nil:
		return len(q.held)
	default:
		return -1
	}
}

// A reading is what has been read of a query, a list or a tally, and follows the
// commits from then on.
type reading interface {
	fill(at view) error
	apply(t *touch)
	short() bool // it has to be filled again
}

// live reports whether the query itself knows its records, or its value.
func (q *Query) live() bool { return q.list != nil || q.tally != nil }

// reading returns what a live query knows.
func (q *Query) reading() reading {
	if q.tally != nil {
		return q.tally
	}
	return q.list
}

// empty returns a reading of the query that is yet to be filled.
func (q *Query) empty() reading {
	if q.spec.valued() {
		return newTally(&q.spec, q.allow)
	}
	return q.emptyList()
}

func (q *Query) emptyList() *list {
	return &list{scope: &q.spec.Scope, allow: q.allow, spare: q.engine.spare}
}

// keep makes r, as of now, what the query remembers.
func (q *Query) keep(r reading) {
	l, ok := r.(*list)
	switch {
	case !ok:
		q.tally = r.(*tally)
	case q.spec.ordered():
		q.list = l
		l.evict()
	case q.spec.Allow != nil:
		q.held = make(map[store.ID]struct{}, len(l.images))
		for _, img := range l.images {
			q.held[img.ID] = struct{}{}
		}
	}
}

// apply follows a commit with records: touches are what it did to the records that the
// query's conditions hold for, at is the state after it. The deltas lead from
// what was visible before.
func (q *Query) apply(touches []touch, seq uint64, at view) ([]Delta, error) {
	switch {
	case q.list != nil:
		return q.applyList(touches, seq, at)
	case len(q.holders) == 0:
		return nil, nil
	case q.held != nil:
		return flat(q.applyHeld(touches)), nil
	default:
		return flat(touches), nil
	}
}

func (q *Query) applyList(touches []touch, seq uint64, at view) ([]Delta, error) {
	scratch := idsOf(q.engine.scratch[:0], q.list.visible())
	for i := range touches {
		q.list.apply(&touches[i])
	}
	if q.list.short() {
		if err := q.list.fill(at); err != nil {
			return nil, err
		}
	}
	deltas := diff(scratch, q.list.visible(), seq-1, true)
	q.list.evict()
	clear(scratch)
	q.engine.scratch = scratch
	return deltas, nil
}

// applyHeld returns the touches as the holder's rule lets it see them.
func (q *Query) applyHeld(touches []touch) []touch {
	var seen []touch
	for _, t := range touches {
		id := t.change.ID
		_, t.before = q.held[id]
		t.after = t.after && q.allow(t.change.After)
		switch {
		case t.after:
			q.held[id] = struct{}{}
		case t.before:
			delete(q.held, id)
		default:
			continue
		}
		seen = append(seen, t)
	}
	return seen
}

// flat returns the deltas of a query without an order.
func flat(touches []touch) []Delta {
	deltas := make([]Delta, 0, len(touches))
	for _, op := range [...]DeltaOp{Leave, Enter, Change} {
		for i := range touches {
			t := &touches[i]
			if t.op() != op {
				continue
			}
			d := Delta{Op: op, ID: t.change.ID}
			if op != Leave {
				d.Image = t.change.After
			}
			deltas = append(deltas, d)
		}
	}
	return deltas
}

// remembered returns the ids of the records that the holders hold, in their
// order, if the query knows them.
func (q *Query) remembered() ([]store.ID, bool) {
	switch {
	case q.list != nil:
		return idsOf(nil, q.list.visible()), true
	case q.held != nil:
		ids := make([]store.ID, 0, len(q.held))
		for id := range q.held {
			ids = append(ids, id)
		}
		slices.SortFunc(ids, func(a, b store.ID) int { return strings.Compare(string(a), string(b)) })
		return ids, true
	default:
		return nil, false
	}
}
