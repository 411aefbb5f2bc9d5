package towertest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/cursor"
	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/store"
)

// This file computes again, as simply as possible, what a cursor holds: all records that
// meet its conditions and its rule, in order, within its window. It reads values by
// reflection and compares them itself. It shares nothing with the code that keeps cursors
// current, except the application's own scope and rule.

// An answer is what a fresh query returns to a user.
type answer struct {
	ids     []string
	records map[string]any            // as their JSON decodes, without private fields
	include map[string]map[string]any // included records, by model and id
	refused string                    // why the user may not hold the cursor, "" if it may
}

// ask makes the naive query for one user over the records of all models.
func ask(ctx context.Context, app *tower.App, user tower.ID, name string, in json.RawMessage, all map[*record.Model][]*record.Image) (answer, error) {
	spec, err := server.SpecFor(ctx, server.AppOf(app), user, name, in)
	if err != nil {
		return answer{refused: err.Error()}, nil
	}
	scope, allow := spec.Scope, spec.Allow
	type row struct {
		id     string
		record reflect.Value
		image  *record.Image
	}
	var rows []row
	for _, image := range all[scope.Model] {
		rec, err := image.Record()
		if err != nil {
			return answer{}, err
		}
		v := reflect.ValueOf(rec).Elem()
		if holds(scope.Where, v) && allowed(allow, image) {
			rows = append(rows, row{string(image.ID), v, image})
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		sign := 1
		for _, term := range scope.Order {
			if sign = 1; term.Desc {
				sign = -1
			}
			if order := compare(value(a.record, term.Field), value(b.record, term.Field)); order != 0 {
				return sign * order
			}
		}
		return sign * strings.Compare(a.id, b.id)
	})
	rows = rows[min(scope.Offset, len(rows)):]
	if scope.Limit > 0 {
		rows = rows[:min(scope.Limit, len(rows))]
	}
	out := answer{ids: []string{}, records: map[string]any{}}
	for _, row := range rows {
		out.ids = append(out.ids, row.id)
		if out.records[row.id], err = public(scope.Model, row.record.Addr().Interface()); err != nil {
			return answer{}, err
		}
		for _, in := range spec.Include {
			if err := out.refer(in, row.record, all[in.Model]); err != nil {
				return answer{}, err
			}
		}
	}
	return out, nil
}

// refer adds the included records that a record refers to.
func (a *answer) refer(in cursor.Include, rec reflect.Value, all []*record.Image) error {
	for _, image := range all {
		refers := slices.ContainsFunc(in.Fields, func(f *record.Field) bool { return value(rec, f) == string(image.ID) })
		if !refers || !allowed(in.Allow, image) {
			continue
		}
		referred, err := image.Record()
		if err != nil {
			return err
		}
		if a.include == nil {
			a.include = map[string]map[string]any{}
		}
		if a.include[in.Model.Name] == nil {
			a.include[in.Model.Name] = map[string]any{}
		}
		if a.include[in.Model.Name][string(image.ID)], err = public(in.Model, referred); err != nil {
			return err
		}
	}
	return nil
}

// everything reads all records of the store.
func everything(ctx context.Context, app *tower.App) (map[*record.Model][]*record.Image, error) {
	all := map[*record.Model][]*record.Image{}
	err := server.AppOf(app).View(ctx, func(snap *store.Snapshot) error {
		for _, m := range server.Models(server.AppOf(app)) {
			if err := snap.Scan(m, store.Range{}, func(image *record.Image) bool {
				all[m] = append(all[m], image)
				return true
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
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

// public returns a record as clients may see it.
func public(m *record.Model, rec any) (any, error) {
	data, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	fields, err := decoded(data)
	if object, ok := fields.(map[string]any); ok {
		for _, f := range m.Fields {
			if f.Private {
				delete(object, f.Name)
			}
		}
	}
	return fields, err
}

func decoded(data []byte) (v any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return v, decoder.Decode(&v)
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
