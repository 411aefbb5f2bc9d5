package dev

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// A job is work beside the loop that leads to a process that is ready, to a bundle,
// or to an error.
type job struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// abort ends a job early; what it comes to is not wanted. There may be none.
func (j *job) abort() {
	if j != nil {
		j.cancel()
	}
}

// An outcome is what a job has come to.
type outcome struct {
	job    *job
	child  *child
	bundle *bundle
	err    error
}

// discard ends a process that is not wanted, and has not opened the store.
func (o outcome) discard() {
	if o.child != nil {
		o.child.kill()
	}
}

// startJob runs work as a job. The outcome is handed to the loop, unless the job
// is cancelled first.
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

// startBuild builds and starts the source as it is now. A build that is under
// way is ended first: its source is old.
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
		binary := filepath.Join(s.buildFolder, fmt.Sprint(number), programName("app"))
		if err := s.compile(ctx, binary); err != nil {
			if ctx.Err() == nil {
				s.terminal.finishLine("failed")
			}
			return outcome{err: err}
		}
		s.terminal.finishLine(fmt.Sprintf("built in %.1f s", time.Since(began).Seconds()))
		return s.start(ctx, program{binary, number})
	})
}

// A process that ends by itself is started again at once, and each time that
// helps nothing after a longer delay. One that has run for steadyTime was well.
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
	c, err := start(ctx, s.options.launch(p, s.terminal, "TOWER_PUBLIC_URL="+s.url))
	return outcome{child: c, err: err}
}

// startBundle bundles the scripts as they are now. A bundle that is under way is
// ended first.
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
