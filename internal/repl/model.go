package repl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/wire"
)

// A model is one of the application's models, as JavaScript sees it.
type model struct {
	e      *evaluator
	name   string // as it is called here: "Post"
	info   wire.ModelInfo
	object *goja.Object
	record *goja.Object // the prototype of its records
}

var (
	modelMethods  = []string{"create", "find", "first", "last", "all", "count", "where", "asc", "desc", "limit", "offset", "pluck", "update", "delete"}
	recordMethods = []string{"update", "delete", "reload"}
)

// adopt learns the application's models, again after it has been rebuilt.
// What the session holds of a model stays valid.
func (e *evaluator) adopt(hello wire.ControlHello) {
	for _, info := range hello.Models {
		name := info.Type
		if taken := e.modelNamed(name); name == "" || taken != nil && taken.info.Name != info.Name {
			name = info.Name // two packages may call their types the same
		}
		if known := e.modelNamed(name); known != nil {
			known.info = info
			continue
		}
		m := &model{e: e, name: name, info: info, object: e.vm.NewObject(), record: e.vm.NewObject()}
		m.define()
		e.models = append(e.models, m)
		if err := e.vm.Set(name, m.object); err != nil {
			continue // the session has sealed the name for itself
		}
	}
}

func (e *evaluator) modelNamed(name string) *model {
	for _, m := range e.models {
		if m.name == name {
			return m
		}
	}
	return nil
}

// modelOf returns the model that object stands for, or nil.
func (e *evaluator) modelOf(object *goja.Object) *model {
	for _, m := range e.models {
		if m.object == object {
			return m
		}
	}
	return nil
}

// recordModel returns the model that object is a record of, or nil.
func (e *evaluator) recordModel(object *goja.Object) *model {
	proto := object.Prototype()
	for _, m := range e.models {
		if m.record == proto {
			return m
		}
	}
	return nil
}

type method = func(call goja.FunctionCall) goja.Value

