package query

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/record"
)

var (
	all  = Condition{}
	none = Condition{op: opOr}
)

// Canonical returns the canonical form of c. Conditions that nest, order, repeat or
// negate the same tests differently have the same canonical form.
func Canonical(c Condition) Condition {
	switch c.op {
	case opAnd, opOr:
		return join(c)
	case opNot:
		arg := Canonical(c.args()[0])
		switch {
		case arg.op == opNot:
			return arg.args()[0]
		case arg.is(all):
			return none
		case arg.is(none):
			return all
		}
		return Not(arg)
	case opExists:
		return Not(Is(c.field, record.Value{}))
	case opIn:
		switch values := c.values(); len(values) {
		case 0:
			return none
		case 1:
			return Is(c.field, values[0])
		}
	}
	return c
}

// is reports whether c is other, which must be all or none.
func (c *Condition) is(other Condition) bool { return c.op == other.op && len(c.args()) == 0 }

// join returns the canonical form of an and or an or: its arguments flattened, sorted
// and without duplicates and neutral ones.
func join(c Condition) Condition {
	neutral, absorbing := all, none
	if c.op == opOr {
		neutral, absorbing = none, all
	}
	args := make([]Condition, 0, len(c.args()))
	for _, arg := range c.args() {
		one := Canonical(arg)
		switch {
		case one.is(absorbing):
			return absorbing
		case one.is(neutral):
		case one.op == c.op:
			args = append(args, one.args()...)
		default:
			args = append(args, one)
		}
	}
	slices.SortFunc(args, Compare)
	args = slices.CompactFunc(args, func(a, b Condition) bool { return Compare(a, b) == 0 })
	switch len(args) {
	case 0:
		return neutral
	case 1:
		return args[0]
	}
	return compose(c.op, args)
}

// Compare orders canonical conditions on records of one model. It returns 0 if they
// are equal.
func Compare(a, b Condition) int {
	if order := cmp.Compare(a.op, b.op); order != 0 {
		return order
	}
	if a.field == nil {
		return slices.CompareFunc(a.args(), b.args(), Compare)
	}
	if order := strings.Compare(a.field.Name, b.field.Name); order != 0 {
		return order
	}
	if a.op == opIn {
		return slices.CompareFunc(a.operands.values, b.operands.values, record.Value.Compare)
	}
	return a.value.Compare(b.value)
}

// appendKey appends a key that is equal for equal canonical conditions, different for
// others, and not a prefix of another's.
func (c *Condition) appendKey(key []byte) []byte {
	key = append(key, byte(c.op))
	if c.field == nil {
		args := c.args()
		key = binary.AppendUvarint(key, uint64(len(args)))
		for i := range args {
			key = args[i].appendKey(key)
		}
		return key
	}
	key = AppendString(key, c.field.Name)
	if c.op != opIn {
		return c.value.AppendKey(key)
	}
	key = binary.AppendUvarint(key, uint64(len(c.operands.values)))
	for _, v := range c.operands.values {
		key = v.AppendKey(key)
	}
	return key
}

// A Digest identifies a canonical condition: equal conditions have equal digests, and
// it is infeasible to find two others that share one.
type Digest [16]byte

// Digest returns the digest of c, which must be canonical.
func (c *Condition) Digest() Digest {
	var room [256]byte
	sum := sha256.Sum256(c.appendKey(room[:0]))
	return Digest(sum[:16])
}

// AppendString appends s, preceded by its length, so that what follows cannot be
// mistaken for a part of it.
func AppendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
