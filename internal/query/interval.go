package query

import (
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// An Endpoint is a place between two values of a field: just before a value, or just
// behind it.
type Endpoint struct {
	value  record.Value
	behind bool
	last   bool // behind every value
}

func (e Endpoint) Compare(o Endpoint) int {
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

// Above reports whether v stands before the edge.
func (e Endpoint) Above(v record.Value) bool {
	if e.last {
		return true
	}
	order := v.Compare(e.value)
	return order < 0 || order == 0 && e.behind
}

// An Interval is the values of a field between two endpoints.
type Interval struct{ Lo, Hi Endpoint }

func newInterval(lo, hi *store.Bound) Interval {
	s := Interval{Hi: Endpoint{last: true}} // null comes before every value
	if lo != nil {
		s.Lo = Endpoint{value: lo.Value, behind: lo.Open}
	}
	if hi != nil {
		s.Hi = Endpoint{value: hi.Value, behind: !hi.Open}
	}
	return s
}

func (s Interval) empty() bool { return s.Lo.Compare(s.Hi) >= 0 }

// open reports whether the span has a value on one side only.
func (s Interval) open() bool { return s.Hi.last || s.Lo.value.IsNull() }

func (s Interval) Compare(o Interval) int {
	if order := s.Lo.Compare(o.Lo); order != 0 {
		return order
	}
	return s.Hi.Compare(o.Hi)
}
