package tower

import (
	"fmt"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
)

// A ValueScope is a value of the records of a scope: a count, a sum, an extreme or an
// average. [Value] registers one that stays current in the clients that open it, and
// [View.LiveValue] shows it in a page. A mistake in a ValueScope is an error of a
// client's open.
type ValueScope[T any] struct {
	scope Scope[T]
	kind  query.ValueKind
	field any
}

// AsCount returns the number of records, within limit and offset.
func (s Scope[T]) AsCount() ValueScope[T] { return ValueScope[T]{s, query.ValueCount, nil} }

// AsExists returns whether there is a record, within limit and offset.
func (s Scope[T]) AsExists() ValueScope[T] { return ValueScope[T]{s, query.ValueExists, nil} }

// AsSum returns the sum of a field of numbers, a pointer into the model's Fields; 0
// without records. The sum is exact. One that the field's type cannot hold becomes the
// nearest float. The scope must have no limit and no offset.
func (s Scope[T]) AsSum(field any) ValueScope[T] { return ValueScope[T]{s, query.ValueSum, field} }

// AsAvg returns the average of a field of numbers, null if there are none. The scope
// must have no limit and no offset.
func (s Scope[T]) AsAvg(field any) ValueScope[T] { return ValueScope[T]{s, query.ValueAvg, field} }

// AsMin returns the least value of a field, null if there is none. The scope must have
// no limit and no offset.
func (s Scope[T]) AsMin(field any) ValueScope[T] { return ValueScope[T]{s, query.ValueMin, field} }

// AsMax returns the greatest value of a field, null if there is none. The scope must
// have no limit and no offset.
func (s Scope[T]) AsMax(field any) ValueScope[T] { return ValueScope[T]{s, query.ValueMax, field} }

// resolve turns pointers into fields.
func (v ValueScope[T]) resolve() (spec cursor.Spec, err error) {
	spec.Value.Kind = v.kind
	if spec.Scope, err = v.scope.resolve(); err != nil || v.field == nil {
		return spec, err
	}
	m := spec.Scope.Model
	if spec.Value.Field, err = m.FieldAt(v.field); err != nil {
		return spec, fmt.Errorf("%s of %s: %w", v.kind, m.Name, err)
	}
	if spec.Value.Field.Private {
		return spec, fmt.Errorf("%s of %s: %s is private and never sent", v.kind, m.Name, spec.Value.Field.Name)
	}
	return spec, nil
}
