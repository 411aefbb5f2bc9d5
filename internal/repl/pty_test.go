//go:build unix

package repl

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"github.com/towerkit/tower/internal/repl/fakeapp"
)

// A console is a real console: a process in a terminal whose screen the test reads.
type console struct {
	t       *testing.T
	cmd     *exec.Cmd
	files   [2]*os.File // ours and the console's side of the terminal
	before  *term.State
	vt      vt10x.Terminal
	stderr  *os.File
	changed chan struct{} // receives when the screen has changed
	ended   chan struct{} // closed when the process has ended
	read    sync.WaitGroup

	mu  sync.Mutex
	raw bytes.Buffer // everything the console has written
}

// startConsole starts a console of the usual size on a board.
func startConsole(t *testing.T, b *board, environ ...string) *console {
	t.Helper()
	return startConsoleOn(t, b.path, 120, 30, environ...)
}

// startConsoleOn starts a console of a size on the application that listens at path.
func startConsoleOn(t *testing.T, path string, columns, rows int, environ ...string) *console {
	t.Helper()
	ours, theirs, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, files: [2]*os.File{ours, theirs}, changed: make(chan struct{}, 1), ended: make(chan struct{})}
	c.vt = vt10x.New(vt10x.WithWriter(ours), vt10x.WithSize(columns, rows))
	if err := pty.Setsize(ours, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}); err != nil {
		t.Fatal(err)
	}
	if c.before, err = term.GetState(theirs.Fd()); err != nil {
		t.Fatal(err)
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd = exec.Command(executable)
	// Use nothing of the tester's own terminal: the variable CI alone would remove the
	// colors.
	c.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir(), "TERM=xterm-256color",
		childSocket + "=" + path, "TOWER_REPL_TEST_HISTORY=" + filepath.Join(t.TempDir(), "history")}, environ...)
	if c.stderr, err = os.Create(filepath.Join(t.TempDir(), "stderr")); err != nil {
		t.Fatal(err)
	}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirs, theirs, c.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.read.Go(c.follow)
	go func() {
		c.cmd.Wait()
		close(c.ended)
	}()
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		<-c.ended
		theirs.Close()
		c.read.Wait()
		ours.Close()
		c.stderr.Close()
	})
	return c
}

