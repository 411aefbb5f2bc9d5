package cursor

import (
	"maps"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// An aggregate is the value of a scope's records, with the state that is needed to
// keep it current. It is not safe for concurrent use.
type aggregate struct {
	spec   *Spec
	part   int                        // see inParts
	values map[record.ID]record.Value // with a rule: value of each record that the rule allows

	n     int // number of records that count
	total query.Sum
	best  record.Value // the minimum or maximum; null if there is none
	lost  bool         // best has left, and there may be another
}

func newAggregate(spec *Spec, ruled bool) *aggregate {
	a := &aggregate{spec: spec}
	if ruled {
		a.values = map[record.ID]record.Value{}
	}
	return a
}

// whole returns the scope without its order, limit and offset.
func (a *aggregate) whole() query.Scope {
	return query.Scope{Model: a.spec.Scope.Model, Where: a.spec.Scope.Where}
}

func (a *aggregate) extreme() bool {
	return a.spec.Value.Kind == query.ValueMin || a.spec.Value.Kind == query.ValueMax
}

// fill reads the records or, if the best value has left, the next best.
func (a *aggregate) fill(at view, own rules) error {
	switch {
	case a.values != nil && a.lost:
		a.best, a.lost = record.Value{}, false
		for _, v := range a.values {
			if !v.IsNull() {
				a.keepExtreme(v)
			}
		}
		return nil
	case a.values != nil || len(own) > 0 && own[0] != nil:
		whole := a.whole()
		l := list{scope: &whole, part: a.part}
		if err := l.fill(at, own); err != nil {
			return err
		}
		for _, img := range l.images {
			a.enter(img)
		}
		return nil
	case a.extreme():
		return a.findBest(at)
	default:
		return a.count(at)
	}
}

// count reads all records.
func (a *aggregate) count(at view) error {
	whole := a.whole()
	walk := whole.Walk()
	return inParts(at, a.part, func(snap *store.Snapshot, most int) (bool, error) {
		return walk.Next(snap, most, func(img *record.Image) bool {
			a.enter(img)
			return true
		})
	})
}

// findBest reads the record with the best value.
func (a *aggregate) findBest(at view) error {
	f := a.spec.Value.Field
	first := a.whole()
	first.Where = query.And(first.Where, query.Exists(f))
	first.Order = []query.Order{{Field: f, Desc: a.spec.Value.Kind == query.ValueMax}}
	reader := first.Reader(nil, 1)
	if err := inParts(at, a.part, reader.Next); err != nil {
		return err
	}
	a.best, a.lost = record.Value{}, false
	if len(reader.Images) > 0 {
		a.best = reader.Images[0].Value(f)
	}
	return nil
}

// needsFill reports whether the value must be read.
func (a *aggregate) needsFill() bool { return a.lost }

func (a *aggregate) readInParts(part int) { a.part = part }

func (a *aggregate) asksRule(c *touch) bool { return c.after }

// apply follows the change of one record. before is whether the record satisfied the
// scope's conditions; after is whether it does now and the rule allows it.
func (a *aggregate) apply(c *touch) {
	if a.values != nil {
		if was, counted := a.values[c.change.ID]; counted {
			delete(a.values, c.change.ID)
			a.remove(was)
		}
		if c.after {
			a.enter(c.change.After)
		}
		return
	}
	if c.before {
		a.remove(a.valueOf(c.change.Before))
	}
	if c.after {
		a.enter(c.change.After)
	}
}

// valueOf returns what a record contributes to the aggregate.
func (a *aggregate) valueOf(img *record.Image) record.Value {
	if f := a.spec.Value.Field; f != nil {
		return img.Value(f)
	}
	return record.Value{}
}

func (a *aggregate) enter(img *record.Image) {
	v := a.valueOf(img)
	if a.values != nil {
		a.values[img.ID] = v
	}
	switch {
	case a.spec.Value.Field == nil:
		a.n++
	case v.IsNull():
	case a.extreme():
		a.keepExtreme(v)
	default:
		a.n++
		a.total.Add(v, 1)
	}
}

func (a *aggregate) remove(v record.Value) {
	switch {
	case a.spec.Value.Field == nil:
		a.n--
	case v.IsNull():
	case a.extreme():
		a.lost = a.lost || v == a.best
	default:
		a.n--
		a.total.Add(v, -1)
	}
}

// keepExtreme keeps v if it is the new extreme. A lost extreme is replaced by any
// equal or better value.
func (a *aggregate) keepExtreme(v record.Value) {
	order := v.Compare(a.best)
	if a.spec.Value.Kind == query.ValueMin {
		order = -order
	}
	if a.best.IsNull() || order >= 0 {
		a.best, a.lost = v, false
	}
}

// value returns the value of the records that have been read and applied.
func (a *aggregate) value() record.Value {
	v := a.spec.Value
	switch v.Kind {
	case query.ValueCount:
		return record.IntValue(int64(a.shown()))
	case query.ValueExists:
		return record.BoolValue(a.shown() > 0)
	case query.ValueSum:
		return a.total.Value(v.Field.Kind)
	case query.ValueAvg:
		if a.n == 0 {
			return record.Value{}
		}
		return a.total.Over(a.n, v.Field.Kind)
	default:
		return a.best
	}
}

// shown returns how many of the records are within the scope's limit and offset.
func (a *aggregate) shown() int {
	n := max(a.n-a.spec.Scope.Offset, 0)
	if limit := a.spec.Scope.Limit; limit > 0 {
		n = min(n, limit)
	}
	return n
}

// len returns how many records the aggregate remembers, or -1 if it needs none.
func (a *aggregate) len() int {
	if a.values == nil {
		return -1
	}
	return len(a.values)
}

func (a *aggregate) clone() result {
	c := *a
	c.values = maps.Clone(a.values)
	c.total = a.total.Clone()
	return &c
}

// hash returns a hash that is equal for aggregates of the same records.
func (a *aggregate) hash() (sum uint64) {
	for id := range a.values {
		sum += hashID(id)
	}
	return sum
}

func (a *aggregate) unify(r result) bool { return maps.Equal(a.values, r.(*aggregate).values) }

// since returns the value, or nil if it still is before.
func (a *aggregate) since(before record.Value) *record.Value {
	now := a.value()
	if now == before {
		return nil
	}
	return &now
}
