package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// An Image is a record as one commit left it. It is frozen: it shares no memory
// with the application, and nobody writes to it. It is safe for concurrent use.
type Image struct {
	Model   *Model
	ID      ID
	Version uint64 // seq of the commit that wrote it, 0 before
	JSON    []byte // what clients are sent: without the private fields

	Private []byte // the private fields, as JSON; nil without any
	once    sync.Once
	base    unsafe.Pointer
	record  any
	err     error
}

// Record returns the image as a *T, which the caller must not change. It fails
// when the stored record does not fit the struct any more.
func (i *Image) Record() (any, error) {
	i.once.Do(i.decode)
	return i.record, i.err
}

// Copy returns the image as a *T that is the caller's own.
func (i *Image) Copy() (any, error) {
	own := Image{Model: i.Model, ID: i.ID, JSON: i.JSON, Private: i.Private}
	return own.Record()
}

// Value returns the value of a field, the zero value where what is stored does
// not fit it. Of a list or an object it tells only whether there is one.
func (i *Image) Value(f *Field) Value {
	i.once.Do(i.decode)
	return f.read(i.base)
}

// Each yields the elements of a list field until yield returns false.
func (i *Image) Each(f *Field, yield func(Value) bool) {
	if i.once.Do(i.decode); f.Kind == List {
		f.each(i.base, yield)
	}
}

func (i *Image) decode() {
	record := i.Model.New()
	err := json.Unmarshal(i.JSON, record)
	if err == nil && i.Private != nil {
		err = json.Unmarshal(i.Private, record)
	}
	if err == nil {
		i.record = record
	} else {
		i.err = fmt.Errorf("%s/%s does not fit %s any more: %w", i.Model.Name, i.ID, i.Model.Type, err)
		record = i.decodeFields()
	}
	i.base, _ = i.Model.pointer(record)
}

// decodeFields decodes each field by itself, so that what one of them holds, and
// where an index has it, does not depend on whether the others fit.
func (i *Image) decodeFields() any {
	record := i.Model.New()
	known, _, err := i.Model.members(i.JSON, i.Private)
	if err != nil {
		return record
	}
	for name, value := range known {
		i.Model.set(record, i.Model.byName[name], value)
	}
	return record
}

// WithVersion returns the image, which is decoded, as the commit seq wrote it.
func (i *Image) WithVersion(seq uint64) *Image {
	written := &Image{Model: i.Model, ID: i.ID, Version: seq, JSON: i.JSON, Private: i.Private}
	written.once.Do(func() { written.base, written.record, written.err = i.base, i.record, i.err })
	return written
}

// Same reports whether two images of a record differ in nothing but the time of
// their update.
func (i *Image) Same(other *Image) bool {
	a, b := i.canonicalJSON(), other.canonicalJSON()
	return a != nil && bytes.Equal(a, b)
}

// SameField reports whether two images of a record have the same in a field. It
// reports false if one of them does not fit its struct.
func (i *Image) SameField(other *Image, f *Field) bool {
	_, err := i.Record()
	_, errOther := other.Record()
	return err == nil && errOther == nil && reflect.DeepEqual(f.get(i.base), f.get(other.base))
}

// canonicalJSON returns the encoded record without the time of its update, nil where
// it does not fit its struct.
func (i *Image) canonicalJSON() []byte {
	if _, err := i.Record(); err != nil {
		return nil
	}
	shallow := reflect.New(i.Model.structType)
	shallow.Elem().Set(reflect.ValueOf(i.record).Elem())
	i.Model.header(shallow.UnsafePointer()).UpdatedAt = time.Time{}
	data, err := json.Marshal(shallow.Interface())
	if err != nil {
		return nil
	}
	return data
}

// Size estimates the memory that the image takes, decoded, 0 of nil.
func (i *Image) Size() int {
	if i == nil {
		return 0
	}
	return 160 + int(i.Model.structType.Size()) + 2*(len(i.JSON)+len(i.Private))
}

// Freeze makes the image of record, a *T, and keeps no hold of it.
func (m *Model) Freeze(record any) (*Image, error) {
	if _, ok := m.pointer(record); !ok {
		return nil, fmt.Errorf("a %T is not a record of %s", record, m.Name)
	}
	shallow := reflect.New(m.structType)
	shallow.Elem().Set(reflect.ValueOf(record).Elem())
	base := shallow.UnsafePointer()
	for _, f := range m.times {
		f.normalize(base)
	}
	image := &Image{Model: m, ID: m.header(base).ID}
	data, err := json.Marshal(shallow.Interface())
	if image.JSON = data; err == nil && m.private {
		image.JSON, image.Private, err = m.Split(data, nil)
	}
	if err == nil {
		_, err = image.Record()
	}
	if err != nil {
		return nil, fmt.Errorf("encode %s/%s: %w", m.Name, image.ID, err)
	}
	return image, nil
}

// Split parts an encoded record into what may be sent and what may not, each in
// the order of the fields. It takes a record in two parts as well, as an older
// struct left it. What the struct has no field for is kept, and not sent.
func (m *Model) Split(public, private []byte) (_, _ []byte, err error) {
	known, unknown, err := m.members(public, private)
	if err != nil {
		return nil, nil, err
	}
	public, private = nil, nil
	for _, f := range m.Fields {
		value, ok := known[f.Name]
		switch {
		case !ok:
		case f.Private:
			private = appendMember(private, f.Name, value)
		default:
			public = appendMember(public, f.Name, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		private = appendMember(private, name, unknown[name])
	}
	if private != nil {
		private = append(private, '}')
	}
	return append(public, '}'), private, nil
}

// members returns what the parts of a record say of its fields, and what else
// they say. As with encoding/json, a name may differ from the field's in case.
func (m *Model) members(parts ...[]byte) (known, unknown map[string]json.RawMessage, err error) {
	known, unknown = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	for _, part := range parts {
		var values map[string]json.RawMessage
		if part == nil {
			continue
		}
		if err := json.Unmarshal(part, &values); err != nil {
			return nil, nil, err
		}
		for name, value := range values {
			if f := m.fieldFold(name); f == nil {
				unknown[name] = value
			} else if _, exact := values[f.Name]; !exact || name == f.Name {
				known[f.Name] = value
			}
		}
	}
	return known, unknown, nil
}

// fieldFold returns the field with that name, or with one that differs in case only.
func (m *Model) fieldFold(name string) *Field {
	if f := m.byName[name]; f != nil {
		return f
	}
	for _, f := range m.Fields {
		if strings.EqualFold(f.Name, name) {
			return f
		}
	}
	return nil
}

// appendMember appends one member to a JSON object that is not closed yet.
func appendMember(object []byte, name string, value json.RawMessage) []byte {
	if object == nil {
		object = append(object, '{')
	} else {
		object = append(object, ',')
	}
	quoted, err := json.Marshal(name)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return append(append(append(object, quoted...), ':'), value...)
}
