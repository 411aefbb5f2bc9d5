package tower

import (
	"errors"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
)

// A Condition is one test on a record. It names a field by a pointer into the Fields of the
// model. Null is an absent value: a nil pointer or list, the zero time, an empty reference.
// Null equals only null, and is neither more nor less than any value.
type Condition struct {
	resolve func(*record.Model) (query.Condition, error)
}

// Is holds when the field has the value. A list or an object can be compared only with
// nil.
func Is[F any](field *F, value F) Condition {
	return condition(field, func(f *record.Field) (query.Condition, error) {
		parsed, err := f.ParseWhole(value)
		return query.Is(f, parsed), err
	})
}

// IsNot holds when the field has another value, or is null.
func IsNot[F any](field *F, value F) Condition { return Not(Is(field, value)) }

// In holds when the field has one of the values; without values it never holds.
func In[F any](field *F, values ...F) Condition {
	return condition(field, func(f *record.Field) (query.Condition, error) {
		parsed := make([]record.Value, len(values))
		for i, value := range values {
			var err error
			if parsed[i], err = f.Parse(value); err != nil {
				return query.Condition{}, err
			}
		}
		return query.In(f, parsed...), nil
	})
}

// Gt holds when the field is greater than the value.
func Gt[F any](field *F, value F) Condition { return compare(field, value, query.Gt) }

// Gte holds when the field is at least the value.
func Gte[F any](field *F, value F) Condition { return compare(field, value, query.Gte) }

// Lt holds when the field is less than the value.
func Lt[F any](field *F, value F) Condition { return compare(field, value, query.Lt) }

// Lte holds when the field is at most the value.
func Lte[F any](field *F, value F) Condition { return compare(field, value, query.Lte) }

// Exists holds when the field is not null.
func Exists[F any](field *F) Condition {
	return condition(field, func(f *record.Field) (query.Condition, error) { return query.Exists(f), nil })
}

// Contains holds when part occurs in the field's text, or is an element of the field's list.
// It is checked when the condition is used, not by the compiler, that the two types fit.
func Contains[F, P any](field *F, part P) Condition { return compare(field, part, query.Contains) }

// And holds when all of the conditions hold; without conditions it holds.
func And(conditions ...Condition) Condition { return combine(query.And, conditions) }

// Or holds when at least one of the conditions holds; without conditions it does not hold.
func Or(conditions ...Condition) Condition { return combine(query.Or, conditions) }

// Not holds when the condition does not hold.
func Not(condition Condition) Condition {
	return Condition{func(m *record.Model) (query.Condition, error) {
		resolved, err := resolveAll(m, []Condition{condition})
		if err != nil {
			return query.Condition{}, err
		}
		return query.Not(resolved[0]), nil
	}}
}

func compare(field, value any, make func(*record.Field, record.Value) query.Condition) Condition {
	return condition(field, func(f *record.Field) (query.Condition, error) {
		parsed, err := f.Parse(value)
		return make(f, parsed), err
	})
}

// condition returns the condition that test makes for a field.
func condition(field any, test func(*record.Field) (query.Condition, error)) Condition {
	return Condition{func(m *record.Model) (query.Condition, error) {
		f, err := m.FieldAt(field)
		if err != nil {
			return query.Condition{}, err
		}
		return test(f)
	}}
}

func combine(make func(...query.Condition) query.Condition, conditions []Condition) Condition {
	return Condition{func(m *record.Model) (query.Condition, error) {
		resolved, err := resolveAll(m, conditions)
		if err != nil {
			return query.Condition{}, err
		}
		return make(resolved...), nil
	}}
}

func resolveAll(m *record.Model, conditions []Condition) ([]query.Condition, error) {
	out := make([]query.Condition, len(conditions))
	for i, condition := range conditions {
		if condition.resolve == nil {
			return nil, errors.New("an empty condition; make one with tower.Is or another function")
		}
		var err error
		if out[i], err = condition.resolve(m); err != nil {
			return nil, err
		}
	}
	return out, nil
}
