package record

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Record is embedded in every model's struct. The store fills all three fields.
type Record struct {
	ID        ID        `json:"id"`
	CreatedAt time.Time `json:"createdAt" tower:"index"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// headers holds the types that a model may embed as its Record.
var headers = map[reflect.Type]bool{reflect.TypeFor[Record](): true}

// RegisterHeader lets models embed a struct of type t as their Record. It panics
// unless t has the fields of [Record], with the same types, tags and offsets, and the
// same name. Package tower registers its own as the program starts, before there are
// models.
func RegisterHeader(t reflect.Type) {
	own := reflect.TypeFor[Record]()
	same := t.Kind() == reflect.Struct && t.Name() == own.Name() && t.NumField() == own.NumField() && t.Size() == own.Size()
	for i := 0; same && i < own.NumField(); i++ {
		a, b := t.Field(i), own.Field(i)
		same = a.Name == b.Name && a.Type == b.Type && a.Tag == b.Tag && a.Offset == b.Offset && a.Anonymous == b.Anonymous
	}
	if !same {
		panic(fmt.Sprintf("record: %s is not laid out as %s", t, own))
	}
	headers[t] = true
}

// A Model describes a collection of records: structs of one Go type that embed
// [Record] or a type that [RegisterHeader] accepted. It does not change after [NewModel].
type Model struct {
	Name    string // of the collection: "posts"
	Type    string // of the Go struct: "Post"
	Fields  []*Field
	Indexes []*Field // the fields with an index, unique or not
	Groups  []Group  // the fields that are unique together

	structType reflect.Type
	ptrType    reflect.Type
	record     uintptr // offset of the embedded Record
	byName     map[string]*Field
	inexact    []*Field // the fields that hold times and floats, which Freeze normalizes
	nested     []*Field // the fields whose values are made of structs
	files      []*Field // the fields that are files
	private    bool     // a field is private
	shared     bool     // copies of a record share memory
	decoded    bool     // only decoding a stored record gives what is stored of it
	plain      bool     // all fields are plain
	copies     bool     // all fields are plain or raw
	deep       bool     // a field may be nested, or is encoded by a method of its own
	prototype  any      // pointers into it name fields
}

var modelName = regexp.MustCompile(`^[a-z][A-Za-z0-9_]*$`)

// NewModel returns the model of a struct T that embeds Record. T's exported fields
// are stored under their JSON names. prototype, a *T, belongs to the model from now
// on: pointers to its fields name the fields, see [Model.FieldAt].
func NewModel(name string, prototype any) (*Model, error) {
	ptr := reflect.TypeOf(prototype)
	if ptr == nil || ptr.Kind() != reflect.Pointer || ptr.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("model %q: %T is not a pointer to a struct", name, prototype)
	}
	if !modelName.MatchString(name) {
		return nil, fmt.Errorf("model %q: a name consists of letters, digits and _ and begins with a lower-case letter", name)
	}
	m := &Model{Name: name, Type: ptr.Elem().Name(), structType: ptr.Elem(), ptrType: ptr, byName: map[string]*Field{}, plain: true, copies: true, prototype: prototype}
	header, ok := m.structType.FieldByName("Record")
	if !ok || !embedded(header) || !headers[header.Type] || len(header.Index) != 1 {
		return nil, fmt.Errorf("model %q: %s does not embed tower.Record", name, m.Type)
	}
	m.record = header.Offset
	err := m.addFields(m.structType, 0)
	if err == nil {
		err = m.addGroups()
	}
	if err == nil {
		err = m.checkEarlierNames()
	}
	if err == nil {
		err = m.checkCodec()
	}
	if err == nil {
		_, err = failedTags(prototype)
	}
	if err != nil {
		return nil, fmt.Errorf("model %q: %w", name, err)
	}
	return m, nil
}

func (m *Model) addFields(t reflect.Type, base uintptr) error {
	for i := range t.NumField() {
		sf := t.Field(i)
		if embedded(sf) {
			if sf.Type.Kind() == reflect.Pointer {
				return fmt.Errorf("field %s: embed the struct itself, not a pointer to it", sf.Name)
			}
			if err := m.addFields(sf.Type, base+sf.Offset); err != nil {
				return err
			}
			continue
		}
		if !sf.IsExported() || sf.Tag.Get("json") == "-" {
			m.decoded = true
			continue
		}
		f, err := newField(sf, base+sf.Offset)
		if err != nil {
			return err
		}
		if twin := m.byName[f.Name]; twin != nil {
			return fmt.Errorf("field %s: the name %q is taken by %s", f.GoName, f.Name, twin.GoName)
		}
		m.add(f)
	}
	return nil
}

// addGroups adds the groups of fields that the tags name.
func (m *Model) addGroups() error {
	for _, owner := range m.Fields {
		for _, name := range owner.groups {
			group := Group{Name: name}
			for member := range strings.SplitSeq(name, "+") {
				f := m.byName[member]
				switch {
				case f == nil:
					return fmt.Errorf("field %s: unique=%s names %q, which %s", owner.GoName, name, member, m.Unknown(member))
				case f.Kind >= List:
					return fmt.Errorf("field %s: unique=%s: %s cannot be unique", owner.GoName, name, f.Kind.withArticle())
				case slices.Contains(group.Fields, f):
					return fmt.Errorf("field %s: unique=%s names %s twice", owner.GoName, name, member)
				}
				f.Grouped = true
				group.Fields = append(group.Fields, f)
			}
			if len(group.Fields) < 2 {
				return fmt.Errorf("field %s: unique=%s is one field; write unique", owner.GoName, name)
			}
			m.Groups = append(m.Groups, group)
		}
	}
	return nil
}

// checkEarlierNames returns an error if an earlier name of a field is the name of another,
// or was that of two.
func (m *Model) checkEarlierNames() error {
	owner := map[string]*Field{}
	for _, f := range m.Fields {
		for _, name := range f.Was {
			switch other := owner[name]; {
			case m.byName[name] != nil:
				return fmt.Errorf("field %s: was=%s names a field that the struct has", f.GoName, name)
			case other != nil:
				return fmt.Errorf("fields %s and %s: both have was=%s", other.GoName, f.GoName, name)
			}
			owner[name] = f
		}
	}
	return nil
}

// Clear empties a field of record, a *T of the model.
func (m *Model) Clear(record any, f *Field) {
	if base, ok := m.pointer(record); ok {
		f.at(base).SetZero()
	}
}

// embedded reports whether JSON inlines the fields of sf, a struct.
func embedded(sf reflect.StructField) bool {
	name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return sf.Anonymous && name == "" && t.Kind() == reflect.Struct
}

// checkCodec returns an error if the struct's JSON is not made of its fields.
func (m *Model) checkCodec() error {
	for _, own := range [...]reflect.Type{
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	} {
		if m.ptrType.Implements(own) {
			return fmt.Errorf("%s has a method %s, its own or one of a struct that it embeds; a record is encoded field by field", m.Type, own.Method(0).Name)
		}
	}
	return nil
}

func (m *Model) add(f *Field) {
	m.Fields = append(m.Fields, f)
	m.byName[f.Name] = f
	m.private = m.private || f.Private
	if f.Index || f.Unique {
		m.Indexes = append(m.Indexes, f)
	}
	if f.Kind == Time || f.Elem == Time || f.Kind == Float || f.Elem == Float {
		m.inexact = append(m.inexact, f)
	}
	if f.Kind == Object && hasStruct(f.typ, map[reflect.Type]bool{}) {
		m.nested = append(m.nested, f)
	}
	if f.File != nil {
		m.files = append(m.files, f)
	}
	m.shared = m.shared || shares(f.typ)
	f.raw, f.plain = f.typ == rawType, f.isPlain()
	m.plain, m.copies = m.plain && f.plain, m.copies && (f.plain || f.raw)
	m.decoded = m.decoded || f.needsWhole()
	f.quoted = appendName(nil, f.Name)
	f.peeks, f.zero = f.canPeek(), f.read(reflect.New(m.structType).UnsafePointer())
	m.deep = m.deep || f.Kind == Object || f.opaque()
}

// Field returns the field with that JSON name, or nil.
func (m *Model) Field(name string) *Field { return m.byName[name] }

// FieldAt returns the field at pointer, which must point to a field of the model's
// prototype.
func (m *Model) FieldAt(pointer any) (*Field, error) {
	v := reflect.ValueOf(pointer)
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		if offset, ok := m.offsetOf(v); ok {
			for _, f := range m.Fields {
				if f.offset == offset && f.typ == v.Type().Elem() {
					return f, nil
				}
			}
		}
	}
	return nil, fmt.Errorf("a %T does not point to a stored field of the Fields of model %s", pointer, m.Name)
}

// New returns a new *T.
func (m *Model) New() any { return reflect.New(m.structType).Interface() }

// Header returns the Record that record, a *T of the model, embeds.
func (m *Model) Header(record any) (*Record, error) {
	base, ok := m.pointer(record)
	if !ok {
		return nil, fmt.Errorf("a %T is not a record of %s", record, m.Name)
	}
	return m.header(base), nil
}
