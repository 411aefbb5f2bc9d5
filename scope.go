package tower

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
)

// A Scope is a query: conditions, an order, a limit. It is a value, and its methods
// return changed copies. A mistake in a scope, such as a pointer that is not a field
// of the model, is an error of the method that reads it, and of a client's open.
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

// Asc orders by a field, a pointer into the model's Fields, smallest first and null
// before all. A further Asc or Desc orders records that are equal in the fields before
// it. Last, the id decides. A list, an object or a private field cannot order.
func (s Scope[T]) Asc(field any) Scope[T] {
	s.order = append(slices.Clip(s.order), term{field, false})
	return s
}

// Desc orders by a field, largest first and null last: see [Scope.Asc].
func (s Scope[T]) Desc(field any) Scope[T] {
	s.order = append(slices.Clip(s.order), term{field, true})
	return s
}

// Limit keeps the first n records; 0 keeps all. A negative limit is an error with
// [CodeBadRequest], as it mostly comes from a request.
func (s Scope[T]) Limit(n int) Scope[T] {
	s.limit = n
	return s
}

// Offset skips the first n records. A negative offset is an error: see [Scope.Limit].
func (s Scope[T]) Offset(n int) Scope[T] {
	s.offset = n
	return s
}

// Opaque keeps the scope's conditions and its order from clients. Without it, a client
// that opens a cursor of the scope can ask for them, so that its own writes show at
// once in the cursors that they match. It never receives what is on private fields,
// nor an id that it has not sent itself and that is not its user's own. With an opaque
// scope, or with a controller's Match, a client shows at once only what it changed in
// records that it has, and what it created; the server decides the rest.
func (s Scope[T]) Opaque() Scope[T] {
	s.opaque = true
	return s
}

// Include adds to a cursor of the scope the records that its own records refer to by a
// field, a pointer to one with a ref in the model's Fields. They enter, change and
// leave in the same message as the records that refer to them. Each must meet the rule
// of its own model: the Match of the controller that is mounted under the model's
// name, or else of the only controller with a Match for the model. In the partial of a
// page's list, ref returns the record that a field refers to, or nothing:
// {{with ref .AuthorID}}{{.Name}}{{end}}. The server renders the partial again when
// that record changes. Methods that read the scope ignore Include.
func (s Scope[T]) Include(field *ID) Scope[T] {
	s.include = append(slices.Clip(s.include), field)
	return s
}

// Records returns the records in order, as of one commit. They are the caller's to
// change. Without a limit it loads all of them: see [Scope.Each]. It asks no
// controller's rule: see [VisibleAll].
func (s Scope[T]) Records(ctx context.Context, db DB) ([]*T, error) {
	scope, err := s.resolve()
	if err != nil {
		return nil, err
	}
	images, err := fetch(ctx, db, scope)
	if err != nil {
		return nil, err
	}
	return owned[T](images)
}

func fetch(ctx context.Context, db DB, scope query.Scope) (images []*record.Image, err error) {
	err = db.db().View(ctx, func(snap *store.Snapshot) (err error) {
		images, err = query.Fetch(snap, scope)
		return err
	})
	return images, err
}

// eachBatch is how many records Each reads at once.
const eachBatch = 200

// Each returns an iterator over the records in order, which are the caller's to
// change. It reads a few hundred at a time, so a loop over a large collection needs
// little memory:
//
//	for post, err := range models.Posts.All().Each(ctx, app) {
//		if err != nil {
//			return err
//		}
//		…
//	}
//
// An error ends the iteration. The loop may read and write: no transaction is open
// while it runs, unless db is a [Tx]. Each batch is read from the newest state. A
// record that a commit moves within the order meanwhile can come twice or not at all,
// so order by a field that does not change. The id, which is the default, does not.
func (s Scope[T]) Each(ctx context.Context, db DB) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) { s.each(ctx, db, nil, yield) }
}

