package repl

import (
	"context"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/wire"
)

// openSandbox begins the transaction that the session is in from now on, and
// gives the code commit() and rollback() to end it and begin another.
func (e *evaluator) openSandbox(ctx context.Context) error {
	if err := e.remote.Do(ctx, wire.ControlRequest{Do: wire.DoBegin}, &e.sandbox); err != nil {
		return err
	}
	e.hide(e.vm.GlobalObject(), "commit", func(goja.FunctionCall) goja.Value {
		var written wire.Written
		e.endSandbox(wire.DoCommit, &written)
		return e.vm.ToValue(written.Changes)
	})
	e.hide(e.vm.GlobalObject(), "rollback", func(goja.FunctionCall) goja.Value {
		e.endSandbox(wire.DoRollback, nil)
		return goja.Undefined()
	})
	return nil
}

func (e *evaluator) endSandbox(do string, out any) {
	ended := e.sandbox
	e.sandbox = 0
	err := e.try(wire.ControlRequest{Do: do, Tx: ended}, out)
	if again := e.remote.Do(e.ctx, wire.ControlRequest{Do: wire.DoBegin}, &e.sandbox); err == nil {
		err = again
	}
	if err != nil {
		e.throw(err)
	}
}

// close throws the sandbox away.
func (e *evaluator) close() {
	if e.sandbox != 0 {
		e.rollback(e.sandbox)
		e.sandbox = 0
	}
}
