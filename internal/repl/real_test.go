//go:build unix

package repl

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/repl/fakeapp"
)

// What a person sees in a terminal, with a real application and real clients.

func TestTerminalShowsAllActivity(t *testing.T) {
	b := openBoard(t)
	ada, bob := b.Connect(t, b.ada.ID), b.Connect(t, b.bob.ID)
	ada.Open("memos.newest", nil)
	ada.Open("memos.by", map[string]any{"author": b.bob.ID})
	list := bob.Open("memos.newest", nil)
	c := startConsoleOn(t, b.path, 170, 44)
	c.shows("2 connections")

	// A commit from a browser.
	ada.Call("POST /memos", map[string]any{"title": "From a browser", "published": true})
	c.shows(`"From a browser"`, "ada · POST /memos", "2 of 2 connections in", "enter ✓ applied", "not matched")
	// Commits from this console and from a job.
	c.keys(`Memo.create({title: "A draft", authorId: Member.where({name: "ada"}).first().id})` + "\r")
	c.shows(`"A draft"`, "console:ada", "1 of 2 connections", "denied by boardMemos.Match")
	job := tower.WithAuthor(t.Context(), "job: publish")
	published, err := posted.Where(tower.Is(&posted.Fields.Title, "A draft")).First(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := posted.Update(job, b, published.ID, func(n *Memo) error { n.Published, n.Likes = true, 3; return nil }); err != nil {
		t.Fatal(err)
	}
	c.shows("job: publish", "published false → true", "likes 0 → 3", "change ✓ applied")
	if err := posted.Delete(job, b, published.ID); err != nil {
		t.Fatal(err)
	}
	c.shows("delete memos/", "leave ✓ applied")
	list.AwaitLen(1)
	// A connection that comes and goes.
	b.Connect(t, "").Close()
	c.shows("+ visitor joined over socket", "− visitor left")

	// All details of a commit.
	c.keys("\x1bOQ/delete memos\r\r")
	c.shows("commits", "by 2 of 2, the last after", `title      "A draft"`)
	c.keys("qqq")
	// The other views.
	c.keys("2")
	c.shows("via", "socket", "memos.newest", "lag")
	c.keys("\x1b[B\r")
	c.shows("bob ("+string(b.bob.ID)+")", "after the commit")
	c.keys("q3")
	c.shows("memos.newest", "incremental", "evals")
	c.keys("\r")
	c.shows("memos by -createdAt limit 3", "2 connections: ada, bob", "each")
	c.keys("q")
	c.keys("4")
	c.shows("POST /memos", "title:string", "memos.howMany")
	b.Log().Warn("could not send mail", "to", "carl")
	c.keys("5")
	c.shows("WARN  could not send mail to=carl")
	c.keys("?")
	c.shows("The live pane", "rows that contain each word")
	c.keys("q\x1bOQ1 + 1\r")
	c.shows("  2")
	c.keys("\x04")
	c.ends(0)
}

// openBoardConsole opens the board and a console of 120 by 30 cells that has attached to
// it.
func openBoardConsole(t *testing.T) (*board, *console) {
	t.Helper()
	b := openBoard(t)
	c := startConsoleOn(t, b.path, 120, 30)
	c.shows("0 connections")
	return b, c
}

func TestTerminalFollowsAndFreezes(t *testing.T) {
	b, c := openBoardConsole(t)
	b.member(t, "carl")
	c.shows(`"carl"`, "seed")
	c.keys("\x1bOQ ")
	c.shows("frozen")
	b.member(t, "dora")
	c.shows("frozen, 1 new")
	if strings.Contains(c.screen(), "dora") {
		t.Error("the frozen view moves")
	}
	c.keys(" ")
	c.shows(`"dora"`)
	c.keys("/!dora\r")
	c.lacks(`"dora"`)
	c.shows("/!dora", `"carl"`)
	c.keys("z")
	c.lacks("JavaScript on")
	c.keys("\x04")
	c.ends(0)
}

func TestTerminalStaysReadableWhenMuchHappens(t *testing.T) {
	b, c := openBoardConsole(t)
	for i := 0; !strings.Contains(c.screen(), "/s, sampled"); i++ {
		err := b.Transaction(t.Context(), func(tx *tower.Tx) error {
			return posted.Create(t.Context(), tx, &Memo{Title: fmt.Sprintf("n%d", i)})
		})
		if err != nil || i > 20_000 {
			t.Fatal(i, err)
		}
	}
	c.shows("create memos", "/s")
	c.keys("40 + 2\r") // typing still works
	c.shows("  42")
	c.until("calm", func(screen string) bool { return !strings.Contains(screen, "sampled") })
	c.shows(fmt.Sprintf(":%d  0 connections", b.Seq())) // and every commit is counted
	c.keys("\x04")
	c.ends(0)
}

func TestTerminalCompletes(t *testing.T) {
	b, c := openBoardConsole(t)
	for _, test := range []struct{ keys, shows string }{
		{"Memb\t", "› Member "},
		{"Memo.whe\t({publ\t", "› Memo.where({published: "},
		{"Memo.where({likes: {g\t\t", "› Memo.where({likes: {gt: "},
		{"Memo.where({published: t\t", "› Memo.where({published: true"},
		{`why(1, "memos.ho` + "\t", `› why(1, "memos.howMany`},
		{"as(1).memos.cre\t", "› as(1).memos.create"},
		{`Member.find("bo` + "\t", `› Member.find("` + string(b.bob.ID)},
		{`Memo.create({authorId: "ad` + "\t", `› Memo.create({authorId: "` + string(b.ada.ID)},
		{".ke\t", "› .keys"},
	} {
		c.keys(test.keys)
		c.shows(test.shows)
		c.keys("\x03")
		c.lacks(test.shows)
	}
	c.keys(`Member.find("` + "\t")
	c.shows(string(b.ada.ID)+"  ada", string(b.bob.ID)+"  bob")
	c.keys("\x03\x04")
	c.ends(0)
}

func TestTerminalResults(t *testing.T) {
	_, c := openBoardConsole(t)
	c.keys(`Memo.create([{title: "日本 👋", likes: 3, tags: ["a", "b"], authorId: Member.first().id}, {title: "x", published: true}]).length` + "\r")
	c.shows("  2")
	c.keys("Memo.all()\r")
	c.shows("title", "日", "2 records")
	c.keys("\x0c")
	c.lacks("2 records")
	c.vt.Resize(40, 60)
	if err := pty.Setsize(c.files[0], &pty.Winsize{Cols: 40, Rows: 60}); err != nil {
		t.Fatal(err)
	}
	c.keys("Memo.all()\r")
	c.shows("─ 1 ───", "─ 2 ───", "published  true", "2 records") // upright, because the screen is narrow
	c.keys(`({user: {name: "Ada", roles: ["editor", "author of very many posts"]}, n: 1})` + "\r")
	c.shows("├ user", "│ └ roles", "│   └ 1", "└ n") // a tree
	c.keys(`Array.from({length: 90}, (_, i) => ({n: i}))` + "\r")
	c.shows("more lines, ^O")
	c.keys("\x0f")
	c.shows("of 92 lines")
	c.keys("G")
	c.shows("90 items", "92 of 92 lines")
	c.keys("q")
	c.lacks("92 lines")
	c.keys("\"copied \" + \"text\"\r")
	c.shows("copied text")
	c.keys("\x1bw")
	c.shows("copied the last result")
	if want := "\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte("copied text")); !strings.Contains(c.written(), want) {
		t.Error("the clipboard is not set")
	}
	c.keys("\x04")
	c.ends(0)
}

