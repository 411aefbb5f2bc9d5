package script

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

// A sandbox keeps the writes of the session in one transaction, from the first write
// until the code calls commit() or discard(). The application drops an open transaction
// when the connection ends. The sandbox then repeats its writes in a new one.
type sandbox struct {
	tx      uint64 // 0 before the first write
	journal []wire.ControlRequest
}

const longestJournal = 10_000

// enterSandbox starts the sandbox and defines commit and discard.
func (e *Evaluator) enterSandbox() {
	e.sandbox = &sandbox{}
	e.defineHidden(e.vm.GlobalObject(), "commit", func(goja.FunctionCall) goja.Value {
		return e.vm.ToValue(e.commit())
	})
	e.defineHidden(e.vm.GlobalObject(), "discard", func(goja.FunctionCall) goja.Value {
		if tx := e.sandbox.tx; tx != 0 {
			*e.sandbox = sandbox{} // even if the request fails
			e.ask(wire.ControlRequest{Do: wire.DoRollback, Tx: tx}, nil)
		}
		return goja.Undefined()
	})
}

func (s *sandbox) begin(e *Evaluator) error {
	if s.tx != 0 {
		return nil
	}
	return e.Remote.Do(e.ctx, wire.ControlRequest{Do: wire.DoBegin}, &s.tx)
}

// note adds a write to the journal, with the id of the record it created.
func (s *sandbox) note(req wire.ControlRequest, out any) {
	if req.Tx, req.Look = 0, false; len(s.journal) >= longestJournal {
		return
	}
	written, ok := out.(*wire.Written)
	switch {
	case ok && req.Do == wire.DoCreateAll:
		for i, stored := range written.Records {
			one := wire.ControlRequest{Do: wire.DoCreate, Model: req.Model, Set: req.Sets[i]}
			s.note(one, &wire.Written{Record: stored})
		}
		return
	case ok && req.Do == wire.DoCreate:
		var set map[string]json.RawMessage
		var made struct{ ID json.RawMessage }
		if json.Unmarshal(req.Set, &set) == nil && json.Unmarshal(written.Record, &made) == nil && made.ID != nil {
			set["id"] = made.ID
			req.Set, _ = json.Marshal(set) // set was decoded from JSON
		}
	}
	s.journal = append(s.journal, req)
}

// written returns the length of the journal, or 0 without a sandbox.
func (s *sandbox) written() int {
	if s == nil {
		return 0
	}
	return len(s.journal)
}

// truncate drops the journal entries after the first written.
func (s *sandbox) truncate(written int) {
	if s != nil {
		s.journal = s.journal[:min(written, len(s.journal))]
	}
}

// commit commits the sandbox and returns the number of changed records. If the
// application refuses, the sandbox stays unchanged.
func (e *Evaluator) commit() int {
	s := e.sandbox
	switch {
	case e.tx != 0:
		panic(e.usage("the sandbox cannot be committed from within a transaction"))
	case s.tx == 0:
		return 0
	}
	if e.Hello.Env == "production" {
		e.agree("commit the sandbox, " + show.Counted(s.written(), "write"))
	}
	var written wire.Written
	err := e.try(wire.ControlRequest{Do: wire.DoCommit, Tx: s.tx}, &written)
	var remote *control.RemoteError
	if errors.As(err, &remote) && (remote.Code == "conflict" || remote.Code == "invalid") {
		f := refusal(err)
		f.Hint = "nothing was committed: diff() shows the contents of the sandbox, discard() drops it"
		e.throw(f)
	}
	*s = sandbox{} // even if the request fails
	if err != nil {
		e.throw(err)
	}
	return written.Changes
}

// FollowApplication switches the evaluator to another process of the application if
// there is one: it adopts the models of the new process and repeats the writes of the
// sandbox. If wait is set and the sandbox contains writes, it waits for a process until
// ctx ends. known is the client of the previous process. FollowApplication returns the
// client of the current one, or known if there is none, and passes a message for the
// person to note.
func (e *Evaluator) FollowApplication(ctx context.Context, l *control.Reconnector, known *control.Client, wait bool, note func(string)) *control.Client {
	now := l.Current()
	if now == nil && wait && e.sandbox != nil && e.sandbox.tx != 0 {
		now, _ = l.Wait(ctx) // without a client, the requests of the code fail
	}
	if now == nil || now == known {
		return known
	}
	e.ctx = ctx
	if text := e.reattached(now.Hello()); text != "" {
		note(text)
	}
	return now
}