// follow feeds the console's output to the screen until the terminal is closed.
func (c *console) follow() {
	buffer := make([]byte, 32<<10)
	for {
		n, err := c.files[0].Read(buffer)
		if n > 0 {
			c.vt.Write(buffer[:n])
			c.mu.Lock()
			c.raw.Write(buffer[:n])
			c.mu.Unlock()
			select {
			case c.changed <- struct{}{}:
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// errs returns the console's standard error output.
func (c *console) errs() string {
	text, err := os.ReadFile(c.stderr.Name())
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// written returns everything the console has written to the terminal.
func (c *console) written() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.raw.String()
}

func (c *console) screen() string { return c.vt.String() }

// patience is how long an event may take on a busy machine.
const patience = 2 * time.Minute

// until waits until the screen satisfies a condition, which may also ask whether the
// process has ended.
func (c *console) until(what string, holds func(screen string) bool) {
	c.t.Helper()
	deadline, ended := time.After(patience), c.ended
	for !holds(c.screen()) {
		select {
		case <-c.changed:
		case <-ended:
			ended = nil // what it wrote may still be on its way
		case <-deadline:
			c.t.Fatalf("waited for %s on this screen:\n%s\n%s", what, c.screen(), c.errs())
		}
	}
}

func (c *console) shows(parts ...string) {
	c.t.Helper()
	for _, part := range parts {
		c.until("“"+part+"”", func(screen string) bool { return strings.Contains(screen, part) })
	}
}

func (c *console) keys(text string) {
	c.t.Helper()
	if _, err := c.files[0].WriteString(text); err != nil {
		c.t.Fatal(err)
	}
}

// lacks waits until the screen no longer shows a text.
func (c *console) lacks(part string) {
	c.t.Helper()
	c.until("no “"+part+"”", func(screen string) bool { return !strings.Contains(screen, part) })
}

// hasEnded reports whether the process has ended.
func (c *console) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// ends waits for the process, and checks that the terminal was restored.
func (c *console) ends(exit int) {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.t.Fatalf("the console does not end:\n%s", c.screen())
	}
	if code := c.cmd.ProcessState.ExitCode(); code != exit {
		c.t.Errorf("exit %d, want %d: %s", code, exit, c.errs())
	}
	c.until("the main screen and its cursor", func(string) bool {
		c.vt.Lock()
		defer c.vt.Unlock()
		return c.vt.Mode()&vt10x.ModeAltScreen == 0 && c.vt.CursorVisible()
	})
	after, err := term.GetState(c.files[1].Fd())
	if err != nil || !reflect.DeepEqual(c.before, after) {
		c.t.Errorf("the terminal is not as it was: %v\n%+v\n%+v", err, c.before, after)
	}
}

func TestConsoleOnATerminal(t *testing.T) {
	b := openBoard(t)
	bob := b.Connect(t, b.bob.ID)
	bob.Open("memos.newest", nil)
	c := startConsole(t, b)
	c.shows("board  test", "1 connection", "› ")
	c.keys("Memo.create({title: \"Hello\", published: true})\r")
	c.shows("title      Hello", "#4 create memos/", `"Hello"`, "bob  memos.newest  enter ✓", ":4")
	c.keys("Memo.cou\t()\r")
	c.shows("› Memo.count()")
	bob.Call("POST /memos", map[string]any{"title": "From Bob"})
	c.shows("#5 create memos/", "bob · POST /memos", ":5")
	c.keys("\x1b[200~let a = 1\nlet b = 2\x1b[201~\r")
	c.keys("a + b + 39\r")
	c.shows("› a + b + 39", "  42")

	for _, size := range []*pty.Winsize{{Cols: 60, Rows: 24}, {Cols: 40, Rows: 12}, {Cols: 140, Rows: 36}} {
		c.vt.Resize(int(size.Cols), int(size.Rows))
		if err := pty.Setsize(c.files[0], size); err != nil {
			t.Fatal(err)
		}
		c.until("the screen at its new size", func(screen string) bool {
			lines := strings.Split(strings.TrimSuffix(screen, "\n"), "\n")
			return strings.Contains(lines[0], "board") && strings.HasPrefix(strings.TrimSpace(lines[len(lines)-1]), "enter run") &&
				strings.Contains(screen, "a + b + 39") && strings.Contains(screen, "#5")
		})
	}
	c.keys("exit\r")
	c.ends(0)
}

func TestConsoleStopsCode(t *testing.T) {
	c := startConsole(t, openBoard(t))
	c.shows("› ")
	c.keys("let kept = 7\r")
	c.keys("while (true) {}\r")
	c.shows("running…", "^C stop")
	c.keys("\x03")
	c.shows("stopped") // which appears when the code has ended; a result appears before
	c.keys("\x03")
	c.shows("^D or exit to leave")
	c.keys("kept * 6\r")
	c.shows("  42")
	c.keys("\x04")
	c.ends(0)
}

func TestConsoleRestoresTheTerminal(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(c *console)
		errs string
	}{
		{"after a panic", func(c *console) { c.keys("\x1b[200~¡panic!\x1b[201~") }, "error: internal error: asked to\n"},
		{"after SIGTERM", func(c *console) { c.cmd.Process.Signal(syscall.SIGTERM) }, ""},
		{"after SIGHUP", func(c *console) { c.cmd.Process.Signal(syscall.SIGHUP) }, ""},
		{"after SIGTERM while code runs", func(c *console) {
			c.keys("while (true) {}\r")
			c.shows("running…")
			c.cmd.Process.Signal(syscall.SIGTERM)
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := openBoard(t)
			ada := b.Connect(t, b.ada.ID)
			list := ada.Open("memos.newest", nil)
			c := startConsole(t, b)
			c.shows("› ", "1 connection")
			test.end(c)
			c.ends(1)
			if got := c.errs(); got != test.errs {
				t.Errorf("printed %q, want %q", got, test.errs)
			}
			ada.Call("POST /memos", map[string]any{"title": "Served"})
			list.AwaitLen(1)
		})
	}
}

// A killed process cannot restore the terminal itself; another process does.
func TestAKilledConsoleLeavesTheTerminalAsItWas(t *testing.T) {
	c := startConsole(t, openBoard(t))
	c.shows("› ", "0 connections")
	c.cmd.Process.Kill()
	c.ends(-1)
	for what, off := range map[string]string{"bracketed paste": "\x1b[?2004l", "the mouse": "\x1b[?1002l"} {
		if !strings.Contains(c.written(), off) {
			t.Errorf("%s is still on", what)
		}
	}
}

func TestConsoleOutlivesTheApplication(t *testing.T) {
	b := openBoard(t)
	b.Connect(t, b.bob.ID)
	c := startConsole(t, b)
	c.shows("› ", "1 connection")
	c.keys("let memo = Memo.create({title: \"kept\"})\r")
	c.shows("#4")
	b.close()
	c.shows("reconnecting…")
	c.keys("memo.title + Memo.count()\r")
	c.shows("waiting for the application…")
	b.start()
	c.shows("kept1", "0 connections")
	bob := b.Connect(t, b.bob.ID)
	c.shows("1 connection")
	bob.Call("POST /memos", map[string]any{"title": "again"})
	c.shows("#6", `"again"`)
	c.keys("\x04")
	c.ends(0)
}

func TestConsoleKeepsItsHistory(t *testing.T) {
	b := openBoard(t)
	history := "TOWER_REPL_TEST_HISTORY=" + filepath.Join(t.TempDir(), "state", "history")
	c := startConsole(t, b, history)
	c.shows("› ")
	c.keys(`Member.create({name: "eve", pass: "open sesame"}).name` + "\r")
	c.shows("  eve")
	c.keys("6 * 7\r")
	c.shows("  42")
	c.keys("exit\r")
	c.ends(0)
	c = startConsole(t, b, history)
	c.shows("› ")
	c.keys("\x1b[A")
	c.shows("› 6 * 7")
	c.keys("\x15\x12* 7")
	c.shows("search: * 7")
	c.keys("\r\r")
	c.shows("  42")
	c.keys("\x04")
	c.ends(0)
	path := strings.TrimPrefix(history, "TOWER_REPL_TEST_HISTORY=")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the history file: %v %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), `Member.create({name: "eve", pass: `) || strings.Contains(string(text), "sesame") {
		t.Errorf("the history is %q: %v", text, err)
	}
}

