package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// A model is one of the application's models in JavaScript, in its present state or,
// read-only, in a past one.
type model struct {
	e      *Evaluator
	name   string // the name in JavaScript: "Post"
	info   *wire.ModelInfo
	at     *uint64 // reads the state after this commit; nil for now
	object *goja.Object
	record *goja.Object // prototype of its records
	refs   []relation   // relations of its records

	accessors map[string]accessor // of its records' fields
}

var (
	modelMethods  = []string{"create", "find", "first", "last", "all", "count", "where", "asc", "desc", "limit", "offset", "pluck", "update", "delete", "updateAll", "deleteAll"}
	recordMethods = []string{"update", "delete", "reload"}
)

// adopt updates the evaluator to the application's models, at the start and after a
// rebuild. Existing references to a model stay valid.
func (e *Evaluator) adopt(hello wire.ControlHello) {
	e.Hello, e.routes, e.modelsBySeq = hello, nil, map[uint64][]*model{}
	for _, info := range hello.Models {
		name := info.Type
		if taken := e.modelNamed(name); name == "" || taken != nil && taken.info.Name != info.Name {
			name = info.Name // types of different packages may have the same name
		}
		if known := e.modelNamed(name); known != nil {
			*known.info = info
			continue
		}
		m := e.newModel(name, &info, nil)
		e.models = append(e.models, m)
		if err := e.vm.Set(name, m.object); err != nil {
			continue // the session has defined a constant of this name
		}
	}
	e.relate(e.models)
}

func (e *Evaluator) newModel(name string, info *wire.ModelInfo, at *uint64) *model {
	m := &model{e: e, name: name, info: info, at: at}
	m.object = e.strictObject(func(unknown string) *show.Failure {
		return &show.Failure{Title: "TypeError", Message: m.name + " has no method " + term.Clean(unknown),
			Hint: orHelp(show.DidYouMean(unknown, slices.Concat(modelMethods, arrayMethods)), m.name)}
	})
	m.record = e.strictObject(m.missingMember)
	m.define()
	e.known[m.object], e.known[m.record] = m, m
	return m
}

func orHelp(hint, of string) string {
	if hint == "" {
		return "see help(" + of + ")"
	}
	return hint
}

// modelsAt returns the models as of a commit, or the present models if at is nil.
func (e *Evaluator) modelsAt(at *uint64) []*model {
	if at == nil {
		return e.models
	}
	models, known := e.modelsBySeq[*at]
	if !known {
		for _, m := range e.models {
			models = append(models, e.newModel(m.name, m.info, at))
		}
		e.relate(models)
		e.modelsBySeq[*at] = models
	}
	return models
}

func (e *Evaluator) modelNamed(name string) *model {
	i := slices.IndexFunc(e.models, func(m *model) bool { return m.name == name })
	if i < 0 {
		return nil
	}
	return e.models[i]
}

// modelOf returns the model that object represents, or nil.
func (e *Evaluator) modelOf(object *goja.Object) *model {
	if m := e.known[object]; m != nil && m.object == object {
		return m
	}
	return nil
}

// recordModel returns the model that object is a record of, or nil.
func (e *Evaluator) recordModel(object *goja.Object) *model {
	if proto := object.Prototype(); proto != nil && e.known[proto] != nil && e.known[proto].record == proto {
		return e.known[proto]
	}
	return nil
}

type method = func(call goja.FunctionCall) goja.Value

