package record

import (
	"reflect"
	"time"
	"unsafe"
)

// This file holds the package's unsafe code, and its argument: a Field's offset
// was taken from the reflect.Type of its model's struct, and every base below is
// the address of a live struct of that type, made by the model or checked by
// [Model.pointer]. So base+offset is a live field of exactly the type that was
// read from the struct's type, and each access is of that type. What is written
// is written to structs that this package made or was given to fill.

// pointer returns the address of the struct behind record, which must be a *T of
// the model's own T.
func (m *Model) pointer(record any) (unsafe.Pointer, bool) {
	v := reflect.ValueOf(record)
	if !v.IsValid() || v.Type() != m.ptrType || v.IsNil() {
		return nil, false
	}
	return v.UnsafePointer(), true
}

// header returns the Record embedded in the struct at base.
func (m *Model) header(base unsafe.Pointer) *Record {
	return (*Record)(unsafe.Add(base, m.record))
}

// IsHeader reports whether the store fills the field itself.
func (m *Model) IsHeader(f *Field) bool {
	return f.offset >= m.record && f.offset < m.record+unsafe.Sizeof(Record{})
}

// offsetOf returns where p, a pointer, points within the model's prototype.
func (m *Model) offsetOf(p reflect.Value) (uintptr, bool) {
	base, _ := m.pointer(m.prototype)
	at := uintptr(p.UnsafePointer())
	return at - uintptr(base), at >= uintptr(base) && at < uintptr(base)+m.structType.Size()
}

// read returns the field's value in the struct at base. Of a list or an object
// it tells only whether there is one.
func (f *Field) read(base unsafe.Pointer) Value {
	at := unsafe.Add(base, f.offset)
	if f.pointer {
		if at = *(*unsafe.Pointer)(at); at == nil {
			return Value{}
		}
	}
	switch f.Kind {
	case List, Object:
		if !f.pointer && reflect.NewAt(f.typ, at).Elem().IsZero() {
			return Value{}
		}
		return Value{kind: f.Kind}
	}
	value := readScalar(f.Kind, f.layout, at)
	if f.Ref != "" && value.text == "" {
		return Value{}
	}
	return value
}

func readScalar(kind Kind, layout reflect.Kind, at unsafe.Pointer) Value {
	switch kind {
	case Time:
		return TimeValue(*(*time.Time)(at))
	case Bool:
		return BoolValue(*(*bool)(at))
	case String:
		return StringValue(*(*string)(at))
	case Int:
		return IntValue(readInt(layout, at))
	case Uint:
		return UintValue(readUint(layout, at))
	}
	if layout == reflect.Float32 {
		return FloatValue(float64(*(*float32)(at)))
	}
	return FloatValue(*(*float64)(at))
}

func readInt(layout reflect.Kind, at unsafe.Pointer) int64 {
	switch layout {
	case reflect.Int8:
		return int64(*(*int8)(at))
	case reflect.Int16:
		return int64(*(*int16)(at))
	case reflect.Int32:
		return int64(*(*int32)(at))
	case reflect.Int64:
		return *(*int64)(at)
	default:
		return int64(*(*int)(at))
	}
}

func readUint(layout reflect.Kind, at unsafe.Pointer) uint64 {
	switch layout {
	case reflect.Uint8:
		return uint64(*(*uint8)(at))
	case reflect.Uint16:
		return uint64(*(*uint16)(at))
	case reflect.Uint32:
		return uint64(*(*uint32)(at))
	case reflect.Uint64:
		return *(*uint64)(at)
	default:
		return uint64(*(*uint)(at))
	}
}

// each yields the elements of a list field until yield returns false.
func (f *Field) each(base unsafe.Pointer, yield func(Value) bool) {
	list := reflect.NewAt(f.typ, unsafe.Add(base, f.offset)).Elem()
	for i := range list.Len() {
		if !yield(readScalar(f.Elem, f.layout, list.Index(i).Addr().UnsafePointer())) {
			return
		}
	}
}

// get returns the field of the struct at base as it is declared.
func (f *Field) get(base unsafe.Pointer) any {
	return reflect.NewAt(f.typ, unsafe.Add(base, f.offset)).Elem().Interface()
}

// normalize puts the times of a field of the struct at base, which this package
// owns, into UTC and the precision that is stored. What the struct only refers to
// is not its own, and replaced.
func (f *Field) normalize(base unsafe.Pointer) {
	at := unsafe.Add(base, f.offset)
	switch {
	case f.Kind == List:
		list := *(*[]time.Time)(at)
		if list == nil {
			return
		}
		own := make([]time.Time, len(list))
		for i, t := range list {
			own[i] = storedTime(t)
		}
		*(*[]time.Time)(at) = own
	case !f.pointer:
		*(*time.Time)(at) = storedTime(*(*time.Time)(at))
	case *(**time.Time)(at) != nil:
		t := storedTime(**(**time.Time)(at))
		*(**time.Time)(at) = &t
	}
}

// storedTime returns t as it is stored.
func storedTime(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// CopyFields sets fields of the record to, a *T of the model, to what they are in
// from, another one.
func (m *Model) CopyFields(to, from any, fields []*Field) {
	toBase, _ := m.pointer(to)
	fromBase, _ := m.pointer(from)
	for _, f := range fields {
		at := reflect.NewAt(f.typ, unsafe.Add(toBase, f.offset)).Elem()
		at.Set(reflect.NewAt(f.typ, unsafe.Add(fromBase, f.offset)).Elem())
	}
}
