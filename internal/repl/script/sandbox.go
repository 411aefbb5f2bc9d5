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

// A sandbox keeps what the session writes in one transaction, which begins with
// the first write, until the code calls commit() or discard(). The application
// forgets an open transaction with the connection; what was written is repeated
// then.
type sandbox struct {
	tx      uint64 // 0 before the first write
	journal []wire.ControlRequest
}

const longestJournal = 10_000

// enterSandbox keeps what the session writes, and gives the code what ends that.
func (e *Evaluator) enterSandbox() {
	e.sandbox = &sandbox{}
	e.defineHidden(e.vm.GlobalObject(), "commit", func(goja.FunctionCall) goja.Value {
		return e.vm.ToValue(e.commit())
	})
	e.defineHidden(e.vm.GlobalObject(), "discard", func(goja.FunctionCall) goja.Value {
		if tx := e.sandbox.tx; tx != 0 {
			*e.sandbox = sandbox{} // whatever the answer is
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

// note remembers a write, with the id of what it made.
func (s *sandbox) note(req wire.ControlRequest, out any) {
	if req.Tx, req.Look = 0, false; len(s.journal) >= longestJournal {
		return
	}
	if written, ok := out.(*wire.Written); ok && req.Do == wire.DoCreate {
		var set map[string]json.RawMessage
		var made struct{ ID json.RawMessage }
		if json.Unmarshal(req.Set, &set) == nil && json.Unmarshal(written.Record, &made) == nil && made.ID != nil {
			set["id"] = made.ID
			req.Set, _ = json.Marshal(set) // what was JSON is so again
		}
	}
	s.journal = append(s.journal, req)
}

// written is how much has been written; nothing without a sandbox.
func (s *sandbox) written() int {
	if s == nil {
		return 0
	}
	return len(s.journal)
}

// truncate takes back what was noted after that.
func (s *sandbox) truncate(written int) {
	if s != nil {
		s.journal = s.journal[:min(written, len(s.journal))]
	}
}

// commit makes what the sandbox holds one commit, and returns how many records it
// changes. Where it is refused, the sandbox still holds it.
func (e *Evaluator) commit() int {
	s := e.sandbox
	switch {
	case e.tx != 0:
		panic(e.usage("the sandbox cannot be committed from within a transaction"))
	case s.tx == 0:
		return 0
	}
	if e.Hello.Env == "production" {
		e.agree("commit what the sandbox holds, " + show.Counted(s.written(), "write"))
	}
	var written wire.Written
	err := e.try(wire.ControlRequest{Do: wire.DoCommit, Tx: s.tx}, &written)
	var remote *control.RemoteError
	if errors.As(err, &remote) && (remote.Code == "conflict" || remote.Code == "invalid") {
		f := refusal(err)
		f.Hint = "nothing was committed: diff() shows what the sandbox holds, discard() drops it"
		e.throw(f)
	}
	*s = sandbox{} // whatever the answer is
	if err != nil {
		e.throw(err)
	}
	return written.Changes
}

// FollowApplication lets the evaluator go on with another process of the application, if
// there is one: it adopts its models, and repeats what the sandbox holds. If wait is set
// and the sandbox holds something, it waits for the application. It returns the client of
// the process, which is known if that has not changed, and passes note what a person
// should know.
func (e *Evaluator) FollowApplication(ctx context.Context, l *control.Reconnector, known *control.Client, wait bool, note func(string)) *control.Client {
	now := l.Current()
	if now == nil && wait && e.sandbox != nil && e.sandbox.tx != 0 {
		now, _ = l.Wait(ctx) // without one the code is told that it is gone
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

// reattached is called when there is another process of the application. It
// returns what a person is to know of it.
func (e *Evaluator) reattached(hello wire.ControlHello) (note string) {
	e.adopt(hello)
	s := e.sandbox
	if s == nil || s.tx == 0 {
		return ""
	}
	journal := s.journal
	*s = sandbox{}
	if err := e.repeat(journal); err != nil {
		return "The application was restarted. What the sandbox held is gone: " + err.Error() + "."
	}
	return fmt.Sprintf("The application was restarted. What the sandbox held, %s, was repeated.", show.Counted(len(journal), "write"))
}

// repeat writes again what an earlier process has forgotten: all of it, or nothing.
func (e *Evaluator) repeat(journal []wire.ControlRequest) error {
	if len(journal) >= longestJournal {
		return fmt.Errorf("it was more than %s writes", show.Grouped(longestJournal))
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

// diff is what the open transaction or the sandbox has done so far, what a commit
// did, or what a function would do, which is tried and taken back.
func (e *Evaluator) diff(of goja.Value) goja.Value {
	diffs := []wire.Diff{}
	e.about("diff", of, func(req wire.ControlRequest) {
		req.Do = wire.DoDiff
		e.ask(req, &diffs)
	})
	answer, _ := json.Marshal(diffs) // it was JSON before
	return e.withText(e.parsed(answer).(*goja.Object), e.describeDiffs(diffs))
}

// impact is what the open transaction, the sandbox or a function would do to the
// cursors that are open. Nobody is told.
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

// about asks with the request for what diff and impact are about.
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
		e.throw(&show.Failure{Title: "no sandbox", Message: "there is nothing that is not committed",
			Hint: name + "(() => { … }) tries a function and takes back what it wrote; --sandbox keeps all for a while"})
	case e.sandbox.tx == 0 && name == "diff":
		// nothing has been written
	default:
		ask(wire.ControlRequest{Tx: e.sandbox.tx})
	}
}
