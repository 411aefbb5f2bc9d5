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
	"sync/atomic"
	"time"
	"unsafe"
)

// An Image is a record as one commit stored it. It is frozen: it shares no memory
// with the application and is never written to. It is safe for concurrent use.
type Image struct {
	Model   *Model
	ID      ID
	Version uint64 // seq of the commit that wrote it; 0 if it has not been committed
	JSON    []byte // the public fields, as they are sent to clients
	Private []byte // the private fields; nil if there are none

	known  bool          // it fits
	peeks  atomic.Uint32 // values that were read from the JSON; maxPeeks once it is decoded
	once   sync.Once
	base   unsafe.Pointer
	record any
	unfit  map[*Field]bool // the fields that do not fit; nil if all fit
	err    error           // an [*UnfitError], or nil
}

// Record returns the image as a *T, which the caller must not change. It returns an
// [*UnfitError] if the stored record does not fit the struct.
func (i *Image) Record() (any, error) {
	i.once.Do(i.decode)
	return i.record, i.err
}

// Copy returns the image as a new *T, which the caller may change.
func (i *Image) Copy() (any, error) {
	own := Image{Model: i.Model, ID: i.ID, JSON: i.JSON, Private: i.Private}
	return own.Record()
}

// Value returns the value of a field, or null if the stored one does not fit the field. For a list or an object, the value only reports whether there is
// one.
func (i *Image) Value(f *Field) Value {
	if i.peeks.Load() < maxPeeks && i.known && f.peeks {
		i.peeks.Add(1)
		if v, ok := i.peek(f); ok {
			return v
		}
	}
	i.once.Do(i.decode)
	if i.unfit != nil && i.unfit[f] {
		return Value{}
	}
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
		record = i.decodeFields()
	}
	i.base, _ = i.Model.pointer(record)
	i.peeks.Store(maxPeeks)
}

// hold makes record, which is at base, that of an image that nobody has asked for one: it is never
// decoded. It must be called before the image is shared.
func (i *Image) hold(base unsafe.Pointer, record any) {
	i.once.Do(func() { i.base, i.record = base, record })
	i.peeks.Store(maxPeeks)
}

// WithVersion returns the image as written by the commit seq. The image must have
// been decoded.
func (i *Image) WithVersion(seq uint64) *Image {
	written := &Image{Model: i.Model, ID: i.ID, Version: seq, JSON: i.JSON, Private: i.Private}
	written.hold(i.base, i.record)
	written.unfit, written.err, written.known = i.unfit, i.err, i.err == nil
	return written
}

// Same reports whether two images of a record are equal in everything but UpdatedAt.
func (i *Image) Same(other *Image) bool {
	a, b := i.canonicalJSON(), other.canonicalJSON()
	return a != nil && bytes.Equal(a, b)
}

// SameField reports whether two images of a record have the same value in a field.
func (i *Image) SameField(other *Image, f *Field) bool {
	if i.Fits() && other.Fits() {
		_, _ = i.Record()
		_, _ = other.Record()
		return reflect.DeepEqual(f.get(i.base), f.get(other.base))
	}
	a, _, errA := i.Model.members(i.JSON, i.Private)
	b, _, errB := i.Model.members(other.JSON, other.Private)
	return errA == nil && errB == nil && bytes.Equal(a[f.Name], b[f.Name])
}

// canonicalJSON returns the whole record as JSON with a zero UpdatedAt, or nil if it
// does not fit the struct.
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

// Size estimates how many bytes of memory the decoded image takes; 0 for nil.
func (i *Image) Size() int {
	if i == nil {
		return 0
	}
	return 160 + int(i.Model.structType.Size()) + 2*(len(i.JSON)+len(i.Private))
}

// Freeze returns an image of record, a *T, that replaces before, or nil. It keeps no
// reference to record. The error is an [*InvalidError] if values of fields cannot be
// stored. What before has of fields that the struct does not name, the image has as well.
func (m *Model) Freeze(record any, before *Image) (*Image, error) {
	if _, ok := m.pointer(record); !ok {
		return nil, fmt.Errorf("a %T is not a record of %s", record, m.Name)
	}
	shallow := reflect.New(m.structType)
	shallow.Elem().Set(reflect.ValueOf(record).Elem())
	base := shallow.UnsafePointer()
	for _, f := range m.inexact {
		f.normalize(base)
	}
	for _, f := range m.files {
		f.locate(base, m.Name, m.header(base).ID)
	}
	data, err := json.Marshal(shallow.Interface())
	if err != nil || !m.storable(data) {
		if problems := m.unstorable(base); problems.Any() {
			return nil, &InvalidError{Model: m.Name, Problems: problems}
		}
	}
	image := &Image{Model: m, ID: m.header(base).ID}
	if err == nil && before != nil {
		data, err = m.keepNested(data, base, before)
	}
	var members []writtenMember
	if err == nil && (m.private || !m.plain) {
		members = m.written(data)
	}
	if image.JSON = data; err == nil && m.private {
		image.JSON, image.Private, err = m.divide(data, members)
	}
	if err == nil && before != nil && before.Private != nil {
		image.Private, err = m.keepUnknown(image.Private, before)
	}
	if err == nil && m.own(base, members) {
		image.hold(base, shallow.Interface())
	} else if err == nil {
		_, err = image.Record()
	}
	if err != nil {
		return nil, fmt.Errorf("encode %s/%s: %w", m.Name, image.ID, err)
	}
	image.known = true
	return image, nil
}

// Encode returns record, a *T of the model whose values have been stored before, as it is
// stored.
func (m *Model) Encode(record any) (public, private []byte, err error) {
	data, err := json.Marshal(record)
	if err != nil || !m.private {
		return data, nil, err
	}
	return m.divide(data, m.written(data))
}

// Encoded returns the image of record, a *T of the model that nobody changes any more, from what
// Encode has returned of it.
func (m *Model) Encoded(record any, id ID, version uint64, public, private []byte) (*Image, error) {
	base, ok := m.pointer(record)
	if !ok {
		return nil, fmt.Errorf("a %T is not a record of %s", record, m.Name)
	}
	image := &Image{Model: m, ID: id, Version: version, JSON: public, Private: private, known: true}
	image.hold(base, record)
	return image, nil
}

// Settle sets the fields of record, the *T that image was made from, to the stored
// values, which are not always those that it had: times have microseconds, and a nil
// list may have become an empty one.
func (m *Model) Settle(record any, image *Image) error {
	stored, err := image.Record()
	if err == nil && m.shared {
		if stored = m.copyOf(stored); stored == nil {
			stored, err = image.Copy()
		}
	}
	if err == nil {
		m.CopyFields(record, stored, m.Fields)
	}
	return err
}

// Split divides an encoded record into its public and its private members, each in
// the order of the fields. The record may already be divided in two, by the fields of
// an older struct. Members without a field in the struct are kept as private.
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

// members returns the members of an encoded record that belong to a field, by the
// field's name, and the others. As in encoding/json, a member's name may differ from
// the field's in case.
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

// fieldFold returns the field with that name, ignoring case if none matches exactly.
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

// appendMember appends one member to a JSON object that has not been closed.
func appendMember(object []byte, name string, value json.RawMessage) []byte {
	if object == nil {
		object = append(object, '{')
	} else {
		object = append(object, ',')
	}
	return append(appendName(object, name), value...)
}

// appendName appends the name of a member, and the colon.
func appendName(object []byte, name string) []byte {
	quoted, err := json.Marshal(name)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	return append(append(object, quoted...), ':')
}
