package repl

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

// keys are what may be named after tokens[i], where that begins a key of an
// object: fields, the operators of a field, or the inputs of an action.
func (r *reader) keys(i int) []string {
	if !r.is(i, "{") && !r.is(i, ",") {
		return nil
	}
	object := i
	if !r.is(i, "{") {
		object = r.enclosing(i)
	}
	if !r.is(object, "{") {
		return nil
	}
	if m := r.whereOf(object); m != nil {
		return keyed(append(m.fieldNames(), "and", "or", "not"))
	}
	if m, field := r.fieldOf(object); m != nil {
		if f := m.field(field); f != nil {
			return keyed(operatorsOf(f.Type))
		}
		return nil
	}
	return r.argumentKeys(object)
}

func keyed(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = name + ": "
	}
	return out
}

// whereOf is the model whose records an object is conditions on.
func (r *reader) whereOf(object int) *model {
	switch {
	case r.is(object-1, "(") && r.is(object-2, "where") && r.is(object-3, "."):
		return r.subject(object - 4).model
	case r.is(object-1, ":") && r.is(object-2, "not"):
		return r.whereWithin(object - 1)
	}
	list := object - 1
	if r.is(list, ",") {
		list = r.enclosing(list - 1)
	}
	if r.is(list, "[") && r.is(list-1, ":") && (r.is(list-2, "and") || r.is(list-2, "or")) {
		return r.whereWithin(list - 1)
	}
	return nil
}

// whereWithin is that of the object around tokens[i].
func (r *reader) whereWithin(i int) *model {
	if outer := r.enclosing(i - 1); r.is(outer, "{") {
		return r.whereOf(outer)
	}
	return nil
}

// fieldOf is the field that an object tests, and its model.
func (r *reader) fieldOf(object int) (*model, string) {
	if !r.is(object-1, ":") {
		return nil, ""
	}
	return r.whereWithin(object - 1), r.word(object - 2)
}

// argumentKeys are those of the object that create, update or an action is given.
func (r *reader) argumentKeys(object int) []string {
	open := object - 1
	if r.is(open, ",") || r.is(open, "[") { // after another argument, or in a list of objects
		open = r.enclosing(open - 1)
	}
	if r.is(open, "[") {
		open = r.enclosing(open - 1)
	}
	if !r.is(open, "(") || !r.is(open-2, ".") {
		return nil
	}
	of, method := r.subject(open-3), r.word(open-1)
	if of.what == spaceSubject {
		if route := r.e.property(of, method).route; route != nil {
			var names []string
			for _, in := range route.Inputs {
				names = append(names, in.Name)
			}
			return keyed(names)
		}
		return nil
	}
	if of.model == nil || !slices.Contains([]string{"create", "update", "updateAll"}, method) {
		return nil
	}
	given := []string{"id", "createdAt", "updatedAt"} // by the application
	return keyed(slices.DeleteFunc(of.model.fieldNames(), func(name string) bool { return slices.Contains(given, name) }))
}

// inText completes what stands within quotes: the name of a field, of a cursor, of
// a route or of a topic, or an id.
func (r *reader) inText(i int) completion {
	start := r.tokens[i].start + 1
	typed := r.text[start:]
	if strings.ContainsAny(typed, "\"'\n") || r.tokens[i].end != len(r.text) {
		return completion{}
	}
	open := i - 1
	if !r.is(open, "(") {
		open = r.enclosing(i - 1)
	}
	return completion{start, withPrefix(r.texts(r.word(open-1), open, typed), typed)}
}

// texts are what a function may be given as text.
func (r *reader) texts(function string, open int, typed string) []string {
	var m *model
	if r.is(open-2, ".") {
		m = r.subject(open - 3).model
	}
	switch function {
	case "asc", "desc", "pluck":
		if m != nil {
			return m.fieldNames()
		}
	case "find", "update", "delete":
		if m != nil {
			return m.ids(typed)
		}
	case "why":
		if m := r.subject(r.argumentEnd(open)).model; m != nil {
			return r.e.cursorsOf(m)
		}
		return slices.Concat(r.e.cursorNames(false), r.e.cursorNames(true))
	case "cursor", "value":
		return r.e.cursorNames(function == "value")
	case "call":
		var patterns []string
		for _, route := range r.e.allRoutes() {
			if route.Kind == "action" {
				patterns = append(patterns, route.Method+" "+route.Path)
			}
		}
		return patterns
	case "help":
		return append(r.e.modelNames(), topicNames()...)
	}
	return nil
}

// argumentEnd is where the first argument of a call ends.
func (r *reader) argumentEnd(open int) int {
	depth := 0
	for i := open + 1; i < len(r.tokens); i++ {
		switch r.word(i) {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		case ",":
			if depth == 0 {
				return i - 1
			}
		}
	}
	return -1
}

// offeredIDs is how many ids are offered, the newest first.
const offeredIDs = 20

// ids are those of records that begin as typed.
func (m *model) ids(typed string) []string {
	req := m.request(wire.DoQuery, "")
	req.Order, req.Limit = []string{"-id"}, offeredIDs
	req.Where, _ = json.Marshal(map[string]any{"id": map[string]string{"gte": typed, "lt": typed + "~"}}) // it always has a JSON form
	var stored []json.RawMessage
	if m.e.try(req, &stored) != nil {
		return nil // without an answer there is nothing to offer
	}
	var ids []string
	for _, record := range stored {
		for _, f := range decoded(record).fields {
			if f.name == "id" {
				ids = append(ids, f.value.text)
			}
		}
	}
	return ids
}
