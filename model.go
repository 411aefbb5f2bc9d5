package tower

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
)

// A Model is a collection of records of type T. It is made once, when the program
// starts, and is safe for concurrent use.
//
// Its methods ask no controller's rule: see [Visible], [UpdateVisible] and
// [DeleteVisible].
type Model[T any] struct {
	// Fields is a prototype: pointers to its fields name them in conditions and
	// orders. Its values mean nothing and must not be changed.
	Fields *T

	model *record.Model
}

// AnyModel is a [Model] of any type, for [Config].
type AnyModel interface {
	erased() *record.Model
	rule(controller any) func(record any) bool
	permit(controller any) func(action string, record any) bool
}

// NewModel declares the collection name, whose records are structs T that embed
// [Record]. Exported fields are stored under their JSON names. A field's tower tag
// is a list of
//
//	index      queries on the field use an index
//	unique     no two records share a value
//	unique=A+B no two records share the values of the fields A and B together
//	ref=MODEL  the field, an ID, refers to a record of MODEL
//	delete=…   of a reference: refuse, cascade or clear, see [Model.Delete]
//	private    the field is stored and never sent to a client
//	was=NAME   the field was stored under another name before; its values move to this one
//
// Null is never unique, also where it is one of several fields.
//
// and its validate tag is one of github.com/go-playground/validator. A method
// Validate(*tower.Problems) of *T adds rules that tags cannot express. NewModel panics,
// as the program starts, if T cannot be a model.
func NewModel[T any](name string) *Model[T] {
	fields := new(T)
	m, err := record.NewModel(name, fields)
	if err != nil {
		panic("tower: " + err.Error())
	}
	return &Model[T]{Fields: fields, model: m}
}

func (m *Model[T]) erased() *record.Model { return m.model }

// rule returns a controller's rule for the model's records, nil for none.
func (m *Model[T]) rule(controller any) func(record any) bool {
	asked, ok := controller.(Matcher[T])
	if !ok {
		return nil
	}
	return func(record any) bool { return asked.Match(record.(*T)) }
}

// permit returns a controller's rule for calls on the model's records, nil for none.
func (m *Model[T]) permit(controller any) func(action string, record any) bool {
	asked, ok := controller.(Permitter[T])
	if !ok {
		return nil
	}
	return func(action string, record any) bool { return asked.Can(action, record.(*T)) }
}

// Name returns the name of the collection.
func (m *Model[T]) Name() string { return m.model.Name }

// All returns the scope of every record, in the order they were made.
func (m *Model[T]) All() Scope[T] { return m.Where() }

// Where returns the scope of the records that meet all of the conditions.
func (m *Model[T]) Where(conditions ...Condition) Scope[T] {
	return Scope[T]{model: m}.Where(conditions...)
}

// Find returns the record with that id, which is the caller's to change. The error is
// [NotFound] if there is none.
func (m *Model[T]) Find(ctx context.Context, db DB, id ID) (*T, error) {
	var image *record.Image
	err := db.db().View(ctx, func(snap *store.Snapshot) (err error) {
		image, err = snap.Get(m.model, id)
		return err
	})
	if err != nil {
		return nil, m.coded(id, err)
	}
	return own[T](image)
}

// FindBy returns the first record that meets all of the conditions, in the order in
// which records were made. The error is [NotFound] if there is none.
//
//	user, err := models.Users.FindBy(ctx, c, tower.Is(&models.Users.Fields.Email, in.Email))
func (m *Model[T]) FindBy(ctx context.Context, db DB, conditions ...Condition) (*T, error) {
	return m.Where(conditions...).First(ctx, db)
}

// Follow is [Model.Find] for a record that decides what a user may do and see, such as
// the user itself: see [Scope.Follow]. Without an id, or if there is no such record, it
// returns nil and no error: a visitor. fields name those that matter:
//
//	user, err := models.Users.Follow(ctx, c, c.UserID(), &models.Users.Fields.Role)
func (m *Model[T]) Follow(ctx context.Context, c *Connection, id ID, fields ...any) (*T, error) {
	if id == "" {
		return nil, nil
	}
	images, err := m.follow(ctx, c, query.Scope{Model: m.model, Where: query.Is(m.model.Field("id"), record.StringValue(string(id)))}, fields)
	if err != nil || len(images) == 0 {
		return nil, err
	}
	return own[T](images[0])
}

// follow follows a scope, or only the fields that pointers name.
func (m *Model[T]) follow(ctx context.Context, c *Connection, scope query.Scope, pointers []any) ([]*record.Image, error) {
	var fields []*record.Field
	for _, pointer := range pointers {
		f, err := m.model.FieldAt(pointer)
		if err != nil {
			return nil, fmt.Errorf("follow %s: %w", m.model.Name, err)
		}
		fields = append(fields, f)
	}
	return c.conn.Follow(ctx, scope, fields...)
}

