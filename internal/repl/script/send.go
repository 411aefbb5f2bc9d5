package script

import (
	"errors"
	"time"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

// ask sends a request, in the open transaction if there is one. It throws if the
// request fails.
func (e *Evaluator) ask(req wire.ControlRequest, out any) {
	if err := e.try(req, out); err != nil {
		e.throw(err)
	}
}

// askAll sends a request that several nodes answer, and prints which of them do not.
func (e *Evaluator) askAll(req wire.ControlRequest, out any) {
	partial := control.Partial{Out: out}
	e.ask(req, &partial)
	for _, text := range partial.Silent {
		e.Print([]show.Value{{Kind: show.String, Text: text}})
	}
}

func (e *Evaluator) try(req wire.ControlRequest, out any) error {
	write := control.Writes(req.Do) && req.At == nil
	if write && e.ReadOnly {
		return &show.Failure{Title: "read only", Message: "this console cannot write", Hint: "start it without --read-only"}
	}
	if req.Tx == 0 && req.At == nil {
		if err := e.place(&req, write); err != nil {
			return err
		}
	}
	if write && req.Tx == 0 || req.Do == wire.DoCommit && (e.sandbox == nil || req.Tx == e.sandbox.tx) {
		e.writing = true
	}
	err := e.Remote.Do(e.ctx, req, out)
	e.measure(req, write)
	if !errors.Is(err, control.ErrLost) && e.ctx.Err() == nil {
		e.writing = false
	}
	if called, ok := out.(*wire.Called); ok && called.Error != nil {
		return err // the action failed and wrote nothing
	}
	if err == nil && write && e.sandbox != nil {
		e.sandbox.note(req, out)
	}
	return err
}

// Progress counts the answered requests of the running code.
type Progress struct{ Writes, Reads int }

// String returns the counts in words.
func (p Progress) String() string {
	switch {
	case p.Writes == 0:
		return show.Counted(p.Reads, "read")
	case p.Reads == 0:
		return show.Counted(p.Writes, "write")
	}
	return show.Counted(p.Writes, "write") + ", " + show.Counted(p.Reads, "read")
}

// Done returns the answered requests of the code that runs, or has run last.
func (e *Evaluator) Done() Progress { return e.meter.Progress }

// A meter is the progress of the running code, and when it was last reported.
type meter struct {
	Progress
	reported time.Time
}

const progressEvery = 200 * time.Millisecond

// measure counts a request, and reports the progress now and then.
func (e *Evaluator) measure(req wire.ControlRequest, write bool) {
	switch {
	case write:
		e.meter.Writes += max(1, len(req.Sets))
	case req.Do != wire.DoBegin && req.Do != wire.DoCommit:
		e.meter.Reads++
	}
	if now := time.Now(); e.Progress != nil && now.Sub(e.meter.reported) >= progressEvery {
		if !e.meter.reported.IsZero() {
			e.Progress(e.meter.Progress)
		}
		e.meter.reported = now
	}
}

// place puts a request into the open transaction or the sandbox. The sandbox begins
// with its first write. Records only looked at in a sandbox, outside of transaction(),
// may change before it is committed. This includes reads of actions, except those in an
// action's own transaction.
func (e *Evaluator) place(req *wire.ControlRequest, write bool) error {
	switch req.Do {
	case wire.DoHello, wire.DoConnections, wire.DoNodes, wire.DoCursors, wire.DoRoutes, wire.DoLog, wire.DoSessions, wire.DoCommit, wire.DoRollback:
		return nil
	}
	if req.Tx = e.tx; e.tx != 0 || e.sandbox == nil {
		return nil
	}
	if write || req.Do == wire.DoBegin {
		if err := e.sandbox.begin(e); err != nil {
			return err
		}
	}
	looks := !write && req.Do != wire.DoBegin || req.Do == wire.DoCall
	req.Tx, req.Look = e.sandbox.tx, looks && e.sandbox.tx != 0
	return nil
}
