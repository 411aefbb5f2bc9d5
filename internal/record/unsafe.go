package record

import (
	"reflect"
	"time"
	"unsafe"
)

// This file holds the package's unsafe code. Why it is safe: a Field's offset comes
// from the reflect.Type of its model's struct, and every base below is the address of
// a live struct of that type, which the model made or [Model.pointer] checked. So
// base+offset is the address of a live field, and each access has exactly the type
// that the struct's reflect.Type states. The header is the exception: it is a [Record],
// or a struct that [RegisterHeader] has found to have the same fields, types and
// offsets, and so the same layout. The code writes only to structs that this package
// made or that a caller passed in to be filled.

// pointer returns the address of the struct behind record, which must be a *T of the
// model's own T.
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

// IsHeader reports whether f is a field of the embedded Record, which the store
// fills.
func (m *Model) IsHeader(f *Field) bool {
	return f.offset >= m.record && f.offset < m.record+unsafe.Sizeof(Record{})
}

// offsetOf returns the offset of p, a pointer, in the model's prototype.
func (m *Model) offsetOf(p reflect.Value) (uintptr, bool) {
	base, _ := m.pointer(m.prototype)
	at := uintptr(p.UnsafePointer())
	return at - uintptr(base), at >= uintptr(base) && at < uintptr(base)+m.structType.Size()
}

// read returns the field's value in the struct at base. For a list or an object, the
// value only reports whether there is one.
func (f *Field) read(base unsafe.Pointer) Value {
	at := unsafe.Add(base, f.offset)
	if f.pointer {
		if at = *(*unsafe.Pointer)(at); at == nil {
			return Value{}
		}
	}
	switch f.Kind {
	case List, Object:
		if !f.pointer && f.at(base).IsZero() {
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
	list := f.at(base)
	for i := range list.Len() {
		if !yield(readScalar(f.Elem, f.layout, list.Index(i).Addr().UnsafePointer())) {
			return
		}
	}
}

// get returns the field's Go value in the struct at base.
func (f *Field) get(base unsafe.Pointer) any {
	return f.at(base).Interface()
}

// at returns the field of the struct at base.
func (f *Field) at(base unsafe.Pointer) reflect.Value {
	return reflect.NewAt(f.typ, unsafe.Add(base, f.offset)).Elem()
}

// Place returns the field of record, which must be a *T of the model. Setting it changes the
// record.
func (m *Model) Place(record any, f *Field) reflect.Value {
	base, _ := m.pointer(record)
	return f.at(base)
}

// normalize converts the times of a field of the struct at base, which this package
// owns, to UTC and to the precision that is stored, and -0 in floats to 0. It replaces
// lists and pointers rather than writing through them: what they refer to belongs to the
// application.
func (f *Field) normalize(base unsafe.Pointer) {
	at := f.at(base)
	switch {
	case f.Kind == Time && !f.pointer: // every record has two
		t := (*time.Time)(unsafe.Add(base, f.offset))
		*t = storedTime(*t)
	case f.Kind == List && !at.IsNil():
		own := reflect.MakeSlice(f.typ, at.Len(), at.Len())
		for i := range at.Len() {
			own.Index(i).Set(normal(at.Index(i)))
		}
		at.Set(own)
	case f.Kind == List:
	case !f.pointer:
		at.Set(normal(at))
	case !at.IsNil():
		own := reflect.New(f.typ.Elem())
		own.Elem().Set(normal(at.Elem()))
		at.Set(own)
	}
}

// file returns the file in a field of the struct at base.
func (f *Field) file(base unsafe.Pointer) File {
	return f.at(base).Convert(reflect.TypeFor[File]()).Interface().(File)
}

// locate sets where the file in a field of the struct at base, which this package owns, is
// downloaded.
func (f *Field) locate(base unsafe.Pointer, model string, id ID) {
	file := f.file(base)
	if file.URL = ""; file == (File{}) {
		f.at(base).SetZero()
		return
	}
	file.URL = FileURL(model, id, f.Name, file.ID)
	f.at(base).Set(reflect.ValueOf(file).Convert(f.typ))
}

// normal returns a time or a float as it is stored.
func normal(v reflect.Value) reflect.Value {
	if v.CanFloat() {
		return reflect.ValueOf(v.Float() + 0).Convert(v.Type())
	}
	return reflect.ValueOf(storedTime(v.Interface().(time.Time)))
}

// storedTime returns t as it is stored.
func storedTime(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// CopyFields sets the fields of the record to, a *T of the model, to the fields of from,
// another *T.
func (m *Model) CopyFields(to, from any, fields []*Field) {
	toBase, _ := m.pointer(to)
	fromBase, _ := m.pointer(from)
	for _, f := range fields {
		f.at(toBase).Set(f.at(fromBase))
	}
}
