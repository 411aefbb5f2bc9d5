package repl

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/wire"
)

var globalNames = []string{"connections", "cursors", "help", "print", "routes", "seq", "transaction"}

const rollbackTimeout = 2 * time.Second

func (e *evaluator) defineGlobals() {
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
		"help":        func(call goja.FunctionCall) goja.Value { return e.help(call.Argument(0)) },
		"print":       printed,
		"seq": func(goja.FunctionCall) goja.Value {
			var hello wire.ControlHello
			e.ask(wire.ControlRequest{Do: wire.DoHello}, &hello)
			return e.vm.ToValue(hello.Seq)
		},
		"transaction": e.transaction,
	} {
		e.hide(e.vm.GlobalObject(), name, do)
	}
	console := e.vm.NewObject()
	for _, name := range []string{"log", "info", "warn", "error", "debug"} {
		e.hide(console, name, printed)
	}
	e.hide(e.vm.GlobalObject(), "console", console)
}

func (e *evaluator) printed(args []goja.Value) {
	values := make([]value, len(args))
	for i, arg := range args {
		values[i] = e.look(arg, lookBrief)
	}
	e.print(values)
}

// list is an array of plain objects, as the application describes itself.
func (e *evaluator) list(do string) goja.Value {
	var answer json.RawMessage
	e.ask(wire.ControlRequest{Do: do}, &answer)
	decoder := json.NewDecoder(bytes.NewReader(answer))
	decoder.UseNumber()
	v, err := (jsonReader{e.vm, decoder}).value()
	if err != nil {
		e.throw(err)
	}
	return v
}

// transaction runs a function whose writes become one commit, or nothing when
// it throws. It returns what the function returned.
func (e *evaluator) transaction(call goja.FunctionCall) goja.Value {
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

// transact makes the writes of do one commit. Within a transaction do is part
// of that one.
func (e *evaluator) transact(do func()) {
	if e.tx != 0 || e.sandboxed {
		do()
		return
	}
	var tx uint64
	e.ask(wire.ControlRequest{Do: wire.DoBegin}, &tx)
	e.tx = tx
	committed := false
	defer func() {
		e.tx = 0
		if !committed {
			e.rollback(tx)
		}
	}()
	do()
	committed = true // from here on only the application knows
	e.ask(wire.ControlRequest{Do: wire.DoCommit, Tx: tx}, nil)
}

// rollback lets go of a transaction, even of one that was interrupted. When it
// fails the application has gone, and the transaction with it.
func (e *evaluator) rollback(tx uint64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), rollbackTimeout)
	defer cancel()
	_ = e.remote.Do(ctx, wire.ControlRequest{Do: wire.DoRollback, Tx: tx}, nil)
}

func (e *evaluator) globals() []string {
	names := slices.Concat(globalNames, e.vm.GlobalObject().Keys())
	if e.sandboxed {
		names = append(names, "commit", "rollback")
	}
	slices.Sort(names)
	return slices.Compact(names)
}
