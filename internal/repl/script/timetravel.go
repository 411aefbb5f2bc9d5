package script

import (
	"slices"
	"strconv"
	"strings"

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

// shownLog is the number of entries of log() if no other is asked for.
const shownLog = 20

// log returns the newest commits, the last first: of all records, or of one.
func (e *Evaluator) log(call goja.FunctionCall) goja.Value {
	req := wire.ControlRequest{Do: wire.DoLog, Limit: shownLog}
	for i := range call.Arguments {
		v := e.given(call, i, "the argument of log")
		if object, ok := v.(*goja.Object); ok && e.recordModel(object) != nil && req.Key == "" {
			m := e.recordModel(object)
			req.Model, req.Key = m.info.Name, m.id("log", object)
		} else if _, isNumber := wholeNumber(v); isNumber {
			req.Limit = e.whole("log", v, 1)
		} else {
			panic(e.usage("log takes a record, or the number of commits: log(50)"))
		}
	}
	var entries []wire.LogEntry
	e.ask(req, &entries)
	out := make([]any, len(entries))
	for i, entry := range entries {
		object := e.vm.NewObject()
		e.setProperty(object, "seq", e.vm.ToValue(entry.Seq))
		e.setProperty(object, "at", e.vm.ToValue(entry.At.Format("2006-01-02T15:04:05.000Z")))
		e.setProperty(object, "by", e.vm.ToValue(entry.By))
		e.setProperty(object, "what", e.vm.ToValue(e.describeEntry(entry)))
		out[i] = object
	}
	return e.vm.NewArray(out...)
}

// describeEntry describes a commit in a few words.
func (e *Evaluator) describeEntry(entry wire.LogEntry) string {
	nameOf := func(model string) string {
		for _, m := range e.models {
			if m.info.Name == model {
				return m.name
			}
		}
		return model
	}
	if entry.Did != "" {
		return entry.Did
	}
	if len(entry.Changes) != 1 {
		return show.Counted(entry.ChangesAll, "change")
	}
	c := entry.Changes[0]
	if len(c.Fields) > 0 {
		return c.Op + " " + strings.Join(c.Fields, ", ") + " of " + nameOf(c.Model) + " " + c.ID
	}
	words := []string{c.Op, nameOf(c.Model), c.ID}
	if c.Label != "" {
		words = slices.Insert(words, 2, show.Quoted(c.Label))
	}
	return strings.Join(words, " ")
}
