//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/systemtest/freeport"
)

// A harness has the program that buildTower builds and a folder for applications. Its
// commands run without the network.
type harness struct {
	t      testing.TB
	folder string
	tower  string
}

func newHarness(t testing.TB) *harness {
	t.Helper()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tower, err := buildTower()
	if err != nil {
		t.Fatal(err)
	}
	return &harness{t: t, folder: folder, tower: tower}
}

func (w *harness) command(folder string, args ...string) *exec.Cmd {
	cmd := exec.Command(w.tower, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "PORT=", "TERM=xterm-256color",
		"XDG_STATE_HOME="+filepath.Join(w.folder, "state"), "XDG_RUNTIME_DIR="+filepath.Join(w.folder, "run"))
	return cmd
}

// A testApp is an application and its server.
type testApp struct {
	*harness
	folder string
	port   string
	url    string
	server *exec.Cmd
	output *outputBuffer
}

// newJournal returns an application of its own that createJournal has made for the first test.
func (w *harness) newJournal() *testApp {
	w.t.Helper()
	made := filepath.Join(shared, "journal")
	if _, err := os.Stat(made); err != nil {
		w.createJournal(made)
	}
	a := w.newApp("journal")
	err := os.CopyFS(a.folder, os.DirFS(made))
	if err == nil {
		err = os.Chmod(filepath.Join(a.folder, "tmp", "build"), 0o700) // it is not used again if others may write to it
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// newApp returns an application that is not there yet.
func (w *harness) newApp(name string) *testApp {
	w.t.Helper()
	port := fmt.Sprint(freeport.Find(w.t))
	return &testApp{harness: w, folder: filepath.Join(w.folder, name), port: port, url: "http://localhost:" + port}
}

// createJournal creates an application with two models as a new user would, and adds users
// and a rule. It is built, and has no data.
func (w *harness) createJournal(folder string) {
	w.t.Helper()
	a := w.newApp("journal")
	w.must(w.folder, "new", "journal", "--vendor=false") // sources in one place are compiled once
	a.run("generate", "scaffold", "Author", "name:string:unique")
	a.run("generate", "scaffold", "Post", "title:string", "body:text", "published:bool", "author:ref")
	a.run("test")
	session, err := os.ReadFile("testdata/e2e/session.go.txt")
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.folder, "controllers", "session.go"), session, 0o644); err != nil {
		w.t.Fatal(err)
	}
	a.replace("routes.go", "\treturn r\n", "\ttower.Action(home, \"POST /session\", (*controllers.Home).Enter)\n\n\treturn r\n")
	a.run("routes")
	for _, name := range []string{"db", "tmp/secret"} {
		if err := os.RemoveAll(filepath.Join(a.folder, name)); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := os.Rename(a.folder, folder); err != nil {
		w.t.Fatal(err)
	}
}

func (w *harness) must(folder string, args ...string) string {
	w.t.Helper()
	out, err := w.command(folder, args...).Output()
	if err != nil {
		w.t.Fatalf("tower %s: %v\n%s%s", strings.Join(args, " "), err, out, stderrOf(err))
	}
	return string(out)
}

func (a *testApp) run(args ...string) string {
	a.t.Helper()
	return a.must(a.folder, args...)
}

// serve starts tower server, and waits until it serves.
func (a *testApp) serve() {
	a.t.Helper()
	a.output = &outputBuffer{}
	a.server = a.command(a.folder, "server", "--port", a.port)
	a.server.Stdout, a.server.Stderr = a.output, a.output
	if err := a.server.Start(); err != nil {
		a.t.Fatal(err)
	}
	server := a.server
	a.t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = server.Wait()
		if a.t.Failed() {
			a.t.Logf("tower server printed:\n%s", a.output.String())
		}
	})
	a.prints("http://localhost:" + a.port)
}

// prints waits until the server has printed a text.
func (a *testApp) prints(text string) {
	a.t.Helper()
	eventually(a.t, "the server prints "+text, func() bool { return strings.Contains(a.output.String(), text) })
}

// attach waits until the application is running, and connects to it.
func (a *testApp) attach() (client *control.Client) {
	a.t.Helper()
	app, err := readApplication(a.folder)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Setenv("XDG_RUNTIME_DIR", filepath.Join(a.harness.folder, "run"))
	eventually(a.t, "the application answers", func() bool {
		client, err = app.Attach(a.t.Context())
		return err == nil
	})
	return client
}

func (a *testApp) pid() int {
	a.t.Helper()
	client := a.attach()
	defer client.Close()
	return client.Hello().PID
}

