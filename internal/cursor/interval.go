package cursor

import (
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// An endpoint is a place between two values of a field: just before a value, or just
// behind it.
type endpoint struct {
	value  record.Value
	behind bool
	last   bool // behind every value
}

func (e endpoint) compare(o endpoint) int {
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
func (e endpoint) above(v record.Value) bool {
	if e.last {
		return true
	}
	order := v.Compare(e.value)
	return order < 0 || order == 0 && e.behind
}

// An interval is the values of a field between two endpoints.
type interval struct{ lo, hi endpoint }

func newInterval(lo, hi *store.Bound) interval {
	s := interval{hi: endpoint{last: true}} // null comes before every value
	if lo != nil {
		s.lo = endpoint{value: lo.Value, behind: lo.Open}
	}
	if hi != nil {
		s.hi = endpoint{value: hi.Value, behind: !hi.Open}
	}
	return s
}

func (s interval) empty() bool { return s.lo.compare(s.hi) >= 0 }

// open reports whether the span has a value on one side only.
func (s interval) open() bool { return s.hi.last || s.lo.value.IsNull() }

func (s interval) compare(o interval) int {
	if order := s.lo.compare(o.lo); order != 0 {
		return order
	}
	return s.hi.compare(o.hi)
}
