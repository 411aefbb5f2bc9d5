package screen

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/fakeapp"
	"github.com/towerkit/tower/internal/repl/live"
	"github.com/towerkit/tower/internal/repl/script"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/internal/wire"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// A stage is a screen with an evaluator on a [fakeapp.App] that runs its jobs
// synchronously, so that tests need no other goroutine.
type stage struct {
	t         testing.TB
	app       *fakeapp.App
	e         *script.Evaluator
	screen    *screen
	jobs      chan job
	quit      bool
	several   bool         // nodes
	at        time.Time    // for the live pane
	sequences bytes.Buffer // escape sequences that are not part of the screen
}

func newStage(t testing.TB, width, height int, o Options) *stage {
	t.Helper()
	if o.History == "" {
		o.History = "-"
	}
	app := fakeapp.Start(t)
	client := attach(t, app)
	st := &stage{t: t, app: app, e: script.New(client.Hello(), client, script.Options{}), jobs: make(chan job, 1), at: fakeapp.Time(0).Add(time.Hour)}
	st.screen = newScreen(o, st.app.Hello(), theme("none"), st.jobs)
	st.screen.live.Now = func() time.Time { return st.at }
	st.screen.tty.out = &st.sequences
	st.e.Preview, st.e.Items = shownRecords, shownItems
	st.e.Print = func(values []show.Value) { st.send(printedMsg{values}) }
	st.send(tea.WindowSizeMsg{Width: width, Height: height})
	st.send(control.Attached{Hello: st.app.Hello(), Connections: fakeapp.Connections})
	return st
}

// theme returns the styles of a terminal: "light", "dark", or "none" for one without
// color.
func theme(name string) term.Styles {
	profile := termenv.TrueColor
	if name == "none" {
		profile = termenv.Ascii
	}
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(profile)
	r.SetHasDarkBackground(name != "light")
	return term.NewStyles(r, term.ScreenPalette)
}

func (st *stage) send(msg any) {
	if cmd := st.screen.update(msg); cmd != nil {
		if _, quits := quitMessage(cmd); quits {
			st.quit = true
		}
	}
	select {
	case j := <-st.jobs:
		if j.complete {
			st.send(completedMsg{j.code, st.e.Complete(j.code)})
		} else {
			st.send(doneMsg{st.e.Run(j.ctx, script.Source{Text: j.code}, func(v show.Value) { st.send(shownMsg{v}) })})
		}
	default:
	}
}

// quitMessage runs a command that is known to be quick and returns its message.
func quitMessage(cmd tea.Cmd) (tea.Msg, bool) {
	if fmt.Sprintf("%p", cmd) != fmt.Sprintf("%p", tea.Quit) {
		return nil, false
	}
	return cmd(), true
}

func (st *stage) type_(text string) {
	for _, r := range text {
		st.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
	}
}

func (st *stage) press(keys ...tea.KeyType) {
	for _, k := range keys {
		st.send(tea.KeyMsg{Type: k})
	}
}

func (st *stage) enter(lines ...string) {
	for _, line := range lines {
		st.type_(line)
		st.press(tea.KeyEnter)
	}
}

// text returns the screen without escape sequences.
func (st *stage) text() string {
	lines := strings.Split(st.screen.view(), "\n")
	for i, line := range lines {
		if left, right, beside := strings.Cut(line, "\x1b[K\x1b["); beside {
			var at int
			fmt.Sscanf(right, "%dG", &at)
			_, right, _ = strings.Cut(right, "G")
			lines[i] = term.Pad(left, at-1) + right
		}
		lines[i] = ansi.Strip(lines[i])
	}
	return strings.Join(lines, "\n")
}

func (st *stage) wants(parts ...string) {
	st.t.Helper()
	for _, part := range parts {
		if !strings.Contains(st.text(), part) {
			st.t.Errorf("the screen does not show %q:\n%s", part, st.text())
		}
	}
}

func (st *stage) lacks(part string) {
	st.t.Helper()
	if strings.Contains(st.text(), part) {
		st.t.Errorf("the screen shows %q:\n%s", part, st.text())
	}
}

