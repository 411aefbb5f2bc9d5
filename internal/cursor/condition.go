package cursor

import (
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/store"
)

type op uint8

const (
	opAll op = iota
	opIs
	opIn
	opGt
	opGte
	opLt
	opLte
	opContains
	opExists
	opNot
	opAnd
	opOr
)

// A Condition is a test on a record: on one field, or made of other conditions.
// It is a value, is never changed once made, and is safe for concurrent use.
// The zero Condition holds for every record.
//
// There are two truth values: a test on an absent value is false, but for Is of
// null, and Not of it is true.
type Condition struct {
	op     op
	field  *store.Field
	values []store.Value // one, but for opIn, where they are sorted
	args   []Condition
}

// Is holds where the field has the value; null is a value here. Of a list or an
// object only null can be asked.
func Is(f *store.Field, v store.Value) Condition { return test(opIs, f, v) }

// In holds where the field has one of the values.
func In(f *store.Field, vs ...store.Value) Condition {
	sorted := slices.SortedFunc(slices.Values(vs), store.Value.Compare)
	return test(opIn, f, slices.Compact(sorted)...)
}

// Gt holds where the field is more than v.
func Gt(f *store.Field, v store.Value) Condition { return test(opGt, f, v) }

// Gte holds where the field is v or more.
func Gte(f *store.Field, v store.Value) Condition { return test(opGte, f, v) }

// Lt holds where the field is less than v, and not null.
func Lt(f *store.Field, v store.Value) Condition { return test(opLt, f, v) }

// Lte holds where the field is v or less, and not null.
func Lte(f *store.Field, v store.Value) Condition { return test(opLte, f, v) }

// Contains holds where a string has the part v, byte for byte, or a list the
// element v.
func Contains(f *store.Field, v store.Value) Condition { return test(opContains, f, v) }

// Exists holds where the field is not null.
func Exists(f *store.Field) Condition { return test(opExists, f) }

// Not holds where c does not.
func Not(c Condition) Condition { return Condition{op: opNot, args: []Condition{c}} }

// And holds where all of cs hold; always, when there are none.
func And(cs ...Condition) Condition { return Condition{op: opAnd, args: slices.Clone(cs)} }

// Or holds where one of cs holds; never, when there are none.
func Or(cs ...Condition) Condition { return Condition{op: opOr, args: slices.Clone(cs)} }

func test(o op, f *store.Field, vs ...store.Value) Condition {
	return Condition{op: o, field: f, values: vs}
}

// Parts takes a condition apart, for those who judge it by themselves: the word
// for it ("all", "is", "in", ">", ">=", "<", "<=", "contains", "exists", "not",
// "and" or "or"), the field that it tests, nil for none, and the values that it
// tests for or the conditions that it is made of.
func (c Condition) Parts() (word string, f *store.Field, values []store.Value, args []Condition) {
	return words[c.op], c.field, slices.Clone(c.values), slices.Clone(c.args)
}

// Fields yields the fields that the condition tests, as often as it does, until
// yield returns false.
func (c Condition) Fields(yield func(*store.Field) bool) { c.fields(yield) }

func (c *Condition) fields(yield func(*store.Field) bool) bool {
	if c.field != nil && !yield(c.field) {
		return false
	}
	for i := range c.args {
		if !c.args[i].fields(yield) {
			return false
		}
	}
	return true
}

var words = map[op]string{opAll: "all", opNot: "not", opAnd: "and", opOr: "or", opIs: "is", opIn: "in", opGt: ">", opGte: ">=", opLt: "<", opLte: "<=", opContains: "contains", opExists: "exists"}

// String returns the condition as a person reads it:
//
//	published is true and (likes >= 3 or not title contains "draft")
func (c Condition) String() string {
	var b strings.Builder
	c.write(&b, opAll)
	return b.String()
}

// write adds c to b, in parentheses where it would read wrongly within an around.
func (c *Condition) write(b *strings.Builder, around op) {
	switch c.op {
	case opAll:
		b.WriteString(words[opAll])
	case opNot:
		if arg := &c.args[0]; arg.op == opIs {
			b.WriteString(arg.field.Name + " is not " + arg.values[0].String())
			return
		}
		b.WriteString("not ")
		c.args[0].write(b, opNot)
	case opAnd, opOr:
		c.writeArgs(b, around)
	case opIn:
		b.WriteString(c.field.Name + " in [")
		for i, v := range c.values {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(v.String())
		}
		b.WriteByte(']')
	default:
		b.WriteString(c.field.Name + " " + words[c.op])
		for _, v := range c.values {
			b.WriteString(" " + v.String())
		}
	}
}

func (c *Condition) writeArgs(b *strings.Builder, around op) {
	word, none := " and ", "all"
	if c.op == opOr {
		word, none = " or ", "none"
	}
	switch len(c.args) {
	case 0:
		b.WriteString(none)
		return
	case 1:
		c.args[0].write(b, around)
		return
	}
	if around != opAll && around != c.op {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	for i := range c.args {
		if i > 0 {
			b.WriteString(word)
		}
		c.args[i].write(b, c.op)
	}
}