func TestConsoleOnADumbTerminal(t *testing.T) {
	c := startConsole(t, openBoard(t), "TERM=dumb")
	c.shows("board> ")
	c.keys("Memo.create({\n")
	c.shows("… ")
	c.keys("title: \"plain\"}).title\n")
	c.shows("\nplain ")
	c.keys("print(\"in\" + \"side\"); while (true) {}\n")
	c.shows("inside")
	c.keys("\x03") // the terminal drops unread input
	c.until("a prompt after ^C", func(screen string) bool {
		_, after, stopped := strings.Cut(screen, "^C")
		return stopped && strings.Contains(after, "board> ")
	})
	c.keys("40 + 2\n")
	c.shows("42 ")
	c.keys("nope\n\x04")
	c.ends(0)
	if got := c.errs(); !strings.Contains(got, "stopped") || !strings.Contains(got, "nope is not defined") {
		t.Errorf("printed %q", got)
	}
}

func TestAPrivateFieldIsRevealedOnATerminal(t *testing.T) {
	b := openBoard(t)
	history := filepath.Join(t.TempDir(), "history")
	c := startConsole(t, b, "TOWER_REPL_TEST_HISTORY="+history)
	c.shows("› ")
	c.keys(`let eve = Member.create({name: "eve", pass: "open sesame"})` + "\r")
	c.shows("#3 create members/")
	c.keys(`reveal(eve, "pass")` + "\r")
	c.shows("reveal pass of Member", "y yes")
	if b.Seq() != 3 {
		t.Error("it was logged before a person agreed")
	}
	c.keys("y")
	c.shows("yes", "open sesame", "#4 reveal pass of members/…", "no connections")
	c.keys("log(eve)\r")
	c.shows("2 items", "reveal pass of members/")
	c.keys("\x04")
	c.ends(0)
	if text, err := os.ReadFile(history); err != nil || !strings.Contains(string(text), `reveal(eve, "pass")`) || strings.Contains(string(text), "sesame") {
		t.Errorf("the history is %q: %v", text, err)
	}
}

func TestTheWheelOnATerminal(t *testing.T) {
	c := startConsole(t, openBoard(t))
	c.shows("› ")
	if !strings.Contains(c.written(), "\x1b[?1002h") {
		t.Error("the mouse is off")
	}
	c.keys("for (let i = 0; i < 90; i++) print(\"line \" + i)\r")
	c.shows("line 89")
	c.keys(strings.Repeat("\x1b[<64;5;5M", 20))
	c.shows("line 20")
	c.lacks("line 89")
	c.keys(strings.Repeat("\x1b[<65;5;5M", 40))
	c.shows("line 89")
	c.keys(".mouse\r")
	c.shows("the mouse selects text")
	c.until("the mouse is off", func(string) bool { return strings.Contains(c.written(), "\x1b[?1002l") })
	c.keys("\x04")
	c.ends(0)
}

