package script

import "github.com/towerkit/tower/internal/repl/show"

// consent asks whether to do what a text says, which would touch more than one
// record, unless nothing comes of it yet.
func (e *Evaluator) consent(what string) {
	if !e.ReadOnly && !e.trying && e.sandbox == nil {
		e.agree(what)
	}
}

// consentTo is consent to what is asked in production only.
func (e *Evaluator) consentTo(what string) {
	if e.Hello.Env == "production" {
		e.consent(what)
	}
}

// agree throws unless a person agrees to what a text says. Where there is nobody
// to ask it is enough that the code says so, but not in production.
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
		e.throw(&show.Failure{Title: "production", Message: "there is nobody to ask whether to " + what,
			Hint: "tower console --yes answers yes to all that would be asked"})
	}
}

// QuestionText returns how a person is asked whether to do what a text says.
func QuestionText(what string) string { return what + "? [y/N]" }
