package script

import (
	"encoding/json"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

// consent asks for agreement to a write of more than one record, unless the write is
// only tried or goes to the sandbox.
func (e *Evaluator) consent(what string) {
	if !e.ReadOnly && !e.trying && e.sandbox == nil {
		e.agree(what)
	}
}

// consentTo is consent in production; elsewhere it does not ask.
func (e *Evaluator) consentTo(what string) {
	if e.Hello.Env == "production" {
		e.consent(what)
	}
}

// agree throws unless a person agrees. Without a person to ask, it agrees, except in
// production.
func (e *Evaluator) agree(what string) {
	switch {
	case e.Yes:
	case e.Confirm != nil:
		if yes := e.Confirm(e.ctx, what); e.ctx.Err() != nil {
			e.throw(ErrInterrupted)
		} else if !yes {
			e.throw(&show.Failure{Message: "not done"})
		}
	case e.Hello.Env == "production":
		e.throw(&show.Failure{Title: "production", Message: "there is no one to ask whether to " + what,
			Hint: "tower console --yes answers yes to every question"})
	}
}

// QuestionText returns the question that asks a person whether to do something.
func QuestionText(what string) string { return what + "? [y/N]" }

// reveal returns the value of a private field of a record. A person must agree first, since
// the application's log keeps that it was revealed.
func (e *Evaluator) reveal(call goja.FunctionCall) goja.Value {
	object, _ := call.Argument(0).(*goja.Object)
	var m *model
	if object != nil {
		m = e.recordModel(object)
	}
	field, isText := call.Argument(1).Export().(string)
	if m == nil || !isText {
		panic(e.usage("reveal takes a record and the name of a private field: reveal(record, \"field\")"))
	}
	id := m.id("reveal", object)
	f := m.field(field)
	switch {
	case f == nil:
		e.throw(m.unknownField(field))
	case !f.Private:
		e.throw(&show.Failure{Title: "TypeError", Message: m.name + "." + field + " is not private", Hint: "read it from the record: ." + field, Word: field})
	}
	e.mayReveal(m)
	e.consentToReveal(field + " of " + m.name + " " + id)
	var value json.RawMessage
	req := m.request(wire.DoReveal, id)
	req.Name = field
	e.ask(req, &value)
	if value == nil {
		return goja.Null()
	}
	return e.parsed(value)
}

// mayReveal throws where a reveal could not be logged, or would not be what it says.
func (e *Evaluator) mayReveal(m *model) {
	refuse := func(title, message, hint string) {
		e.throw(&show.Failure{Title: title, Message: message, Hint: hint})
	}
	switch {
	case e.ReadOnly:
		refuse("read only", "what is private is not revealed here: the log could not say so", "start the console without --read-only")
	case e.sandbox != nil:
		refuse("sandbox", "what is private is not revealed in a sandbox: the log must say so at once", "start the console without --sandbox")
	case e.tx != 0:
		refuse("transaction", "what is private is not revealed in a transaction or a trial: the log must say so at once", "reveal it before")
	case m.at != nil:
		refuse("past", "what was private in the past is not revealed", "reveal takes a record of the present: "+m.name+".find(id)")
	}
}

// consentToReveal asks a person. Without one, only --yes agrees.
func (e *Evaluator) consentToReveal(what string) {
	if !e.Yes && e.Confirm == nil {
		e.throw(&show.Failure{Title: "private", Message: "there is no one to ask whether to reveal " + term.Clean(what),
			Hint: "tower console --yes answers yes to every question; the log keeps what was revealed, and to whom"})
	}
	e.agree("reveal " + what + " (it is private; the log will keep that you read it)")
}