// hide defines name on object so that it is not listed as a property.
func (e *evaluator) hide(object *goja.Object, name string, v any) {
	e.must(object.DefineDataProperty(name, e.vm.ToValue(v), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// hold defines name on object, whatever it is called.
func (e *evaluator) hold(object *goja.Object, name string, v goja.Value) {
	e.must(object.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE))
}

// must throws what only code that sealed the console's own objects can cause.
func (e *evaluator) must(err error) {
	if err != nil {
		panic(e.usage("%s", err.Error()))
	}
}

func (m *model) define() {
	e := m.e
	for name, do := range queryCalls {
		e.hide(m.object, name, func(call goja.FunctionCall) goja.Value { return do(&query{model: m}, call) })
	}
	for _, name := range arrayMethods {
		e.hide(m.object, name, func(call goja.FunctionCall) goja.Value { return (&query{model: m}).array(name, call) })
	}
	for name, do := range map[string]method{
		"all":    func(goja.FunctionCall) goja.Value { return (&query{model: m}).value() },
		"create": func(call goja.FunctionCall) goja.Value { return m.create(call.Argument(0)) },
		"find":   func(call goja.FunctionCall) goja.Value { return m.find(m.id("find", call.Argument(0))) },
		"update": func(call goja.FunctionCall) goja.Value {
			return m.update(m.id("update", call.Argument(0)), call.Argument(1), nil)
		},
		"delete":   func(call goja.FunctionCall) goja.Value { return m.delete(m.id("delete", call.Argument(0))) },
		"toString": func(goja.FunctionCall) goja.Value { return e.vm.ToValue(m.name) },
	} {
		e.hide(m.object, name, do)
	}
	for name, do := range map[string]func(record *goja.Object, call goja.FunctionCall) goja.Value{
		"update": func(record *goja.Object, call goja.FunctionCall) goja.Value {
			return m.update(m.id("update", record), call.Argument(0), record)
		},
		"delete": func(record *goja.Object, _ goja.FunctionCall) goja.Value { return m.delete(m.id("delete", record)) },
		"reload": func(record *goja.Object, _ goja.FunctionCall) goja.Value {
			var stored json.RawMessage
			e.ask(wire.ControlRequest{Do: wire.DoFind, Model: m.info.Name, Key: m.id("reload", record)}, &stored)
			return m.fill(record, stored)
		},
	} {
		e.hide(m.record, name, func(call goja.FunctionCall) goja.Value {
			record, ok := call.This.(*goja.Object)
			if !ok || e.recordModel(record) != m {
				panic(e.usage("%s is called on a record", name))
			}
			return do(record, call)
		})
	}
}

// id reads the id that a method was given, as text or as a record.
func (m *model) id(method string, v goja.Value) string {
	if record, ok := v.(*goja.Object); ok && m.e.recordModel(record) != nil {
		v = record.Get("id")
	}
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) || v.String() == "" {
		panic(m.e.usage("%s.%s needs an id", m.name, method))
	}
	if _, ok := v.(*goja.Object); ok {
		panic(m.e.usage("%s.%s needs an id as text", m.name, method))
	}
	return v.String()
}

func (m *model) create(v goja.Value) goja.Value {
	object, ok := v.(*goja.Object)
	if !ok || object.ClassName() != "Array" {
		return m.createOne(v)
	}
	var records []any
	m.e.transact(func() {
		for i := range int(object.Get("length").ToInteger()) {
			records = append(records, m.createOne(object.Get(fmt.Sprint(i))))
		}
	})
	return m.e.vm.NewArray(records...)
}

func (m *model) createOne(v goja.Value) goja.Value {
	var written wire.Written
	m.e.ask(wire.ControlRequest{Do: wire.DoCreate, Model: m.info.Name, Set: m.fields("create", v)}, &written)
	return m.fill(nil, written.Record)
}

func (m *model) find(id string) goja.Value {
	var stored json.RawMessage
	m.e.ask(wire.ControlRequest{Do: wire.DoFind, Model: m.info.Name, Key: id}, &stored)
	return m.fill(nil, stored)
}

func (m *model) update(id string, v goja.Value, record *goja.Object) goja.Value {
	var written wire.Written
	m.e.ask(wire.ControlRequest{Do: wire.DoUpdate, Model: m.info.Name, Key: id, Set: m.fields("update", v)}, &written)
	return m.fill(record, written.Record)
}

func (m *model) delete(id string) goja.Value {
	m.e.ask(wire.ControlRequest{Do: wire.DoDelete, Model: m.info.Name, Key: id}, nil)
	return m.e.vm.ToValue(true)
}

// fields encodes the object of fields that a method was given.
func (m *model) fields(method string, v goja.Value) json.RawMessage {
	if goja.IsUndefined(v) {
		v = m.e.vm.NewObject()
	}
	set := m.e.look(v, lookSent)
	if set.kind != objectValue && set.kind != recordValue {
		panic(m.e.usage("%s.%s takes an object of fields: {%s: …}", m.name, method, m.firstField()))
	}
	for _, f := range set.fields {
		m.check(f.name)
	}
	return appendJSON(nil, set)
}

// check throws when the model has no such field.
func (m *model) check(name string) {
	if !slices.Contains(m.fieldNames(), name) {
		m.e.throw(&failure{title: "unknown field", message: m.name + " has no field " + clean(name), hint: m.suggestField(name)})
	}
}

func (m *model) suggestField(name string) string {
	if hint := didYouMean(name, m.fieldNames()); hint != "" {
		return hint
	}
	return "it has " + strings.Join(m.fieldNames(), ", ")
}

// fieldNames are the model's fields, with those that every record has.
func (m *model) fieldNames() []string {
	names := make([]string, 0, len(m.info.Fields)+3)
	for _, f := range m.info.Fields {
		names = append(names, f.Name)
	}
	for _, name := range []string{"id", "createdAt", "updatedAt"} {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (m *model) firstField() string {
	for _, name := range m.fieldNames() {
		if name != "id" && name != "createdAt" && name != "updatedAt" {
			return name
		}
	}
	return "id"
}

// fill makes a record of what is stored, or brings record up to it.
func (m *model) fill(record *goja.Object, stored json.RawMessage) goja.Value {
	if record == nil {
		record = m.e.vm.CreateObject(m.record)
	}
	decoder := json.NewDecoder(bytes.NewReader(stored))
	decoder.UseNumber()
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('{') {
		m.e.throw(&failure{message: "the application did not answer with a record"})
	}
	for _, name := range record.Keys() {
		m.e.must(record.Delete(name))
	}
	if err := (jsonReader{m.e.vm, decoder}).fill(record); err != nil {
		m.e.throw(fmt.Errorf("read a record: %w", err))
	}
	return record
}
