package dev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/towerkit/tower/internal/private"
)

// A Target says what a build makes.
type Target struct {
	Folder     string // of the application
	Out        string // the program's file
	Production bool   // optimize it, and embed the bundle of app/ below public
	OS, Arch   string // "": those of GOOS and GOARCH, or of this machine
	Version    string // of the application, which the program states
	Commit     string // the same
	Environ    []string
}

// Build builds an application. Errors of the compiler and the bundler are returned as a
// [*Failure]. Build may be called while a [Supervisor] runs the same application. It calls
// say, unless it is nil, with a line of progress now and then while it takes long. It
// returns the files and folders that a build for production left out, because their names
// begin with a dot: "public/.env".
func Build(ctx context.Context, target Target, say func(string)) (leftOut []string, err error) {
	defer announce(say)()
	return target.build(ctx)
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

// BuildTemporary builds the application for one run, whatever t.Out is. It returns the path of
// the program, and a function that removes it. The program that was used last is used again
// if nothing has changed.
func BuildTemporary(ctx context.Context, t Target) (program string, remove func(), err error) {
	folder, err := private.Temp("tower-build-")
	if err != nil {
		return "", nil, fmt.Errorf("build the application: %w", err)
	}
	remove = func() { os.RemoveAll(folder) }
	t.Out = filepath.Join(folder, programName("app"))
	b := buildsIn(t.Folder)
	own := b.private() == nil
	if own {
		_ = os.Link(b.last(), t.Out) // without it, or from another disk, go build links it
	}
	if _, err := t.build(ctx); err != nil {
		remove()
		os.Remove(string(b)) // it is empty if nothing was kept
		return "", nil, err
	}
	if own {
		b.keep(t.Out)
	}
	return t.Out, remove, nil
}

func (t Target) build(ctx context.Context) (leftOut []string, err error) {
	// Every build has the same flags of the compiler, so that builds for production use
	// what builds for development have left in the cache.
	args := []string{"build", "-buildvcs=false", "-trimpath", "-o", t.Out}
	if t.Production {
		overlay, err := newOverlay(ctx, t.Folder)
		if err != nil {
			return nil, err
		}
		defer overlay.remove()
		leftOut = overlay.leftOut
		args = append(args, "-overlay="+overlay.file)
	}
	flags, err := t.linkFlags()
	if err != nil {
		return nil, err
	}
	args = append(args, "-ldflags="+flags)
	if err := os.MkdirAll(filepath.Dir(t.Out), 0o755); err != nil {
		return nil, fmt.Errorf("build the application: %w", err)
	}
	// endWithParent needs this thread to live as long as the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Dir = t.Folder
	cmd.Env = t.environ()
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
		return nil, buildFailure(t.Folder, string(output))
	case err != nil:
		return nil, fmt.Errorf("run go build: %w", err)
	}
	return leftOut, checkProgram(t.Out)
}

// linkFlags returns the flags of the linker. Programs have no tables for debuggers: without them linking takes
// a fifth less time, and traces of panics and profiles are the same.
func (t Target) linkFlags() (string, error) {
	source, err := sourceHash(t.Folder)
	if err != nil {
		return "", err
	}
	flags := "-s -w" + stamp("/internal/migrate.source", source)
	if t.Production {
		flags += stamp(".version", t.Version) + stamp(".commit", t.Commit)
	}
	return flags, nil
}

// stamp returns the flag that sets a variable of tower.
func stamp(name, value string) string {
	if value == "" {
		return ""
	}
	return fmt.Sprintf(" -X 'github.com/towerkit/tower%s=%s'", name, value)
}

// environ returns the variables of the go command. A program links nothing of the system,
// unless CGO_ENABLED says so, and runs on any machine of its kind.
func (t Target) environ() []string {
	environ := append([]string{"CGO_ENABLED=0"}, t.Environ...) // the last of a name counts
	if t.Environ == nil {
		environ = append(environ, os.Environ()...)
	}
	if t.OS != "" {
		environ = append(environ, "GOOS="+t.OS)
	}
	if t.Arch != "" {
		environ = append(environ, "GOARCH="+t.Arch)
	}
	return append(environ, "PWD="+t.Folder)
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

// The builds of an application are in its folder tmp/build, each in a folder that its number
// names. The one that was used last stays there when no process runs: go build does not link
// a program again that is up to date.
type builds string

func buildsIn(application string) builds { return builds(filepath.Join(application, "tmp", "build")) }

// program returns the path of a build's program.
func (b builds) program(number int) string {
	return filepath.Join(b.folder(fmt.Sprint(number)), programName("app"))
}

func (b builds) folder(name string) string { return filepath.Join(string(b), name) }

// kept is the folder of the build that was used last.
const kept = "last"

// last returns the path of the program that was used last.
func (b builds) last() string { return filepath.Join(b.folder(kept), programName("app")) }

// private makes the folder of the builds, unless it exists. It fails if others may have put
// programs there.
func (b builds) private() error {
	if err := private.OwnFolder(filepath.Dir(string(b))); err != nil {
		return err
	}
	return private.Folder(string(b))
}

// keep makes program the one that was used last. It stays where it is, too. If that fails, it
// is linked again another time.
func (b builds) keep(program string) {
	made, err := os.Stat(program)
	if before, none := os.Stat(b.last()); err != nil || none == nil && os.SameFile(made, before) {
		return
	}
	next := b.last() + ".next"
	if os.MkdirAll(b.folder(kept), 0o755) == nil {
		os.Remove(next) // of a process that was killed
		if os.Link(program, next) == nil {
			_ = os.Rename(next, b.last())
		}
	}
}

// open removes the builds that a killed process has left behind, which may be incomplete. The
// first build begins with the one that was used last.
func (b builds) open() error {
	if b.private() != nil {
		if err := os.RemoveAll(string(b)); err != nil {
			return err
		}
	}
	if err := b.private(); err != nil {
		return err
	}
	if err := b.removeBefore(math.MaxInt); err != nil {
		return err
	}
	if err := os.Rename(b.folder(kept), b.folder("1")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// close keeps a build and removes the others. The number 0 keeps none.
func (b builds) close(number int) {
	if number > 0 {
		os.RemoveAll(b.folder(kept))
		_ = os.Rename(b.folder(fmt.Sprint(number)), b.folder(kept)) // a build that is not kept is made again
	}
	_ = b.removeBefore(math.MaxInt) // what stays is removed by the next open
	os.Remove(string(b))            // it is empty if none is kept
}

// removeBefore removes the builds with smaller numbers.
func (b builds) removeBefore(number int) error {
	entries, _ := os.ReadDir(string(b))
	for _, entry := range entries {
		if n, err := strconv.Atoi(entry.Name()); err == nil && n < number {
			if err := os.RemoveAll(b.folder(entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
