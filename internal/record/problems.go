package record

import (
	"maps"
	"slices"
	"strings"
)

// Problems are what is wrong with a record or an input, by the JSON name of the
// field; "" holds those of the whole. The zero value has none.
type Problems struct {
	byField map[string][]string
}

// Add notes a problem, worded to follow the field's name: "is required".
func (p *Problems) Add(field, problem string) {
	if p.byField == nil {
		p.byField = map[string][]string{}
	}
	p.byField[field] = append(p.byField[field], problem)
}

// Any reports whether there is a problem.
func (p *Problems) Any() bool { return len(p.byField) > 0 }

// Map returns the problems by field.
func (p *Problems) Map() map[string][]string { return maps.Clone(p.byField) }

// String returns the problems on one line, by field.
func (p *Problems) String() string {
	var parts []string
	for _, field := range slices.Sorted(maps.Keys(p.byField)) {
		parts = append(parts, strings.TrimSpace(field+" "+strings.Join(p.byField[field], ", ")))
	}
	return strings.Join(parts, "; ")
}

// An InvalidError says why a record may not be stored as it is.
type InvalidError struct {
	Model    string
	Problems *Problems
}

func (e *InvalidError) Error() string { return e.Model + ": " + e.Problems.String() }
