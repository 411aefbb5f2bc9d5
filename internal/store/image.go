package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"
	"unsafe"
)

// An Image is a record as one commit left it. It is frozen: it shares no memory
// with the application, and nobody writes to it. It is safe for concurrent use.
type Image struct {
	Model   *Model
	ID      ID
	Version uint64 // seq of the commit that wrote it
	JSON    []byte // what clients are sent: without the private fields

	private []byte // the private fields, as JSON; nil without any
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
	own := Image{Model: i.Model, ID: i.ID, JSON: i.JSON, private: i.private}
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
	if err == nil && i.private != nil {
		err = json.Unmarshal(i.private, record)
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
	for _, data := range [...][]byte{i.JSON, i.private} {
		var values map[string]json.RawMessage
		if json.Unmarshal(data, &values) != nil {
			continue
		}
		for name, value := range values {
			if f := i.Model.byName[name]; f != nil {
				i.Model.set(record, f, value)
			}
		}
	}
	return record
}

// at returns the image, which is decoded, as the commit seq wrote it.
func (i *Image) at(seq uint64) *Image {
	written := &Image{Model: i.Model, ID: i.ID, Version: seq, JSON: i.JSON, private: i.private}
	written.once.Do(func() { written.base, written.record, written.err = i.base, i.record, i.err })
	return written
}

// same reports whether two images of a record differ in nothing but the time of
// their update.
func (i *Image) same(other *Image) bool {
	a, b := i.settled(), other.settled()
	return a != nil && bytes.Equal(a, b)
}

// settled returns the encoded record without the time of its update, nil where
// it does not fit its struct.
func (i *Image) settled() []byte {
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

// stored returns how many bytes the image takes as a record, 0 of nil.
func (i *Image) stored() int {
	if i == nil {
		return 0
	}
	return 8 + uvarintSize(len(i.JSON)) + len(i.JSON) + len(i.private)
}

// size estimates the memory that the image takes, decoded, 0 of nil.
func (i *Image) size() int {
	if i == nil {
		return 0
	}
	return 160 + int(i.Model.structType.Size()) + 2*(len(i.JSON)+len(i.private))
}

// freeze makes the image of record, a *T, and keeps no hold of it.
func (m *Model) freeze(record any) (*Image, error) {
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
	if err == nil {
		image.JSON, image.private, err = m.split(data, nil)
	}
	if err == nil {
		_, err = image.Record()
	}
	if err != nil {
		return nil, fmt.Errorf("encode %s/%s: %w", m.Name, image.ID, err)
	}
	return image, nil
}

// split parts an encoded record into what may be sent and what may not, each in
// the order of the fields. It takes a record in two parts as well, as an older
// struct left it; what the struct has no field for stays in its part.
func (m *Model) split(public, private []byte) (_, _ []byte, err error) {
	if !m.private && private == nil {
		return public, nil, nil
	}
	var parts [2]map[string]json.RawMessage
	if err := json.Unmarshal(public, &parts[0]); err != nil {
		return nil, nil, err
	}
	if private != nil {
		if err := json.Unmarshal(private, &parts[1]); err != nil {
			return nil, nil, err
		}
	}
	var split [2][]byte
	for _, f := range m.Fields {
		to := 0
		if f.Private {
			to = 1
		}
		for _, part := range parts {
			if value, ok := part[f.Name]; ok {
				split[to] = appendMember(split[to], f.Name, value)
				delete(part, f.Name)
				break
			}
		}
	}
	for i, part := range parts {
		for _, name := range slices.Sorted(maps.Keys(part)) {
			split[i] = appendMember(split[i], name, part[name])
		}
		if split[i] != nil {
			split[i] = append(split[i], '}')
		}
	}
	return split[0], split[1], nil
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
