package dev

import (
	"context"
	"errors"
	"time"
)

// loop handles changes, outcomes of jobs and exits of the current process, until ctx
// ends. It alone starts and replaces processes.
func (s *Supervisor) loop(ctx context.Context, changes <-chan change) error {
	s.startBuild(ctx, "building")
	if !s.options.production() {
		s.startBundle(ctx)
	}
	for {
		var gone chan struct{}
		var lines chan string
		if s.current != nil {
			gone = s.current.exited
		}
		if s.current != nil && s.current != s.silent {
			lines = s.current.lines
		}
		select {
		case <-ctx.Done():
			return nil
		case c := <-changes:
			s.handleChange(ctx, c)
		case o := <-s.outcomes:
			if err := s.handleOutcome(ctx, o); err != nil {
				return err
			}
		case line, more := <-lines:
			if !more {
				s.silent = s.current
			}
			if line == "migrate" {
				s.startBuild(ctx, "migrations may run, building")
			}
		case <-gone:
			s.handleExit(ctx)
		}
	}
}

func (s *Supervisor) handleChange(ctx context.Context, c change) {
	if len(c.assets) > 0 {
		s.events.reload()
	}
	if len(c.scripts) > 0 {
		s.startBundle(ctx)
	}
	switch {
	case len(c.code) > 0:
		s.startBuild(ctx, c.code[0]+" changed, building")
	case len(c.assets) > 0 && (s.failure != nil || s.building != nil):
		// A process reads the assets when it starts: this change may repair it.
		s.startBuild(ctx, c.assets[0]+" changed, building")
	}
}

// handleOutcome handles the outcome of a job. It returns an error in production if the
// first build does not serve.
func (s *Supervisor) handleOutcome(ctx context.Context, o outcome) error {
	if o.job == s.bundling {
		s.bundling = nil
		s.handleBundle(o)
		return nil
	}
	if o.job != s.building && o.job != s.restart {
		o.discard()
		return nil
	}
	fresh := o.job == s.building
	if fresh {
		s.building = nil
	} else {
		s.restart = nil
	}
	err := o.err
	if err == nil {
		err = s.swap(ctx, o.child)
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil:
		s.openGate(ctx, fresh)
		return nil
	case s.options.production() && s.lastGood.binary == "":
		return err
	}
	s.handleFailure(ctx, asFailure(err), fresh)
	return nil
}

// handleBundle handles the outcome of bundling. It notifies the pages, unless a build is
// running that will notify them.
func (s *Supervisor) handleBundle(o outcome) {
	was := s.bundleErr
	s.bundleErr = nil
	if o.err != nil {
		s.bundleErr = asFailure(o.err)
		s.terminal.printFailure(s.bundleErr)
	}
	switch s.scripts.set(o.bundle) {
	case scriptsChanged:
		s.events.reload()
	case stylesChanged:
		s.events.restyle()
	}
	switch {
	case s.building != nil || s.failure != nil || s.current == nil:
	case s.bundleErr != nil:
		s.events.setBroken(s.bundleErr)
	case was != nil:
		s.events.setOK(s.current.program.build)
	}
}

// swap replaces the current process by next. Requests wait until the gate is opened
// again. On an error no process is left.
func (s *Supervisor) swap(ctx context.Context, next *child) error {
	s.restart.abort()
	s.restart = nil
	s.gate.hold()
	if s.current != nil {
		s.gate.drain(s.target, drainTime)
		s.current.stop(s.killCtx, stopTime)
		s.clearCurrent()
	}
	if err := next.open(ctx); err != nil {
		return err
	}
	s.current, s.target = next, newTarget(next.addr)
	return nil
}

// drainTime is the age of a request that the current process has certainly received, also on
// a busy machine. A process must not stop before: a request that it has not received is lost.
const drainTime = 3 * time.Second

// clearCurrent forgets the current process, which must have exited.
func (s *Supervisor) clearCurrent() {
	s.target.transport.CloseIdleConnections()
	s.current, s.target = nil, nil
}

// openGate lets requests through to the current process, which has just begun to serve.
// fresh means that it is a new build and not a restart.
func (s *Supervisor) openGate(ctx context.Context, fresh bool) {
	now := s.current.program
	if fresh {
		s.failure, s.restartDelay = nil, 0
		s.lastGood = now
		_ = s.builds.removeBefore(now.build) // the others are removed at the end
		s.showNote()
	}
	switch {
	case s.building != nil: // its outcome will notify the pages
	case s.failure != nil:
		s.events.setBroken(s.failure) // the source is newer than the running process
	case s.bundleErr != nil:
		s.events.setBroken(s.bundleErr)
	default:
		s.events.setOK(now.build)
	}
	s.gate.open(s.target)
	if s.nodes != nil {
		s.nodes.set(now)
	}
	if fresh && !s.options.production() && s.options.Served != nil {
		s.jobs.Go(func() { s.callServed(ctx) })
	}
	select {
	case <-s.serving:
		if !fresh {
			s.terminal.printLine("running again")
		}
	default:
		close(s.serving)
		s.announce()
		if !s.options.production() {
			s.terminal.printDetail("look inside: tower console")
		}
	}
}

// showNote shows what the current process says about its models.
func (s *Supervisor) showNote() {
	note := s.current.note
	if note != nil {
		note.Build = s.current.program.build
		note.print(s.terminal)
	}
	s.events.setNote(note)
}

// callServed calls Options.Served for a new build, and prints what it returns. It prints
// nothing if ctx ends first.
func (s *Supervisor) callServed(ctx context.Context) {
	s.servedMu.Lock()
	defer s.servedMu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	note, err := s.options.Served(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.terminal.printDetail(err.Error())
	case note != "":
		s.terminal.printLine(note)
	}
}

// announce prints the application's URL, once, and opens a browser if asked to.
func (s *Supervisor) announce() {
	if s.announced {
		return
	}
	s.announced = true
	s.terminal.printLine(s.url)
	if s.options.Open {
		if err := openBrowser(s.url); err != nil {
			s.terminal.printDetail("could not open a browser: " + err.Error())
		}
	}
}

// handleFailure reports why a new build or a restarted process does not serve. The
// previous build keeps running, or is started again if swap has stopped it.
func (s *Supervisor) handleFailure(ctx context.Context, f *Failure, fresh bool) {
	s.terminal.printFailure(f)
	if fresh {
		s.failure = f
	}
	if s.failure != nil {
		f = s.failure
	}
	s.events.setBroken(f)
	switch {
	case s.current != nil:
		s.terminal.printDetail("the previous build keeps running")
	case s.lastGood.binary == "":
		s.gate.refuse()
		s.announce()
	case !fresh:
		s.gate.refuse()
		s.restartLastGood(ctx)
	case s.restart == nil:
		s.restartLastGood(ctx)
	}
}

// handleExit restarts the application after the current process has exited on its own.
func (s *Supervisor) handleExit(ctx context.Context) {
	s.gate.remove(s.target)
	how := "it exited: " + s.current.cmd.ProcessState.String()
	s.terminal.printFailure(s.current.exitFailure(how))
	if time.Since(s.current.started) > steadyTime {
		s.restartDelay = 0
	}
	s.clearCurrent()
	s.restartLastGood(ctx)
}

// asFailure returns err as a [*Failure], which it makes if err is none.
func asFailure(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	return &Failure{Title: "The application is not running", Errors: []Problem{{Message: err.Error()}}, Text: err.Error()}
}