// play runs the session that the golden screens show.
func (st *stage) play() {
	st.enter(`User.create([{name: "ada"}, {name: "bob"}])`,
		`Post.create({title: "Hello 日本 👋", body: "A first post,\nof two lines.", authorId: User.first().id, likes: 3})`,
		`Post.create({title: "한국어 제목이 꽤 길어서 다 들어가지 않습니다", published: true, tags: ["live", "go"]})`,
		`Post.desc("likes")`, `Post.create({titel: "x"})`, `let n = 41; n + 1`, `print("counted", {posts: Post.count()})`)
	st.activities()
	st.type_("Post.where({published: true}).")
	st.press(tea.KeyTab, tea.KeyTab)
}

// activities sends the events that the golden live panes show.
func (st *stage) activities() {
	user, post := "01JBXYZ0000000000000000001", "01JBXYZ0000000000000000003"
	for _, changes := range [][]wire.ChangeInfo{
		{{Op: "create", Model: "users", ID: user, Label: "ada"}, {Op: "create", Model: "users", ID: user, Label: "bob"}},
		{{Op: "create", Model: "posts", ID: post, Label: "Hello 日本 👋", Values: []wire.FieldChange{{Name: "title", After: `"Hello 日本 👋"`}, {Name: "likes", After: "3"}, {Name: "body", After: `""`}}}},
		{{Op: "update", Model: "posts", ID: post, Label: "Hello 日本 👋", Fields: []string{"likes", "title", "secret"}, Values: []wire.FieldChange{
			{Name: "likes", Before: "3", After: "4"}, {Name: "title", Before: `"Hello, all of you out there in the wide world"`, After: `"Hello 日本 👋"`}}}},
		{{Op: "delete", Model: "posts", ID: post}},
	} {
		commit := fakeapp.Commit(st.screen.live.Seq+1, "console:ada", changes)
		if changes[0].Op == "update" {
			commit.By = "PATCH /posts/{id} by ada"
		}
		st.send(wire.ControlEvent{Commit: &commit})
		st.send(wire.ControlEvent{Applied: &wire.AppliedEvent{Seq: commit.Seq, Connection: 1, Micros: 4100}})
	}
	st.send(wire.ControlEvent{Joined: &wire.ConnectionInfo{ID: 4, User: "carl", Transport: "websocket"}})
	st.send(wire.ControlEvent{Left: 2})
	for _, line := range []wire.LogEvent{
		{Level: "INFO", Message: "listening", Attrs: "addr=127.0.0.1:3000"},
		{Level: "WARN", Message: "メールを送れませんでした 📭", Attrs: `to="carl@example.com" error="connection refused"`},
		{Level: "ERROR", Message: "rule", Attrs: `error="panic in Posts.Match: index out of range [3] with length 2"`},
	} {
		line.At = fakeapp.Time(0)
		st.send(wire.ControlEvent{Log: &line})
	}
}

// polled answers the request of the live pane.
func (st *stage) polled(view live.View) {
	msg := live.PolledMsg{View: view, Number: st.screen.polls}
	switch view {
	case live.ConnectionsView:
		msg.Connections = fakeapp.Connections
	case live.CursorsView:
		msg.Cursors = fakeapp.Cursors
	case live.RoutesView:
		msg.Routes = fakeapp.Routes
	case live.JobsView:
		msg.Jobs = fakeapp.Jobs(st.at)
	}
	if st.several {
		msg.Connections, msg.Cursors, msg.Silent = slices.Clone(msg.Connections), slices.Clone(msg.Cursors), []string{"node 3 has not answered within 2s"}
		for i := range msg.Connections {
			msg.Connections[i].Node = 1 + i/2
		}
		for i := range msg.Cursors {
			msg.Cursors[i].Node = 1 + i/2
		}
	}
	st.send(msg)
}