// Create validates and stores a record. It fills ID, unless that is set, CreatedAt and
// UpdatedAt. If the record is not valid, its id is taken, or another record has its
// value of a unique field, Create stores nothing and returns an [Error] of
// [CodeInvalid] that holds the problems of each field. The caller may correct the
// record and create it again. Unique fields are checked at the commit, so in a
// transaction, their problems are the error of the transaction.
func (m *Model[T]) Create(ctx context.Context, db DB, record *T) error {
	return m.coded("", db.db().Transaction(ctx, func(tx *server.Tx) error {
		_, err := tx.Create(m.model, record)
		return err
	}))
}

// Update reads the record with that id, calls change with it, validates and stores it,
// and returns it as stored. It starts again if another transaction changed the record
// meanwhile, so change may be called more than once. If change returns an error, Update
// stores nothing and returns that error. If there is no such record, the error is
// [NotFound]; if the changed record is not valid, it is as with [Model.Create].
func (m *Model[T]) Update(ctx context.Context, db DB, id ID, change func(*T) error) (*T, error) {
	var image *record.Image
	err := db.db().Transaction(ctx, func(tx *server.Tx) (err error) {
		image, err = tx.Update(m.model, id, func(record any) error { return change(record.(*T)) })
		return err
	})
	if err != nil {
		return nil, m.coded(id, err)
	}
	return own[T](image)
}

// Delete removes the record with that id. In the same commit, it does with the records
// that refer to it what the tags of their references declare: with delete=refuse there
// must be none, or the error has the code [CodeConflict]; delete=cascade deletes them,
// and what refers to them in turn; delete=clear empties the reference. Without a
// declaration they stay as they are. The error is [NotFound] if there is no such record.
func (m *Model[T]) Delete(ctx context.Context, db DB, id ID) error {
	return m.coded(id, db.db().Transaction(ctx, func(tx *server.Tx) error { return tx.Delete(m.model, id) }))
}

// coded turns an error of the store into an [Error] that names the record.
func (m *Model[T]) coded(id ID, err error) error {
	if err == nil {
		return nil
	}
	var coded *Error
	if errors.Is(err, store.ErrNotFound) && !errors.As(err, &coded) {
		return &Error{Code: CodeNotFound, Message: fmt.Sprintf("there is no %s %s", m.model.Type, id), Err: err}
	}
	return codedError(err)
}

// codedError turns a record that is not valid, and a conflict, into an [Error]. It
// returns other errors as they are.
func codedError(err error) error {
	if err == nil {
		return nil
	}
	var coded *Error
	var invalid *record.InvalidError
	var referred *store.ReferredError
	if !errors.As(err, &coded) && (errors.As(err, &invalid) || errors.As(err, &referred) || errors.Is(err, store.ErrConflict)) {
		return publicError(fault.As(err))
	}
	return err
}

// owned returns records that are the caller's to change.
func owned[T any](images []*record.Image) ([]*T, error) {
	records := make([]*T, len(images))
	for i, image := range images {
		var err error
		if records[i], err = own[T](image); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// own returns a record that is the caller's to change.
func own[T any](image *record.Image) (*T, error) {
	record, err := image.Copy()
	if err != nil {
		return nil, err
	}
	return record.(*T), nil
}

// Record is what every model embeds. The store fills its fields: ID, unless the
// application or a client has set it, and both times, in UTC, to the microsecond.
type Record struct {
	ID        ID        `json:"id"`
	CreatedAt time.Time `json:"createdAt" tower:"index"`
	UpdatedAt time.Time `json:"updatedAt"`
}

func init() { registerHeader() }

// registerHeader lets models embed [Record]. The package's own are made before init.
func registerHeader() { record.RegisterHeader(reflect.TypeFor[Record]()) }

// An ID names a record: a ULID, 26 characters that sort by creation time. The empty ID
// refers to nothing. It is an alias of an internal string type, so that the store reads
// the references of a record without converting them.
type ID = record.ID

// NewID makes an ID. The IDs of one process sort in the order of their creation. A client
// may make the ID of a record that it creates. NewID is safe for concurrent use.
func NewID() ID { return record.NewID() }

// ParseID returns text as an ID, or an error unless it has the form of one: 26 characters,
// upper case. It does not check that there is such a record.
func ParseID(text string) (ID, error) { return record.ParseID(text) }

// newOwn returns a model of tower's own.
func newOwn[T any](name string) *Model[T] {
	registerHeader()
	return NewModel[T](name)
}
