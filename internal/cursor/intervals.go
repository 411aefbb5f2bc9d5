package cursor

import (
	"math/rand/v2"

	"github.com/towerkit/tower/internal/query"
)

// An intervalNode is the root of a treap of intervals, each with a bucket of
// selectors. The treap is ordered by interval, and each node has the greatest upper
// endpoint of its subtree, so that a lookup of a value visits few other intervals.
// nil is an empty treap.
type intervalNode struct {
	query.Interval
	bucket      *entry
	reach       query.Endpoint // greatest upper endpoint of the subtree
	weight      uint32
	left, right *intervalNode
}

// with returns the treap with an interval added, and the interval's node.
func (n *intervalNode) with(i query.Interval) (root, at *intervalNode) {
	if n == nil {
		at = &intervalNode{Interval: i, reach: i.Hi, weight: rand.Uint32()}
		return at, at
	}
	switch order := i.Compare(n.Interval); {
	case order == 0:
		return n, n
	case order < 0:
		if n.left, at = n.left.with(i); n.left.weight > n.weight {
			up := n.left
			n.left, up.right = up.right, n
			n.updateReach()
			n = up
		}
	default:
		if n.right, at = n.right.with(i); n.right.weight > n.weight {
			up := n.right
			n.right, up.left = up.left, n
			n.updateReach()
			n = up
		}
	}
	n.updateReach()
	return n, at
}

// find returns the bucket of an interval.
func (n *intervalNode) find(i query.Interval) *entry {
	for n != nil {
		switch order := i.Compare(n.Interval); {
		case order == 0:
			return n.bucket
		case order < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	return nil
}

// without returns the treap without an interval, which must be in it.
func (n *intervalNode) without(i query.Interval) *intervalNode {
	switch order := i.Compare(n.Interval); {
	case order == 0:
		return n.left.join(n.right)
	case order < 0:
		n.left = n.left.without(i)
	default:
		n.right = n.right.without(i)
	}
	n.updateReach()
	return n
}

// join returns a treap of both. All of n must come before all of right.
func (n *intervalNode) join(right *intervalNode) *intervalNode {
	switch {
	case n == nil:
		return right
	case right == nil:
		return n
	case n.weight > right.weight:
		n.right = n.right.join(right)
		n.updateReach()
		return n
	default:
		right.left = n.join(right.left)
		right.updateReach()
		return right
	}
}

// updateReach updates the reach of a node from its children.
func (n *intervalNode) updateReach() {
	n.reach = n.Hi
	for _, child := range [...]*intervalNode{n.left, n.right} {
		if child != nil && child.reach.Compare(n.reach) > 0 {
			n.reach = child.reach
		}
	}
}
