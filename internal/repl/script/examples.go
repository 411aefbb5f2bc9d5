package script

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

// An example is the source of the examples in help texts: a model of the application
// and one of its records.
type example struct {
	e      *Evaluator
	model  *model     // nil if the application has no models
	record show.Value // the newest record; without fields if there is none
}

// example chooses the given model, or else the model of the application's own with the most fields.
func (e *Evaluator) example(m *model) *example {
	x := &example{e: e, model: m}
	for _, other := range e.ownModels() {
		if m == nil && (x.model == nil || len(other.info.Fields) > len(x.model.info.Fields)) {
			x.model = other
		}
	}
	if x.model == nil {
		return x
	}
	var stored []json.RawMessage
	req := x.model.request(wire.DoQuery, "")
	req.Order, req.Limit = []string{"-id"}, 1
	if e.try(req, &stored) == nil && len(stored) == 1 { // on failure the examples use made-up values
		x.record = show.Decode(stored[0])
	}
	return x
}

// ownModels returns the models that the application has itself: not those of jobs, files and the like.
func (e *Evaluator) ownModels() (own []*model) {
	for _, m := range e.models {
		if !strings.HasPrefix(m.info.Name, "tower_") {
			own = append(own, m)
		}
	}
	return own
}

// value returns a field's value as JSON: from the record if possible, otherwise made
// up.
func (x *example) value(f *wire.FieldInfo) string {
	for _, known := range x.record.Fields {
		short := known.Value.Kind != show.String || len(known.Value.Text) < 40
		if known.Name == f.Name && short && known.Value.Text != "" && known.Value.Kind != show.List && known.Value.Kind != show.Object {
			return string(show.AppendJSON(nil, known.Value))
		}
	}
	switch f.Type {
	case "bool":
		return "true"
	case "int", "uint", "float":
		return "3"
	case "time":
		return `"` + x.yesterday() + `"`
	case "list":
		return "[]"
	case "object":
		return "{}"
	}
	return `"…"`
}

// own returns the fields defined by the application, fields of the given kinds first.
func (x *example) own(kinds ...string) []*wire.FieldInfo {
	var first, rest []*wire.FieldInfo
	for i := range x.model.info.Fields {
		f := &x.model.info.Fields[i]
		switch {
		case f.Name == "id" || f.Name == "createdAt" || f.Name == "updatedAt" || f.Private:
		case slices.Contains(kinds, f.Type):
			first = append(first, f)
		default:
			rest = append(rest, f)
		}
	}
	return append(first, rest...)
}

func (x *example) field() string { return x.model.firstField() }

func (x *example) scope() string { return x.model.name }

