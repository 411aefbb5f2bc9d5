package tables

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/towerkit/tower/internal/record"
)

// zeroTime is Go's zero time, which is no time.
const zeroTime = "'0001-01-01 00:00:00+00'::timestamptz"

func newColumn(m *record.Model, f *record.Field) *Column {
	c := &Column{Field: f, Name: f.Column}
	if c.Name == "" {
		c.Name = snake(f.Name)
	}
	kind, base := f.Kind, f.Type()
	pointer := base.Kind() == reflect.Pointer
	if pointer {
		base = base.Elem()
	}
	c.NotNull = !pointer && kind < record.List
	switch {
	case kind == record.List:
		scalar := newScalar(f.Elem, base.Elem())
		c.Type, c.codec = scalar.array, &listCodec{scalar: scalar}
	case kind < record.List:
		scalar := newScalar(kind, base)
		c.Type, c.codec = scalar.column, scalar.codec(!c.NotNull)
		if c.NotNull {
			c.Default = scalar.zero
		}
	case isBytes(base):
		c.Type, c.codec = "bytea", &bytesCodec{}
	default:
		c.Type, c.codec = "jsonb", &jsonCodec{}
	}
	if m.IsHeader(f) {
		switch f.Kind {
		case record.Time:
			c.Default = "now()"
		default:
			c.Default = "tower.ulid()"
		}
	}
	if f.Ref != "" {
		c.Comment = "id of " + snake(f.Ref)
	}
	c.Check = check(c, m.IsHeader(f) && f.Kind != record.Time)
	return c
}

// isBytes reports whether t is bytes that JSON spells in base 64.
func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 &&
		!implements(t, "MarshalJSON") && !implements(t, "MarshalText") && !implements(t.Elem(), "MarshalJSON") && !implements(t.Elem(), "MarshalText")
}

func implements(t reflect.Type, method string) bool {
	_, has := reflect.PointerTo(t).MethodByName(method)
	return has
}

// A scalar is how values of one kind are held.
type scalar struct {
	kind   record.Kind
	wide   bool // an unsigned integer of 64 bits
	column string
	array  string
	zero   string // in SQL
}

func newScalar(kind record.Kind, t reflect.Type) *scalar {
	s := &scalar{kind: kind}
	switch kind {
	case record.Bool:
		s.column, s.zero = "boolean", "false"
	case record.Int:
		s.column, s.zero = "bigint", "0"
	case record.Uint:
		s.column, s.zero = "bigint", "0"
		if s.wide = t.Bits() == 64; s.wide {
			s.column = "numeric(20,0)"
		}
	case record.Float:
		s.column, s.zero = "double precision", "0"
	case record.Time:
		s.column, s.zero = "timestamp with time zone", zeroTime
	default:
		s.column, s.zero = "text", "''"
	}
	s.array = s.column + "[]"
	return s
}

// definition returns the column in SQL, without its name.
func (c *Column) definition() string {
	var b strings.Builder
	b.WriteString(c.Type)
	if strings.HasPrefix(c.Type, "text") {
		b.WriteString(` COLLATE "C"`)
	}
	if c.NotNull {
		b.WriteString(" NOT NULL")
	}
	if c.Default != "" {
		fmt.Fprintf(&b, " DEFAULT %s", c.Default)
	}
	return b.String()
}
