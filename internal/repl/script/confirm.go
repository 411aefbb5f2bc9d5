package script

import "github.com/towerkit/tower/internal/repl/show"

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