// scenes are the screens with golden files.
var scenes = []struct {
	name string
	play func(st *stage)
}{
	{"prompt", (*stage).play},
	{"commits", func(st *stage) { st.activities(); st.press(tea.KeyF2, tea.KeyUp, tea.KeyUp, tea.KeyUp) }},
	{"commit", func(st *stage) {
		st.activities()
		st.press(tea.KeyF2, tea.KeyUp, tea.KeyUp, tea.KeyUp, tea.KeyUp, tea.KeyEnter)
	}},
	{"busy", func(st *stage) {
		st.activities()
		st.busy()
		st.press(tea.KeyF2)
	}},
	{"connections", func(st *stage) { st.see("2"); st.press(tea.KeyDown) }},
	{"connection", func(st *stage) { st.see("2"); st.press(tea.KeyEnter) }},
	{"cursors", func(st *stage) { st.see("3"); st.press(tea.KeyDown) }},
	{"cursor", func(st *stage) { st.see("3"); st.press(tea.KeyEnter) }},
	{"routes", func(st *stage) { st.see("4"); st.press(tea.KeyDown) }},
	{"log", func(st *stage) { st.activities(); st.see("5"); st.type_("/refused") }},
	{"jobs", func(st *stage) { st.see("6"); st.press(tea.KeyDown) }},
	{"job", func(st *stage) { st.see("6"); st.press(tea.KeyDown, tea.KeyEnter) }},
	{"nodes", func(st *stage) { st.nodes() }},
	{"nodes-commit", func(st *stage) { st.nodes(); st.press(tea.KeyF2, tea.KeyUp, tea.KeyUp, tea.KeyUp, tea.KeyEnter) }},
	{"nodes-connections", func(st *stage) { st.nodes(); st.see("2") }},
	{"nodes-cursors", func(st *stage) { st.nodes(); st.see("3"); st.press(tea.KeyDown) }},
	{"nodes-log", func(st *stage) { st.nodes(); st.see("5") }},
	{"keys", func(st *stage) { st.type_("?") }},
	{"result", func(st *stage) {
		st.enter(`Array.from({length: 100}, (_, i) => ({title: "n" + i, likes: i}))`)
		st.press(tea.KeyCtrlO)
	}},
}

// nodes sends what a console of three nodes receives: a commit that reaches two of them, and
// the third, which does not answer.
func (st *stage) nodes() {
	st.several = true
	nodes := []wire.NodeInfo{{Number: 1, Here: true}, {Number: 2}, {Number: 3}}
	st.send(wire.ControlEvent{Nodes: &wire.NodesEvent{Nodes: slices.Clone(nodes)}})
	for seq := st.screen.live.Seq + 1; seq <= 814; seq++ {
		for node, user := range []string{1: "bob", 2: "ada", 3: "carl"} {
			commit := fakeapp.Commit(seq, "POST /posts by ada", []wire.ChangeInfo{{Op: "create", Model: "posts", ID: "01JBXYZ0000000000000000003", Label: "Hello 日本 👋"}})
			if commit.Connections, commit.ReachedAll, commit.Reached = 1, 1, []wire.Reach{{Node: node, Connection: 1, User: user, Cursor: "posts.all", Enter: 1}}; node == 3 {
				commit.ReachedAll, commit.Reached[0] = 0, wire.Reach{Node: 3, Connection: 1, User: "carl", Cursor: "posts.mine", Outcome: wire.Denied, By: "Posts.Match"}
			}
			if node > 0 && !(seq == 814 && node == 3) {
				st.send(wire.ControlEvent{Node: node, Commit: &commit})
			}
		}
		st.send(wire.ControlEvent{Node: 2, Applied: &wire.AppliedEvent{Seq: seq, Connection: 1, Micros: 5200}})
	}
	st.send(wire.ControlEvent{Node: 2, Joined: &wire.ConnectionInfo{ID: 2, User: "dan", Transport: "socket"}})
	nodes[2].Silent = "node 3 has not answered within 2s"
	st.send(wire.ControlEvent{Nodes: &wire.NodesEvent{Nodes: slices.Clone(nodes)}})
	st.send(wire.ControlEvent{Node: 2, Log: &wire.LogEvent{At: fakeapp.Time(0), Level: "WARN", Message: "メールを送れませんでした 📭", Attrs: `to="carl@example.com"`}})
}

// see switches to a view of the live pane by its key.
func (st *stage) see(view string) {
	st.press(tea.KeyF2)
	st.type_(view)
	if st.screen.live.View.Request() != "" {
		st.polled(st.screen.live.View)
	}
}

