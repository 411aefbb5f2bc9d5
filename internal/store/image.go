package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
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

// Value returns the value of a field, null where the record does not fit its
// struct. Of a list or an object it tells only whether there is one.
func (i *Image) Value(f *Field) Value {
	if i.once.Do(i.decode); i.base == nil {
		return Value{}
	}
	return f.read(i.base)
}

// Each yields the elements of a list field until yield returns false.
func (i *Image) Each(f *Field, yield func(Value) bool) {
	if i.once.Do(i.decode); i.base != nil && f.Kind == List {
		f.each(i.base, yield)
	}
}

func (i *Image) decode() {
	record := i.Model.New()
	err := json.Unmarshal(i.JSON, record)
	if err == nil && i.private != nil {
		err = json.Unmarshal(i.private, record)
	}
	if err != nil {
		i.err = fmt.Errorf("%s/%s does not fit %s any more: %w", i.Model.Name, i.ID, i.Model.Type, err)
		return
	}
	i.record = record
	i.base, _ = i.Model.pointer(record)
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
		image.JSON, image.private, err = m.split(data)
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
// the order of the fields.
func (m *Model) split(data []byte) (public, private []byte, err error) {
	if !m.private {
		return data, nil, nil
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(data, &values); err != nil {
		return nil, nil, err
	}
	public, private = []byte{'{'}, []byte{'{'}
	for _, f := range m.Fields {
		value, ok := values[f.Name]
		if !ok {
			continue
		}
		part := &public
		if f.Private {
			part = &private
		}
		if len(*part) > 1 {
			*part = append(*part, ',')
		}
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, nil, err
		}
		*part = append(append(append(*part, name...), ':'), value...)
	}
	return append(public, '}'), append(private, '}'), nil
}