// defineHidden defines a property of object that is not enumerated.
func (e *Evaluator) defineHidden(object *goja.Object, name string, v any) {
	value := e.vm.ToValue(v)
	if _, ok := v.(method); ok { // its name is shown
		e.must(value.(*goja.Object).DefineDataProperty("name", e.vm.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	}
	e.must(object.DefineDataProperty(name, value, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// setProperty defines a property of object, whatever its name.
func (e *Evaluator) setProperty(object *goja.Object, name string, v goja.Value) {
	e.must(object.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE))
}

// must throws errors that occur only if the code has sealed the console's own objects.
func (e *Evaluator) must(err error) {
	if err != nil {
		panic(e.usage("%s", err.Error()))
	}
}

func (m *model) define() {
	e := m.e
	for name, do := range queryCalls {
		e.defineHidden(m.object, name, func(call goja.FunctionCall) goja.Value {
			e.checkArguments(name, call)
			return do(&query{model: m}, call)
		})
	}
	for _, name := range arrayMethods {
		e.defineHidden(m.object, name, func(call goja.FunctionCall) goja.Value { return (&query{model: m}).array(name, call) })
	}
	for name, do := range map[string]method{
		"all": func(call goja.FunctionCall) goja.Value {
			e.checkArguments("all", call)
			return (&query{model: m}).value()
		},
		"create": func(call goja.FunctionCall) goja.Value { return m.create(call) },
		"find":   func(call goja.FunctionCall) goja.Value { return m.find(m.id("find", call.Argument(0))) },
		"update": func(call goja.FunctionCall) goja.Value {
			return m.update(m.id("update", call.Argument(0)), call.Argument(1), nil)
		},
		"delete":   func(call goja.FunctionCall) goja.Value { return m.delete(m.id("delete", call.Argument(0))) },
		"toString": func(goja.FunctionCall) goja.Value { return e.vm.ToValue(m.name) },
	} {
		e.defineHidden(m.object, name, do)
	}
	for name, do := range map[string]func(record *goja.Object, call goja.FunctionCall) goja.Value{
		"update": func(record *goja.Object, call goja.FunctionCall) goja.Value {
			return m.update(m.id("update", record), call.Argument(0), record)
		},
		"delete": func(record *goja.Object, _ goja.FunctionCall) goja.Value { return m.delete(m.id("delete", record)) },
		"reload": func(record *goja.Object, _ goja.FunctionCall) goja.Value {
			var stored json.RawMessage
			e.ask(m.request(wire.DoFind, m.id("reload", record)), &stored)
			return m.fill(record, stored)
		},
	} {
		e.defineHidden(m.record, name, func(call goja.FunctionCall) goja.Value {
			record, ok := call.This.(*goja.Object)
			if !ok || e.recordModel(record) != m {
				panic(e.usage("%s is called on a record", name))
			}
			return do(record, call)
		})
	}
}

// id returns the id passed to a method, as text or as a record.
func (m *model) id(method string, v goja.Value) string {
	if record, ok := v.(*goja.Object); ok && m.e.recordModel(record) != nil {
		v = record.Get("id")
	}
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) || v.String() == "" {
		panic(m.e.usage("%s.%s needs an id", m.name, method))
	}
	if _, ok := v.(*goja.Object); ok {
		panic(m.e.usage("%s.%s needs the id as a string", m.name, method))
	}
	return v.String()
}

func (m *model) create(call goja.FunctionCall) goja.Value {
	v := call.Argument(0)
	if len(call.Arguments) == 0 {
		v = m.e.vm.NewObject()
	}
	if _, another := call.Argument(1).(*goja.Object); another { // not the index that map passes
		panic(m.e.usage("create takes one object, or a list of them: %s.create([{…}, {…}])", m.name))
	}
	object, ok := v.(*goja.Object)
	if !ok || object.ClassName() != "Array" {
		return m.createOne(v)
	}
	return m.createAll(object)
}

func (m *model) createOne(v goja.Value) goja.Value {
	var written wire.Written
	req := m.request(wire.DoCreate, "")
	req.Set = m.fields("create", v)
	m.e.ask(req, &written)
	return m.fill(nil, written.Record)
}

// The most records of one request to create several, and the most bytes.
const (
	mostCreated      = 500
	mostCreatedBytes = 1 << 20
)

// createAll creates a record for each element of an array, as one commit.
func (m *model) createAll(array *goja.Object) goja.Value {
	var records []any
	req, bytes := m.request(wire.DoCreateAll, ""), 0
	send := func() {
		var written wire.Written
		m.e.ask(req, &written)
		for _, stored := range written.Records {
			records = append(records, m.fill(nil, stored))
		}
		req.Offset, req.Sets, bytes = len(records), nil, 0
	}
	m.e.transact(func() {
		for i := range int(array.Get("length").ToInteger()) {
			index := strconv.Itoa(i)
			set := m.fields("create", array.Get(index), "["+index+"]")
			if len(req.Sets) == mostCreated || len(req.Sets) > 0 && bytes+len(set) > mostCreatedBytes {
				send()
			}
			req.Sets, bytes = append(req.Sets, set), bytes+len(set)
		}
		if len(req.Sets) > 0 {
			send()
		}
	})
	return m.e.vm.NewArray(records...)
}

// request returns a new request about the model.
func (m *model) request(do, key string) wire.ControlRequest {
	return wire.ControlRequest{Do: do, Model: m.info.Name, Key: key, At: m.at}
}

func (m *model) find(id string) goja.Value {
	var stored json.RawMessage
	m.e.ask(m.request(wire.DoFind, id), &stored)
	return m.fill(nil, stored)
}

func (m *model) update(id string, v goja.Value, record *goja.Object) goja.Value {
	var written wire.Written
	req := m.request(wire.DoUpdate, id)
	req.Set = m.fields("update", v)
	m.e.ask(req, &written)
	return m.fill(record, written.Record)
}

func (m *model) delete(id string) goja.Value {
	m.e.consentTo("delete " + m.name + " " + id)
	m.e.ask(m.request(wire.DoDelete, id), nil)
	return m.e.vm.ToValue(true)
}

// fill creates a record from stored JSON, or updates the given record.
func (m *model) fill(record *goja.Object, stored json.RawMessage) goja.Value {
	decoder := json.NewDecoder(bytes.NewReader(stored))
	decoder.UseNumber()
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('{') {
		m.e.throw(&show.Failure{Message: "the application did not answer with a record"})
	}
	if record == nil {
		record = m.e.vm.CreateObject(m.record)
	}
	for _, name := range record.Keys() {
		m.e.must(record.Delete(name))
	}
	values := map[string]goja.Value{}
	m.e.must(record.DefineDataPropertySymbol(m.e.valuesSymbol, m.e.vm.ToValue(&recordValues{values}), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	err := (jsonReader{m.e.vm, decoder}).members(func(name string, v goja.Value) error {
		values[name] = v
		access := m.accessor(name)
		return record.DefineAccessorProperty(name, access.get, access.set, goja.FLAG_TRUE, goja.FLAG_TRUE)
	})
	if err != nil {
		m.e.throw(fmt.Errorf("read a record: %w", err))
	}
	return record
}

// recordValues are the values of a record's fields, out of the reach of JavaScript.
type recordValues struct{ values map[string]goja.Value }

// An accessor reads a field of a record, and refuses its assignment.
type accessor struct{ get, set goja.Value }

// accessor returns the accessor of a field, which all records of the model share.
func (m *model) accessor(name string) accessor {
	if known, ok := m.accessors[name]; ok {
		return known
	}
	made := accessor{
		get: m.e.vm.ToValue(func(call goja.FunctionCall) goja.Value {
			if record, ok := call.This.(*goja.Object); ok {
				if held := record.GetSymbol(m.e.valuesSymbol); held != nil {
					return held.Export().(*recordValues).values[name]
				}
			}
			return goja.Undefined()
		}),
		set: m.e.vm.ToValue(func(call goja.FunctionCall) goja.Value {
			m.refuseAssignment(name, call.Argument(0))
			return nil
		}),
	}
	if m.accessors == nil {
		m.accessors = map[string]accessor{}
	}
	m.accessors[name] = made
	return made
}

// refuseAssignment throws an error that names the method which changes a field.
func (m *model) refuseAssignment(name string, v goja.Value) {
	e := m.e
	value := term.Cut(show.Inline(e.snapshot(v, copyBrief)), 40)
	if r := m.ref(name); r != nil && !r.many {
		name = r.field
	}
	e.throw(&show.Failure{Title: "TypeError", Message: m.name + "." + term.Clean(name) + " cannot be assigned: a record is a copy of what is stored", Word: name,
		Hint: "to change what is stored: record.update({" + term.Clean(name) + ": " + value + "})"})
}