// waitRunning waits until the application is running again after a kill.
func (a *testApp) waitRunning() { a.attach().Close() }

func (a *testApp) authors(names ...string) map[string]string {
	a.t.Helper()
	ids := map[string]string{}
	for _, name := range names {
		var author struct{ ID string }
		out := a.run("console", "--json", "-e", fmt.Sprintf("Author.create({name: %q})", name))
		if err := json.Unmarshal([]byte(out), &author); err != nil || author.ID == "" {
			a.t.Fatalf("Author.create printed %s", out)
		}
		ids[name] = author.ID
	}
	return ids
}

// replace edits a file of the application.
func (a *testApp) replace(name, old, with string) {
	a.t.Helper()
	path := filepath.Join(a.folder, filepath.FromSlash(name))
	text, err := os.ReadFile(path)
	if err != nil {
		a.t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(old)) {
		a.t.Fatalf("%s does not hold %q:\n%s", name, old, text)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(with), 1), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// An outputBuffer collects the output of a process.
type outputBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *outputBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *outputBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// A cursorWatch is a running tower query --watch and its output.
type cursorWatch struct {
	app    *testApp
	name   string
	output *outputBuffer
}

func (a *testApp) watch(name string) *cursorWatch {
	a.t.Helper()
	w := &cursorWatch{a, name, &outputBuffer{}}
	cmd := a.command(a.folder, "query", name, "--watch")
	cmd.Stdout, cmd.Stderr = w.output, os.Stderr
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(a.t, "the cursor is open", func() bool { return strings.Contains(w.output.String(), `"op":"current"`) })
	return w
}

// checkAgrees waits until the lines printed so far result in the cursor's records.
func (w *cursorWatch) checkAgrees() {
	w.app.t.Helper()
	var held []string
	for line := range strings.Lines(w.app.run("query", w.name, "--json")) {
		var record struct{ ID string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			w.app.t.Fatalf("%s: %v", line, err)
		}
		held = append(held, record.ID)
	}
	eventually(w.app.t, "the watched cursor holds "+strings.Join(held, " "), func() bool { return slices.Equal(w.currentIDs(), held) })
}

// currentIDs applies the lines printed so far, and returns the ids of the records.
func (w *cursorWatch) currentIDs() (ids []string) {
	for line := range strings.Lines(w.output.String()) {
		var step struct {
			Op, ID   string
			After    *string
			Included bool
		}
		if json.Unmarshal([]byte(line), &step) != nil {
			return nil // the line is not complete yet
		}
		if step.Included {
			continue
		}
		if at := slices.Index(ids, step.ID); step.Op == "leave" || step.Op == "change" && step.After != nil {
			ids = slices.Delete(ids, at, at+1)
		}
		switch {
		case step.Op == "enter" && step.After == nil: // a record of the first state
			ids = append(ids, step.ID)
		case step.Op != "leave" && step.After != nil:
			ids = slices.Insert(ids, slices.Index(ids, *step.After)+1, step.ID)
		}
	}
	return ids
}

// A terminalScreen is a console in a terminal.
type terminalScreen struct {
	t      testing.TB
	keys   *os.File
	screen vt10x.Terminal
}

func (a *testApp) console(flags ...string) *terminalScreen {
	a.t.Helper()
	cmd := a.command(a.folder, append([]string{"console"}, flags...)...)
	keys, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 150})
	if err != nil {
		a.t.Fatal(err)
	}
	s := &terminalScreen{t: a.t, keys: keys, screen: vt10x.New(vt10x.WithSize(150, 40), vt10x.WithWriter(keys))}
	var reading sync.WaitGroup
	reading.Go(func() {
		buffer := make([]byte, 4096)
		for {
			n, err := keys.Read(buffer)
			if err != nil {
				return
			}
			s.screen.Write(buffer[:n])
		}
	})
	a.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		keys.Close()
		reading.Wait()
	})
	s.shows("live")
	return s
}

func (s *terminalScreen) types(text string) {
	s.t.Helper()
	s.presses(text + "\r")
}

func (s *terminalScreen) presses(keys string) {
	s.t.Helper()
	if _, err := s.keys.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// shows waits until the screen contains all of the texts.
func (s *terminalScreen) shows(texts ...string) {
	s.t.Helper()
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the console shows:\n%s", s.screen.String())
		}
	}()
	for _, text := range texts {
		eventually(s.t, "the console shows "+text, func() bool { return strings.Contains(s.screen.String(), text) })
	}
}
