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

var globalNames = []string{"as", "at", "connections", "cursors", "diff", "help", "impact", "print", "routes", "seq", "transaction", "undo", "why"}

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
		"as":          func(call goja.FunctionCall) goja.Value { return e.as(call.Argument(0), nil) },
		"at":          e.atSeq,
		"diff":        func(call goja.FunctionCall) goja.Value { return e.diff(call.Argument(0)) },
		"help":        func(call goja.FunctionCall) goja.Value { return e.help(call.Argument(0)) },
		"impact":      func(call goja.FunctionCall) goja.Value { return e.impact(call.Argument(0)) },
		"undo":        e.undo,
		"why":         func(call goja.FunctionCall) goja.Value { return e.why(call, nil) },
		"print":       printed,
		"seq": func(goja.FunctionCall) goja.Value {
			var hello wire.ControlHello
			e.ask(wire.ControlRequest{Do: wire.DoHello}, &hello)
			return e.vm.ToValue(hello.Seq)
		},
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

// list is an array of plain objects, as the application describes itself.
func (e *Evaluator) list(do string) goja.Value {
	var answer json.RawMessage
	e.ask(wire.ControlRequest{Do: do}, &answer)
	return e.parsed(answer)
}

// parsed is a value of what the application answered.
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

// withText lets an object say in words what it holds.
func (e *Evaluator) withText(object *goja.Object, text string) *goja.Object {
	e.must(object.DefineDataPropertySymbol(e.textSymbol, e.vm.ToValue(text), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	return object
}

// transaction runs a function whose writes become one commit, or nothing when
// it throws. It returns what the function returned.
func (e *Evaluator) transaction(call goja.FunctionCall) goja.Value {
	fn, ok := goja.AssertFunction(call.Argument(0))
	if !ok {
		panic(e.usage("transaction takes a function: transaction(() => { … })"))
	}
	if e.tx != 0 {
		panic(e.usage("a transaction cannot hold another one"))
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

// transact makes the writes of do one commit, or none when it throws. Within a
// transaction do is part of that one, and a sandbox keeps what it wrote.
func (e *Evaluator) transact(do func()) {
	if e.tx != 0 {
		do()
		return
	}
	e.within(func(tx uint64) (kept bool) {
		do()
		e.ask(wire.ControlRequest{Do: wire.DoCommit, Tx: tx}, nil)
		return true
	})
}

// within runs do in a transaction of its own, which is thrown away unless do
// returns that it has been committed.
func (e *Evaluator) within(do func(tx uint64) (kept bool)) {
	var tx uint64
	e.ask(wire.ControlRequest{Do: wire.DoBegin}, &tx)
	e.tx = tx
	began := e.sandbox.written()
	kept := false
	defer func() {
		if e.tx = 0; !kept {
			e.rollback(tx)
			e.sandbox.truncate(began)
		}
	}()
	kept = do(tx)
}

// rollback lets go of a transaction, even of one that was interrupted. When it
// fails the transaction is gone: it was committed, or the application has ended.
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
