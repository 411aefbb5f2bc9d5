package query

import (
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
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
	op       op
	field    *record.Field
	value    record.Value // of a test for one
	operands *operands    // of other conditions; nil: none
}

// More is what most conditions, and so most memory, can do without.
type operands struct {
	values []record.Value // of opIn, sorted
	args   []Condition    // of opNot, opAnd and opOr
}

// Is holds where the field has the value; null is a value here. Of a list or an
// object only null can be asked.
func Is(f *record.Field, v record.Value) Condition { return test(opIs, f, v) }

// In holds where the field has one of the values.
func In(f *record.Field, vs ...record.Value) Condition {
	sorted := slices.SortedFunc(slices.Values(vs), record.Value.Compare)
	return Condition{op: opIn, field: f, operands: &operands{values: slices.Compact(sorted)}}
}

// Gt holds where the field is more than v.
func Gt(f *record.Field, v record.Value) Condition { return test(opGt, f, v) }

// Gte holds where the field is v or more.
func Gte(f *record.Field, v record.Value) Condition { return test(opGte, f, v) }

// Lt holds where the field is less than v, and not null.
func Lt(f *record.Field, v record.Value) Condition { return test(opLt, f, v) }

// Lte holds where the field is v or less, and not null.
func Lte(f *record.Field, v record.Value) Condition { return test(opLte, f, v) }

// Contains holds where a string has the part v, byte for byte, or a list the
// element v.
func Contains(f *record.Field, v record.Value) Condition { return test(opContains, f, v) }

// Exists holds where the field is not null.
func Exists(f *record.Field) Condition { return test(opExists, f, record.Value{}) }

// Not holds where c does not.
func Not(c Condition) Condition { return compose(opNot, []Condition{c}) }

// And holds where all of cs hold; always, when there are none.
func And(cs ...Condition) Condition { return compose(opAnd, slices.Clone(cs)) }

// Or holds where one of cs holds; never, when there are none.
func Or(cs ...Condition) Condition { return compose(opOr, slices.Clone(cs)) }

func test(o op, f *record.Field, v record.Value) Condition {
	return Condition{op: o, field: f, value: v}
}

func compose(o op, args []Condition) Condition {
	return Condition{op: o, operands: &operands{args: args}}
}

// args returns what the condition is made of.
func (c *Condition) args() []Condition {
	if c.operands == nil {
		return nil
	}
	return c.operands.args
}

// Conjuncts returns the conditions that all have to hold where c, which is
// canonical, does.
func (c *Condition) Conjuncts() []Condition {
	switch c.op {
	case opAll:
		return nil
	case opAnd:
		return c.args()
	default:
		return []Condition{*c}
	}
}

// values returns what the condition tests for.
func (c *Condition) values() []record.Value {
	switch {
	case c.op == opIn:
		return c.operands.values
	case c.op >= opIs && c.op <= opContains:
		return []record.Value{c.value}
	default:
		return nil
	}
}

// Parts takes a condition apart, for those who judge it by themselves: the word
// for it ("all", "is", "in", ">", ">=", "<", "<=", "contains", "exists", "not",
// "and" or "or"), the field that it tests, nil for none, and the values that it
// tests for or the conditions that it is made of.
func (c Condition) Parts() (word string, f *record.Field, values []record.Value, args []Condition) {
	return words[c.op], c.field, slices.Clone(c.values()), slices.Clone(c.args())
}

// Fields yields the fields that the condition tests, as often as it does, until
// yield returns false.
func (c Condition) Fields(yield func(*record.Field) bool) { c.fields(yield) }

func (c *Condition) fields(yield func(*record.Field) bool) bool {
	if c.field != nil && !yield(c.field) {
		return false
	}
	args := c.args()
	for i := range args {
		if !args[i].fields(yield) {
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
		arg := &c.args()[0]
		if arg.op == opIs {
			b.WriteString(arg.field.Name + " is not " + arg.value.String())
			return
		}
		b.WriteString("not ")
		arg.write(b, opNot)
	case opAnd, opOr:
		c.writeArgs(b, around)
	case opIn:
		b.WriteString(c.field.Name + " in [")
		for i, v := range c.values() {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(v.String())
		}
		b.WriteByte(']')
	default:
		b.WriteString(c.field.Name + " " + words[c.op])
		for _, v := range c.values() {
			b.WriteString(" " + v.String())
		}
	}
}

func (c *Condition) writeArgs(b *strings.Builder, around op) {
	word, none := " and ", "all"
	if c.op == opOr {
		word, none = " or ", "none"
	}
	args := c.args()
	switch len(args) {
	case 0:
		b.WriteString(none)
		return
	case 1:
		args[0].write(b, around)
		return
	}
	if around != opAll && around != c.op {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	for i := range args {
		if i > 0 {
			b.WriteString(word)
		}
		args[i].write(b, c.op)
	}
}
