package dev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// Build builds the application in folder into the file out. For production the program
// is optimized and embeds the bundle of app/, below public. Errors of the compiler and the
// bundler are returned as a [*Failure]. Build may be called while a [Supervisor] runs the
// same application. It calls say, unless it is nil, with a line of progress now and then
// while it takes long. It returns the files and folders that a build for production left
// out, because their names begin with a dot: "public/.env".
func Build(ctx context.Context, folder, out string, production bool, say func(string)) (leftOut []string, err error) {
	defer announce(say)()
	return build(ctx, folder, out, production, os.Environ())
}

const (
	announceAfter = 5 * time.Second
	announceEvery = 20 * time.Second
)

// announce calls say, unless it is nil, with what a long build does, until stop is called.
func announce(say func(string)) (stop func()) {
	if say == nil {
		return func() {}
	}
	began, ended, stopped := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		next := time.NewTimer(announceAfter)
		defer next.Stop()
		for {
			select {
			case <-next.C:
				say(fmt.Sprintf("compiling for %d s: the first build compiles every package and usually takes one or two minutes, the next ones some seconds", int(time.Since(began).Seconds())))
				next.Reset(announceEvery)
			case <-ended:
				return
			}
		}
	}()
	return func() {
		close(ended)
		<-stopped
	}
}

func build(ctx context.Context, folder, out string, production bool, environ []string) (leftOut []string, err error) {
	// Every build has the same flags of the compiler, so that builds for production use
	// what builds for development have left in the cache.
	args := []string{"build", "-buildvcs=false", "-trimpath", "-o", out}
	if production {
		overlay, err := newOverlay(ctx, folder)
		if err != nil {
			return nil, err
		}
		defer overlay.remove()
		leftOut = overlay.leftOut
		args = append(args, "-ldflags=-s -w", "-overlay="+overlay.file)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return nil, fmt.Errorf("build the application: %w", err)
	}
	// endWithParent needs this thread to live as long as the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Dir = folder
	cmd.Env = append(environ[:len(environ):len(environ)], "PWD="+folder)
	ownGroup(cmd)
	cmd.Cancel = func() error { return kill(cmd.Process.Pid) }
	cmd.WaitDelay = 2 * time.Second
	output, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return nil, &Failure{
			Title:  "Go is missing",
			Errors: []Problem{{Message: "the command go was not found", Hint: "install Go from https://go.dev/dl and put it into PATH"}},
			Text:   err.Error(),
		}
	case errors.As(err, new(*exec.ExitError)):
		return nil, buildFailure(folder, string(output))
	case err != nil:
		return nil, fmt.Errorf("run go build: %w", err)
	}
	return leftOut, checkProgram(out)
}

// checkProgram returns an error if the file is an archive of object code: go build writes
// one for a package that is not main.
func checkProgram(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the built program: %w", err)
	}
	defer file.Close()
	archive := []byte("!<arch>")
	head := make([]byte, len(archive))
	if _, err := file.Read(head); err != nil || !bytes.Equal(head, archive) {
		return nil
	}
	message := "the application's folder has no package main"
	return &Failure{Title: "The build failed", Text: message, Errors: []Problem{{Message: message}}}
}

// programName returns the file name of a program on this system.
func programName(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}
