package query

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
)

// An Order is one term of a scope's order: null first, or last when descending.
type Order struct {
	Field *record.Field
	Desc  bool
}

// String returns the term as [ParseOrder] reads it.
func (o Order) String() string {
	if o.Desc {
		return "-" + o.Field.Name
	}
	return o.Field.Name
}

// A Scope is a query: which records of a model, in which order, and which of
// those. Its conditions and order must name fields of the model, and Order stays
// as it is once the scope is in use.
type Scope struct {
	Model  *record.Model
	Where  Condition
	Order  []Order // none: by id
	Limit  int     // 0: all
	Offset int

	Private bool // its conditions and its order are not told to who holds it
}

// Compare orders two records of the scope's model. It is total: what the order
// leaves equal is ordered by id, in the direction of the last term.
func (s *Scope) Compare(a, b *record.Image) int {
	desc := false
	for _, term := range s.Order {
		desc = term.Desc
		if order := a.Value(term.Field).Compare(b.Value(term.Field)); order != 0 {
			return directed(order, desc)
		}
	}
	return directed(strings.Compare(string(a.ID), string(b.ID)), desc)
}

func directed(order int, desc bool) int {
	if desc {
		return -order
	}
	return order
}

// Key returns a text that is the same for equal scopes, however their
// conditions are nested and ordered, and another for others.
func (s Scope) Key() string {
	where := Canonical(s.Where)
	return string(s.appendKey(nil, &where))
}

// appendKey appends the key of the scope, with its conditions in their canonical
// form.
func (s *Scope) appendKey(key []byte, where *Condition) []byte {
	return s.AppendWindow(where.appendKey(AppendString(key, s.Model.Name)))
}

func (s *Scope) AppendWindow(key []byte) []byte {
	key = binary.AppendUvarint(key, uint64(len(s.Order)))
	for _, term := range s.Order {
		key = AppendString(key, term.String())
	}
	key = binary.AppendUvarint(key, uint64(s.Limit))
	key = binary.AppendUvarint(key, uint64(s.Offset))
	if s.Private {
		return append(key, 1)
	}
	return append(key, 0)
}

// String returns the scope as a person reads it:
//
//	posts where published is true by -createdAt limit 20
func (s Scope) String() string {
	var b strings.Builder
	b.WriteString(s.Model.Name)
	if where := s.Where.String(); where != words[opAll] {
		b.WriteString(" where " + where)
	}
	for i, term := range s.Order {
		b.WriteString([]string{" by ", ", "}[min(i, 1)] + term.String())
	}
	if s.Limit > 0 {
		fmt.Fprintf(&b, " limit %d", s.Limit)
	}
	if s.Offset > 0 {
		fmt.Fprintf(&b, " offset %d", s.Offset)
	}
	return b.String()
}

// End returns how many records there are up to the end of the scope's window, 0
// for all.
func (s *Scope) End() int {
	if s.Limit == 0 {
		return 0
	}
	return s.Offset + s.Limit
}

// Window returns the part of the scope's records, in order and from the first,
// that the scope is about.
func Window[T any](s *Scope, records []T) []T {
	if s.Limit > 0 && len(records) > s.End() {
		records = records[:s.End()]
	}
	return records[min(s.Offset, len(records)):]
}

// Check says what is wrong with a scope that a program made.
func (s *Scope) Check() error {
	if s.Model == nil {
		return fmt.Errorf("a scope has no model")
	}
	if s.Limit < 0 || s.Offset < 0 {
		return fmt.Errorf("scope of %s: limit %d and offset %d: neither can be negative", s.Model.Name, s.Limit, s.Offset)
	}
	for _, term := range s.Order {
		if !slices.Contains(s.Model.Fields, term.Field) || term.Field.Kind >= record.List {
			return fmt.Errorf("scope of %s: it cannot be ordered by %s", s.Model.Name, term)
		}
	}
	for f := range s.Where.Fields {
		if !slices.Contains(s.Model.Fields, f) {
			return fmt.Errorf("scope of %s: %s is a field of another model", s.Model.Name, f.Name)
		}
	}
	return nil
}
