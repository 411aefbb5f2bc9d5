package repl

import (
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

// checkWhere throws at conditions that name what the model does not have.
func (m *model) checkWhere(where value) {
	for _, f := range where.fields {
		switch f.name {
		case "and", "or":
			for _, item := range f.value.items {
				m.checkWhere(item)
			}
		case "not":
			m.checkWhere(f.value)
		default:
			m.check(f.name)
			m.checkOperators(*m.fieldOrEvery(f.name), f.value)
		}
	}
}

// checkOperators throws at what cannot be asked of a field.
func (m *model) checkOperators(f wire.FieldInfo, asked value) {
	if asked.kind != objectValue {
		return
	}
	for _, operator := range asked.fields {
		if operator.name == "not" {
			m.checkOperators(f, operator.value)
		} else if known := operatorsOf(f.Type); !slices.Contains(known, operator.name) {
			m.e.throw(&failure{title: "unknown operator", word: operator.name, hint: orThereIs(didYouMean(operator.name, known), known),
				message: m.name + "." + f.Name + ", of type " + f.Type + ", cannot be tested with " + clean(operator.name)})
		}
	}
}

// operatorsOf are those that a field of a type can be tested with.
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

// list is words as a person lists them.
func list(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	if last := len(words) - 1; last > 0 {
		return strings.Join(words[:last], ", ") + " and " + words[last]
	}
	return words[0]
}
