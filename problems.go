package tower

import (
	"reflect"

	"github.com/towerkit/tower/internal/record"
)

// Problems holds what is wrong with a record or an input, by the JSON name of the
// field; "" is the whole. The zero value holds none. It is not safe for
// concurrent use.
//
// The validate tags of the fields find problems. A record or an input with a method
// Validate(*tower.Problems) adds its own:
//
//	func (e *Event) Validate(problems *tower.Problems) {
//		if e.Ends.Before(e.Starts) {
//			problems.Add("ends", "must not be before the start")
//		}
//	}
type Problems struct{ all record.Problems }

// Add adds a problem of a field, worded to follow the field's name: "is required".
func (p *Problems) Add(field, problem string) { p.all.Add(field, problem) }

// Any reports whether there are problems.
func (p *Problems) Any() bool { return p.all.Any() }

// Map returns the problems of each field. The caller may change the map, not its
// values.
func (p *Problems) Map() map[string][]string { return p.all.Map() }

// String returns the problems on one line, in the order of the fields' names.
func (p *Problems) String() string { return p.all.String() }

// internal returns the problems for package record, nil for nil.
func (p *Problems) internal() *record.Problems {
	if p == nil {
		return nil
	}
	return &p.all
}

// publicProblems returns problems of package record, nil for nil.
func publicProblems(p *record.Problems) *Problems {
	if p == nil {
		return nil
	}
	return &Problems{*p}
}

// validator is a record or an input with rules that tags cannot express.
type validator interface{ Validate(*Problems) }

func init() {
	record.PublicValidator = reflect.TypeFor[validator]()
	record.ValidatePublic = func(of any, problems *record.Problems) {
		if own, ok := of.(validator); ok {
			public := &Problems{*problems}
			own.Validate(public)
			*problems = public.all
		}
	}
}
