package record

import (
	"maps"
	"slices"
	"strings"
)

// Problems collects what is wrong with a record or an input, by the JSON name of the
// field; "" is the record or input as a whole. The zero value has no problems.
type Problems struct {
	byField map[string][]string
}

// Add adds a problem, worded to follow the field's name: "is required".
func (p *Problems) Add(field, problem string) {
	if p.byField == nil {
		p.byField = map[string][]string{}
	}
	p.byField[field] = append(p.byField[field], problem)
}

// Join adds the problems of other.
func (p *Problems) Join(other *Problems) {
	for field, problems := range other.byField {
		for _, problem := range problems {
			p.Add(field, problem)
		}
	}
}

// Any reports whether there are problems.
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

// An InvalidError reports why a record may not be stored.
type InvalidError struct {
	Model    string
	ID       ID // of the record, if the transaction that it is part of was refused
	Problems *Problems
}

func (e *InvalidError) Error() string { return e.Model + ": " + e.Problems.String() }
