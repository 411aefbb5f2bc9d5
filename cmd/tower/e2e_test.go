//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestEverythingTogether follows a new user with real parts: it creates and edits an
// application, opens it for two users in Chromium, and creates records in a console in a
// terminal.
func TestEverythingTogether(t *testing.T) {
	w := newHarness(t)
	app := w.newJournal()
	app.serve()
	ids := app.authors("Ada", "Bob")
	browser := openBrowser(t)
	ada, bob := browser.tab("ada", app.url), browser.tab("bob", app.url)
	ada.signIn(ids["Ada"])
	bob.signIn(ids["Bob"])
	console := app.console()
	watched := app.watch("posts.all")

	// A record created in the terminal appears in both pages, and the console reports it.
	console.types(fmt.Sprintf(`Post.create({title: "Hello", published: true, authorId: %q})`, ids["Ada"]))
	ada.shows("Hello")
	bob.shows("Hello")
	console.shows("3 of 3 connections", "Ada", "Bob", "posts.all", "enter", "applied")

	// Only its author sees a draft. Bob receives the commit after it, and not the draft.
	console.types(fmt.Sprintf(`Post.create({title: "A draft", authorId: %q})`, ids["Ada"]))
	ada.shows("A draft", "Hello")
	console.types(`Post.where({title: "Hello"}).first().update({title: "Hello again"})`)
	ada.shows("A draft", "Hello again")
	bob.shows("Hello again")
	console.types(`Post.where({title: "A draft"}).first().update({published: true})`)
	bob.shows("A draft", "Hello again")
	console.types(`Post.where({title: "Hello again"}).first().delete()`)
	ada.shows("A draft")
	bob.shows("A draft")

	// Many at once, newest first.
	console.types(fmt.Sprintf(`Post.create(Array.from({length: 12}, (_, i) => ({title: "n" + i, published: true, authorId: %q})))`, ids["Bob"]))
	ada.shows("n11", "n10", "n9", "n8", "n7", "n6", "n5", "n4", "n3", "n2", "n1", "n0", "A draft")
	console.types(`Post.create({title: ""})`)
	console.shows("is required")

	// Renaming their author changes all of them.
	ada.until("twelve posts by Bob", signed("Bob")+` == 12`)
	console.types(`Author.where({name: "Bob"}).first().update({name: "Robert"})`)
	ada.until("twelve posts by Robert", signed("Robert")+` == 12`)
	bob.until("twelve posts by Robert", signed("Robert")+` == 12`)

	watched.checkAgrees()
	app.testEdits(ada, bob, console)
	watched.checkAgrees()
	app.testCompileError(ada, console)
	writer := browser.tab("writer", app.url)
	writer.signIn(ids["Bob"])
	writer.visit("/posts/new")
	app.testKills(ada, bob, writer, ids["Ada"], watched)
}

