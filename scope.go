package tower

import (
	"context"
	"fmt"
	"slices"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A Scope is a query: conditions, an order, a limit. It is a value; each method
// returns another one. A mistake in it, such as a pointer that is no field of the
// model, is reported when it is used.
type Scope[T any] struct {
	model         *Model[T]
	conditions    []Condition
	order         []term
	limit, offset int
	include       []any
	opaque        bool
}

type term struct {
	field any
	desc  bool
}

// Where narrows the scope to records that also meet all of the conditions.
func (s Scope[T]) Where(conditions ...Condition) Scope[T] {
	s.conditions = append(slices.Clip(s.conditions), conditions...)
	return s
}

// Asc orders by a field, a pointer into the model's Fields, smallest first; a
// further order breaks its ties. The last ties are broken by id.
func (s Scope[T]) Asc(field any) Scope[T] {
	s.order = append(slices.Clip(s.order), term{field, false})
	return s
}

// Desc orders by a field, largest first.
func (s Scope[T]) Desc(field any) Scope[T] {
	s.order = append(slices.Clip(s.order), term{field, true})
	return s
}

// Limit keeps the first n records; 0 keeps all.
func (s Scope[T]) Limit(n int) Scope[T] {
	s.limit = n
	return s
}

// Offset skips the first n records.
func (s Scope[T]) Offset(n int) Scope[T] {
	s.offset = n
	return s
}

// Opaque keeps the scope's conditions and its order from clients. Otherwise those
// that hold a cursor of it are told, but for what is on private fields and for ids
// that are not the user's own and that the client has not named, so that their own
// writes can show at once in the cursors that they match. With a private scope, or
// a controller's Match, a client shows at once only what it changed in records it
// holds, and what it created; the rest it leaves to the server.
func (s Scope[T]) Opaque() Scope[T] {
	s.opaque = true
	return s
}

// Include has a cursor of the scope carry, besides its records, those that they
// refer to by a field, a pointer to one with a ref in the model's Fields. They
// come, change and go in the same message as the records that refer to them, each
// under the rule of its own model: the Match of the controller that is mounted
// under the model's name, or else of the only one that has a Match for it. In the
// partial of a page's list, ref finds what a field refers to, {{with ref .AuthorID}}
// {{.Name}}{{end}}, or nothing; the record is rendered anew when that changes.
func (s Scope[T]) Include(field *ID) Scope[T] {
	s.include = append(slices.Clip(s.include), field)
	return s
}

// Records returns the records in order. They are the caller's to change.
func (s Scope[T]) Records(ctx context.Context, db DB) ([]*T, error) {
	scope, err := s.resolve()
	if err != nil {
		return nil, err
	}
	var images []*record.Image
	err = db.db().View(ctx, func(snap *store.Snapshot) (err error) {
		images, err = query.Fetch(snap, scope)
		return err
	})
	if err != nil {
		return nil, err
	}
	return owned[T](images)
}

// Follow is Records for what a user's rights depend on, a membership or a role.
// It is for a router's connect function and for the method of a cursor, with the
// context that they are given, and is refused elsewhere. Besides reading, it has
// them asked again in the commit that changes the scope, so that from that commit
// on the user has what it may see then, and nothing else:
//
//   - What connect follows concerns the whole connection: it gets another session,
//     other controllers, and its cursors the scopes and rules that these give them.
//   - What a cursor's method follows concerns that cursor; it alone is asked for
//     its scope again, of the controller that there is.
//
// A commit changes the scope when it creates, changes or deletes a record that
// meets the conditions before the commit or after it. Order, limit and offset are
// not looked at. Many connections may follow scopes of their own: a commit costs
// as much as it concerns of them, where the conditions name a value or a range.
func (s Scope[T]) Follow(ctx context.Context, c *Connection) ([]*T, error) {
	scope, err := s.resolve()
	if err != nil {
		return nil, err
	}
	images, err := c.conn.Follow(ctx, scope)
	if err != nil {
		return nil, err
	}
	return owned[T](images)
}

// First returns the first record. The error is [NotFound] when there is none.
func (s Scope[T]) First(ctx context.Context, db DB) (*T, error) {
	records, err := s.Limit(1).Records(ctx, db)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, NotFound("there is no such " + s.model.model.Type)
	}
	return records[0], nil
}

// Count returns how many records there are, within limit and offset.
func (s Scope[T]) Count(ctx context.Context, db DB) (n int, err error) {
	scope, err := s.resolve()
	if err != nil {
		return 0, err
	}
	err = db.db().View(ctx, func(snap *store.Snapshot) (err error) {
		n, err = query.Count(snap, scope)
		return err
	})
	return n, err
}

// included returns what the scope includes, by model.
func (s Scope[T]) included() ([]cursor.Include, error) {
	var all []cursor.Include
	for _, pointer := range s.include {
		f, err := s.model.model.FieldAt(pointer)
		if err == nil && f.Ref == "" {
			err = fmt.Errorf("%s refers to no model; its tag has no ref", f.GoName)
		}
		if err != nil {
			return nil, fmt.Errorf("scope of %s: include: %w", s.model.model.Name, err)
		}
		at := slices.IndexFunc(all, func(in cursor.Include) bool { return in.Fields[0].Ref == f.Ref })
		if at < 0 {
			at = len(all)
			all = append(all, cursor.Include{})
		}
		all[at].Fields = append(all[at].Fields, f)
	}
	return all, nil
}

// resolve turns pointers into fields.
func (s Scope[T]) resolve() (query.Scope, error) {
	if s.model == nil {
		return query.Scope{}, fmt.Errorf("a scope begins with a model's Where or All")
	}
	m := s.model.model
	out := query.Scope{Model: m, Limit: s.limit, Offset: s.offset, Opaque: s.opaque}
	if s.limit < 0 || s.offset < 0 {
		return out, fmt.Errorf("scope of %s: limit %d and offset %d must not be negative", m.Name, s.limit, s.offset)
	}
	where, err := resolveAll(m, s.conditions)
	if err != nil {
		return out, fmt.Errorf("scope of %s: %w", m.Name, err)
	}
	out.Where = query.And(where...)
	for _, term := range s.order {
		field, err := m.FieldAt(term.field)
		if err != nil {
			return out, fmt.Errorf("scope of %s: order: %w", m.Name, err)
		}
		if field.Kind >= record.List || field.Private {
			return out, fmt.Errorf("scope of %s: %s cannot order records", m.Name, field.Name)
		}
		out.Order = append(out.Order, query.Order{Field: field, Desc: term.desc})
	}
	return out, nil
}
