package audit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
)

// This file computes, as simply as possible, what a cursor holds: all records that meet
// its conditions and its rule, in order, within its window. It reads values by reflection
// and compares them itself. It shares nothing with the code that keeps cursors current,
// except the application's own scope and rule.

// A Source has all records of an application, as of one commit.
type Source interface {
	// Each yields the records of a model that fit it, in any order, until yield returns an
	// error.
	Each(m *record.Model, yield func(*record.Image) error) error
}

// A Reading is what a cursor holds by a naive reading.
type Reading struct {
	Value    json.RawMessage // nil unless the cursor carries a value
	Matching []*record.Image // in order, also those outside of the window
	Images   []*record.Image // in order
	Included map[*record.Model][]*record.Image
}

// A row is a record that matches.
type row struct {
	image *record.Image
	value reflect.Value // the struct
}

// Read reads what a cursor holds. If it carries a value, that is of the records read.
func Read(spec *cursor.Spec, from Source) (*Reading, error) {
	scope := &spec.Scope
	var rows []row
	err := from.Each(scope.Model, func(image *record.Image) error {
		rec, err := image.Record()
		if err != nil {
			return err
		}
		if v := reflect.ValueOf(rec).Elem(); holds(scope.Where, v) && allowed(spec.Allow, image) {
			rows = append(rows, row{image, v})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b row) int { return order(scope.Order, a, b) })
	out := &Reading{Included: map[*record.Model][]*record.Image{}}
	for _, r := range rows {
		out.Matching = append(out.Matching, r.image)
	}
	rows = rows[min(scope.Offset, len(rows)):]
	if scope.Limit > 0 {
		rows = rows[:min(scope.Limit, len(rows))]
	}
	for _, r := range rows {
		out.Images = append(out.Images, r.image)
	}
	if spec.Value.Kind != query.ValueNone {
		out.Value, err = valueOf(spec.Value, rows)
		return out, err
	}
	for _, in := range spec.Include {
		if out.Included[in.Model], err = referred(in, rows, from); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func order(terms []query.Order, a, b row) int {
	sign := 1
	for _, term := range terms {
		if sign = 1; term.Desc {
			sign = -1
		}
		if order := compare(value(a.value, term.Field), value(b.value, term.Field)); order != 0 {
			return sign * order
		}
	}
	return sign * strings.Compare(string(a.image.ID), string(b.image.ID))
}

// referred returns the included records to which rows refer.
func referred(in cursor.Include, rows []row, from Source) (found []*record.Image, err error) {
	wanted := map[string]bool{}
	for _, r := range rows {
		for _, f := range in.Fields {
			if id, refers := value(r.value, f).(string); refers {
				wanted[id] = true
			}
		}
	}
	err = from.Each(in.Model, func(image *record.Image) error {
		if wanted[string(image.ID)] && allowed(in.Allow, image) {
			found = append(found, image)
		}
		return nil
	})
	return found, err
}

// allowed reports whether a rule allows a record. A rule that panics denies.
func allowed(rule func(*record.Image) bool, image *record.Image) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return rule == nil || rule(image)
}

func holds(c query.Condition, rec reflect.Value) bool {
	word, field, values, args := c.Parts()
	switch word {
	case "all":
		return true
	case "not":
		return !holds(args[0], rec)
	case "and":
		return !slices.ContainsFunc(args, func(arg query.Condition) bool { return !holds(arg, rec) })
	case "or":
		return slices.ContainsFunc(args, func(arg query.Condition) bool { return holds(arg, rec) })
	}
	have := value(rec, field)
	switch word {
	case "exists":
		return have != nil
	case "is", "in":
		return slices.ContainsFunc(values, func(v record.Value) bool { return compare(have, v.Any()) == 0 })
	case "contains":
		return contains(have, values[0].Any())
	}
	if have == nil || values[0].IsNull() {
		return false
	}
	order := compare(have, values[0].Any())
	return word == ">" && order > 0 || word == ">=" && order >= 0 || word == "<" && order < 0 || word == "<=" && order <= 0
}

func contains(have, want any) bool {
	switch have := have.(type) {
	case string:
		part, ok := want.(string)
		return ok && strings.Contains(have, part)
	case []any:
		return slices.ContainsFunc(have, func(one any) bool { return compare(one, want) == 0 })
	}
	return false
}

// value returns a field as nil, bool, int64, uint64, float64, string, time.Time, a list of
// them, or, for an object, the object.
func value(rec reflect.Value, f *record.Field) any {
	v := rec.FieldByName(f.GoName)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if f.Ref != "" && v.String() == "" {
		return nil
	}
	if f.Kind == record.List {
		if v.IsNil() {
			return nil
		}
		list := []any{}
		for i := range v.Len() {
			list = append(list, scalar(v.Index(i)))
		}
		return list
	}
	return scalar(v)
}

func scalar(v reflect.Value) any {
	if at, ok := v.Interface().(time.Time); ok {
		if at.IsZero() {
			return nil
		}
		return at.Truncate(time.Microsecond)
	}
	switch {
	case v.CanInt():
		return v.Int()
	case v.CanUint():
		return v.Uint()
	case v.CanFloat():
		return v.Float()
	case v.Kind() == reflect.Bool:
		return v.Bool()
	case v.Kind() == reflect.String:
		return v.String()
	case v.IsZero():
		return nil
	}
	return v.Interface()
}

// compare orders two values of one field, null first. Values of different kinds are unequal.
func compare(a, b any) int {
	if a == nil || b == nil {
		return cmp.Compare(present(a), present(b))
	}
	switch x := a.(type) {
	case bool:
		if y, ok := b.(bool); ok {
			return cmp.Compare(fmt.Sprint(x), fmt.Sprint(y)) // "false" < "true"
		}
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	case uint64:
		if y, ok := b.(uint64); ok {
			return cmp.Compare(x, y)
		}
	case float64:
		if y, ok := b.(float64); ok {
			return cmp.Compare(x, y)
		}
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y)
		}
	case time.Time:
		if y, ok := b.(time.Time); ok {
			return x.Compare(y)
		}
	}
	return 1
}

func present(v any) int {
	if v == nil {
		return 0
	}
	return 1
}
