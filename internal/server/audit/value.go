package audit

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"

	"github.com/towerkit/tower/internal/query"
	"github.com/towerkit/tower/internal/record"
)

// valueOf computes the value of records, in the form in which clients receive it.
func valueOf(v query.ValueSpec, rows []row) (json.RawMessage, error) {
	switch v.Kind {
	case query.ValueCount:
		return json.Marshal(len(rows))
	case query.ValueExists:
		return json.Marshal(len(rows) > 0)
	case query.ValueSum, query.ValueAvg:
		return totalOf(v, rows)
	case query.ValueMin, query.ValueMax:
		return extremeOf(v, rows)
	}
	return nil, fmt.Errorf("a value of kind %s is not known", v.Kind)
}

// totalOf computes a sum or an average as a fraction, and rounds it once.
func totalOf(v query.ValueSpec, rows []row) (json.RawMessage, error) {
	total, n := new(big.Rat), int64(0)
	for _, r := range rows {
		one := new(big.Rat)
		switch x := value(r.value, v.Field).(type) {
		case nil:
			continue
		case int64:
			one.SetInt64(x)
		case uint64:
			one.SetUint64(x)
		case float64:
			one.SetFloat64(x)
		default:
			return nil, fmt.Errorf("%s holds a %T", v.Field.Name, x)
		}
		total.Add(total, one)
		n++
	}
	if v.Kind == query.ValueAvg {
		if n == 0 {
			return json.RawMessage("null"), nil
		}
		total.Quo(total, new(big.Rat).SetInt64(n))
	} else if whole := total.Num(); v.Field.Kind == record.Int && whole.IsInt64() || v.Field.Kind == record.Uint && whole.IsUint64() {
		return json.RawMessage(whole.String()), nil
	}
	nearest, _ := total.Float64()
	return json.Marshal(max(-math.MaxFloat64, min(nearest, math.MaxFloat64)))
}

// extremeOf returns the least or the greatest value of a field, as the record has it.
func extremeOf(v query.ValueSpec, rows []row) (json.RawMessage, error) {
	var best *row
	for i := range rows {
		have := value(rows[i].value, v.Field)
		if have == nil {
			continue
		}
		if best == nil || compare(have, value(best.value, v.Field)) < 0 == (v.Kind == query.ValueMin) {
			best = &rows[i]
		}
	}
	if best == nil {
		return json.RawMessage("null"), nil
	}
	r, err := described(best.image.Model, best.image.ID, best.image)
	return r.Fields[v.Field.Name], err
}