// where returns conditions: on a bool and a number if the model has them, otherwise on
// a string.
func (x *example) where() string {
	var parts []string
	for _, f := range x.own("bool", "int", "uint", "float") {
		switch {
		case len(parts) == 2:
		case f.Type == "bool":
			parts = append(parts, f.Name+": true")
		case f.Type == "int" || f.Type == "uint" || f.Type == "float":
			parts = append(parts, f.Name+": {gte: 3}")
		case len(parts) == 0 && f.Type == "string":
			parts = append(parts, f.Name+": "+x.value(f))
		}
	}
	if len(parts) == 0 {
		parts = []string{`id: "` + x.id() + `"`}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// fields returns fields for a new record: the required ones and a few others.
func (x *example) fields() string {
	var parts []string
	for _, f := range x.own("string") {
		if f.Required || f.Unique || len(parts) < 2 && f.Ref == "" {
			parts = append(parts, f.Name+": "+x.fresh(f))
		}
	}
	for i := range x.model.info.Fields {
		if f := &x.model.info.Fields[i]; f.Private && f.Required {
			parts = append(parts, f.Name+": "+x.fresh(f))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// fresh returns a value of a field for a new record: another one than the record's if it
// must be unique.
func (x *example) fresh(f *wire.FieldInfo) string {
	value := x.value(f)
	switch text, isText := strings.CutPrefix(value, `"`); {
	case f.Ref != "":
		return x.referred(f)
	case f.Unique && isText && text != `…"`:
		return `"new-` + text
	case f.Unique && (f.Type == "int" || f.Type == "uint" || f.Type == "float"):
		return value + "1"
	}
	return value
}

// referred returns the id of a record that a reference may lead to.
func (x *example) referred(f *wire.FieldInfo) string {
	for _, m := range x.e.models {
		if m.info.Name == f.Ref {
			if other := x.e.example(m); len(other.record.Fields) > 0 {
				return show.Quoted(other.id())
			}
		}
	}
	return "null"
}

// change returns an update of one field.
func (x *example) change() string {
	fields := x.own("bool", "int", "string")
	if len(fields) == 0 {
		return "{}"
	}
	f := fields[max(slices.IndexFunc(fields, func(f *wire.FieldInfo) bool { return !f.Unique }), 0)]
	return "{" + f.Name + ": " + x.fresh(f) + "}"
}

func (x *example) id() string {
	for _, f := range x.record.Fields {
		if f.Name == "id" {
			return f.Value.Text
		}
	}
	return "01J…"
}

func (x *example) seq() uint64 { return max(x.e.Hello.Seq, 1) }

func (x *example) yesterday() string {
	return time.Now().UTC().AddDate(0, 0, -1).Format("2006-01-02") + "T00:00:00Z"
}

// relations returns examples of the application's references, one in each direction.
func (x *example) relations() []string {
	var one, many string
	for _, m := range x.e.ownModels() {
		for _, r := range m.refs {
			if r.many {
				many = fmt.Sprintf("%s.first().%s.count()", m.name, r.name)
			} else {
				one = fmt.Sprintf("%s.first().%s", m.name, r.name)
			}
		}
	}
	return slices.DeleteFunc([]string{one, many}, func(text string) bool { return text == "" })
}

// user returns an expression for a user. The model of users is the one with the most
// references to it.
func (x *example) user() string {
	best, most := "", 0
	for _, m := range x.e.ownModels() {
		back := 0
		for _, r := range m.refs {
			if r.many {
				back++
			}
		}
		if back > most || best == "" && strings.EqualFold(m.info.Name, "users") {
			best, most = m.name, back
		}
	}
	if best == "" {
		return "null"
	}
	return best + ".first()"
}

// reveals returns an example with a private field, if the application has one.
func (x *example) reveals() []string {
	for _, m := range x.e.ownModels() {
		for _, f := range m.info.Fields {
			if f.Private {
				return []string{"reveal(" + m.name + ".first(), " + show.Quoted(f.Name) + ")"}
			}
		}
	}
	return nil
}

func (x *example) acts() []string {
	lines := []string{fmt.Sprintf("as(%s)", x.user())}
	var action, cursor bool
	for _, route := range x.e.allRoutes() {
		switch {
		case route.Kind == "action" && route.Method == "POST" && route.Model == x.model.info.Name && !action:
			action = true
			lines = append(lines, fmt.Sprintf("as(%s).%s(%s)", x.user(), route.Name, x.input(route)))
		case route.Kind == "cursor" && len(required(&route)) == 0 && !cursor:
			cursor = true
			lines = append(lines, fmt.Sprintf("as(%s).%s()", x.user(), route.Name), fmt.Sprintf("as(%s).cursor(%q).count()", x.user(), route.Name))
		}
	}
	return lines
}

// input returns the input of a route, using fields of the same names.
func (x *example) input(route wire.Route) string {
	var parts []string
	for _, in := range route.Inputs {
		if f := x.model.field(in.Name); f != nil && len(parts) < 3 {
			parts = append(parts, in.Name+": "+x.value(f))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (x *example) why() string {
	for _, m := range append([]*model{x.model}, x.e.ownModels()...) {
		if names := x.e.cursorsOf(m); len(names) > 0 {
			return fmt.Sprintf("why(%s.first(), %q, %s)", m.name, names[0], x.user())
		}
	}
	return "why(record, cursor, user)"
}
