package repl

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

// A spot is an object that a method of a model is given, or one within it.
type spot struct {
	model  *model
	method string
	field  *wire.FieldInfo // whose operators are its keys; nil: its keys are fields
}

// spot is the object that opens at tokens[at].
func (r *reader) spot(at int) (s spot, ok bool) {
	open := r.enclosing(at - 1)
	if r.is(open, "[") { // a list of objects
		at, open = open, r.enclosing(open-1)
	}
	if !r.is(open, "{") {
		return r.argument(open)
	}
	s, ok = r.spot(open)
	if key := r.keyBefore(at); !ok || s.field != nil || s.method != "where" {
		return spot{}, false
	} else if key != "and" && key != "or" && key != "not" {
		s.field = s.model.field(key)
		ok = s.field != nil
	}
	return s, ok
}

// argument is what the bracket at tokens[open] gives to a method of a model.
func (r *reader) argument(open int) (spot, bool) {
	if !r.is(open, "(") || !r.is(open-2, ".") {
		return spot{}, false
	}
	s := spot{model: r.subject(open - 3).model, method: r.word(open - 1)}
	return s, s.model != nil && slices.Contains([]string{"create", "update", "where", "updateAll"}, s.method)
}

// keyBefore is the key whose value begins at tokens[at], or "".
func (r *reader) keyBefore(at int) string {
	if !r.is(at-1, ":") {
		return ""
	}
	return strings.Trim(r.word(at-2), `"'`)
}

// expected is what may come after tokens[last] within the object that a method is
// given: keys, or the values of a field. It reports whether it is such a place.
func (r *reader) expected(last int) (names []string, known bool) {
	switch {
	case r.is(last, ":"):
		if field := r.fieldOf(last + 1); field != nil && field.Type == "bool" {
			return []string{"true", "false"}, true
		}
		return nil, false
	case !r.is(last, "{") && !r.is(last, ","):
		return nil, false
	}
	at := last
	if !r.is(at, "{") {
		at = r.enclosing(at)
	}
	if !r.is(at, "{") {
		return nil, false
	}
	s, ok := r.spot(at)
	if !ok {
		return nil, false
	}
	return s.keys(), true
}

// fieldOf is the field whose value begins at tokens[at], or nil.
func (r *reader) fieldOf(at int) *wire.FieldInfo {
	key := r.keyBefore(at)
	open := r.enclosing(at - 1)
	if key == "" || !r.is(open, "{") {
		return nil
	}
	s, ok := r.spot(open)
	switch {
	case !ok:
		return nil
	case s.field != nil: // the value of an operator
		return s.field
	}
	return s.model.field(key)
}

