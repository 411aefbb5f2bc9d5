package tower

import (
	"fmt"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
)

// A ValueScope is a value of a scope's records that stays current where it is held:
// see [Value]. A mistake in it is reported when it is opened.
type ValueScope[T any] struct {
	scope Scope[T]
	kind  query.ValueKind
	field any
}

// AsCount is how many records there are, within limit and offset.
func (s Scope[T]) AsCount() ValueScope[T] { return ValueScope[T]{s, query.ValueCount, nil} }

// AsExists is whether there is a record, within limit and offset.
func (s Scope[T]) AsExists() ValueScope[T] { return ValueScope[T]{s, query.ValueExists, nil} }

// AsSum is the sum of a field of numbers, a pointer into the model's Fields; 0
// without records. It is exact; where it is more than the field's type holds, it
// is the nearest float. The scope has no limit and no offset.
func (s Scope[T]) AsSum(field any) ValueScope[T] { return ValueScope[T]{s, query.ValueSum, field} }

// AsAvg is the average of a field of numbers, null without any. The scope has
// no limit and no offset.
func (s Scope[T]) AsAvg(field any) ValueScope[T] { return ValueScope[T]{s, query.ValueAvg, field} }

// AsMin is the least value of a field, null without any. The scope has no
// limit and no offset.
func (s Scope[T]) AsMin(field any) ValueScope[T] { return ValueScope[T]{s, query.ValueMin, field} }

// AsMax is the greatest value of a field, null without any. The scope has no
// limit and no offset.
func (s Scope[T]) AsMax(field any) ValueScope[T] { return ValueScope[T]{s, query.ValueMax, field} }

// resolve turns pointers into fields.
func (l ValueScope[T]) resolve() (spec cursor.Spec, err error) {
	spec.Value.Kind = l.kind
	if spec.Scope, err = l.scope.resolve(); err != nil || l.field == nil {
		return spec, err
	}
	m := spec.Scope.Model
	if spec.Value.Field, err = m.FieldAt(l.field); err != nil {
		return spec, fmt.Errorf("%s of %s: %w", l.kind, m.Name, err)
	}
	if spec.Value.Field.Private {
		return spec, fmt.Errorf("%s of %s: %s is private and never sent", l.kind, m.Name, spec.Value.Field.Name)
	}
	return spec, nil
}
