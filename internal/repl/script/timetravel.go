package script

import (
	"strconv"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

// seqOf returns the commit number passed to a function.
func (e *Evaluator) seqOf(name string, v goja.Value) string {
	n, ok := wholeNumber(v)
	if !ok || n < 0 {
		panic(e.usage("%s takes the number of a commit: %s(%d)", name, name, max(e.Hello.Seq, 1)))
	}
	return strconv.FormatUint(uint64(n), 10)
}

// atSeq returns the read-only state of the application after a commit.
func (e *Evaluator) atSeq(call goja.FunctionCall) goja.Value {
	text := e.seqOf("at", call.Argument(0))
	at, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		e.throw(err)
	}
	return (&namespace{e: e, what: "at(" + text + ")",
		names: func() []string {
			names := []string{"as", "why"}
			for _, m := range e.models {
				names = append(names, m.name)
			}
			return names
		},
		member: func(name string) goja.Value {
			switch name {
			case "as":
				return e.vm.ToValue(func(call goja.FunctionCall) goja.Value { return e.as(call.Argument(0), &at) })
			case "why":
				return e.vm.ToValue(func(call goja.FunctionCall) goja.Value { return e.why(call, &at) })
			}
			for _, m := range e.modelsAt(&at) {
				if m.name == name {
					return m.object
				}
			}
			return nil
		},
	}).object()
}

// undo commits the inverse of a commit.
func (e *Evaluator) undo(call goja.FunctionCall) goja.Value {
	seq := e.seqOf("undo", call.Argument(0))
	e.consentTo("undo commit " + seq)
	var written wire.Written
	e.ask(wire.ControlRequest{Do: wire.DoUndo, Key: seq}, &written)
	out := e.vm.NewObject()
	e.setProperty(out, "seq", e.vm.ToValue(written.Seq))
	e.setProperty(out, "changes", e.vm.ToValue(written.Changes))
	text := "commit " + seq + " was undone by commit " + strconv.FormatUint(written.Seq, 10) + ": " + show.Counted(written.Changes, "record")
	switch {
	case written.Seq == 0 && written.Changes == 0:
		text = "there is nothing left to undo of commit " + seq
	case written.Seq == 0:
		text = "commit " + seq + " will be undone when this is committed: " + show.Counted(written.Changes, "record")
	}
	return e.withText(out, text)
}
