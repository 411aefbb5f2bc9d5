package query

import (
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/towerkit/tower/internal/record"
)

// A ValueKind is the kind of value that a cursor carries.
type ValueKind uint8

// The kinds. The last four ignore records whose field is null.
const (
	ValueNone   ValueKind = iota // the cursor carries records
	ValueCount                   // number of records, within limit and offset
	ValueExists                  // whether there is a record, within limit and offset
	ValueSum                     // 0 if there are no records
	ValueMin                     // null if there are no records
	ValueMax                     // null if there are no records
	ValueAvg                     // null if there are no records
)

func (k ValueKind) String() string {
	return [...]string{"records", "count", "exists", "sum", "min", "max", "avg"}[k]
}

// A ValueSpec describes the value that a cursor carries.
type ValueSpec struct {
	Kind  ValueKind
	Field *record.Field // nil for ValueCount and ValueExists
}

// String returns the value for display: "sum of likes".
func (v ValueSpec) String() string {
	if v.Field == nil {
		return v.Kind.String()
	}
	return v.Kind.String() + " of " + v.Field.Name
}

// Check returns an error if s cannot have this value.
func (v ValueSpec) Check(s *Scope) error {
	f := v.Field
	switch v.Kind {
	case ValueNone, ValueCount, ValueExists:
		if f != nil {
			return fmt.Errorf("%s of %s: it takes no field", v, s.Model.Name)
		}
		return nil
	}
	switch {
	case !slices.Contains(s.Model.Fields, f):
		return fmt.Errorf("%s of %s: it needs a field of the model", v, s.Model.Name)
	case s.Limit > 0 || s.Offset > 0:
		return fmt.Errorf("%s of %s: it covers the whole scope; remove limit and offset", v, s.Model.Name)
	case v.numeric() && f.Kind != record.Int && f.Kind != record.Uint && f.Kind != record.Float:
		return fmt.Errorf("%s of %s: it needs a field of numbers, not one of type %s", v, s.Model.Name, f.TypeName())
	case f.Kind >= record.List:
		return fmt.Errorf("%s of %s: a value of type %s has no order", v, s.Model.Name, f.TypeName())
	}
	return nil
}

func (v ValueSpec) numeric() bool { return v.Kind == ValueSum || v.Kind == ValueAvg }

// A Sum is an exact sum. It is kept in units of the smallest number that a field of
// its kind can hold, so it does not depend on the order of additions.
type Sum struct {
	total, one big.Int
}

// smallest is the exponent of the smallest float64, a power of 2.
const smallest = -1074

// Clone returns a copy that shares no memory with s.
func (s *Sum) Clone() (c Sum) {
	c.total.Set(&s.total)
	return c
}

// Add adds v, or subtracts it if sign is negative.
func (s *Sum) Add(v record.Value, sign int) {
	switch n := v.Any().(type) {
	case int64:
		s.one.SetInt64(n)
	case uint64:
		s.one.SetUint64(n)
	case float64:
		fraction, exponent := math.Frexp(n)
		shift := exponent - 53 - smallest
		whole := int64(math.Ldexp(fraction, 53))
		if s.one.SetInt64(whole); shift >= 0 {
			s.one.Lsh(&s.one, uint(shift))
		} else {
			s.one.Rsh(&s.one, uint(-shift)) // its last bits are zero
		}
	}
	if sign < 0 {
		s.total.Sub(&s.total, &s.one)
	} else {
		s.total.Add(&s.total, &s.one)
	}
}

// Value returns the sum as a value of kind k, or as the nearest float if k cannot
// hold it.
func (s *Sum) Value(k record.Kind) record.Value {
	switch {
	case k == record.Int && s.total.IsInt64():
		return record.IntValue(s.total.Int64())
	case k == record.Uint && s.total.IsUint64():
		return record.UintValue(s.total.Uint64())
	}
	return s.Over(1, k)
}

// Over returns the sum divided by n as a float.
func (s *Sum) Over(n int, k record.Kind) record.Value {
	f := new(big.Float).SetInt(&s.total)
	if k == record.Float {
		f.SetMantExp(f, smallest)
	}
	if n > 1 {
		f.Quo(f.SetPrec(max(f.Prec(), 256)), new(big.Float).SetInt64(int64(n)))
	}
	nearest, _ := f.Float64()
	return record.FloatValue(max(-math.MaxFloat64, min(nearest, math.MaxFloat64)))
}
