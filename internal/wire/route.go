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

// Pattern returns the method and path of a route, "POST /posts", or the name of a cursor.
func (r *Route) Pattern() string {
	if r.Path == "" {
		return r.Name
	}
	return strings.TrimPrefix(r.Method+" "+r.Path, " ")
}

// IsAnnounced reports whether the route is an action or a cursor, which clients reach
// without an HTTP request of their own.
func (r *Route) IsAnnounced() bool { return r.Kind == "action" || r.Kind == "cursor" }
