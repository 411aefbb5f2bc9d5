package script

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

var globalNames = []string{"as", "at", "connections", "csv", "cursors", "diff", "help", "impact", "jobs", "log", "nodes", "parseCSV", "print", "reactions", "readFile", "reveal", "routes", "seq", "sessions", "transaction", "undo", "why", "writeFile"}

const rollbackTimeout = 2 * time.Second

func (e *Evaluator) defineGlobals() {
	e.proseProto = e.vm.NewObject()
	listed := func(do string) method {
		return func(goja.FunctionCall) goja.Value { return e.list(do) }
	}
	printed := func(call goja.FunctionCall) goja.Value {
		e.printed(call.Arguments)
		return goja.Undefined()
	}
	for name, do := range map[string]method{
		"connections": listed(wire.DoConnections),
		"cursors":     listed(wire.DoCursors),
		"routes":      listed(wire.DoRoutes),
		"nodes":       listed(wire.DoNodes),
		"as":          func(call goja.FunctionCall) goja.Value { return e.as(call.Argument(0), nil) },
		"at":          e.atSeq,
		"diff":        func(call goja.FunctionCall) goja.Value { return e.diff(e.given(call, 0, "the argument of diff")) },
		"help":        func(call goja.FunctionCall) goja.Value { return e.help(call.Argument(0)) },
		"impact":      func(call goja.FunctionCall) goja.Value { return e.impact(e.given(call, 0, "the argument of impact")) },
		"undo":        e.undo,
		"why":         func(call goja.FunctionCall) goja.Value { return e.why(call, nil) },
		"jobs":        e.jobs,
		"reactions":   e.reactions,
		"csv":         e.csv,
		"log":         e.log,
		"parseCSV":    e.parseCSV,
		"print":       printed,
		"readFile":    e.readFile,
		"writeFile":   e.writeFile,
		"reveal":      e.reveal,
		"seq": func(goja.FunctionCall) goja.Value {
			var hello wire.ControlHello
			e.ask(wire.ControlRequest{Do: wire.DoHello}, &hello)
			return e.vm.ToValue(hello.Seq)
		},
		"sessions":    e.sessions,
		"transaction": e.transaction,
	} {
		e.defineHidden(e.vm.GlobalObject(), name, do)
	}
	console := e.vm.NewObject()
	for _, name := range []string{"log", "info", "warn", "error", "debug"} {
		e.defineHidden(console, name, printed)
	}
	e.defineHidden(e.vm.GlobalObject(), "console", console)
}

func (e *Evaluator) printed(args []goja.Value) {
	values := make([]show.Value, len(args))
	for i, arg := range args {
		values[i] = e.snapshot(arg, copyBrief)
	}
	e.Print(values)
}

// list returns the answer to a request as an array of plain objects.
func (e *Evaluator) list(do string) goja.Value {
	var answer json.RawMessage
	e.askAll(wire.ControlRequest{Do: do}, &answer)
	return e.parsed(answer)
}

// parsed converts JSON from the application to a JavaScript value.
func (e *Evaluator) parsed(answer json.RawMessage) goja.Value {
	if len(answer) == 0 {
		return goja.Undefined()
	}
	decoder := json.NewDecoder(bytes.NewReader(answer))
	decoder.UseNumber()
	v, err := (jsonReader{e.vm, decoder}).value()
	if err != nil {
		e.throw(err)
	}
	return v
}

// withText gives an object a description, which is shown instead of its properties.
func (e *Evaluator) withText(object *goja.Object, text string) *goja.Object {
	e.must(object.DefineDataPropertySymbol(e.textSymbol, e.vm.ToValue(text), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	return object
}

// transaction runs a function as one commit; if the function throws, nothing is
// written. It returns the function's result.
func (e *Evaluator) transaction(call goja.FunctionCall) goja.Value {
	fn, ok := goja.AssertFunction(call.Argument(0))
	if !ok {
		panic(e.usage("transaction takes a function: transaction(() => { … })"))
	}
	if e.tx != 0 {
		panic(e.usage("transactions cannot be nested"))
	}
	var result goja.Value
	e.transact(func() {
		result = e.call(fn, goja.Undefined())
		if isPromise(result) {
			panic(e.usage("a transaction takes a plain function, not an async one"))
		}
	})
	return result
}

// transact runs do as one commit, or rolls its writes back if it throws. Within a
// transaction, do becomes part of it. With a sandbox, the sandbox keeps the writes.
func (e *Evaluator) transact(do func()) {
	if e.tx != 0 {
		do()
		return
	}
	e.within(func(tx uint64) (committed bool) {
		do()
		e.ask(wire.ControlRequest{Do: wire.DoCommit, Tx: tx}, nil)
		return true
	})
}

// within runs do in a transaction of its own and rolls it back unless do reports that
// it has been committed.
func (e *Evaluator) within(do func(tx uint64) (committed bool)) {
	var tx uint64
	e.ask(wire.ControlRequest{Do: wire.DoBegin}, &tx)
	e.tx = tx
	began := e.sandbox.written()
	committed := false
	defer func() {
		if e.tx = 0; !committed {
			e.rollback(tx)
			e.sandbox.truncate(began)
		}
	}()
	committed = do(tx)
}

// rollback rolls a transaction back, even if the code was interrupted. It ignores
// errors: on failure the transaction no longer exists, because it was committed or the
// application has ended.
func (e *Evaluator) rollback(tx uint64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), rollbackTimeout)
	defer cancel()
	_ = e.Remote.Do(ctx, wire.ControlRequest{Do: wire.DoRollback, Tx: tx}, nil)
}

func (e *Evaluator) globals() []string {
	names := slices.Concat(globalNames, e.vm.GlobalObject().Keys())
	if e.sandbox != nil {
		names = append(names, "commit", "discard")
	}
	slices.Sort(names)
	return slices.Compact(names)
}
