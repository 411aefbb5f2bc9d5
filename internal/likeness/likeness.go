// Package likeness describes values by what they contain, so that two values can be
// compared that were made separately: the sessions of two requests of one user.
package likeness

import (
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"sync"
	"time"
)

// Of returns a text that is equal for values of one type that contain the same, or "" if
// that is not known: if the value contains a function or a channel, or is nested too
// deeply. Values of the types in opaque count as equal.
//
// If the value is a pointer, Of looks at what it points to. A pointer within it to
// something other than plain data, such as a pool of connections with its locks, is like
// no other pointer; it must live as long as the text is used. Of does not look inside.
// Plain data that Of reads must not be written meanwhile.
func Of(value any, opaque ...reflect.Type) string {
	d := describer{opaque: opaque}
	if value == nil {
		return "nil"
	}
	v := reflect.ValueOf(value)
	d.text = append(d.text, v.Type().String()...)
	if v.Kind() == reflect.Pointer && !v.IsNil() && !slices.Contains(opaque, v.Type()) {
		v = v.Elem()
	}
	if !d.add(v, 0) {
		return ""
	}
	return string(d.text)
}

const maxDepth = 16

type describer struct {
	opaque []reflect.Type
	text   []byte
}

func (d *describer) number(n uint64) bool {
	d.text = binary.AppendUvarint(append(d.text, '#'), n)
	return true
}

// add appends a description of v, and reports whether that is possible.
func (d *describer) add(v reflect.Value, depth int) bool {
	t := v.Type()
	if slices.Contains(d.opaque, t) {
		return d.number(0)
	}
	if depth > maxDepth || len(d.text) > 64<<10 {
		return false
	}
	switch v.Kind() {
	case reflect.Bool:
		return d.number(map[bool]uint64{true: 1}[v.Bool()])
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return d.number(uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return d.number(v.Uint())
	case reflect.Float32, reflect.Float64:
		return d.number(math.Float64bits(v.Float()))
	case reflect.String:
		d.number(uint64(v.Len()))
		d.text = append(d.text, v.String()...)
		return true
	case reflect.Slice, reflect.Array:
		d.number(uint64(v.Len()))
		for i := range v.Len() {
			if !d.add(v.Index(i), depth+1) {
				return false
			}
		}
		return v.Kind() == reflect.Array || !v.IsNil() || d.number(1)
	case reflect.Struct:
		return d.addStruct(v, depth)
	case reflect.Pointer:
		if v.IsNil() {
			return d.number(0)
		}
		if !plain(t.Elem(), d.opaque) {
			return d.number(uint64(v.Pointer()))
		}
		return d.number(1) && d.add(v.Elem(), depth+1)
	case reflect.Interface:
		if v.IsNil() {
			return d.number(0)
		}
		d.text = append(d.text, v.Elem().Type().String()...)
		return d.add(v.Elem(), depth+1)
	case reflect.Map:
		return d.addMap(v, depth)
	default:
		return false
	}
}

func (d *describer) addStruct(v reflect.Value, depth int) bool {
	if v.Type() == timeType && v.CanInterface() {
		at := v.Interface().(time.Time)
		return d.number(uint64(at.UnixNano()))
	}
	for i := range v.NumField() {
		if !d.add(v.Field(i), depth+1) {
			return false
		}
	}
	return true
}

// addMap adds the entries in the order of their descriptions.
func (d *describer) addMap(v reflect.Value, depth int) bool {
	var entries []string
	for keys := v.MapRange(); keys.Next(); {
		entry := describer{opaque: d.opaque}
		if !entry.add(keys.Key(), depth+1) || !entry.add(keys.Value(), depth+1) {
			return false
		}
		entries = append(entries, string(entry.text))
	}
	slices.Sort(entries)
	d.number(uint64(len(entries)))
	for _, entry := range entries {
		d.number(uint64(len(entry)))
		d.text = append(d.text, entry...)
	}
	return true
}

var timeType = reflect.TypeFor[time.Time]()

// known caches which types are plain, without the opaque ones.
var known sync.Map // reflect.Type → bool

// plain reports whether values of a type are data without locks, functions or channels.
func plain(t reflect.Type, opaque []reflect.Type) bool {
	if is, ok := known.Load(t); ok {
		return is.(bool)
	}
	is := isPlain(t, opaque, map[reflect.Type]bool{})
	known.Store(t, is)
	return is
}

func isPlain(t reflect.Type, opaque []reflect.Type, seen map[reflect.Type]bool) bool {
	if slices.Contains(opaque, t) || t == timeType || seen[t] {
		return true
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Interface:
		return false
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return isPlain(t.Elem(), opaque, seen)
	case reflect.Map:
		return isPlain(t.Key(), opaque, seen) && isPlain(t.Elem(), opaque, seen)
	case reflect.Struct:
		if path := t.PkgPath(); path == "sync" || path == "sync/atomic" {
			return false
		}
		for i := range t.NumField() {
			if !isPlain(t.Field(i).Type, opaque, seen) {
				return false
			}
		}
	}
	return true
}
