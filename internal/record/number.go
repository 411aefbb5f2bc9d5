package record

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
)

// The numbers that people and JSON write. Go's own syntax is wider: it has NaN, Inf,
// hexadecimal, underscores and a leading +.
var (
	integerSyntax = regexp.MustCompile(`^-?[0-9]+$`)
	decimalSyntax = regexp.MustCompile(`^-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
)

// IsInteger reports whether text is a whole number in digits.
func IsInteger(text string) bool { return integerSyntax.MatchString(text) }

// SetNumber sets target, an integer or a float, to the number that text states in
// decimal digits. The error follows the name of a field: "is not a whole number".
func SetNumber(target reflect.Value, text string) error {
	switch {
	case target.CanFloat():
		return setFloat(target, text)
	case !IsInteger(text):
		return errors.New("is not a whole number")
	case target.CanInt():
		i, err := strconv.ParseInt(text, 10, target.Type().Bits())
		if err != nil {
			most := uint64(1)<<(target.Type().Bits()-1) - 1
			return fmt.Errorf("must be between -%d and %d", most+1, most)
		}
		target.SetInt(i)
	default:
		u, err := strconv.ParseUint(text, 10, target.Type().Bits())
		if err != nil {
			return fmt.Errorf("must be between 0 and %d", uint64(math.MaxUint64)>>(64-target.Type().Bits()))
		}
		target.SetUint(u)
	}
	return nil
}

func setFloat(target reflect.Value, text string) error {
	if !decimalSyntax.MatchString(text) {
		return errors.New("is not a number")
	}
	f, err := strconv.ParseFloat(text, target.Type().Bits())
	if err != nil {
		return errors.New("is too large for a number")
	}
	target.SetFloat(f + 0) // -0 is 0
	return nil
}
