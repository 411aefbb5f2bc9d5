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

// A Condition is a test on a record: on one field, or composed of other conditions.
// It is an immutable value and safe for concurrent use. The zero Condition is true
// for every record.
//
// There are two truth values. A test on an absent value is false, except Is null; Not
// turns it into true.
type Condition struct {
	op       op
	field    *record.Field
	value    record.Value // of a test for one value
	operands *operands    // of other conditions; nil if there are none
}

// operands holds what most conditions do not need. It is kept apart to save memory.
type operands struct {
	values []record.Value // of opIn, sorted
	args   []Condition    // of opNot, opAnd and opOr
}

// Is returns a condition that is true if the field equals v, which may be null. A
// list or an object can only be tested for null.
func Is(f *record.Field, v record.Value) Condition { return test(opIs, f, v) }

// In returns a condition that is true if the field equals one of the values.
func In(f *record.Field, vs ...record.Value) Condition {
	sorted := slices.SortedFunc(slices.Values(vs), record.Value.Compare)
	return Condition{op: opIn, field: f, operands: &operands{values: slices.Compact(sorted)}}
}

// Gt returns a condition that is true if the field is greater than v.
func Gt(f *record.Field, v record.Value) Condition { return test(opGt, f, v) }

// Gte returns a condition that is true if the field is greater than or equal to v.
func Gte(f *record.Field, v record.Value) Condition { return test(opGte, f, v) }

// Lt returns a condition that is true if the field is less than v and not null.
func Lt(f *record.Field, v record.Value) Condition { return test(opLt, f, v) }

// Lte returns a condition that is true if the field is less than or equal to v and
// not null.
func Lte(f *record.Field, v record.Value) Condition { return test(opLte, f, v) }

// Contains returns a condition that is true if a string contains v, compared byte by
// byte, or if a list has the element v.
func Contains(f *record.Field, v record.Value) Condition { return test(opContains, f, v) }

// Exists returns a condition that is true if the field is not null.
func Exists(f *record.Field) Condition { return test(opExists, f, record.Value{}) }

// Not returns a condition that is true if c is false.
func Not(c Condition) Condition { return compose(opNot, []Condition{c}) }

// And returns a condition that is true if all of cs are true, also if there are none.
func And(cs ...Condition) Condition { return compose(opAnd, slices.Clone(cs)) }

// Conjunction returns [And] of cs without copying them. The caller must not change cs
// afterwards.
func Conjunction(cs []Condition) Condition {
	switch len(cs) {
	case 0:
		return Condition{}
	case 1:
		return cs[0]
	}
	return compose(opAnd, cs)
}

// Or returns a condition that is true if one of cs is true. Without any, it is false.
func Or(cs ...Condition) Condition { return compose(opOr, slices.Clone(cs)) }

func test(o op, f *record.Field, v record.Value) Condition {
	return Condition{op: o, field: f, value: v}
}

func compose(o op, args []Condition) Condition {
	return Condition{op: o, operands: &operands{args: args}}
}

// args returns the conditions that c is composed of.
func (c *Condition) args() []Condition {
	if c.operands == nil {
		return nil
	}
	return c.operands.args
}

// Conjuncts returns the conditions whose conjunction is c, which must be canonical.
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

// values returns the values that c tests for.
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

// Parts returns what a condition consists of, for callers that evaluate it
// themselves: its operator ("all", "is", "in", ">", ">=", "<", "<=", "contains",
// "exists", "not", "and" or "or"), the field that it tests, nil if there is none, and
// the values that it tests for or the conditions that it is composed of.
func (c Condition) Parts() (word string, f *record.Field, values []record.Value, args []Condition) {
	return words[c.op], c.field, slices.Clone(c.values()), slices.Clone(c.args())
}

// Fields yields the fields that the condition tests until yield returns false. A
// field that is tested twice comes twice.
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

// String returns the condition for display:
//
//	published is true and (likes >= 3 or not title contains "draft")
func (c Condition) String() string {
	var b strings.Builder
	c.write(&b, opAll)
	return b.String()
}

// write writes c to b, in parentheses if it would be misread within an around.
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
