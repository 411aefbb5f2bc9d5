package script

import (
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

// keys returns the possible keys after tokens[i] if an object key begins there: fields,
// the operators of a field, or the inputs of an action.
func (r *completer) keys(i int) []string {
	if !r.is(i, "{") && !r.is(i, ",") {
		return nil
	}
	object := i
	if !r.is(i, "{") {
		object = r.Enclosing(i)
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

// whereOf returns the model that an object of conditions applies to, or nil.
func (r *completer) whereOf(object int) *model {
	switch {
	case r.is(object-1, "(") && r.is(object-2, "where") && r.is(object-3, "."):
		return r.subject(object - 4).model
	case r.is(object-1, ":") && r.is(object-2, "not"):
		return r.whereWithin(object - 1)
	}
	list := object - 1
	if r.is(list, ",") {
		list = r.Enclosing(list - 1)
	}
	if r.is(list, "[") && r.is(list-1, ":") && (r.is(list-2, "and") || r.is(list-2, "or")) {
		return r.whereWithin(list - 1)
	}
	return nil
}

// whereWithin returns whereOf for the object around tokens[i].
func (r *completer) whereWithin(i int) *model {
	if outer := r.Enclosing(i - 1); r.is(outer, "{") {
		return r.whereOf(outer)
	}
	return nil
}

// fieldOf returns the model and the field that an object of operators applies to.
func (r *completer) fieldOf(object int) (*model, string) {
	if !r.is(object-1, ":") {
		return nil, ""
	}
	return r.whereWithin(object - 1), r.Word(object - 2)
}

// argumentKeys returns the keys of an object passed to create, update or an action.
func (r *completer) argumentKeys(object int) []string {
	open := r.callOf(object)
	if open < 0 {
		return nil
	}
	if of, method := r.subject(open-3), r.Word(open-1); of.what == spaceSubject {
		if route := r.e.property(of, method).route; route != nil {
			var names []string
			for _, in := range route.Inputs {
				names = append(names, in.Name)
			}
			return keyed(names)
		}
		return nil
	}
	m := r.argumentOf(object)
	if m == nil {
		return nil
	}
	automatic := []string{"id", "createdAt", "updatedAt"} // set by the application
	return keyed(slices.DeleteFunc(m.fieldNames(), func(name string) bool { return slices.Contains(automatic, name) }))
}

// callOf returns the opening parenthesis of the method call that an object is an
// argument of, or -1.
func (r *completer) callOf(object int) int {
	open := object - 1
	if r.is(open, ",") || r.is(open, "[") { // after another argument, or in a list of objects
		open = r.Enclosing(open - 1)
	}
	if r.is(open, "[") {
		open = r.Enclosing(open - 1)
	}
	if !r.is(open, "(") || !r.is(open-2, ".") {
		return -1
	}
	return open
}

// argumentOf returns the model whose fields an object sets, or nil.
func (r *completer) argumentOf(object int) *model {
	open := r.callOf(object)
	if open < 0 || !slices.Contains([]string{"create", "update", "updateAll"}, r.Word(open-1)) {
		return nil
	}
	return r.subject(open - 3).model
}

// inText completes text in quotes: the name of a field, a cursor, a route or a help
// topic, or an id.
func (r *completer) inText(i int) Completion {
	start := r.Tokens[i].Start + 1
	typed := r.Text[start:]
	if strings.ContainsAny(typed, "\"'\n") || r.Tokens[i].End != len(r.Text) {
		return Completion{}
	}
	open := i - 1
	if !r.is(open, "(") {
		open = r.Enclosing(i - 1)
	}
	if m := r.idsAt(i, open); m != nil {
		return m.ids(start, typed)
	}
	return Completion{Start: start, Items: WithPrefix(r.texts(r.Word(open-1), open), typed)}
}

// idsAt returns the model if the text at tokens[i] is an id of its records, else nil.
// The text is an id if it is the first argument of certain methods or the value of a
// reference.
func (r *completer) idsAt(i, open int) *model {
	if r.is(i-1, "(") && r.is(open-2, ".") && slices.Contains([]string{"find", "update", "delete"}, r.Word(open-1)) {
		return r.subject(open - 3).model
	}
	field := r.tested(i)
	if field == nil || field.Ref == "" {
		return nil
	}
	at := slices.IndexFunc(r.e.models, func(m *model) bool { return m.info.Name == field.Ref })
	if at < 0 {
		return nil
	}
	return r.e.models[at]
}

// tested returns the field whose value begins at tokens[i], in conditions or in the
// fields of a record, or nil.
func (r *completer) tested(i int) *wire.FieldInfo {
	object := r.Enclosing(i - 1)
	if !r.is(i-1, ":") || !r.is(object, "{") {
		return nil
	}
	if m := r.whereOf(object); m != nil {
		return m.field(r.Word(i - 2))
	}
	if m, field := r.fieldOf(object); m != nil { // inside the operators of a field
		return m.field(field)
	}
	if m := r.argumentOf(object); m != nil {
		return m.field(r.Word(i - 2))
	}
	return nil
}

// texts returns the possible text arguments of a function.
func (r *completer) texts(function string, open int) []string {
	var m *model
	if r.is(open-2, ".") {
		m = r.subject(open - 3).model
	}
	switch function {
	case "asc", "desc", "pluck":
		if m != nil {
			return m.fieldNames()
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
	case "jobs", "reactions":
		var info wire.JobsInfo
		if r.is(open-2, ".") || r.e.try(wire.ControlRequest{Do: wire.DoJobs}, &info) != nil {
			return nil
		}
		if function == "reactions" {
			return info.NamesOfReactions()
		}
		return info.Names()
	case "help":
		return append(r.e.modelNames(), topicNames()...)
	}
	return nil
}

// argumentEnd returns the end of the first argument of a call.
func (r *completer) argumentEnd(open int) int {
	depth := 0
	for i := open + 1; i < len(r.Tokens); i++ {
		switch r.Word(i) {
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

// recentIDs is the number of newest records searched for an id.
const recentIDs = 200

// ids returns the ids of recent records that begin or end with typed, or whose names
// contain it.
func (m *model) ids(start int, typed string) Completion {
	req := m.request(wire.DoQuery, "")
	req.Order, req.Limit = []string{"-id"}, recentIDs
	var records []map[string]any
	if m.e.try(req, &records) != nil {
		return Completion{} // without an answer, offer nothing
	}
	found := Completion{Start: start, Notes: map[string]string{}}
	for _, record := range records {
		id, _ := record["id"].(string)
		name := show.RecordName(*m.info, record)
		if strings.HasPrefix(id, typed) || strings.HasSuffix(id, strings.ToUpper(typed)) || strings.Contains(strings.ToLower(name), strings.ToLower(typed)) {
			found.Items = append(found.Items, id)
			found.Notes[id] = name
		}
	}
	return found
}
