package dev

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// follow is the loop that owns the application's processes.
func (s *Supervisor) follow(ctx context.Context, changes <-chan change) error {
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
			s.changed(ctx, c)
		case o := <-s.outcomes:
			if err := s.arrived(ctx, o); err != nil {
				return err
			}
		case <-gone:
			s.died(ctx)
		}
	}
}

func (s *Supervisor) changed(ctx context.Context, c change) {
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

// arrived takes what a job has come to. In production, a first build that does
// not serve is an error.
func (s *Supervisor) arrived(ctx context.Context, o outcome) error {
	if o.job == s.bundling {
		s.bundling = nil
		s.bundled(o)
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
		s.served(ctx, fresh)
		return nil
	case s.options.production() && s.good.binary == "":
		return err
	}
	s.failed(ctx, asFailure(err), fresh)
	return nil
}

// bundled takes what bundling has come to, and tells the pages, unless a build will.
func (s *Supervisor) bundled(o outcome) {
	was := s.unbundled
	s.unbundled = nil
	if o.err != nil {
		s.unbundled = asFailure(o.err)
		s.terminal.fail(s.unbundled)
	}
	switch s.scripts.set(o.bundle) {
	case otherScripts:
		s.events.reload()
	case otherStyles:
		s.events.restyle()
	}
	switch {
	case s.building != nil || s.failure != nil || s.current == nil:
	case s.unbundled != nil:
		s.events.setBroken(s.unbundled)
	case was != nil:
		s.events.setOK(s.current.program.build)
	}
}

// swap puts next in the place of the current process. Requests wait until next
// serves. If it does not come to, no process is left.
func (s *Supervisor) swap(ctx context.Context, next *child) error {
	s.restart.cancelled()
	s.restart = nil
	s.gate.hold()
	if s.current != nil {
		s.gate.drain(s.target, drainTime)
		s.current.stop(s.hard, stopTime)
		s.leave()
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

// leave forgets the current process, which has ended.
func (s *Supervisor) leave() {
	s.target.transport.CloseIdleConnections()
	s.current, s.target = nil, nil
}

// served opens the gate to the process that has just come to serve.
func (s *Supervisor) served(ctx context.Context, fresh bool) {
	now := s.current.program
	if fresh {
		s.failure, s.delay = nil, 0
		s.good = now
		s.removeBuilds()
	}
	switch {
	case s.building != nil: // and will say what comes of it
	case s.failure != nil:
		s.events.setBroken(s.failure) // of a newer source than the one that runs
	case s.unbundled != nil:
		s.events.setBroken(s.unbundled)
	default:
		s.events.setOK(now.build)
	}
	s.gate.open(s.target)
	if fresh && !s.options.production() && s.options.Served != nil {
		s.jobs.Go(func() { s.report(ctx) })
	}
	select {
	case <-s.serving:
		if !fresh {
			s.terminal.say("running again")
		}
	default:
		close(s.serving)
		s.announce()
		if !s.options.production() {
			s.terminal.tell("look inside: tower console")
		}
	}
}

// report says what became of it that a new build serves. Where that is over
// before it could be told, another one follows.
func (s *Supervisor) report(ctx context.Context) {
	s.reporting.Lock()
	defer s.reporting.Unlock()
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	note, err := s.options.Served(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.terminal.tell(err.Error())
	case note != "":
		s.terminal.say(note)
	}
}

// removeBuilds removes what is older than the program that serves.
func (s *Supervisor) removeBuilds() {
	entries, _ := os.ReadDir(s.builds)
	for _, entry := range entries {
		if number, err := strconv.Atoi(entry.Name()); err == nil && number < s.good.build {
			os.RemoveAll(filepath.Join(s.builds, entry.Name()))
		}
	}
}

// announce says once where the application is, or will be.
func (s *Supervisor) announce() {
	if s.announced {
		return
	}
	s.announced = true
	s.terminal.say(s.url)
	if s.options.Open {
		if err := openBrowser(s.url); err != nil {
			s.terminal.tell("no browser could be opened: " + err.Error())
		}
	}
}

// failed shows why the newest source, or a process that was started again, does
// not run. What ran before runs on, or is started again.
func (s *Supervisor) failed(ctx context.Context, f *Failure, fresh bool) {
	s.terminal.fail(f)
	if fresh {
		s.failure = f
	}
	if s.failure != nil {
		f = s.failure
	}
	s.events.setBroken(f)
	switch {
	case s.current != nil:
		s.terminal.tell("the build before it keeps running")
	case s.good.binary == "":
		s.gate.refuse()
		s.announce()
	case !fresh:
		s.gate.refuse()
		s.startAgain(ctx)
	case s.restart == nil:
		s.startAgain(ctx)
	}
}

// died is called when the current process has ended by itself.
func (s *Supervisor) died(ctx context.Context) {
	s.gate.hold()
	how := "it ended by itself: " + s.current.cmd.ProcessState.String()
	s.terminal.fail(s.current.crash(how))
	if time.Since(s.current.started) > steadyTime {
		s.delay = 0
	}
	s.leave()
	s.startAgain(ctx)
}

func asFailure(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	return &Failure{Title: "The application does not run", Errors: []Problem{{Message: err.Error()}}, Text: err.Error()}
}