// reattached updates the evaluator for a new process of the application. It returns a
// message for the person, or "".
func (e *Evaluator) reattached(hello wire.ControlHello) (note string) {
	e.adopt(hello)
	s := e.sandbox
	if s == nil || s.tx == 0 {
		return ""
	}
	journal := s.journal
	*s = sandbox{}
	if err := e.repeat(journal); err != nil {
		return "The application was restarted. The contents of the sandbox were lost: " + err.Error() + "."
	}
	return fmt.Sprintf("The application was restarted. The sandbox was restored: %s repeated.", show.Counted(len(journal), "write"))
}

// repeat repeats the writes that the previous process dropped: all of them, or none.
func (e *Evaluator) repeat(journal []wire.ControlRequest) error {
	if len(journal) >= longestJournal {
		return fmt.Errorf("there were more than %s writes", show.Grouped(longestJournal))
	}
	for i, req := range journal {
		if err := e.try(req, nil); err != nil {
			*e.sandbox = sandbox{}
			return fmt.Errorf("write %d, of %s, failed: %w", i+1, req.Model+req.Name, err)
		}
	}
	e.sandbox.journal = journal
	return nil
}

// diff returns the changes in the open transaction or the sandbox, the changes of a
// commit, or the changes a function would make. The function is run and rolled back.
func (e *Evaluator) diff(of goja.Value) goja.Value {
	diffs := []wire.Diff{}
	e.about("diff", of, func(req wire.ControlRequest) {
		req.Do = wire.DoDiff
		e.ask(req, &diffs)
	})
	answer, _ := json.Marshal(diffs) // diffs was decoded from JSON
	return e.withText(e.parsed(answer).(*goja.Object), e.describeDiffs(diffs))
}

// impact returns the effect of the open transaction, the sandbox or a function on the
// open cursors. Nothing is sent to clients.
func (e *Evaluator) impact(of goja.Value) goja.Value {
	var answer json.RawMessage
	e.about("impact", of, func(req wire.ControlRequest) {
		if req.Key != "" {
			panic(e.usage("impact(() => { … }) tries a function; the live pane shows what commit %s did", req.Key))
		}
		if req.Tx == 0 { // an empty sandbox
			return
		}
		req.Do = wire.DoImpact
		e.ask(req, &answer)
	})
	if answer == nil {
		answer = json.RawMessage(`{"changes":0,"reached":[],"reachedAll":0,"moved":[]}`)
	}
	var impact wire.Impact
	if err := json.Unmarshal(answer, &impact); err != nil {
		e.throw(err)
	}
	return e.withText(e.parsed(answer).(*goja.Object), e.describeImpact(impact))
}

// about completes a request for diff or impact with its subject, and passes it to ask.
func (e *Evaluator) about(name string, of goja.Value, ask func(wire.ControlRequest)) {
	switch fn, isFunction := goja.AssertFunction(of); {
	case isFunction && e.tx != 0:
		panic(e.usage("%s cannot try a function within a transaction", name))
	case isFunction:
		e.trying = true
		defer func() { e.trying = false }()
		e.within(func(tx uint64) bool {
			if isPromise(e.call(fn, goja.Undefined())) {
				panic(e.usage("%s takes a plain function, not an async one", name))
			}
			ask(wire.ControlRequest{Tx: tx})
			return false
		})
	case !goja.IsUndefined(of):
		ask(wire.ControlRequest{Key: e.seqOf(name, of)})
	case e.tx != 0:
		ask(wire.ControlRequest{Tx: e.tx})
	case e.sandbox == nil:
		e.throw(&show.Failure{Title: "no sandbox", Message: "there is nothing uncommitted",
			Hint: name + "(() => { … }) runs a function and rolls its writes back; --sandbox keeps all writes uncommitted"})
	case e.sandbox.tx == 0 && name == "diff":
		// nothing has been written
	default:
		ask(wire.ControlRequest{Tx: e.sandbox.tx})
	}
}
