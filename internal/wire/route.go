package wire

import "strings"

// InputList returns the inputs for display; a * marks required ones.
func (r *Route) InputList() string {
	inputs := make([]string, len(r.Inputs))
	for i, input := range r.Inputs {
		inputs[i] = input.Name + ":" + input.Type
		if input.Required {
			inputs[i] += "*"
		}
	}
	return strings.Join(inputs, " ")
}