func TestTerminalKeys(t *testing.T) {
	b := openBoard(t)
	editor := filepath.Join(t.TempDir(), "an editor")
	script := "#!/bin/sh\n[ -t 0 ] && [ -t 1 ] || exit 9\ncat \"$1\" > \"" + editor + ".saw\"\nprintf 'let a = 20\\n  a + 22' > \"$1\"\n"
	if err := os.WriteFile(editor, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	c := startConsoleOn(t, b.path, 120, 30, fmt.Sprintf("EDITOR='%s'", editor))
	c.shows("0 connections")
	c.keys("one two\x01\x1bf X\x05!\x17\x19\x1f") // ends, words, cut, paste, undo
	c.shows("› one X ")
	c.keys("\x15\x1b[200~let x = 1\r\nx + 6\x1b[201~\r")
	c.shows("› let x = 1", "  x + 6", "  7")
	c.keys("1 + \x18\x05")
	c.shows("› let a = 20", "  a + 22")
	if saw, err := os.ReadFile(editor + ".saw"); err != nil || string(saw) != "1 + \n" {
		t.Errorf("the editor received %q: %v", saw, err)
	}
	c.keys("\r")
	c.shows("  42")
	c.keys(".vi\r")
	c.shows("vi keys")
	c.keys("abc def\x1b")
	c.shows("command")
	c.keys("0dwix\x1b")
	c.shows("› xdef")
	c.keys("ccif (true) {\r") // continues on the next line
	c.keys("10 * 9 }\r")
	c.shows("  90")
	c.keys("\x12* 9")
	c.shows("search: * 9")
	c.keys("\r\r\x04")
	c.ends(0)
}

var colored = regexp.MustCompile(`\x1b\[[0-9;]*(38|3[0-7]|9[0-7])[;0-9]*m`)

func TestTerminalColors(t *testing.T) {
	b := openBoard(t)
	for _, environ := range [][]string{{"NO_COLOR=1"}, {"COLORTERM=truecolor"}} {
		c := startConsoleOn(t, b.path, 120, 30, environ...)
		c.shows("0 connections")
		c.keys(`let text = "green"; text` + "\r")
		c.shows("  green")
		c.keys("\x04")
		c.ends(0)
		if got := colored.MatchString(c.written()); got != (environ[0] != "NO_COLOR=1") {
			t.Errorf("%s: colored is %v", environ[0], got)
		}
	}
}

func TestTerminalLiveEventsInPlainLines(t *testing.T) {
	b := openBoard(t)
	ada := b.Connect(t, b.ada.ID)
	ada.Open("memos.newest", nil)
	c := startConsoleOn(t, b.path, 120, 40, "TOWER_REPL_TEST_PLAIN=1")
	c.shows("board> ")
	c.keys(".live\n")
	c.shows("Live events are on. Type .live to turn them off.")
	ada.Call("POST /memos", map[string]any{"title": "Hi", "published": true})
	c.shows("by ada · POST /memos: create memos", `"Hi"; it reached 1 of 1 connection in`, "  ada, memos.newest: enter.", "was applied by ada after")
	b.Connect(t, "").Close()
	c.shows("visitor joined over socket.", "visitor left.")
	b.Log().Error("broken", "at", 7)
	c.shows("Log, error: broken at=7")
	c.keys(".live\n")
	c.shows("Live events are off.")
	c.keys("6 * 7\n")
	c.shows("42")
	c.keys("\x04")
	c.ends(0)
	// Bubble Tea has already asked for the background color.
	if _, lines, _ := strings.Cut(c.written(), "board> "); strings.Contains(lines, "\x1b") {
		t.Errorf("there are escape sequences in plain lines: %q", lines)
	}
}

func TestTerminalNotesARestartedApplication(t *testing.T) {
	app := fakeapp.Start(t)
	c := startConsoleOn(t, app.Path, 120, 30)
	c.shows("› ", "3 connections")
	c.keys("let kept = 41\r")
	app.Stop()
	c.shows("reconnecting…")
	app.Build = "b2"
	app.Listen()
	c.shows("The application was rebuilt. Variables are kept.")
	c.keys("kept + 1\r")
	c.shows("  42")
	c.keys("\x04")
	c.ends(0)
}
