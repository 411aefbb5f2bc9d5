package record

import (
	"fmt"
	"slices"
	"strings"
)

// Signature describes what determines how the model's records are stored: the names
// of its public and of its private fields.
func (m *Model) Signature() string {
	var public, private []string
	for _, f := range m.Fields {
		if f.Private {
			private = append(private, f.Name)
		} else {
			public = append(public, f.Name)
		}
	}
	slices.Sort(public)
	slices.Sort(private)
	return strings.Join(public, " ") + ";" + strings.Join(private, " ")
}

// Signature describes what determines the keys of the field's index.
func (f *Field) Signature() string {
	signature := fmt.Sprintf("%s %s %q ref=%t unique=%t", f.typ, f.layout, f.tag, f.Ref != "", f.Unique)
	if f.Sparse {
		signature += " sparse"
	}
	return signature
}
