package dev

import (
	"context"
	"fmt"
	"io"
	"time"
)

// A job is work in a goroutine beside the loop. Its outcome is a process that is ready, a
// bundle, or an error.
type job struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// abort cancels a job and discards its outcome. It may be called on a nil job.
func (j *job) abort() {
	if j != nil {
		j.cancel()
	}
}

// An outcome is the result of a job.
type outcome struct {
	job    *job
	child  *child
	bundle *bundle
	err    error
}

// discard kills the process of an outcome that is no longer wanted. It has not opened the
// store.
func (o outcome) discard() {
	if o.child != nil {
		o.child.kill()
	}
}

// startJob runs work in a goroutine. The loop receives the outcome, unless the job is
// aborted first.
func (s *Supervisor) startJob(ctx context.Context, work func(context.Context) outcome) *job {
	ctx, cancel := context.WithCancel(ctx)
	j := &job{cancel: cancel, done: make(chan struct{})}
	s.jobs.Go(func() {
		defer close(j.done)
		defer cancel()
		o := work(ctx)
		o.job = j
		select {
		case s.outcomes <- o:
		case <-ctx.Done():
			o.discard()
		}
	})
	return j
}

// startBuild builds the current source and starts the program. It aborts a build that is
// still running, whose source is old.
func (s *Supervisor) startBuild(ctx context.Context, why string) {
	before := s.building
	before.abort()
	s.lastBuild++
	number := s.lastBuild
	s.events.setBuilding()
	if s.current == nil {
		s.gate.hold()
	}
	s.building = s.startJob(ctx, func(ctx context.Context) outcome {
		if before != nil {
			<-before.done
		}
		s.terminal.startLine(why)
		began := time.Now()
		binary := s.builds.program(number)
		var say func(string)
		if number == 1 {
			say = s.terminal.printDetail
		}
		stop := announce(say)
		err := s.compile(ctx, binary)
		stop()
		if err != nil {
			if ctx.Err() == nil {
				s.terminal.finishLine("failed")
			}
			return outcome{err: err}
		}
		s.terminal.finishLine(fmt.Sprintf("built in %.1f s", time.Since(began).Seconds()))
		return s.start(ctx, program{binary, number})
	})
}

// A process that exits on its own is restarted at once the first time, and after a
// growing delay each further time. A process that has run for steadyTime resets the
// delay.
const (
	steadyTime = 10 * time.Second
	firstDelay = 200 * time.Millisecond
	lastDelay  = 5 * time.Second
)

// restartLastGood starts the last program that served.
func (s *Supervisor) restartLastGood(ctx context.Context) {
	delay, good := s.restartDelay, s.lastGood
	s.restartDelay = min(max(2*delay, firstDelay), lastDelay)
	s.restart = s.startJob(ctx, func(ctx context.Context) outcome {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return outcome{err: ctx.Err()}
		}
		return s.start(ctx, good)
	})
}

func (s *Supervisor) start(ctx context.Context, p program) outcome {
	l := s.options.launch(p, s.nodeOutput(1), s.nodeEnviron(1)...)
	l.working = s.terminal.printDetail
	c, err := start(ctx, l)
	return outcome{child: c, err: err}
}

// startBundle bundles the current scripts. It aborts a bundling that is still running.
func (s *Supervisor) startBundle(ctx context.Context) {
	before := s.bundling
	before.abort()
	s.bundling = s.startJob(ctx, func(ctx context.Context) outcome {
		if before != nil {
			<-before.done
		}
		began := time.Now()
		made, err := s.bundler.bundle(ctx)
		if err == nil && len(made.files) > 0 {
			s.terminal.printLine(fmt.Sprintf("bundled app/ in %.2f s", time.Since(began).Seconds()))
		}
		return outcome{bundle: made, err: err}
	})
}

func (o Options) launch(p program, out io.Writer, environ ...string) launch {
	environ = append(environ, "TOWER_ENV="+o.Env)
	return launch{folder: o.Folder, program: p, environ: append(o.Environ[:len(o.Environ):len(o.Environ)], environ...), out: out}
}
