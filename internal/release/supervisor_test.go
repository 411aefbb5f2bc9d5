//go:build linux

package release

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test binary be a release: what it does follows from the first word of the
// name of its folder.
func TestMain(m *testing.M) {
	socket := os.Getenv("TOWER_SUPERVISOR")
	if socket == "" {
		os.Exit(m.Run())
	}
	program, _ := os.Executable()
	kind, _, _ := strings.Cut(filepath.Base(filepath.Dir(program)), "-")
	if kind == "exits" {
		fmt.Fprintln(os.Stderr, "out of memory")
		os.Exit(3)
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		os.Exit(1)
	}
	words := bufio.NewScanner(conn)
	fmt.Fprintln(conn, "ready 127.0.0.1:0")
	for words.Scan() {
		switch words.Text() {
		case "open":
			if kind == "fails" {
				fmt.Fprintln(conn, "failed the store is of a newer release")
				os.Exit(1)
			}
			fmt.Fprintln(conn, "working half of the records")
			fmt.Fprintln(conn, "serving")
			if kind == "dies" {
				os.Exit(4)
			}
		case "stop":
			fmt.Fprintln(conn, "closed")
			os.Exit(0)
		}
	}
}

// A folder is one with releases and a supervisor.
type folder struct {
	t    *testing.T
	path string
	stop context.CancelFunc
	done chan error
}

func newFolder(t *testing.T, current string, releases ...string) *folder {
	t.Helper()
	path, err := os.MkdirTemp("/tmp", "release") // the path of a socket is bounded
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(releases, current) {
		place := filepath.Join(path, "releases", name)
		if err := os.MkdirAll(place, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(program, filepath.Join(place, "notes")); err != nil {
			copyFile(t, program, filepath.Join(place, "notes"))
		}
	}
	if err := os.Symlink(filepath.Join("releases", current), filepath.Join(path, "current")); err != nil {
		t.Fatal(err)
	}
	f := &folder{t: t, path: path, done: make(chan error, 1)}
	t.Cleanup(func() { _ = os.RemoveAll(path) })
	return f
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run starts the supervisor. health answers for the release that serves.
func (f *folder) run(health func() error) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	s := &Supervisor{Folder: f.path, Program: "notes", Output: io.Discard, Log: slog.New(slog.DiscardHandler),
		Health: func(context.Context) error { return health() }}
	go func() { f.done <- s.Run(ctx) }()
	f.stop = cancel
	f.t.Cleanup(func() {
		cancel()
		<-f.done
	})
	for { // until it answers
		if _, err := f.ask("status"); err == nil {
			return
		}
		select {
		case err := <-f.done:
			f.done <- err
			f.t.Fatal(err)
		default:
		}
	}
}

func (f *folder) ask(what string) (string, error) {
	var out bytes.Buffer
	err := Ask(f.t.Context(), f.path, what, &out)
	return out.String(), err
}

func (f *folder) link(name string) string {
	target, err := os.Readlink(filepath.Join(f.path, name))
	if err != nil {
		return ""
	}
	return target
}

func well() error { return nil }

func TestASwapMovesTheLinks(t *testing.T) {
	t.Parallel()
	f := newFolder(t, "good-1", "good-2")
	f.run(well)
	out, err := f.ask("swap good-2")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"starting good-2", "closing good-1", "half of the records", "watching good-2", "good-2 serves; clients waited"} {
		if !strings.Contains(out, part) {
			t.Errorf("it printed no %q:\n%s", part, out)
		}
	}
	if current, previous := f.link("current"), f.link("previous"); current != "releases/good-2" || previous != "releases/good-1" {
		t.Errorf("current leads to %s, previous to %s", current, previous)
	}
	if out, err := f.ask("swap good-2"); err != nil || !strings.Contains(out, "serves already") {
		t.Errorf("once more: %s %v", out, err)
	}
	if _, err := f.ask("swap good-1"); err != nil { // as a rollback
		t.Fatal(err)
	}
	if out, err := f.ask("status"); err != nil || !strings.Contains(out, "good-1 serves since") || !strings.Contains(out, "before: good-2") {
		t.Errorf("the status: %s %v", out, err)
	}
}

func TestAReleaseThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFolder(t, "good-1", "exits-1", "fails-1", "dies-1", "good-2")
	if err := os.Symlink("/etc/passwd", filepath.Join(f.path, "releases", "good-2", "other")); err != nil {
		t.Fatal(err)
	}
	f.run(well)
	for asked, reason := range map[string]string{
		"swap exits-1":     "it does not start, and good-1 still serves: exits-1: exit status 3",
		"swap fails-1":     "fails-1 failed, and good-1 serves again: fails-1: the store is of a newer release",
		"swap dies-1":      "dies-1 failed, and good-1 serves again: dies-1: exit status 4",
		"swap absent-1":    "there is no such release",
		"swap ../good-2":   "is not the name of a release",
		"swap":             "is not known",
		"swap good-1 now":  "is not known",
		"remove good-1":    "is not known",
		"swap releases/..": "is not the name of a release",
		"swap ..":          "is not the name of a release",
		"swap .":           "is not the name of a release",
	} {
		if out, err := f.ask(asked); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v\n%s", asked, err, out)
		}
		if current, previous := f.link("current"), f.link("previous"); current != "releases/good-1" || previous != "" {
			t.Errorf("after %s, current leads to %s, previous to %s", asked, current, previous)
		}
	}
	if out, err := f.ask("status"); err != nil || !strings.Contains(out, "good-1 serves since") {
		t.Errorf("the status: %s %v", out, err)
	}
}

func TestAnIllReleaseIsReplacedByTheOneBefore(t *testing.T) {
	t.Parallel()
	f := newFolder(t, "good-1", "good-2")
	f.run(func() error { return errors.New("the mail server is away") })
	_, err := f.ask("swap good-2")
	if err == nil || !strings.Contains(err.Error(), "good-2 failed, and good-1 serves again: the mail server is away") {
		t.Errorf("the swap: %v", err)
	}
	if current := f.link("current"); current != "releases/good-1" {
		t.Errorf("current leads to %s", current)
	}
}

func TestASupervisorNeedsARelease(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct {
		damage func(folder string) error
		reason string
	}{
		"no link":       {func(folder string) error { return os.Remove(filepath.Join(folder, "current")) }, "tower deploy brings one"},
		"a broken link": {func(folder string) error { return os.RemoveAll(filepath.Join(folder, "releases")) }, "good-1/notes: no such file"},
		"no program":    {func(folder string) error { return os.Remove(filepath.Join(folder, "releases", "good-1", "notes")) }, "good-1/notes: no such file"},
	} {
		f := newFolder(t, "good-1")
		if err := change.damage(f.path); err != nil {
			t.Fatal(err)
		}
		s := &Supervisor{Folder: f.path, Program: "notes", Output: io.Discard, Log: slog.New(slog.DiscardHandler), Health: func(context.Context) error { return nil }}
		if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), change.reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNobodyAnswersWithoutASupervisor(t *testing.T) {
	t.Parallel()
	if err := Ask(t.Context(), t.TempDir(), "status", io.Discard); err == nil || !strings.Contains(err.Error(), "no supervisor runs in") {
		t.Errorf("it is %v", err)
	}
}
