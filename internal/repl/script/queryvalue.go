package script

import (
	"reflect"
	"slices"
	"strconv"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// A queryValue is a query as a JavaScript object. length and indexes send a request;
// all other names are looked up in the prototype.
type queryValue struct{ query *query }

var queryValueType = reflect.TypeFor[*queryValue]()

func (e *Evaluator) defineQueries() {
	e.queryProto = e.strictObject(func(name string) *show.Failure {
		return &show.Failure{Title: "TypeError", Message: "a query has no method " + term.Clean(name),
			Hint: orThereIs(show.DidYouMean(name, slices.Concat(queryMethods, arrayMethods)), queryMethods)}
	})
	for name, do := range queryCalls {
		e.defineHidden(e.queryProto, name, func(call goja.FunctionCall) goja.Value {
			e.checkArguments(name, call)
			return do(e.queryOfThis(name, call), call)
		})
	}
	for _, name := range arrayMethods {
		e.defineHidden(e.queryProto, name, func(call goja.FunctionCall) goja.Value { return e.queryOfThis(name, call).array(name, call) })
	}
	e.defineHidden(e.queryProto, "toJSON", func(call goja.FunctionCall) goja.Value { return e.queryOfThis("toJSON", call).records() })
	e.defineHidden(e.queryProto, "toString", func(call goja.FunctionCall) goja.Value {
		return e.vm.ToValue(e.queryOfThis("toString", call).String())
	})
	e.must(e.queryProto.SetSymbol(goja.SymIterator, func(call goja.FunctionCall) goja.Value {
		records := e.queryOfThis("iterating", call).records()
		iterate, _ := goja.AssertFunction(records.GetSymbol(goja.SymIterator))
		return e.call(iterate, records)
	}))
}

func (e *Evaluator) queryOfThis(name string, call goja.FunctionCall) *query {
	if object, ok := call.This.(*goja.Object); ok {
		if q, ok := queryOf(object); ok {
			return q
		}
	}
	panic(e.usage("%s is called on a query", name))
}

func queryOf(object *goja.Object) (*query, bool) {
	if object.ExportType() != queryValueType {
		return nil, false
	}
	return object.Export().(*queryValue).query, true
}

func (q *query) value() goja.Value {
	object := q.model.e.vm.NewDynamicObject(&queryValue{q})
	q.model.e.must(object.SetPrototype(q.model.e.queryProto))
	return object
}

// Get returns the record at an index, or the number of records. It implements
// [goja.DynamicObject].
func (v *queryValue) Get(key string) goja.Value {
	q := v.query
	switch key {
	case "length":
		return q.model.e.vm.ToValue(q.count())
	case "records":
		return q.records()
	}
	index, err := strconv.Atoi(key)
	if err != nil || index < 0 {
		return nil
	}
	if q.limit > 0 && index >= q.limit {
		return goja.Undefined()
	}
	one := *q
	one.offset, one.limit = q.offset+index, 1
	return one.records().Get("0")
}

// Has reports whether key is length.
func (v *queryValue) Has(key string) bool { return key == "length" }

// Set returns false: a query has no properties of its own.
func (v *queryValue) Set(string, goja.Value) bool { return false }

// Delete returns false.
func (v *queryValue) Delete(string) bool { return false }

// Keys returns nil.
func (v *queryValue) Keys() []string { return nil }

func (e *Evaluator) method(object *goja.Object, name string, args ...goja.Value) goja.Value {
	fn, ok := goja.AssertFunction(object.Get(name))
	if !ok {
		panic(e.usage("there is no method %s", name))
	}
	return e.call(fn, object, args...)
}

// call calls a JavaScript function and passes on exceptions.
func (e *Evaluator) call(fn goja.Callable, this goja.Value, args ...goja.Value) goja.Value {
	result, err := fn(this, args...)
	if err != nil {
		panic(err)
	}
	return result
}