func TestConsoleAsksBeforeItDestroys(t *testing.T) {
	b := openBoard(t)
	ada := b.Connect(t, b.ada.ID)
	list := ada.Open("memos.newest", nil)
	c := startConsole(t, b)
	c.shows("› ")
	c.keys(`Memo.create([{title: "a", published: true}, {title: "b", published: true}])` + "\r")
	c.shows("2 records")
	list.AwaitLen(2)
	c.keys("Memo.deleteAll()\r")
	c.shows("delete 2 of memos? [y/N]")
	c.keys("n")
	c.shows("delete 2 of memos? [y/N] no", "not done")
	c.keys("Memo.deleteAll()\r")
	c.until("the question again", func(screen string) bool { return strings.Count(screen, "delete 2 of memos?") == 2 })
	c.keys("\x03") // stops the asking code
	c.shows("stopped")
	if b.Seq() != 4 || list.Len() != 2 {
		t.Fatal("the code was run")
	}
	c.keys("Memo.deleteAll()\r")
	c.until("the question once more", func(screen string) bool {
		return strings.Contains(screen, "? [y/N]\n") || strings.Contains(screen, "? [y/N]  ")
	})
	c.keys("y")
	c.shows("delete 2 of memos? [y/N] yes")
	list.AwaitLen(0)
	c.keys("\x04")
	c.ends(0)
}

func TestProductionIsSeen(t *testing.T) {
	b := openBoardIn(t, "production")
	list := b.Connect(t, b.ada.ID).Open("memos.newest", nil)
	c := startConsole(t, b, "TERM=dumb")
	c.shows("board production> ")
	c.keys("Memo.create({title: \"a\", published: true}).delete()\r")
	c.shows("? [y/N] ")
	c.keys("n\r")
	c.until("the next prompt", func(screen string) bool { return strings.Count(screen, "board production>") == 2 })
	if !strings.Contains(c.errs(), "not done") {
		t.Errorf("printed %s", c.errs())
	}
	list.AwaitLen(1)
	c.keys("Memo.first().delete()\r")
	c.until("the question", func(screen string) bool { return strings.Count(screen, "? [y/N] ") == 2 })
	c.keys("y\r")
	c.shows("true")
	list.AwaitLen(0)
	c.keys("exit\r")
	c.ends(0)
}

func TestAPlainPromptOutlivesTheApplication(t *testing.T) {
	b := openBoard(t)
	c := startConsole(t, b, "TERM=dumb")
	c.shows("board> ")
	c.keys("let kept = 40\r")
	c.until("the prompt", func(screen string) bool { return strings.Count(screen, "board> ") == 2 })
	b.close()
	c.keys("Member.count() + kept\r")
	b.start()
	c.shows("42")
	if !strings.Contains(c.errs(), "The application has stopped. Requests wait until it is back.") {
		t.Errorf("printed %s", c.errs())
	}
	c.keys("exit\r")
	c.ends(0)
}

func TestInterruptEndsCodeInAPipe(t *testing.T) {
	var errs bytes.Buffer
	o := Options{Dial: dial(fakeapp.Start(t)), Expr: []string{`Post.count(); while (true) {}`}, Err: &errs}
	o.Output = writerFunc(func(p []byte) (int, error) {
		return len(p), syscall.Kill(syscall.Getpid(), syscall.SIGINT) // the result is shown, so the loop runs next
	})
	if exit := Run(t.Context(), o); exit != 1 || errs.String() != "stopped\n" {
		t.Errorf("exit %d: %q", exit, errs.String())
	}
}

// stuck is code in a call of the engine that cannot be interrupted.
const stuck = `"a".repeat(99).match(/^(a+)+\1$b/)`

func TestConsoleCanBeLeftWhenCodeIsStuck(t *testing.T) {
	c := startConsole(t, openBoard(t))
	c.shows("› ")
	c.keys(stuck + "\r")
	c.shows("running…")
	c.keys("\x03")
	c.shows("stopping…")
	c.keys("\x04")
	c.ends(0)

	c = startConsole(t, openBoard(t), "TERM=dumb")
	c.shows("board> ")
	// ^C may stop the code before it is stuck. Then there is another prompt.
	for try := 1; !c.hasEnded(); try++ {
		c.keys(`print("in" + "side"); ` + stuck + "\n")
		c.until("the code to run", func(screen string) bool { return strings.Count(screen, "inside") == try })
		c.keys("\x03")
		c.until("the end or a prompt", func(screen string) bool { return c.hasEnded() || strings.Count(screen, "board> ") > try })
	}
	c.ends(1)
	if got := c.errs(); !strings.HasSuffix(got, "error: the code does not stop\n") {
		t.Errorf("printed %q", got)
	}
}
