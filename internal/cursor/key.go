package cursor

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/store"
)

// A canon is a condition in its canonical form: of all the ways to nest, order,
// repeat and negate the same tests, one. Its key names it, and is no prefix of
// another's.
type canon struct {
	Condition
	key   string
	parts []canon // of not, and, or: the arguments
}

var (
	all  = Condition{}
	none = Condition{op: opOr}
)

// canonical returns the canonical form of c.
func canonical(c Condition) canon {
	switch c.op {
	case opAnd, opOr:
		return join(c)
	case opNot:
		inner := canonical(c.args[0])
		switch {
		case inner.op == opNot:
			return inner.parts[0]
		case inner.op == opAll:
			return leaf(none)
		case inner.is(none):
			return leaf(all)
		}
		return canon{Condition: Not(inner.Condition), key: string(rune(opNot)) + inner.key, parts: []canon{inner}}
	case opExists:
		return canonical(Not(Is(c.field, store.Value{})))
	case opIn:
		switch len(c.values) {
		case 0:
			return leaf(none)
		case 1:
			return leaf(Is(c.field, c.values[0]))
		}
	}
	return leaf(c)
}

func (c *canon) is(other Condition) bool { return c.op == other.op && len(c.args) == len(other.args) }

// join returns the canonical form of an and or an or: the arguments flat,
// sorted, each once, without those that decide nothing.
func join(c Condition) canon {
	neutral, absorbing := all, none
	if c.op == opOr {
		neutral, absorbing = none, all
	}
	var parts []canon
	for _, arg := range c.args {
		one := canonical(arg)
		switch {
		case one.is(absorbing):
			return leaf(absorbing)
		case one.is(neutral):
		case one.op == c.op:
			parts = append(parts, one.parts...)
		default:
			parts = append(parts, one)
		}
	}
	slices.SortFunc(parts, func(a, b canon) int { return strings.Compare(a.key, b.key) })
	parts = slices.CompactFunc(parts, func(a, b canon) bool { return a.key == b.key })
	switch len(parts) {
	case 0:
		return leaf(neutral)
	case 1:
		return parts[0]
	}
	joined := canon{Condition: Condition{op: c.op}, parts: parts}
	key := binary.AppendUvarint([]byte{byte(c.op)}, uint64(len(parts)))
	for _, one := range parts {
		joined.args = append(joined.args, one.Condition)
		key = append(key, one.key...)
	}
	joined.key = string(key)
	return joined
}

// leaf returns a condition without arguments as it is.
func leaf(c Condition) canon {
	key := []byte{byte(c.op)}
	if c.op == opOr {
		key = append(key, 0)
	}
	if c.field != nil {
		key = appendText(key, c.field.Name)
		key = binary.AppendUvarint(key, uint64(len(c.values)))
	}
	for _, v := range c.values {
		key = v.AppendKey(key)
	}
	return canon{Condition: c, key: string(key)}
}

// appendText appends s so that nothing that follows can be taken for a part of it.
func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
