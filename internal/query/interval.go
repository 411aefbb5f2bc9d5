package query

import (
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// An Endpoint is a position between two values of a field: just before a value, or
// just after it.
type Endpoint struct {
	value record.Value
	after bool
	end   bool // after every value
}

// Compare orders endpoints by position.
func (e Endpoint) Compare(o Endpoint) int {
	switch {
	case e.end || o.end:
		return rank(e.end) - rank(o.end)
	default:
		if order := e.value.Compare(o.value); order != 0 {
			return order
		}
		return rank(e.after) - rank(o.after)
	}
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Above reports whether v comes before the endpoint.
func (e Endpoint) Above(v record.Value) bool {
	if e.end {
		return true
	}
	order := v.Compare(e.value)
	return order < 0 || order == 0 && e.after
}

// An Interval is the values of a field between two endpoints.
type Interval struct{ Lo, Hi Endpoint }

func newInterval(lo, hi *store.Bound) Interval {
	s := Interval{Hi: Endpoint{end: true}} // null comes before every value
	if lo != nil {
		s.Lo = Endpoint{value: lo.Value, after: lo.Open}
	}
	if hi != nil {
		s.Hi = Endpoint{value: hi.Value, after: !hi.Open}
	}
	return s
}

func (s Interval) empty() bool { return s.Lo.Compare(s.Hi) >= 0 }

// open reports whether the interval is bounded by a value on one side only.
func (s Interval) open() bool { return s.Hi.end || s.Lo.value.IsNull() }

// Compare orders intervals by their lower, then by their upper endpoint.
func (s Interval) Compare(o Interval) int {
	if order := s.Lo.Compare(o.Lo); order != 0 {
		return order
	}
	return s.Hi.Compare(o.Hi)
}