// signed is an expression for the number of posts in a page by an author.
func signed(name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("[data-live] .meta")].filter(meta => meta.textContent.includes(%q)).length`, name)
}

// testEdits changes a view and a controller, and checks that both take effect.
func (a *testApp) testEdits(ada, bob *tab, console *terminalScreen) {
	a.replace("views/posts/_post.html", "<li", `<li class="edited"`)
	ada.until("the edited view", `document.querySelectorAll("[data-live] .edited").length == 13`)
	console.types("let kept = 41")
	a.replace("controllers/posts.go", "Limit(50)", "Limit(3)")
	ada.shows("n11", "n10", "n9")
	bob.shows("n11", "n10", "n9")
	console.shows("The application was rebuilt. Variables are kept.")
	console.types("kept + 1000")
	console.shows("1041")
	console.types(`Post.where({title: "n10"}).first().delete()`)
	ada.shows("n11", "n9", "n8")
}

// testCompileError breaks the application and repairs it. The page shows where the error
// is.
func (a *testApp) testCompileError(ada *tab, console *terminalScreen) {
	a.replace("controllers/posts.go", "Limit(3)", "Limits(3)")
	ada.until("the compile error over the page", overlay+`?.includes("controllers/posts.go")`)
	a.prints("controllers/posts.go:")
	console.types(`Post.where({title: "n9"}).first().delete()`) // the previous build still runs
	a.replace("controllers/posts.go", "Limits(3)", "Limit(3)")
	ada.until("the page without the error", `!(`+overlay+`)`)
	ada.shows("n11", "n8", "n7")
}

// overlay is the text of the compile error over a page.
const overlay = `[...document.querySelectorAll("*")].map(e => e.shadowRoot?.textContent).find(text => text?.trim())`

// testKills kills the application, and then the server, with SIGKILL. The pages reconnect
// on their own, show the records created meanwhile, and send the forms submitted while
// they were offline.
func (a *testApp) testKills(ada, bob, writer *tab, author string, watched *cursorWatch) {
	kill(a.t, a.pid())
	create := func(title string) {
		a.run("console", "-e", fmt.Sprintf(`Post.create({title: %q, published: true, authorId: %q})`, title, author))
	}
	a.t.Log("the application was killed")
	a.waitRunning()
	create("after the first")
	ada.shows("after the first", "n11", "n8")
	bob.shows("after the first", "n11", "n8")

	child := a.pid()
	kill(a.t, a.server.Process.Pid)
	_ = a.server.Wait()
	waitExit(a.t, child)
	writer.until("the offline status", `document.documentElement.dataset.tower == "offline"`)
	writer.submits(map[string]string{"title": "Kept for later", "authorId": author})
	writer.until("what waits", `document.querySelector("[data-outbox] [data-state=waiting]")?.textContent.includes("Kept for later")`)
	writer.submits(map[string]string{"title": strings.Repeat("long ", 50), "body": "With a long title", "authorId": author})
	writer.until("both that wait", `document.querySelectorAll("[data-outbox] [data-state=waiting]").length == 2`)
	create("while no server ran") // the console starts the application itself
	a.serve()
	ada.shows("Kept for later", "while no server ran", "after the first")
	bob.shows("Kept for later", "while no server ran", "after the first")
	writer.until("what was wrong beside its field, and what was put in", `document.querySelector("[data-problem=title]").textContent.includes("too long")
		&& document.querySelector("[name=body]").value == "With a long title" && document.querySelectorAll("[data-outbox] [data-state]").length == 1`)
	watched.checkAgrees()

	child = a.pid()
	if err := a.server.Process.Signal(os.Interrupt); err != nil {
		a.t.Fatal(err)
	}
	if err := a.server.Wait(); err != nil {
		a.t.Errorf("tower server, interrupted: %v\n%s", err, a.output.String())
	}
	waitExit(a.t, child)
}

// TestManyRecordsThroughAPipe pipes lines of this module's source as posts through the
// console, and checks that all of them arrive in order. They are many times what a page shows.
func TestManyRecordsThroughAPipe(t *testing.T) {
	w := newHarness(t)
	app := w.newJournal()
	app.serve()
	ids := app.authors("Ada")
	page := openBrowser(t).tab("visitor", app.url)
	page.visit("/posts")

	var script strings.Builder
	var titles []string
	for _, line := range sourceLines(t, 500) {
		titles = append(titles, fmt.Sprintf("%d %s", len(titles)+1, line))
		fmt.Fprintf(&script, "Post.create({title: %s, published: true, authorId: %q})\n", strconv.Quote(titles[len(titles)-1]), ids["Ada"])
	}
	cmd := w.command(app.folder, "console", "--json")
	cmd.Stdin = strings.NewReader(script.String())
	out, err := cmd.Output()
	if err != nil || bytes.Count(out, []byte("\n")) != len(titles) {
		t.Fatalf("%d lines of output, %v: %s", bytes.Count(out, []byte("\n")), err, stderrOf(err))
	}
	var newest []string
	for i := range 50 {
		newest = append(newest, titles[len(titles)-1-i])
	}
	page.shows(newest...)
	if count := strings.TrimSpace(app.run("console", "-e", "Post.count()")); count != "500" {
		t.Errorf("Post.count() is %s", count)
	}
	first := app.run("console", "--json", "-e", `Post.all().asc("createdAt").pluck("title").slice(0, 3)`)
	if !strings.Contains(first, `"1 `) || !strings.Contains(first, `"3 `) {
		t.Errorf("the first are %s", first)
	}
}

// sourceLines returns the first n lines of this module's source that can be titles.
func sourceLines(t *testing.T, n int) (lines []string) {
	t.Helper()
	files, err := filepath.Glob("../../internal/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.Join(strings.Fields(line), " "); len(line) > 3 && len(line) < 150 && len(lines) < n {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) < n {
		t.Fatalf("this program has %d lines", len(lines))
	}
	return lines
}

func kill(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
}

// waitExit waits until a process has exited.
func waitExit(t testing.TB, pid int) {
	t.Helper()
	eventually(t, fmt.Sprintf("process %d ends", pid), func() bool { return syscall.Kill(pid, 0) != nil })
}

// eventually polls until done returns true. It is for conditions without an event.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(bound)
	for !done() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited %s in vain until %s", bound, what)
		}
	}
}

func stderrOf(err error) string {
	if exit, ok := err.(*exec.ExitError); ok {
		return string(exit.Stderr)
	}
	return ""
}
