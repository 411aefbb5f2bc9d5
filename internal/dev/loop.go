package dev

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// loop is the loop that owns the application's processes.
func (s *Supervisor) loop(ctx context.Context, changes <-chan change) error {
	s.startBuild(ctx, "building")
	if !s.options.production() {
		s.startBundle(ctx)
	}
	for {
		var gone chan struct{}
		if s.current != nil {
			gone = s.current.exited
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
		// What starts reads the assets too: this may be what it needs.
		s.startBuild(ctx, c.assets[0]+" changed, building")
	}
}

// handleOutcome takes what a job has come to. In production, a first build that does
// not serve is an error.
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

// handleBundle takes what bundling has come to, and tells the pages, unless a build will.
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

// swap puts next in the place of the current process. Requests wait until next
// serves. If it does not come to, no process is left.
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

// drainTime is how long the current process is given to begin its answers
// before it is told to stop. After that it has surely received all requests.
const drainTime = 500 * time.Millisecond

// clearCurrent forgets the current process, which has ended.
func (s *Supervisor) clearCurrent() {
	s.target.transport.CloseIdleConnections()
	s.current, s.target = nil, nil
}

// openGate opens the gate to the process that has just come to serve.
func (s *Supervisor) openGate(ctx context.Context, fresh bool) {
	now := s.current.program
	if fresh {
		s.failure, s.restartDelay = nil, 0
		s.lastGood = now
		s.removeBuilds()
	}
	switch {
	case s.building != nil: // and will say what comes of it
	case s.failure != nil:
		s.events.setBroken(s.failure) // of a newer source than the one that runs
	case s.bundleErr != nil:
		s.events.setBroken(s.bundleErr)
	default:
		s.events.setOK(now.build)
	}
	s.gate.open(s.target)
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

// callServed says what became of it that a new build serves. Where that is over
// before it could be told, another one follows.
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

// removeBuilds removes what is older than the program that serves.
func (s *Supervisor) removeBuilds() {
	entries, _ := os.ReadDir(s.buildFolder)
	for _, entry := range entries {
		if number, err := strconv.Atoi(entry.Name()); err == nil && number < s.lastGood.build {
			os.RemoveAll(filepath.Join(s.buildFolder, entry.Name()))
		}
	}
}

// announce says once where the application is, or will be.
func (s *Supervisor) announce() {
	if s.announced {
		return
	}
	s.announced = true
	s.terminal.printLine(s.url)
	if s.options.Open {
		if err := openBrowser(s.url); err != nil {
			s.terminal.printDetail("no browser could be opened: " + err.Error())
		}
	}
}

// handleFailure shows why the newest source, or a process that was started again, does
// not run. What ran before runs on, or is started again.
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
		s.terminal.printDetail("the build before it keeps running")
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

// handleExit is called when the current process has ended by itself.
func (s *Supervisor) handleExit(ctx context.Context) {
	s.gate.hold()
	how := "it ended by itself: " + s.current.cmd.ProcessState.String()
	s.terminal.printFailure(s.current.exitFailure(how))
	if time.Since(s.current.started) > steadyTime {
		s.restartDelay = 0
	}
	s.clearCurrent()
	s.restartLastGood(ctx)
}

func asFailure(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	return &Failure{Title: "The application does not run", Errors: []Problem{{Message: err.Error()}}, Text: err.Error()}
}
