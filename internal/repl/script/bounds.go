package script

import (
	"context"
	"runtime/metrics"
	"time"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/term"
)

// maxMemory is the most bytes that the console may hold while code runs.
const maxMemory = 1 << 30

// A MemoryError is the cause of a context of code that used too much memory.
type MemoryError struct{ Limit uint64 }

// Error says how much the code may use.
func (e *MemoryError) Error() string {
	return "the code uses more than " + term.Bytes(int64(e.Limit)) + " of memory"
}

// BoundMemory returns a context for running code. It ends with a [*MemoryError] when the
// process holds more than limit bytes; 0 is 1 GiB. Call release when the code has ended.
func BoundMemory(ctx context.Context, limit uint64) (bounded context.Context, release func()) {
	if limit == 0 {
		limit = maxMemory
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		look := time.NewTicker(50 * time.Millisecond)
		defer look.Stop()
		for {
			select {
			case <-look.C:
				if live, all := heap(); live > limit || all > 2*limit {
					cancel(&MemoryError{limit})
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// heap returns the bytes that the last collection found in use, and those of all objects
// since.
func heap() (live, all uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64()
}

// deepest is the most levels of prototypes, lists and JSON that code may hand to functions
// of the engine. They go down such levels with calls of Go. If those fill Go's stack, the
// process ends, and nothing can catch that.
const deepest = 1000

// guardNesting replaces the functions of the engine that would go down without end, or too
// deep. It is called before any code runs.
func (e *Evaluator) guardNesting() {
	global := func(name string) *goja.Object { return e.vm.Get(name).ToObject(e.vm) }
	list := global("Array").Get("prototype").ToObject(e.vm)
	cyclic := func(call goja.FunctionCall) { e.checkPrototype(call.Argument(0), call.Argument(1)) }
	e.guard(global("Object"), "setPrototypeOf", cyclic)
	e.guard(global("Reflect"), "setPrototypeOf", cyclic)
	e.guardProto()
	e.guard(global("JSON"), "parse", func(call goja.FunctionCall) {
		if len(call.Arguments) == 0 {
			return
		}
		text := call.Arguments[0].String()
		call.Arguments[0] = e.vm.ToValue(text) // it is made only once
		if nesting(text) > deepest {
			e.tooDeep("the JSON is")
		}
	})
	e.guard(list, "flat", func(call goja.FunctionCall) {
		if call.Argument(0).ToFloat() > deepest {
			e.levels(call.This, map[*goja.Object]int{}, 0)
		}
	})
	e.bound(list, "join")
	e.bound(list, "toLocaleString")
}

// replace replaces a function of the engine by one that is given it.
func (e *Evaluator) replace(of *goja.Object, name string, by func(engine goja.Callable, call goja.FunctionCall) (goja.Value, error)) {
	engine, _ := goja.AssertFunction(of.Get(name))
	made := e.vm.ToValue(func(call goja.FunctionCall) goja.Value {
		v, err := by(engine, call)
		if err != nil {
			panic(err) // the engine throws what it has thrown
		}
		return v
	}).(*goja.Object)
	e.must(made.DefineDataProperty("name", e.vm.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	e.defineHidden(of, name, made)
}

// guard calls check before a function of the engine.
func (e *Evaluator) guard(of *goja.Object, name string, check func(goja.FunctionCall)) {
	e.replace(of, name, func(engine goja.Callable, call goja.FunctionCall) (goja.Value, error) {
		check(call)
		return engine(call.This, call.Arguments...)
	})
}

// bound bounds how deep a function of the engine is called from within itself.
func (e *Evaluator) bound(of *goja.Object, name string) {
	depth := 0
	e.replace(of, name, func(engine goja.Callable, call goja.FunctionCall) (goja.Value, error) {
		if depth == deepest {
			e.tooDeep("the list is")
		}
		depth++
		defer func() { depth-- }()
		return engine(call.This, call.Arguments...)
	})
}

// guardProto guards the assignment of __proto__.
func (e *Evaluator) guardProto() {
	describe, _ := goja.AssertFunction(e.vm.Get("Object").ToObject(e.vm).Get("getOwnPropertyDescriptor"))
	known, err := describe(goja.Undefined(), e.plainObject, e.vm.ToValue("__proto__"))
	e.must(err)
	accessor := known.ToObject(e.vm)
	e.guard(accessor, "set", func(call goja.FunctionCall) { e.checkPrototype(call.This, call.Argument(0)) })
	e.must(e.plainObject.DefineAccessorProperty("__proto__", accessor.Get("get"), accessor.Get("set"), goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// checkPrototype throws if proto leads to object. The engine finds that out by itself
// unless there is a proxy on the way.
func (e *Evaluator) checkPrototype(of, proto goja.Value) {
	object, _ := of.(*goja.Object)
	first, _ := proto.(*goja.Object)
	seen := map[*goja.Object]bool{nil: true}
	for next := []*goja.Object{first}; len(next) > 0; {
		at := next[len(next)-1]
		next = next[:len(next)-1]
		switch {
		case seen[at]:
			continue
		case at == object:
			panic(e.vm.NewTypeError("Cyclic __proto__ value"))
		case len(seen) > deepest:
			e.tooDeep("the prototypes are")
		}
		seen[at] = true
		if proxy, ok := at.Export().(goja.Proxy); ok && at.ExportType() == proxyType {
			next = append(next, proxy.Target(), proxy.Handler())
		} else {
			next = append(next, at.Prototype())
		}
	}
}

// levels returns how many levels of lists a value has. It throws if they are too many, or
// without end.
func (e *Evaluator) levels(v goja.Value, known map[*goja.Object]int, above int) int {
	list, ok := v.(*goja.Object)
	if !ok {
		return 0
	}
	if list.ExportType() == proxyType {
		list = list.Export().(goja.Proxy).Target()
	}
	if list == nil || list.ClassName() != "Array" {
		return 0
	}
	most, seen := known[list]
	if !seen {
		if above == deepest {
			e.tooDeep("the list is")
		}
		for _, name := range list.Keys() {
			most = max(most, e.levels(list.Get(name), known, above+1))
		}
		most++
		known[list] = most
	}
	if above+most > deepest {
		e.tooDeep("the list is")
	}
	return most
}

// nesting returns the levels of lists and objects in JSON.
func nesting(json string) (most int) {
	depth, quoted := 0, false
	for i := 0; i < len(json); i++ {
		switch c := json[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[', c == '{':
			depth++
			most = max(most, depth)
		case c == ']', c == '}':
			depth--
		}
	}
	return most
}

func (e *Evaluator) tooDeep(what string) {
	failed, err := e.vm.New(e.errors.byTitle["RangeError"], e.vm.ToValue(what+" nested too deeply"))
	e.must(err)
	panic(failed)
}
