//go:build unix

package repl

import (
	"io"
	"strings"
	"testing"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/towerkit/tower/internal/repl/term"
	"github.com/towerkit/tower/towertest"
)

// enter types lines and waits for the output of each.
func (c *console) enter(lines ...[2]string) {
	c.t.Helper()
	for _, line := range lines {
		c.keys("\x0c" + line[0] + "\r")
		c.shows(line[1])
	}
}

// openTerminal starts a console on the board, with Ada and Bob connected.
func openTerminal(t *testing.T, environ ...string) (*board, *console, *towertest.Client, *towertest.Client) {
	t.Helper()
	b := openBoard(t)
	ada, bob := b.Connect(t, b.ada.ID), b.Connect(t, b.bob.ID)
	ada.Open("memos.newest", nil)
	bob.Open("memos.newest", nil)
	c := startConsoleOn(t, b.path, 160, 44, environ...)
	c.shows("2 connections")
	return b, c, ada, bob
}

func TestTerminalReadsAndWritesRecords(t *testing.T) {
	_, c, _, _ := openTerminal(t)
	c.enter(
		[2]string{`let ada = Member.where({name: "ada"}).first(); ada.name`, "  ada"},
		[2]string{`Memo.create([{title: "a1", likes: 3, authorId: ada}, {title: "a2", published: true, authorId: ada}]).length`, "#5 2 changes"},
		[2]string{`Memo.where({published: true, likes: {gte: 3}}).desc("createdAt").limit(5).count()`, "  0"},
		[2]string{`Memo.where({title: "a1"}).first().author.name + ada.memos.count()`, "  ada2"},
		[2]string{`Memo.asc("title").pluck("title")`, `["a1", "a2"]`},
		[2]string{`Memo.find(Memo.first().id).title`, "  a1"},
		[2]string{`transaction(() => { Memo.create({title: "t1"}); Memo.first().update({likes: 9}) }); _`, "#6 2 changes"},
		[2]string{`Memo.where({published: false}).updateAll({body: "new"})`, "update 2 of memos? [y/N]"},
	)
	c.keys("y")
	c.shows("update 2 of memos? [y/N] yes", "#7 2 changes")
	c.keys("Memo.where({title: \"t1\"}).deleteAll()\r")
	c.shows("delete 1 of memos? [y/N]")
	c.keys("y")
	c.shows("#8 delete memos/")
	c.enter(
		[2]string{`let n = 0; for (const memo of Memo.all()) n += memo.likes; n`, "  9"},
		[2]string{`function twice(x) { return 2 * x }; await Promise.resolve(twice(21))`, "  42"},
		[2]string{`_ + 1`, "  43"},
		[2]string{`Memo.where({titel: "x"})`, "did you mean title?"},
		[2]string{`Memo.frist()`, "did you mean first?"},
		[2]string{`help(Memo)`, "the records of memos"},
		[2]string{`help("where")`, "Memo.where("},
		[2]string{`help()`, "models           Member, Memo"},
	)
	c.keys("\x04")
	c.ends(0)
}

func TestTerminalActsAndExplains(t *testing.T) {
	b, c, ada, _ := openTerminal(t)
	ada.Call("POST /memos", map[string]any{"title": "Mine", "published": false})
	c.enter(
		[2]string{`let [ada, bob] = Member.asc("name")`, "›"},
		[2]string{`as(bob).memos.create({title: "By Bob", published: true}).title`, "console:ada as bob"},
		[2]string{`as(bob).memos.newest().pluck("title")`, `["By Bob"]`},
		[2]string{`as(ada).memos.newest().count()`, "  2"},
		[2]string{`as(null)`, "memos.howMany"},
		[2]string{`why(Memo.where({title: "Mine"}).first(), "memos.newest", bob)`, "✗ boardMemos.Match"},
		[2]string{`why(Memo.where({title: "By Bob"}).first(), "memos.newest", ada)`, "rank 1, of the first 3: inside"},
		[2]string{`Memo.where({title: "By Bob"}).first().update({title: "Changed"}).title`, `title "By Bob" → "Changed"`},
		[2]string{`undo(7)`, `title "Changed" → "By Bob"`},
		[2]string{`at(7).Memo.where({authorId: bob}).first().title`, "  Changed"},
		[2]string{`undo(7)`, "cannot be undone"},
		[2]string{`diff(7)`, `title  "By Bob" → "Changed"`},
	)
	if seq := b.Seq(); seq != 8 {
		t.Errorf("commit %d was made", seq)
	}
	c.keys("\x04")
	c.ends(0)
}

func TestTerminalKeepsToItsSandbox(t *testing.T) {
	b, c, ada, _ := openTerminal(t, "TOWER_REPL_TEST_SANDBOX=1")
	c.shows("sandbox› ")
	had := len(ada.Frames())
	c.enter(
		[2]string{`Memo.create({title: "Later", published: true}).title`, "  Later"},
		[2]string{`diff()`, `+ Memo `},
		[2]string{`impact()`, "1 change would reach 2 of 2 connections"},
		[2]string{`discard(); Memo.count()`, "  0"},
		[2]string{`Memo.create({title: "Now", published: true}).title`, "  Now"},
	)
	if b.Seq() != 4 || len(ada.Frames()) != had {
		t.Errorf("commit %d was made, and Ada received %q", b.Seq(), ada.Frames()[had:])
	}
	c.enter([2]string{`commit()`, `"Now"`}, [2]string{`Memo.count()`, "  1"})
	c.keys("\x04")
	c.ends(0)

	c = startConsoleOn(t, b.path, 120, 30, "TOWER_REPL_TEST_READ_ONLY=1")
	c.shows("read only", "2 connections")
	c.enter([2]string{`Memo.deleteAll()`, "this console cannot write"}, [2]string{`Memo.count()`, "  1"})
	c.keys("\x04")
	c.ends(0)
}

// Code that does not end is stopped, and the server is not affected.
func TestTerminalStopsEndlessCode(t *testing.T) {
	b, c, ada, _ := openTerminal(t)
	for _, code := range []string{
		`while (true) {}`,
		`while (true) Memo.count()`,
		`transaction(() => { while (true) Memo.create({title: "lost"}) })`,
	} {
		c.keys("\x0c" + code + "\r")
		c.shows("running…")
		c.keys("\x03")
		c.lacks("running…")
		c.shows("stopped")
	}
	if seq := b.Seq(); seq != 4 {
		t.Errorf("commit %d was made", seq)
	}
	ada.Call("POST /memos", map[string]any{"title": "Served", "published": true})
	c.shows(`"Served"`)
	c.enter([2]string{`Memo.count()`, "  1"})
	c.keys("\x04")
	c.ends(0)
}

// A production prompt is red, and destructive calls ask first.
func TestTerminalInProduction(t *testing.T) {
	b := openBoardIn(t, "production")
	list := b.Connect(t, b.ada.ID).Open("memos.newest", nil)
	c := startConsole(t, b, "COLORTERM=truecolor")
	c.shows("board  production", "production› ", "1 connection")
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(termenv.TrueColor)
	r.SetHasDarkBackground(true)
	if red := term.NewStyles(r, term.ScreenPalette).InEnv("production").Prompt.Render("production› "); !strings.Contains(c.written(), strings.SplitN(red, "production", 2)[0]+"production") {
		t.Errorf("the prompt is not %q", red)
	}
	c.keys("Memo.create({title: \"a\", published: true}).delete()\r")
	c.shows("? [y/N]", "y yes  n no")
	c.keys("n")
	c.shows("? [y/N] no", "not done")
	list.AwaitLen(1)
	c.keys("\x04")
	c.ends(0)
}
