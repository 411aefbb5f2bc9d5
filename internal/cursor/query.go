package cursor

import (
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
)

// A Spec describes a cursor to open.
type Spec struct {
	Scope query.Scope

	// Value asks for a value of the scope's records instead of the records.
	Value query.ValueSpec

	// Include adds records that the scope's records refer to, with at most one
	// Include for each model. A spec with includes is ordered.
	Include []Include

	// Inline makes included records a part of the record that refers to them: it
	// comes with them, and changes when they do.
	Inline bool

	// Tag separates cursors that are otherwise equal. A client that holds two of them
	// with different rules needs it.
	Tag string

	// Ordered asks for deltas with After even if the scope has no order, limit or
	// offset.
	Ordered bool

	// Allow is the holder's own rule. Records that it denies are not in the cursor
	// and do not count for limit and offset. nil allows all records. The engine calls
	// Allow when it reads a record and when a record changes, often under its lock,
	// so Allow must neither wait for the engine nor call it. A panic denies the
	// record. Holders of otherwise equal specs share a query, and its results as long
	// as their rules answer alike.
	Allow func(*record.Image) bool

	// RuleKey is equal only for rules, Allow, that answer alike. "" is not known.
	RuleKey string

	// Chosen says that the client chose what is asked for. Then what others have read or
	// hold is opened and read no faster than what nobody does, and counts as much, so that
	// nobody finds out by trying.
	Chosen bool
}

// ordered reports whether the records have an order to keep.
func (s *Spec) ordered() bool {
	return !s.valued() && (s.Ordered || len(s.Include) > 0 || len(s.Scope.Order) > 0 || s.Scope.Limit > 0 || s.Scope.Offset > 0)
}

// valued reports whether the spec asks for a value.
func (s *Spec) valued() bool { return s.Value.Kind != query.ValueNone }

// check returns an error if the spec is invalid.
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

// rules returns the spec's rules, or nil if it has none.
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

// forgetRules removes the rules, so that the spec can be shared.
func (s *Spec) forgetRules() {
	s.Allow, s.RuleKey, s.Include = nil, "", slices.Clone(s.Include)
	for i := range s.Include {
		s.Include[i].Allow = nil
	}
}

// String returns the spec for display.
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

// A Holder identifies one open cursor of the caller. It is a pointer to a struct that
// embeds [Membership].
type Holder interface{ membership() *Membership }

// A Membership records which group a holder is in. Only the engine uses it; the zero
// value is ready.
type Membership struct {
	group *group // nil if it holds nothing
	at    int    // index among the group's holders
}

func (s *Membership) membership() *Membership { return s }

// A Query is a spec that the engine keeps current for its holders: a model,
// conditions, an order and a window. If the holders have rules, the engine keeps a
// result for each group of holders that see the same.
type Query struct {
	engine    *Engine
	selector  *selector
	key       *specKey
	tag       string
	number    uint64
	public    uint64 // see PublicNumber
	at        int32  // index among the selector's queries
	ruled     bool   // its holders have rules
	ended     bool   // it no longer follows commits
	dear      bool   // following a commit has taken many records, see [Quota]
	openings  *opening
	whole     group      // of a query without rules: all holders
	partition *partition // of a query with rules
	cost      Cost
	examined  int // records that were read for its first result
}

// A partition divides the holders of a query with rules into groups.
type partition struct {
	groups []*group
	byHash map[uint64]*group // by the hash of the result; nil if there are fewer than two
}

// groups returns the groups of the query's holders.
func (q *Query) groups() []*group {
	if q.ruled {
		return q.partition.groups
	}
	return []*group{&q.whole}
}

// PublicNumber returns the number by which clients know the query. It says nothing about
// other queries, and differs from theirs. Equal queries have the same one, also if they are
// opened one after the other.
func (q *Query) PublicNumber() uint64 { return q.public }

// Number returns the query's number, for consoles. No other query ever has the same.
func (q *Query) Number() uint64 { return q.number }

// Spec returns the spec that the query was opened with: its conditions in canonical
// form, and without rules.
func (q *Query) Spec() Spec {
	spec := q.key.Spec
	spec.Scope.Where, spec.Tag = q.selector.condition(), q.tag
	return spec
}

// Ordered reports whether the query's records have an order to keep, and its deltas
// an After. Otherwise records are kept by id.
func (q *Query) Ordered() bool { return q.key.ordered() }

// Holders returns the query's holders. A [Sink] must not call it; it has
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

// Len returns how many records the query remembers, counted once for all holders that
// see the same, or -1 if it needs none. A [Sink] must not call it.
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

// live returns the result of a query without rules, or nil if it has none.
func (q *Query) live() result { return q.whole.result }

// newResult returns an empty result of the query.
func (q *Query) newResult() result {
	spec := q.Spec()
	return newResult(&spec, q.ruled, q.engine.spare)
}

func (q *Query) emptyList() *list {
	spec := q.Spec()
	return newList(&spec, q.engine.spare)
}

// remembered returns the part of a result, which is up to date, that the query needs
// to follow commits; nil for nothing.
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

// Reason describes why every change of the query's model is tested against its
// conditions. It returns "" if an index finds the changes that may touch it.
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
