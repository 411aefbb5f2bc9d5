package cursor

import (
	"math/rand/v2"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// An edge is a place between two values of a field: just before a value, or just
// behind it.
type edge struct {
	value  record.Value
	behind bool
	last   bool // behind every value
}

func (e edge) compare(o edge) int {
	switch {
	case e.last || o.last:
		return rank(e.last) - rank(o.last)
	default:
		if order := e.value.Compare(o.value); order != 0 {
			return order
		}
		return rank(e.behind) - rank(o.behind)
	}
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// above reports whether v stands before the edge.
func (e edge) above(v record.Value) bool {
	if e.last {
		return true
	}
	order := v.Compare(e.value)
	return order < 0 || order == 0 && e.behind
}

// A span is the values between two edges.
type span struct{ lo, hi edge }

func spanOf(lo, hi *store.Bound) span {
	s := span{hi: edge{last: true}} // null comes before every value
	if lo != nil {
		s.lo = edge{value: lo.Value, behind: lo.Open}
	}
	if hi != nil {
		s.hi = edge{value: hi.Value, behind: !hi.Open}
	}
	return s
}

func (s span) empty() bool { return s.lo.compare(s.hi) >= 0 }

// open reports whether the span has a value on one side only.
func (s span) open() bool { return s.hi.last || s.lo.value.IsNull() }

func (s span) compare(o span) int {
	if order := s.lo.compare(o.lo); order != 0 {
		return order
	}
	return s.hi.compare(o.hi)
}

// A stretch is a span with what is filed under it, and the root of a treap of
// such: ordered by span, and each with how far those beneath it reach, so that
// those around a value are found without the others. nil is an empty treap.
type stretch struct {
	span
	filed       *filing
	reach       edge // the farthest of its own end and those beneath
	weight      uint32
	left, right *stretch
}

// with returns the treap with the span in it, and the span's stretch.
func (n *stretch) with(s span) (root, at *stretch) {
	if n == nil {
		at = &stretch{span: s, reach: s.hi, weight: rand.Uint32()}
		return at, at
	}
	switch order := s.compare(n.span); {
	case order == 0:
		return n, n
	case order < 0:
		if n.left, at = n.left.with(s); n.left.weight > n.weight {
			up := n.left
			n.left, up.right = up.right, n
			n.settle()
			n = up
		}
	default:
		if n.right, at = n.right.with(s); n.right.weight > n.weight {
			up := n.right
			n.right, up.left = up.left, n
			n.settle()
			n = up
		}
	}
	n.settle()
	return n, at
}

// drawer returns what is filed under the span.
func (n *stretch) drawer(s span) *filing {
	for n != nil {
		switch order := s.compare(n.span); {
		case order == 0:
			return n.filed
		case order < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	return nil
}

// without returns the treap without the span, which is in it.
func (n *stretch) without(s span) *stretch {
	switch order := s.compare(n.span); {
	case order == 0:
		return n.left.join(n.right)
	case order < 0:
		n.left = n.left.without(s)
	default:
		n.right = n.right.without(s)
	}
	n.settle()
	return n
}

// join returns the treap of both, where all of n stand before all of right.
func (n *stretch) join(right *stretch) *stretch {
	switch {
	case n == nil:
		return right
	case right == nil:
		return n
	case n.weight > right.weight:
		n.right = n.right.join(right)
		n.settle()
		return n
	default:
		right.left = n.join(right.left)
		right.settle()
		return right
	}
}

// settle works out how far the stretch and those beneath it reach.
func (n *stretch) settle() {
	n.reach = n.hi
	for _, beneath := range [...]*stretch{n.left, n.right} {
		if beneath != nil && beneath.reach.compare(n.reach) > 0 {
			n.reach = beneath.reach
		}
	}
}
