package wire

import "strings"

// InputList is the inputs as a person reads them; a required one has a *.
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
