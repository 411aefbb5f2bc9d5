package script

import (
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// checkWhere throws if conditions name a field or an operator that does not exist.
func (m *model) checkWhere(where show.Value) {
	for _, f := range where.Fields {
		switch f.Name {
		case "and", "or":
			for _, item := range f.Value.Items {
				m.checkWhere(item)
			}
		case "not":
			m.checkWhere(f.Value)
		default:
			m.check(f.Name)
			m.checkOperators(*m.fieldOrEvery(f.Name), f.Value)
		}
	}
}

// checkOperators throws if a condition uses an operator that the type of the field does
// not support.
func (m *model) checkOperators(f wire.FieldInfo, test show.Value) {
	if test.Kind != show.Object {
		return
	}
	for _, operator := range test.Fields {
		if operator.Name == "not" {
			m.checkOperators(f, operator.Value)
		} else if operator.Name == "is" && operator.Value.Kind == show.Null {
			continue // of a list and an object as well
		} else if known := operatorsOf(f.Type); !slices.Contains(known, operator.Name) {
			m.e.throw(&show.Failure{Title: "unknown operator", Word: operator.Name, Hint: orThereIs(show.DidYouMean(operator.Name, known), known),
				Message: m.name + "." + f.Name + ", of type " + f.Type + ", cannot be tested with " + term.Clean(operator.Name)})
		}
	}
}

// operatorsOf returns the operators for a type of field.
func operatorsOf(kind string) []string {
	switch kind {
	case "object":
		return []string{"exists"}
	case "list":
		return []string{"contains", "exists"}
	case "string", "ref":
		return []string{"is", "not", "in", "gt", "gte", "lt", "lte", "contains", "exists"}
	}
	return []string{"is", "not", "in", "gt", "gte", "lt", "lte", "exists"}
}

func orThereIs(hint string, known []string) string {
	if hint == "" {
		return "there is " + list(known)
	}
	return hint
}

// list joins words as in a sentence.
func list(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	if last := len(words) - 1; last > 0 {
		return strings.Join(words[:last], ", ") + " and " + words[last]
	}
	return words[0]
}
