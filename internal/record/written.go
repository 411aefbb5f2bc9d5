package record

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"unsafe"
)

// This file reads what encoding/json has just written of a record, which is compact and
// has the fields in order. That takes a tenth of the time of decoding it.

// A writtenMember is a member of an object that encoding/json has written: its field, its
// bytes, and those of its value.
type writtenMember struct {
	field        *Field
	bytes, value []byte
}

// written returns the members of data, which encoding/json has written of a record of the
// model; nil if it has other members than the model, or in another order.
func (m *Model) written(data []byte) []writtenMember {
	members := make([]writtenMember, 0, len(m.Fields))
	rest, next := data, 0
	for len(rest) > 1 {
		rest = rest[1:] // { or ,
		for next < len(m.Fields) && !bytes.HasPrefix(rest, m.Fields[next].quoted) {
			next++ // it is left out
		}
		if next == len(m.Fields) {
			return nil
		}
		f := m.Fields[next]
		end := len(f.quoted) + valueSize(rest[len(f.quoted):])
		members = append(members, writtenMember{f, rest[:end], rest[len(f.quoted):end]})
		rest, next = rest[end:], next+1
	}
	return members
}

// divide does what [Model.Split] does with a record that encoding/json has written, with these
// members.
func (m *Model) divide(data []byte, members []writtenMember) (public, private []byte, err error) {
	if members == nil {
		return m.Split(data, nil)
	}
	public = append(make([]byte, 0, len(data)), '{')
	for _, member := range members {
		part := &public
		if member.field.Private {
			part = &private
		}
		if len(*part) == 0 {
			*part = append(*part, '{')
		}
		if len(*part) > 1 {
			*part = append(*part, ',')
		}
		*part = append(*part, member.bytes...)
	}
	if private != nil {
		private = append(private, '}')
	}
	return append(public, '}'), private, nil
}

// own makes the record at base, which this package owns and which encoding/json has
// written with these members, what decoding them gives, and keeps no memory of others in it. It
// returns false if only decoding the whole can do that.
func (m *Model) own(base unsafe.Pointer, members []writtenMember) bool {
	if m.decoded || members == nil && !m.plain {
		return false
	}
	for _, f := range m.Fields {
		if f.plain {
			f.detach(base)
			continue
		}
		var value []byte // nil if it is left out
		if i := slices.IndexFunc(members, func(w writtenMember) bool { return w.field == f }); i >= 0 {
			value = members[i].value
		}
		if f.raw {
			*f.rawAt(base) = bytes.Clone(value)
			continue
		}
		at := f.at(base)
		at.SetZero()
		if value != nil && json.Unmarshal(value, at.Addr().Interface()) != nil {
			return false
		}
	}
	return true
}

// copyOf returns a new *T with the fields of record, a stored *T of the model, that has no memory in
// common with it; nil if only decoding can make one.
func (m *Model) copyOf(record any) any {
	if m.decoded || !m.copies {
		return nil
	}
	shallow := reflect.New(m.structType)
	shallow.Elem().Set(reflect.ValueOf(record).Elem())
	for _, f := range m.Fields {
		f.detach(shallow.UnsafePointer())
	}
	return shallow.Interface()
}

// isPlain reports whether a value of the field, normalized, is what decoding its JSON gives.
func (f *Field) isPlain() bool {
	if f.Kind == Object || f.File != nil || f.opaque() || hasCodec(f.typ) || f.Kind == List && hasCodec(f.typ.Elem()) {
		return false
	}
	_, options, _ := strings.Cut(f.tag, ",")
	return !strings.Contains(options, "omitzero") || f.Kind == Time && !f.pointer
}

// hasCodec reports whether values of type t, or those that they point to, are encoded or
// decoded by a method of their own, which is not that of times.
func hasCodec(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	own := reflect.PointerTo(t)
	return t != timeType && (own.Implements(marshalerType) || own.Implements(textMarshalerType) ||
		own.Implements(unmarshalerType) || own.Implements(textUnmarshalerType))
}

// needsWhole reports whether a value of the field cannot be decoded by itself.
func (f *Field) needsWhole() bool {
	_, options, _ := strings.Cut(f.tag, ",")
	return !f.plain && options != "" && options != "omitempty"
}

// rawAt returns where the raw field is in the struct at base.
func (f *Field) rawAt(base unsafe.Pointer) *json.RawMessage {
	return (*json.RawMessage)(unsafe.Add(base, f.offset))
}

// detach replaces what a plain or raw field of the struct at base refers to by a copy.
func (f *Field) detach(base unsafe.Pointer) {
	switch {
	case f.raw:
		*f.rawAt(base) = bytes.Clone(*f.rawAt(base))
	case f.pointer:
		if at := f.at(base); !at.IsNil() {
			own := reflect.New(f.typ.Elem())
			own.Elem().Set(at.Elem())
			detachText(own.Elem())
			at.Set(own)
		}
	case f.Kind == String:
		text := (*string)(unsafe.Add(base, f.offset))
		*text = strings.Clone(*text)
	case f.Kind == List:
		at := f.at(base)
		if at.IsNil() {
			return
		}
		if at.Len() == 0 && f.omitsEmpty() {
			at.SetZero()
			return
		}
		own := reflect.MakeSlice(f.typ, at.Len(), at.Len())
		reflect.Copy(own, at)
		for i := range own.Len() {
			detachText(own.Index(i))
		}
		at.Set(own)
	}
}

func detachText(v reflect.Value) {
	if v.Kind() == reflect.String {
		v.SetString(strings.Clone(v.String()))
	}
}

// omitsEmpty reports whether JSON leaves the field out if it is empty.
func (f *Field) omitsEmpty() bool {
	_, options, _ := strings.Cut(f.tag, ",")
	return slices.Contains(strings.Split(options, ","), "omitempty")
}
