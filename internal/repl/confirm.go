package repl

// consent asks whether to do what a text says, which would touch more than one
// record, unless nothing comes of it yet.
func (e *evaluator) consent(what string) {
	if !e.ReadOnly && !e.trying && e.sandbox == nil {
		e.agree(what)
	}
}

// consentTo is consent to what is asked in production only.
func (e *evaluator) consentTo(what string) {
	if e.hello.Env == "production" {
		e.consent(what)
	}
}

// agree throws unless a person agrees to what a text says. Where there is nobody
// to ask it is enough that the code says so, but not in production.
func (e *evaluator) agree(what string) {
	switch {
	case e.Yes:
	case e.confirm != nil:
		if yes := e.confirm(e.ctx, what); e.ctx.Err() != nil {
			e.throw(errInterrupted)
		} else if !yes {
			e.throw(&failure{message: "not done"})
		}
	case e.hello.Env == "production":
		e.throw(&failure{title: "production", message: "there is nobody to ask whether to " + what,
			hint: "tower console --yes answers yes to all that would be asked"})
	}
}

// questionText is how a person is asked whether to do what a text says.
func questionText(what string) string { return what + "? [y/N]" }
