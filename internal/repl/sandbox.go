package repl

import (
	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/wire"
)

// enterSandbox keeps what the session writes in one transaction, which begins
// with the first write, and gives the code commit() and rollback() to end it.
// The application forgets an open transaction with the connection.
func (e *evaluator) enterSandbox() {
	e.sandboxed = true
	e.hide(e.vm.GlobalObject(), "commit", func(goja.FunctionCall) goja.Value {
		var written wire.Written
		e.endSandbox(wire.DoCommit, &written)
		return e.vm.ToValue(written.Changes)
	})
	e.hide(e.vm.GlobalObject(), "rollback", func(goja.FunctionCall) goja.Value {
		e.endSandbox(wire.DoRollback, nil)
		return goja.Undefined()
	})
}

func (e *evaluator) endSandbox(do string, out any) {
	if e.sandbox == 0 {
		return
	}
	ended := e.sandbox
	e.sandbox = 0 // whatever the answer is
	e.ask(wire.ControlRequest{Do: do, Tx: ended}, out)
}
