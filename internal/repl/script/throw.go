package script

import (
	"math"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
)

// errorClasses are the constructors of errors, as they were before the code could
// replace them.
type errorClasses struct {
	byTitle map[string]*goja.Object // "TypeError"
	plain   *goja.Object
	cause   *goja.Symbol // the key of the Go error that an Error stands for
}

func newErrorClasses(vm *goja.Runtime) errorClasses {
	c := errorClasses{byTitle: map[string]*goja.Object{}, plain: vm.Get("Error").ToObject(vm), cause: goja.NewSymbol("cause")}
	for _, title := range []string{"TypeError", "RangeError", "ReferenceError", "SyntaxError"} {
		c.byTitle[title] = vm.Get(title).ToObject(vm)
	}
	return c
}

// defineErrors gives every Error a code, its name unless it has one of its own, and
// problems, none unless it has its own.
func (e *Evaluator) defineErrors() {
	proto := e.errors.plain.Get("prototype").ToObject(e.vm)
	for name, get := range map[string]func(this *goja.Object) goja.Value{
		"code":     func(this *goja.Object) goja.Value { return this.Get("name") },
		"problems": func(*goja.Object) goja.Value { return e.vm.NewObject() },
	} {
		getter := e.vm.ToValue(func(call goja.FunctionCall) goja.Value { return get(call.This.ToObject(e.vm)) })
		setter := e.vm.ToValue(func(call goja.FunctionCall) goja.Value {
			e.setProperty(call.This.ToObject(e.vm), name, call.Argument(0))
			return goja.Undefined()
		})
		e.must(proto.DefineAccessorProperty(name, getter, setter, goja.FLAG_TRUE, goja.FLAG_FALSE))
	}
}

// A thrown wraps a Go error, so that JavaScript sees none of its members.
type thrown struct{ err error }

// throw raises err in the running code, as an Error of JavaScript with the message, the
// code and the problems of err.
func (e *Evaluator) throw(err error) {
	f := refusal(err)
	class := e.errors.byTitle[f.Title]
	if class == nil {
		class = e.errors.plain
	}
	object, failed := e.vm.New(class, e.vm.ToValue(f.Message))
	e.must(failed)
	problems := e.vm.NewObject()
	for _, p := range f.Problems {
		var texts []any
		for _, other := range f.Problems {
			if other.Field == p.Field {
				texts = append(texts, other.Text)
			}
		}
		e.setProperty(problems, p.Field, e.vm.NewArray(texts...))
	}
	if f.Title != "" {
		e.setProperty(object, "code", e.vm.ToValue(f.Title))
	}
	e.setProperty(object, "problems", problems)
	e.must(object.DefineDataPropertySymbol(e.errors.cause, e.vm.ToValue(&thrown{err}), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE))
	panic(object)
}

// thrownError returns the Go error that a thrown value stands for, or nil.
func (e *Evaluator) thrownError(v goja.Value) error {
	object, ok := v.(*goja.Object)
	if !ok {
		return nil
	}
	if cause := object.GetSymbol(e.errors.cause); cause != nil {
		if t, ok := cause.Export().(*thrown); ok {
			return t.err
		}
	}
	return nil
}

// undefined throws because a value that was meant to be given is undefined. word is the
// name to point at, or "".
func (e *Evaluator) undefined(what, word string) {
	e.throw(&show.Failure{Title: "TypeError", Message: what + " is undefined", Word: word,
		Hint: "null stands for no value; leave the name out if you mean none"})
}

// given returns an argument that may be left out, but not be undefined.
func (e *Evaluator) given(call goja.FunctionCall, i int, what string) goja.Value {
	v := call.Argument(i)
	if i < len(call.Arguments) && goja.IsUndefined(v) {
		e.undefined(what, "")
	}
	return v
}

// whole returns an argument that is a whole number of at least least.
func (e *Evaluator) whole(method string, v goja.Value, least int) int {
	n, ok := wholeNumber(v)
	if !ok || n < int64(least) {
		panic(e.usage("%s takes a whole number, not %s", method, term.Clean(v.String())))
	}
	return int(n)
}

// wholeNumber returns the value of a number without a fraction.
func wholeNumber(v goja.Value) (n int64, ok bool) {
	switch x := v.Export().(type) {
	case int64:
		return x, x <= maxSafeInteger
	case float64:
		return int64(x), x == math.Trunc(x) && math.Abs(x) <= maxSafeInteger
	}
	return 0, false
}