// busy sends many commits for two seconds.
func (st *stage) busy() {
	for i := range 8 {
		st.at = st.at.Add(live.RateStep)
		for range 5 {
			commit := fakeapp.Commit(st.screen.live.Seq+500, "POST /posts by bot", []wire.ChangeInfo{{Op: "create", Model: "posts", ID: fmt.Sprintf("01JBXYZ%019d", i), Label: "Hello 日本"}})
			st.send(wire.ControlEvent{Commit: &commit})
		}
		st.send(wire.ControlEvent{Skipped: &wire.Skipped{Commits: 2495, Seq: st.screen.live.Seq, Changes: []wire.Count{{Op: "create", Model: "posts", N: 2450}, {Op: "update", Model: "users", N: 45}}}})
		st.send(flushMsg{})
	}
}

func TestGoldenScreens(t *testing.T) {
	for _, scene := range scenes {
		for _, size := range [][2]int{{40, 20}, {80, 24}, {120, 30}, {200, 44}} {
			for _, name := range []string{"dark", "light", "none"} {
				t.Run(fmt.Sprintf("%s-%d-%s", scene.name, size[0], name), func(t *testing.T) {
					st := newStage(t, size[0], size[1], Options{})
					st.screen.st = theme(name)
					scene.play(st)
					view := st.screen.view()
					checkSize(t, view, size[0], size[1])
					golden(t, fmt.Sprintf("screens/%s-%d-%s", scene.name, size[0], name), view)
				})
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(got+"\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got+"\n" != string(want) {
		t.Errorf("%s has changed (run with -update to accept):\n%s", path, got)
	}
}

// checkSize checks that a view fills the screen and that no line is wider than its
// column.
func checkSize(t *testing.T, view string, columns, rows int) {
	t.Helper()
	lines := strings.Split(view, "\n")
	if len(lines) != rows {
		t.Errorf("%d lines on %d rows:\n%s", len(lines), rows, view)
	}
	for _, line := range lines {
		if w := ansi.StringWidth(line); w > columns {
			t.Errorf("%d columns on %d: %q", w, columns, line)
		}
		if left, right, beside := strings.Cut(line, "\x1b[K\x1b["); beside {
			var at int
			fmt.Sscanf(right, "%dG", &at)
			if w := ansi.StringWidth(left); w >= at {
				t.Errorf("%d columns on the left of %d: %q", w, at, line)
			}
			if _, right, _ = strings.Cut(right, "G"); ansi.StringWidth(right) > columns-at+1 {
				t.Errorf("%d columns on the right of %d: %q", ansi.StringWidth(right), at, line)
			}
		}
	}
}

func TestEverySizeIsFilled(t *testing.T) {
	for _, scene := range scenes {
		st := newStage(t, 80, 24, Options{})
		scene.play(st)
		for width := 1; width <= 130; width += 7 {
			for height := 1; height <= 30; height += 6 {
				st.send(tea.WindowSizeMsg{Width: width, Height: height})
				if width >= 12 {
					checkSize(t, st.screen.view(), width, height)
				} else {
					st.screen.view()
				}
			}
		}
	}
}

func TestTyping(t *testing.T) {
	st := newStage(t, 100, 24, Options{})
	st.enter("let x = {", "a: 1", "}", "x.a + 1")
	st.wants("› let x = {", "› x.a + 1 ", "  2 ")
	st.send(tea.KeyMsg{Type: tea.KeyRunes, Paste: true, Runes: []rune("[1,\r\n\t2].\x1b[31mlength")})
	if got := st.screen.editor.text(); got != "[1,\n  2].[31mlength" {
		t.Errorf("pasted %q", got)
	}
	st.press(tea.KeyCtrlC)
	st.wants("›")
	if !st.screen.editor.empty() {
		t.Error("^C does not discard the input")
	}
	st.press(tea.KeyCtrlC)
	st.wants("^D or exit to leave")
	st.enter("exit")
	if !st.quit {
		t.Error("exit does not quit")
	}
}

func TestQuitKey(t *testing.T) {
	st := newStage(t, 100, 24, Options{})
	st.type_("ab")
	st.press(tea.KeyCtrlA, tea.KeyCtrlD)
	if got := st.screen.editor.text(); got != "b" || st.quit {
		t.Errorf("^D in a text: %q, quit %v", got, st.quit)
	}
	st.press(tea.KeyCtrlD, tea.KeyCtrlD)
	if !st.quit {
		t.Error("^D on an empty line does not quit")
	}
}

func TestCompletionOnScreen(t *testing.T) {
	st := newStage(t, 100, 24, Options{})
	st.type_("Pos")
	st.press(tea.KeyTab)
	st.type_(".cou")
	st.press(tea.KeyTab)
	st.type_("()")
	st.press(tea.KeyEnter)
	st.wants("› Post.count()")
	st.type_("Post.first().up")
	st.press(tea.KeyTab)
	st.wants("› Post.first().update", "updatedAt", "update")
	st.press(tea.KeyTab)
	st.wants("› Post.first().updatedAt")
	st.press(tea.KeyTab)
	st.wants("› Post.first().update ")
	st.press(tea.KeyShiftTab, tea.KeyEnter)
	if got := st.screen.editor.text(); got != "Post.first().updatedAt" || st.screen.menu != nil {
		t.Errorf("chose %q", got)
	}
}

func TestScrolling(t *testing.T) {
	st := newStage(t, 100, 24, Options{})
	for i := range 40 {
		st.enter(fmt.Sprintf(`"line %02d"`, i))
	}
	st.wants("line 39")
	st.press(tea.KeyPgUp)
	st.lacks("line 39")
	for range 20 {
		st.press(tea.KeyPgUp)
	}
	st.wants("JavaScript on")
	st.press(tea.KeyPgDown)
	st.lacks("JavaScript on")
	st.type_("x") // scrolls back to the prompt
	st.wants("line 39", "› x")
	st.press(tea.KeyCtrlL)
	st.lacks("line 39")
	st.wants("› x")
}

func TestHistoryOnScreen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tower", "history")
	st := newStage(t, 100, 24, Options{History: path})
	st.enter("1 + 1", "2 + 2", "let f = () => {", "  3", "}", "1 + 1")
	st = newStage(t, 100, 24, Options{History: path})
	st.type_("draft")
	var seen []string
	for range 4 {
		st.press(tea.KeyUp)
		seen = append(seen, st.screen.editor.text())
		for st.screen.editor.up() {
		}
	}
	if want := []string{"1 + 1", "let f = () => {\n  3\n}", "2 + 2", "2 + 2"}; fmt.Sprintf("%q", seen) != fmt.Sprintf("%q", want) {
		t.Errorf("back through %q, want %q", seen, want)
	}
	for range 8 {
		st.press(tea.KeyDown)
	}
	if got := st.screen.editor.text(); got != "draft" {
		t.Errorf("forth to %q", got)
	}

	st.press(tea.KeyCtrlR)
	st.type_("+ ")
	st.wants("search: + ", "› 1 + 1")
	st.press(tea.KeyCtrlR)
	st.wants("› 2 + 2")
	st.press(tea.KeyCtrlR)
	st.wants("nothing older: + ")
	st.press(tea.KeyEnter)
	if got := st.screen.editor.text(); got != "2 + 2" || st.screen.search != nil {
		t.Errorf("took %q", got)
	}
	st.press(tea.KeyCtrlR)
	st.type_("let")
	st.press(tea.KeyEsc)
	if got := st.screen.editor.text(); got != "2 + 2" {
		t.Errorf("after giving up: %q", got)
	}
}

func TestAwayAndBack(t *testing.T) {
	st := newStage(t, 100, 24, Options{})
	st.send(control.Away{})
	st.wants("reconnecting…")
	st.send(control.Away{Err: errors.New("this console is older than the application")})
	st.wants("reconnecting…", "this console is older")
	hello := st.app.Hello()
	hello.Seq = 900
	st.send(control.Attached{Hello: hello, Connections: fakeapp.Connections[:1]})
	st.wants("…X4Y5:900", "1 connection")
	st.lacks("reconnecting…")
}

func TestModesAreShown(t *testing.T) {
	st := newStage(t, 120, 24, Options{Options: script.Options{Sandbox: true, ReadOnly: true}})
	st.wants("sandbox", "read only")
	hello := st.app.Hello()
	hello.Env = "production"
	st.send(control.Attached{Hello: hello})
	st.wants("production", "0 connections")
}

func TestLongCodeShowsItsProgress(t *testing.T) {
	st := newStage(t, 80, 24, Options{})
	st.screen.running, st.screen.slow, st.screen.begun = true, true, st.at
	st.wants("running…")
	st.at = st.at.Add(12 * time.Second)
	st.send(progressMsg(script.Progress{Writes: 34_000, Reads: 1}))
	st.wants("running…  12 s  34,000 writes, 1 read")
}
