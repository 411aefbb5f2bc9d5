package cursor

import (
	"math/rand/v2"

	"github.com/towerkit/tower/internal/query"
)

// A intervalNode is a span with what is filed under it, and the root of a treap of
// such: ordered by span, and each with how far those beneath it reach, so that
// those around a value are found without the others. nil is an empty treap.
type intervalNode struct {
	query.Interval
	filed       *entry
	reach       query.Endpoint // the farthest of its own end and those beneath
	weight      uint32
	left, right *intervalNode
}

// with returns the treap with the span in it, and the span's stretch.
func (n *intervalNode) with(s query.Interval) (root, at *intervalNode) {
	if n == nil {
		at = &intervalNode{Interval: s, reach: s.Hi, weight: rand.Uint32()}
		return at, at
	}
	switch order := s.Compare(n.Interval); {
	case order == 0:
		return n, n
	case order < 0:
		if n.left, at = n.left.with(s); n.left.weight > n.weight {
			up := n.left
			n.left, up.right = up.right, n
			n.rebalance()
			n = up
		}
	default:
		if n.right, at = n.right.with(s); n.right.weight > n.weight {
			up := n.right
			n.right, up.left = up.left, n
			n.rebalance()
			n = up
		}
	}
	n.rebalance()
	return n, at
}

// find returns what is filed under the span.
func (n *intervalNode) find(s query.Interval) *entry {
	for n != nil {
		switch order := s.Compare(n.Interval); {
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
func (n *intervalNode) without(s query.Interval) *intervalNode {
	switch order := s.Compare(n.Interval); {
	case order == 0:
		return n.left.join(n.right)
	case order < 0:
		n.left = n.left.without(s)
	default:
		n.right = n.right.without(s)
	}
	n.rebalance()
	return n
}

// join returns the treap of both, where all of n stand before all of right.
func (n *intervalNode) join(right *intervalNode) *intervalNode {
	switch {
	case n == nil:
		return right
	case right == nil:
		return n
	case n.weight > right.weight:
		n.right = n.right.join(right)
		n.rebalance()
		return n
	default:
		right.left = n.join(right.left)
		right.rebalance()
		return right
	}
}

// rebalance works out how far the stretch and those beneath it reach.
func (n *intervalNode) rebalance() {
	n.reach = n.Hi
	for _, beneath := range [...]*intervalNode{n.left, n.right} {
		if beneath != nil && beneath.reach.Compare(n.reach) > 0 {
			n.reach = beneath.reach
		}
	}
}
