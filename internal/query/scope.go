package query

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
)

// An Order is one term of a scope's order. Null comes first, or last if descending.
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

// A Scope is a query: which records of a model, in which order, and which part of
// them. Its conditions and order must name fields of the model, and the caller must
// not change Order once the scope is in use.
type Scope struct {
	Model  *record.Model
	Where  Condition
	Order  []Order // nil is by id
	Limit  int     // 0 is all
	Offset int

	Opaque bool // clients do not receive its conditions and order
}

// Compare orders two records of the scope's model. Records that are equal by the
// scope's order are ordered by id, in the direction of the last term.
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

// Reversed returns the scope with the opposite order: its records are the same, from the
// last to the first. It must have no limit and no offset.
func (s Scope) Reversed() Scope {
	order := make([]Order, max(len(s.Order), 1))
	if order[0] = (Order{s.Model.Field("id"), true}); len(s.Order) > 0 {
		for i, term := range s.Order {
			order[i] = Order{term.Field, !term.Desc}
		}
	}
	s.Order = order
	return s
}

func directed(order int, desc bool) int {
	if desc {
		return -order
	}
	return order
}

// Key returns a key that is equal for equal scopes, regardless of how their
// conditions are nested and ordered, and different for others.
func (s Scope) Key() string {
	where := Canonical(s.Where)
	return string(s.appendKey(nil, &where))
}

// appendKey appends the scope's key. where is the canonical form of its conditions.
func (s *Scope) appendKey(key []byte, where *Condition) []byte {
	return s.AppendWindow(where.appendKey(AppendString(key, s.Model.Name)))
}

// AppendWindow appends a key of everything but the scope's model and conditions: its
// order, limit, offset and whether it is private.
func (s *Scope) AppendWindow(key []byte) []byte {
	key = binary.AppendUvarint(key, uint64(len(s.Order)))
	for _, term := range s.Order {
		key = AppendString(key, term.String())
	}
	key = binary.AppendUvarint(key, uint64(s.Limit))
	key = binary.AppendUvarint(key, uint64(s.Offset))
	if s.Opaque {
		return append(key, 1)
	}
	return append(key, 0)
}

// String returns the scope for display:
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

// farthest is beyond what a store holds, and a few times its sum is still an int.
const farthest = math.MaxInt / 16

// End returns how many records there are up to the end of the scope's window; 0 is
// all.
func (s *Scope) End() int {
	if s.Limit == 0 {
		return 0
	}
	return min(s.Offset, farthest) + min(s.Limit, farthest)
}

// Window returns the part of records within the scope's limit and offset. records are
// the scope's, in order, from the first.
func Window[T any](s *Scope, records []T) []T {
	if s.Limit > 0 && len(records) > s.End() {
		records = records[:s.End()]
	}
	return records[min(s.Offset, len(records)):]
}

// Check returns an error if the scope is invalid.
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
