package script

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/wire"
)

// A relation leads from a record to others by a name: post.author to one, user.posts to
// many.
type relation struct {
	name  string
	to    *model
	field string // the referring field: of this record or, if many, of the others
	many  bool
}

func (m *model) refNames() []string {
	names := make([]string, len(m.refs))
	for i, r := range m.refs {
		names[i] = r.name
	}
	return names
}

func (m *model) ref(name string) *relation {
	for i := range m.refs {
		if m.refs[i].name == name {
			return &m.refs[i]
		}
	}
	return nil
}

// relate defines the relations between models. A relation does not replace a field or a
// method of the same name.
func (e *Evaluator) relate(models []*model) {
	for _, m := range models {
		for _, r := range m.refs {
			e.must(m.record.Delete(r.name))
		}
		m.refs = nil
	}
	for _, m := range models {
		for _, f := range m.info.Fields {
			to := slices.IndexFunc(models, func(to *model) bool { return to.info.Name == f.Ref })
			if f.Ref == "" || to < 0 {
				continue
			}
			if name := singular(f.Name); name != f.Name {
				m.defineRelation(relation{name: name, to: models[to], field: f.Name})
			}
			models[to].defineRelation(relation{name: m.backward(f), to: m, field: f.Name, many: true})
		}
	}
}

// singular returns the name of the record a field refers to: author for authorId.
func singular(field string) string {
	for _, end := range []string{"Id", "ID", "_id"} {
		if name, found := strings.CutSuffix(field, end); found && name != "" {
			return name
		}
	}
	return field
}

// backward returns the name of the relation back to the referring records: posts, or
// postsByAuthor if several fields refer to the same model.
func (m *model) backward(f wire.FieldInfo) string {
	same := 0
	for _, other := range m.info.Fields {
		if other.Ref == f.Ref {
			same++
		}
	}
	if same == 1 {
		return m.info.Name
	}
	by := singular(f.Name)
	return m.info.Name + "By" + strings.ToUpper(by[:1]) + by[1:]
}

func (m *model) defineRelation(r relation) {
	if m.field(r.name) != nil || m.ref(r.name) != nil || slices.Contains(recordMethods, r.name) {
		return
	}
	m.refs = append(m.refs, r)
	get := m.e.vm.ToValue(func(call goja.FunctionCall) goja.Value {
		record, ok := call.This.(*goja.Object)
		if !ok || m.e.recordModel(record) != m {
			return goja.Undefined()
		}
		return m.e.follow(record, r)
	})
	set := m.e.vm.ToValue(func(call goja.FunctionCall) goja.Value {
		m.refuseAssignment(r.name, call.Argument(0))
		return nil
	})
	m.e.must(m.record.DefineAccessorProperty(r.name, get, set, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// follow returns the target of a relation: a record, null, or a query.
func (e *Evaluator) follow(record *goja.Object, r relation) goja.Value {
	field, own := "id", r.field
	if r.many {
		field, own = r.field, "id"
	}
	id := record.Get(own)
	text := ""
	if id != nil && !goja.IsUndefined(id) && !goja.IsNull(id) {
		text = id.String()
	}
	where, err := json.Marshal(map[string]string{field: text})
	if err != nil {
		e.throw(err)
	}
	q := &query{model: r.to, where: where}
	if r.many {
		return q.value()
	}
	if text == "" {
		return goja.Null()
	}
	return q.end("first", goja.Undefined())
}
