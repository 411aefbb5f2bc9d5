package cursor

import (
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
)

// A Spec is what a cursor is opened with.
type Spec struct {
	Scope query.Scope

	// Value asks for a value of the scope's records in place of the records.
	Value query.ValueSpec

	// Include asks for records that those of the scope refer to, at most once of a
	// model. Such a spec is ordered.
	Include []Include

	// Inline says that a record is seen as one with what it includes: it changes when
	// that does, and comes with it.
	Inline bool

	// Tag keeps otherwise equal cursors apart. One who holds two with different
	// rules needs it.
	Tag string

	// Ordered asks for deltas that say After even where the scope has no order,
	// limit or offset.
	Ordered bool

	// Allow is the holder's own rule: of the records that the conditions hold
	// for, those that it denies are not in the cursor; they count for no limit
	// and no offset. nil allows all. It is asked when a record is read or
	// changes, often under the engine's lock, and must neither wait for the
	// engine nor call it. A panic denies. Holders of otherwise equal specs share
	// a query as long as their rules answer alike.
	Allow func(*record.Image) bool
}

// ordered reports whether there is an order to keep.
func (s *Spec) ordered() bool {
	return !s.valued() && (s.Ordered || len(s.Include) > 0 || len(s.Scope.Order) > 0 || s.Scope.Limit > 0 || s.Scope.Offset > 0)
}

// valued reports whether a value is asked for.
func (s *Spec) valued() bool { return s.Value.Kind != query.ValueNone }

// check says what is wrong with a spec that a program made.
func (s *Spec) check() error {
	if err := s.Scope.Check(); err != nil {
		return err
	}
	for i := range s.Include {
		if err := s.Include[i].check(&s.Scope); err != nil {
			return err
		}
	}
	if s.valued() && len(s.Include) > 0 {
		return fmt.Errorf("%s of %s: a value includes no records", s.Value, s.Scope.Model.Name)
	}
	return s.Value.Check(&s.Scope)
}

// ruled reports whether the holder has a rule.
func (s *Spec) ruled() bool {
	return s.Allow != nil || slices.ContainsFunc(s.Include, func(in Include) bool { return in.Allow != nil })
}

// rules returns the spec's rules, nil where it has none.
func (s *Spec) rules() rules {
	if !s.ruled() {
		return nil
	}
	own := rules{s.Allow}
	for i := range s.Include {
		own = append(own, s.Include[i].Allow)
	}
	return own
}

// forgetRules makes the spec one that can be shared.
func (s *Spec) forgetRules() {
	s.Allow, s.Include = nil, slices.Clone(s.Include)
	for i := range s.Include {
		s.Include[i].Allow = nil
	}
}

// String returns the spec as a person reads it.
func (s *Spec) String() string {
	if s.valued() {
		return s.Value.String() + " of " + s.Scope.String()
	}
	text := s.Scope.String()
	for _, in := range s.Include {
		for _, f := range in.Fields {
			text += " with " + f.Name
		}
	}
	return text
}

// A Holder is one open cursor of the caller's, by which it is known: a pointer to
// a struct with a [Seat] embedded.
type Holder interface{ membership() *Membership }

// A Membership is where a holder is found among those who hold the same. It is for the
// engine alone; the zero value is ready.
type Membership struct {
	group *group // nil: it holds nothing
	at    int    // among the group's
}

func (s *Membership) membership() *Membership { return s }

// A Query is a spec that is kept current for those who hold it: its model,
// conditions, order and window. Where they have rules, it is kept for each group
// of holders that see the same.
type Query struct {
	engine    *Engine
	selector  *selector
	key       *specKey
	tag       string
	number    uint64
	at        int32 // among the selector's queries
	ruled     bool  // its holders have rules
	ended     bool  // it follows no commits any more
	openings  *opening
	whole     group      // of a query without rules: all who hold it
	partition *partition // of one with rules
	cost      Cost
}

// A partition is the groups of a query whose holders have rules.
type partition struct {
	groups []*group
	byHash map[uint64]*group // by what they hold; nil: there are less than two
}

// groups returns the groups of the query's holders.
func (q *Query) groups() []*group {
	if q.ruled {
		return q.partition.groups
	}
	return []*group{&q.whole}
}

// Number returns the query's number. No other query has it, or had it.
func (q *Query) Number() uint64 { return q.number }

// Spec returns what the query was opened with, its conditions in their canonical
// form, without a rule.
func (q *Query) Spec() Spec {
	spec := q.key.Spec
	spec.Scope.Where, spec.Tag = q.selector.condition(), q.tag
	return spec
}

// Ordered reports whether the query's records have an order to keep: its deltas
// say After. Those of other queries stand by id.
func (q *Query) Ordered() bool { return q.key.ordered() }

// Holders returns who holds the query. A [Sink] must not call it, and has
// [Effect.Holders].
func (q *Query) Holders() []Holder {
	q.engine.mu.Lock()
	defer q.engine.mu.Unlock()
	var holders []Holder
	for _, g := range q.groups() {
		holders = append(holders, g.holders...)
	}
	return holders
}

// Len returns how many records the query remembers, for all who see the same
// once, -1 where it needs none. A [Sink] must not call it.
func (q *Query) Len() int {
	q.engine.mu.Lock()
	defer q.engine.mu.Unlock()
	n := -1
	for _, g := range q.groups() {
		if g.result != nil && g.result.len() >= 0 {
			n = max(n, 0) + g.result.len()
		}
	}
	return n
}

// stateless reports whether the query remembers nothing.
func (q *Query) stateless() bool { return !q.ruled && !q.key.ordered() && !q.key.valued() }

// live returns what a query without rules knows of its records, or its value,
// nil if it does not.
func (q *Query) live() result { return q.whole.result }

// newResult returns a reading of the query that is yet to be filled.
func (q *Query) newResult() result {
	spec := q.Spec()
	return newResult(&spec, q.ruled, q.engine.spare)
}

func (q *Query) emptyList() *list {
	spec := q.Spec()
	return newList(&spec, q.engine.spare)
}

// remembered returns what of a reading, which is up to date, the query needs to
// follow commits, nil for nothing.
func (q *Query) remembered(r result) result {
	l, ok := r.(*list)
	switch {
	case !ok:
		return r
	case q.key.ordered():
		l.evict()
		return l
	case q.ruled:
		return newIDSet(l.images)
	default:
		return nil
	}
}

// Reason says why every change of the query's model is tested against its
// conditions, "" where an index finds the changes that may touch it.
func (q *Query) Reason() string {
	where := q.selector.condition()
	_, uncovered := where.Terms(query.TermFilter{})
	if uncovered == nil {
		return ""
	}
	switch word, _, _, _ := uncovered.Parts(); word {
	case "all":
		return "it has no conditions"
	case "and":
		return fmt.Sprintf("nothing in %s names a value or a range", uncovered)
	default:
		return fmt.Sprintf("%s names neither a value nor a range", uncovered)
	}
}