// each yields the records that meet the rule; nil is none.
func (s Scope[T]) each(ctx context.Context, db DB, rule func(*record.Image) bool, yield func(*T, error) bool) {
	scope, err := s.resolve()
	if err == nil {
		err = scope.Check()
	}
	if err != nil {
		yield(nil, err)
		return
	}
	skip, left := scope.Offset, scope.Limit
	for image, err := range eachImage(ctx, db, &scope) {
		if err == nil && rule != nil && !rule(image) {
			continue
		}
		if skip > 0 && err == nil {
			skip--
			continue
		}
		var record *T
		if err == nil {
			record, err = own[T](image)
		}
		if left--; !yield(record, err) || err != nil || left == 0 {
			return
		}
	}
}

// eachImage reads the records of a scope in batches, whatever its limit and offset.
func eachImage(ctx context.Context, db DB, scope *query.Scope) iter.Seq2[*record.Image, error] {
	return func(yield func(*record.Image, error) bool) {
		var after *record.Image
		for more := true; more; {
			var images []*record.Image
			err := db.db().View(ctx, func(snap *store.Snapshot) (err error) {
				images, err = scope.Read(snap, after, eachBatch)
				return err
			})
			if err != nil {
				yield(nil, fmt.Errorf("read %s: %w", scope, err))
				return
			}
			for _, image := range images {
				if !yield(image, nil) {
					return
				}
				after = image
			}
			more = len(images) == eachBatch
		}
	}
}

// Follow is [Scope.Records] for records that decide what a user may do and see, such as
// memberships or roles. Call it in a router's connect function and in the method of a
// cursor, with the context that they receive; elsewhere it is an error. Besides reading
// the records, it makes tower call that function again in the commit that changes the
// scope. From that commit on, the user sees what the new answer allows, and nothing
// else:
//
//   - What connect follows concerns the whole connection. It gets another session and
//     other controllers, and its cursors get the scopes and rules that these return.
//   - What a cursor's method follows concerns that cursor. The method is called again
//     on the same controller.
//
// A commit changes the scope if it creates, changes or deletes a record that meets the
// conditions before the commit or after it. Order, limit and offset do not count. Many
// connections may follow scopes of their own: if the conditions name a value or a
// range, a commit costs as much as the connections that it concerns.
//
// fields are pointers into the model's Fields. If there are any, an update of a record
// counts only if it changes one of them, or if the record meets the conditions only
// before or only after it. Name the fields that your rules and scopes read: then what
// changes often and decides nothing, such as the time when a user was last seen, costs
// nothing. In the records that Follow returned, the other fields may then be out of date.
func (s Scope[T]) Follow(ctx context.Context, c *Connection, fields ...any) ([]*T, error) {
	scope, err := s.resolve()
	if err != nil {
		return nil, err
	}
	images, err := s.model.follow(ctx, c, scope, fields)
	if err != nil {
		return nil, err
	}
	return owned[T](images)
}

// First returns the first record. The error is [NotFound] if there is none.
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

// Last returns the last record of exactly the list that [Scope.Records] returns. The error
// is [NotFound] if there is none.
func (s Scope[T]) Last(ctx context.Context, db DB) (*T, error) {
	scope, err := s.resolve()
	if err != nil {
		return nil, err
	}
	if scope.Limit == 0 && scope.Offset == 0 {
		scope = scope.Reversed()
		scope.Limit = 1
	}
	images, err := fetch(ctx, db, scope)
	if err != nil {
		return nil, err
	}
	if len(images) == 0 {
		return nil, NotFound("there is no such " + s.model.model.Type)
	}
	return own[T](images[len(images)-1])
}

// Exists reports whether there is a record, within limit and offset.
func (s Scope[T]) Exists(ctx context.Context, db DB) (bool, error) {
	scope, err := s.Limit(1).resolve()
	if err != nil {
		return false, err
	}
	images, err := fetch(ctx, db, scope)
	return len(images) > 0, err
}

// Count returns how many records there are, within limit and offset: the length of
// what [Scope.Records] returns.
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

// included returns what the scope includes, one entry for each model.
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
		return query.Scope{}, errors.New("a scope begins with a model's Where or All")
	}
	m := s.model.model
	out := query.Scope{Model: m, Limit: s.limit, Offset: s.offset, Opaque: s.opaque}
	if s.limit < 0 || s.offset < 0 {
		return out, fault.Errorf(fault.BadRequest, "scope of %s: limit %d and offset %d must not be negative", m.Name, s.limit, s.offset)
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
