package cursor

import (
	"maps"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/store"
)

// A aggregate is the value of a scope's records, and what it takes to keep it
// current. It is not for concurrent use.
type aggregate struct {
	spec   *Spec
	values map[record.ID]record.Value // with a rule: of each record that it allows

	n     int // how many records count
	total query.Sum
	best  record.Value // the least or the greatest, null without any
	lost  bool         // it has left, and there may be another
}

func newAggregate(spec *Spec, ruled bool) *aggregate {
	t := &aggregate{spec: spec}
	if ruled {
		t.values = map[record.ID]record.Value{}
	}
	return t
}

// whole returns the scope without what the value does not depend on.
func (t *aggregate) whole() query.Scope {
	return query.Scope{Model: t.spec.Scope.Model, Where: t.spec.Scope.Where}
}

func (t *aggregate) extreme() bool {
	return t.spec.Value.Kind == query.ValueMin || t.spec.Value.Kind == query.ValueMax
}

// fill reads the records, or, when the best has left, the next best.
func (t *aggregate) fill(at view, own rules) error {
	switch {
	case t.values != nil && t.lost:
		t.best, t.lost = record.Value{}, false
		for _, v := range t.values {
			if !v.IsNull() {
				t.keepExtreme(v)
			}
		}
		return nil
	case t.values != nil:
		whole := t.whole()
		l := list{scope: &whole}
		if err := l.fill(at, own); err != nil {
			return err
		}
		for _, img := range l.images {
			t.enter(img)
		}
		return nil
	case t.extreme():
		return at(t.findBest)
	default:
		return at(t.count)
	}
}

// count reads all records.
func (t *aggregate) count(snap *store.Snapshot) error {
	whole := t.whole()
	return whole.Each(snap, func(img *record.Image) bool {
		t.enter(img)
		return true
	})
}

// findBest reads the one record that has the best value.
func (t *aggregate) findBest(snap *store.Snapshot) error {
	f := t.spec.Value.Field
	first := t.whole()
	first.Where = query.And(first.Where, query.Exists(f))
	first.Order = []query.Order{{Field: f, Desc: t.spec.Value.Kind == query.ValueMax}}
	images, err := first.Read(snap, nil, 1)
	if err != nil {
		return err
	}
	t.best, t.lost = record.Value{}, false
	if len(images) > 0 {
		t.best = images[0].Value(f)
	}
	return nil
}

// needsFill reports whether the value has to be read.
func (t *aggregate) needsFill() bool { return t.lost }

func (t *aggregate) asksRule(c *touch) bool { return c.after }

// apply follows one change of a record: before says whether the scope's
// conditions held for it, after whether they do and the rule allows it.
func (t *aggregate) apply(c *touch) {
	if t.values != nil {
		if was, held := t.values[c.change.ID]; held {
			delete(t.values, c.change.ID)
			t.remove(was)
		}
		if c.after {
			t.enter(c.change.After)
		}
		return
	}
	if c.before {
		t.remove(t.valueOf(c.change.Before))
	}
	if c.after {
		t.enter(c.change.After)
	}
}

// valueOf returns what a record adds to the tally.
func (t *aggregate) valueOf(img *record.Image) record.Value {
	if f := t.spec.Value.Field; f != nil {
		return img.Value(f)
	}
	return record.Value{}
}

func (t *aggregate) enter(img *record.Image) {
	v := t.valueOf(img)
	if t.values != nil {
		t.values[img.ID] = v
	}
	switch {
	case t.spec.Value.Field == nil:
		t.n++
	case v.IsNull():
	case t.extreme():
		t.keepExtreme(v)
	default:
		t.n++
		t.total.Add(v, 1)
	}
}

func (t *aggregate) remove(v record.Value) {
	switch {
	case t.spec.Value.Field == nil:
		t.n--
	case v.IsNull():
	case t.extreme():
		t.lost = t.lost || v == t.best
	default:
		t.n--
		t.total.Add(v, -1)
	}
}

// keepExtreme makes v the best if it is; also in place of one that was lost, since
// none that is left is better than that.
func (t *aggregate) keepExtreme(v record.Value) {
	order := v.Compare(t.best)
	if t.spec.Value.Kind == query.ValueMin {
		order = -order
	}
	if t.best.IsNull() || order >= 0 {
		t.best, t.lost = v, false
	}
}

// value returns the value as of what has been read and applied.
func (t *aggregate) value() record.Value {
	v := t.spec.Value
	switch v.Kind {
	case query.ValueCount:
		return record.IntValue(int64(t.shown()))
	case query.ValueExists:
		return record.BoolValue(t.shown() > 0)
	case query.ValueSum:
		return t.total.Value(v.Field.Kind)
	case query.ValueAvg:
		if t.n == 0 {
			return record.Value{}
		}
		return t.total.Over(t.n, v.Field.Kind)
	default:
		return t.best
	}
}

// shown returns how many of the records the scope's window shows.
func (t *aggregate) shown() int {
	n := max(t.n-t.spec.Scope.Offset, 0)
	if limit := t.spec.Scope.Limit; limit > 0 {
		n = min(n, limit)
	}
	return n
}

// len returns how many records the tally remembers, -1 where it needs none.
func (t *aggregate) len() int {
	if t.values == nil {
		return -1
	}
	return len(t.values)
}

func (t *aggregate) clone() result {
	c := *t
	c.values = maps.Clone(t.values)
	c.total = t.total.Clone()
	return &c
}

// hash is the same for tallies of the same records.
func (t *aggregate) hash() (sum uint64) {
	for id := range t.values {
		sum += hashID(id)
	}
	return sum
}

func (t *aggregate) unify(r result) bool { return maps.Equal(t.values, r.(*aggregate).values) }

// since returns the value if it is not what it was.
func (t *aggregate) since(before record.Value) *record.Value {
	now := t.value()
	if now == before {
		return nil
	}
	return &now
}