func (m *model) field(name string) *wire.FieldInfo {
	i := slices.IndexFunc(m.info.Fields, func(f wire.FieldInfo) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &m.info.Fields[i]
}

func (s spot) keys() []string {
	names := operatorsOf(s.field)
	if s.field == nil {
		names = s.model.fieldNames()
	}
	var keys []string
	for _, name := range names {
		given := name == "id" || name == "createdAt" || name == "updatedAt" // by the application
		if s.field != nil || s.method == "where" || !given {
			keys = append(keys, name+": ")
		}
	}
	if s.field == nil && s.method == "where" {
		keys = append(keys, "and: ", "or: ", "not: ")
	}
	return keys
}

// operatorsOf are the conditions on a field.
func operatorsOf(f *wire.FieldInfo) []string {
	if f == nil {
		return nil
	}
	switch f.Type {
	case "bool":
		return []string{"is", "not", "exists"}
	case "list":
		return []string{"contains", "exists"}
	case "object":
		return []string{"exists"}
	case "ref":
		return []string{"is", "not", "in", "exists"}
	case "string":
		return []string{"is", "not", "in", "contains", "exists", "gt", "gte", "lt", "lte"}
	}
	return []string{"is", "not", "in", "gt", "gte", "lt", "lte", "exists"}
}

// inText completes within quotes: the name of a field or of a cursor, or an id.
func (r *reader) inText(i int) completion {
	start := r.tokens[i].start + 1
	typed := r.text[start:]
	if strings.ContainsAny(typed, "\"'\n") || r.tokens[i].end != len(r.text) {
		return completion{}
	}
	open := r.enclosing(i - 1)
	method := r.word(open - 1)
	m := (*model)(nil)
	if r.is(open, "(") && r.is(open-2, ".") {
		m = r.subject(open - 3).model
	}
	switch {
	case m != nil && slices.Contains([]string{"asc", "desc", "pluck"}, method):
		return completion{start: start, items: withPrefix(m.fieldNames(), typed)}
	case m != nil && r.is(i-1, "(") && slices.Contains([]string{"find", "update", "delete"}, method):
		return r.e.ids(m, start, typed)
	case method == "why" && r.is(open, "("):
		return completion{start: start, items: withPrefix(r.e.cursorNames(), typed)}
	}
	if field := r.fieldOf(i); field != nil {
		if to := r.e.referred(field, r, i); to != nil {
			return r.e.ids(to, start, typed)
		}
	}
	return completion{}
}

// referred is the model whose ids a field holds, or nil.
func (e *evaluator) referred(f *wire.FieldInfo, r *reader, at int) *model {
	if f.Name == "id" {
		if s, ok := r.spot(r.enclosing(at - 1)); ok {
			return s.model
		}
	}
	for _, m := range e.models {
		if f.Ref != "" && m.info.Name == f.Ref {
			return m
		}
	}
	return nil
}

// recentIDs is how many of the newest records are looked through for an id.
const recentIDs = 200

// ids are those of the newest records that begin or end with what was typed, or
// whose names hold it.
func (e *evaluator) ids(m *model, start int, typed string) completion {
	found := completion{start: start, notes: map[string]string{}}
	var records []map[string]any
	req := wire.ControlRequest{Do: wire.DoQuery, Model: m.info.Name, Order: []string{"-createdAt"}, Limit: recentIDs}
	if e.remote.Do(e.ctx, req, &records) != nil {
		return completion{} // there is nothing to offer
	}
	for _, record := range records {
		id, _ := record["id"].(string)
		name := nameOf(m.info, record)
		if strings.HasPrefix(id, typed) || strings.HasSuffix(id, strings.ToUpper(typed)) || strings.Contains(strings.ToLower(name), strings.ToLower(typed)) {
			found.items = append(found.items, id)
			found.notes[id] = name
		}
	}
	return found
}

// nameOf is what a person knows a record by.
func nameOf(m wire.ModelInfo, record map[string]any) string {
	for _, name := range []string{"title", "name"} {
		if text, ok := record[name].(string); ok {
			return text
		}
	}
	for _, f := range m.Fields {
		if text, ok := record[f.Name].(string); ok && f.Type == "string" && f.Name != "id" {
			return text
		}
	}
	return ""
}

func (e *evaluator) askRoutes() (routes []wire.Route) {
	var answer json.RawMessage
	if e.remote.Do(e.ctx, wire.ControlRequest{Do: wire.DoRoutes}, &answer) != nil || json.Unmarshal(answer, &routes) != nil {
		return nil
	}
	return routes
}

func (e *evaluator) cursorNames() (names []string) {
	for _, route := range e.askRoutes() {
		if route.Kind == "cursor" {
			names = append(names, route.Name)
		}
	}
	return names
}

// callable are the controllers, or the actions and cursors of one.
func (e *evaluator) callable(controller string) (names []string) {
	for _, route := range e.askRoutes() {
		of, name, _ := strings.Cut(route.Name, ".")
		switch {
		case route.Kind == "page":
		case controller == "":
			names = append(names, of)
		case of == controller:
			names = append(names, name)
		}
	}
	return names
}
