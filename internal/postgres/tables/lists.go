package tables

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/record"
)

// A listCodec is that of a column with an array. Arrays of several rows travel as text,
// because PostgreSQL would take a list of them for one array.
type listCodec struct{ scalar *scalar }

func (c *listCodec) params() []string { return []string{"text[]"} }
func (c *listCodec) write(from []string) string {
	return "nullif(" + from[0] + ", '')::" + c.scalar.array
}
func (c *listCodec) list() values { return &listValues{codec: c} }

func (c *listCodec) read(name string) string {
	if c.scalar.wide {
		return name + "::text[]"
	}
	return name
}

func (c *listCodec) cell() cell {
	switch c.scalar.kind {
	case record.Bool:
		return &listCell[bool]{set1: setBool}
	case record.Float:
		return &listCell[float64]{set1: setFloat}
	case record.Time:
		return &listCell[time.Time]{set1: setTime}
	case record.Int:
		return &listCell[int64]{set1: setInt}
	case record.Uint:
		if c.scalar.wide {
			return &listCell[string]{set1: setWide}
		}
		return &listCell[int64]{set1: setInt}
	default:
		return &listCell[string]{set1: setText}
	}
}

type listValues struct {
	codec *listCodec
	all   []string // "" is null
}

func (l *listValues) params() []any { return []any{l.all} }
func (l *listValues) cut(n int)     { l.all = l.all[:n] }

func (l *listValues) add(field reflect.Value, _ json.RawMessage) bool {
	if field.IsNil() {
		l.all = append(l.all, "")
		return true
	}
	var b strings.Builder
	own := reflect.MakeSlice(field.Type(), field.Len(), field.Len())
	reflect.Copy(own, field)
	holds := true
	b.WriteByte('{')
	for i := range own.Len() {
		if i > 0 {
			b.WriteByte(',')
		}
		holds = l.codec.scalar.appendText(&b, own.Index(i)) && holds
	}
	b.WriteByte('}')
	l.all = append(l.all, b.String())
	if !holds {
		field.Set(own)
	}
	return holds
}

// appendText appends an element of an array. If the array cannot hold it, appendText sets it
// to what it appends, and returns false.
func (s *scalar) appendText(b *strings.Builder, v reflect.Value) bool {
	switch s.kind {
	case record.Bool:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case record.Int:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	case record.Uint:
		b.WriteString(strconv.FormatUint(v.Uint(), 10))
	case record.Float:
		b.WriteString(strconv.FormatFloat(v.Float()+0, 'g', -1, 64))
	case record.Time:
		t, holds := getTime(v)
		if !holds {
			_ = setTime(v, t)
		}
		b.WriteString(timeText(t))
		return holds
	default:
		text, holds := getText(v)
		if !holds {
			_ = setText(v, text)
		}
		b.WriteByte('"')
		b.WriteString(escapes.Replace(text))
		b.WriteByte('"')
		return holds
	}
	return true
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// timeText spells a time for an array. PostgreSQL has no year 0: it is the year 1 before
// Christ.
func timeText(t time.Time) string {
	if t.Year() == 0 {
		return t.AddDate(1, 0, 0).Format(`"0001`) + t.Format(`-01-02 15:04:05.999999Z07:00 BC"`)
	}
	return t.Format(`"2006-01-02 15:04:05.999999Z07:00"`)
}

type listCell[T any] struct {
	value []T
	set1  func(reflect.Value, T) error
}

func (c *listCell[T]) dest() any { return &c.value }

func (c *listCell[T]) set(field reflect.Value) error {
	field.SetZero()
	if c.value == nil {
		return nil
	}
	own := reflect.MakeSlice(field.Type(), len(c.value), len(c.value))
	for i, v := range c.value {
		if err := c.set1(own.Index(i), v); err != nil {
			return err
		}
	}
	field.Set(own)
	return nil
}
