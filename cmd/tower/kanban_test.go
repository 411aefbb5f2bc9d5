//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// newKanban copies the board of docs/kanban. Its go.mod refers to this source tree.
func (w *harness) newKanban() *testApp {
	w.t.Helper()
	source, err := filepath.Abs("../../docs/kanban")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(source, "node_modules")); err != nil {
		w.t.Fatal("the packages of the board are not here; script/test installs them, or: npm ci --prefix docs/kanban")
	}
	a := w.newApp("kanban")
	files := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	files.Dir = source
	names, err := files.Output()
	if err != nil {
		w.t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(names), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(source, name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(a.folder, name)), 0o777)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(a.folder, name), text, 0o666)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(source, "node_modules"), filepath.Join(a.folder, "node_modules")); err != nil {
		w.t.Fatal(err)
	}
	a.replace("go.mod", "=> ../..", "=> "+filepath.Dir(filepath.Dir(source)))
	return a
}

// stop ends the server like Ctrl-C.
func (a *testApp) stop() {
	a.t.Helper()
	if err := a.server.Process.Signal(syscall.SIGINT); err != nil {
		a.t.Fatal(err)
	}
	if err := a.server.Wait(); err != nil {
		a.t.Fatalf("the server ended with %v\n%s", err, a.output.String())
	}
}

// columns waits until each column has these cards, from top to bottom.
func (p *tab) columns(todo, doing, done []string) {
	p.t.Helper()
	want, err := json.Marshal([][]string{todo, doing, done})
	if err != nil {
		p.t.Fatal(err)
	}
	p.until(string(want), fmt.Sprintf(`JSON.stringify([...document.querySelectorAll("[data-column]")].map(column =>
		[...column.querySelectorAll("[data-id] p")].map(title => title.textContent))) == JSON.stringify(%s)`, want))
}

// showsStatus waits until the board shows this status of its connection.
func (p *tab) showsStatus(status string) {
	p.t.Helper()
	p.until(status, fmt.Sprintf(`document.querySelector(".status")?.textContent == %q`, status))
}

// add adds a card at the end of a column, with the mouse and the keyboard.
func (p *tab) add(column, title string) {
	p.t.Helper()
	if _, err := chromedp.Run(p.ctx, chromedp.Evaluate[any](`document.querySelector("[data-column=`+column+`] .add").click()`)); err != nil {
		p.t.Fatalf("%s adds a card: %v", p.name, err)
	}
	p.until("the field of a new card", `document.activeElement.matches('[data-column="`+column+`"] input')`)
	p.do(chromedp.KeyEvent(title + "\r\x1b"))
}

// drag drags a card with the mouse onto the element target, calls during, and drops the
// card.
func (p *tab) drag(title, target string, during func()) {
	p.t.Helper()
	from, to := p.middle(fmt.Sprintf(`[...document.querySelectorAll("[data-id]")].find(card => card.textContent.includes(%q))`, title)), p.middle(target)
	p.do(chromedp.MouseEvent("mousePressed", from[0], from[1], chromedp.ButtonLeft, chromedp.ClickCount(1)))
	for step := 1; step <= 4; step++ {
		share := float64(step) / 4
		p.do(chromedp.MouseEvent("mouseMoved", from[0]+(to[0]-from[0])*share, from[1]+(to[1]-from[1])*share, chromedp.ButtonLeft))
	}
	if during != nil {
		during()
	}
	p.do(chromedp.MouseEvent("mouseReleased", to[0], to[1], chromedp.ButtonLeft, chromedp.ClickCount(1)))
}

func (p *tab) middle(element string) [2]float64 {
	p.t.Helper()
	p.until("nothing that moves", `document.getAnimations().length == 0`)
	var at [2]float64
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]float64](fmt.Sprintf(`(box => [box.left + box.width / 2, box.top + box.height / 2])((%s).getBoundingClientRect())`, element)))
	if err != nil || len(value) != 2 {
		p.t.Fatalf("%s: where is %s? %v", p.name, element, err)
	}
	copy(at[:], value)
	return at
}

// screenshot saves a picture of the page if TOWER_TEST_SCREENSHOTS names a folder.
func (p *tab) screenshot(name string) {
	p.t.Helper()
	folder := os.Getenv("TOWER_TEST_SCREENSHOTS")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// TestKanbanTypes checks the board's scripts against its declarations in Go.
func TestKanbanTypes(t *testing.T) {
	a := newHarness(t).newKanban()
	if out := a.run("generate", "types"); !strings.Contains(out, "identical  app/tower.d.ts") {
		t.Errorf("docs/kanban/app/tower.d.ts is not what tower makes of it now; there, run: tower generate types\n%s", out)
	}
	a.run("generate", "openapi")
	if err := validOpenAPI(filepath.Join(a.folder, "openapi.json")); err != nil {
		t.Error(err)
	}
	tsc, err := filepath.Abs("../../internal/client/node_modules/.bin/tsc")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tsc, "--pretty", "false", "-p", filepath.Join(a.folder, "app")).CombinedOutput(); err != nil {
		t.Errorf("tsc: %v\n%s", err, out)
	}
	a.run("test")
}

// TestKanban uses the board of the docs in two windows.
func TestKanban(t *testing.T) {
	a := newHarness(t).newKanban()
	a.serve()
	browser := openBrowser(t)
	ada, bob := browser.tab("ada", a.url), browser.tab("bob", a.url)
	for _, person := range []*tab{ada, bob} {
		person.do(chromedp.Navigate(a.url))
		person.columns([]string{}, []string{}, []string{})
	}

	// Cards created in one window appear in both.
	for _, title := range []string{"First sketch", "Choose a typeface", "Ask Ada"} {
		ada.add("todo", title)
	}
	bob.add("doing", "Book a room")
	for _, person := range []*tab{ada, bob} {
		person.columns([]string{"First sketch", "Choose a typeface", "Ask Ada"}, []string{"Book a room"}, []string{})
		person.showsStatus("Everything is saved")
	}
	ada.screenshot("kanban")

	// Cards can be dragged within a column and into another.
	ada.drag("Ask Ada", `document.querySelector("h2")`, func() { ada.screenshot("kanban-drag") })
	bob.columns([]string{"Ask Ada", "First sketch", "Choose a typeface"}, []string{"Book a room"}, []string{})
	bob.drag("First sketch", `document.querySelector("[data-column=doing] .add")`, nil)
	ada.columns([]string{"Ask Ada", "Choose a typeface"}, []string{"Book a room", "First sketch"}, []string{})

	// They can be moved with the keyboard, across several columns.
	ada.do(chromedp.Focus(`[data-column="doing"] [data-id]`))
	for _, key := range []string{kb.ArrowLeft, kb.ArrowRight, kb.ArrowRight} {
		ada.do(chromedp.KeyEvent(key, chromedp.KeyModifiers(chromedp.ModifierAlt)))
	}
	bob.columns([]string{"Ask Ada", "Choose a typeface"}, []string{"First sketch"}, []string{"Book a room"})

	// Without the server everything still works, and survives leaving the page.
	a.stop()
	ada.showsStatus("Offline")
	ada.drag("Ask Ada", `document.querySelector("[data-column=done]")`, nil)
	ada.add("todo", "Written offline")
	ada.columns([]string{"Choose a typeface", "Written offline"}, []string{"First sketch"}, []string{"Book a room", "Ask Ada"})
	ada.showsStatus("Offline. 2 changes will be saved")
	ada.screenshot("kanban-offline")
	bob.columns([]string{"Ask Ada", "Choose a typeface"}, []string{"First sketch"}, []string{"Book a room"})
	ada.do(chromedp.Navigate("about:blank"), chromedp.Navigate(a.url)) // leave the page, and open it again
	ada.columns([]string{"Choose a typeface", "Written offline"}, []string{"First sketch"}, []string{"Book a room", "Ask Ada"})
	ada.showsStatus("Offline. 2 changes will be saved")
	ada.until("its styles", `getComputedStyle(document.querySelector("main")).display == "grid"`)
	ada.screenshot("kanban-cold")
	ada.do(chromedp.Navigate("about:blank"))
	a.serve()
	bob.showsStatus("Everything is saved")
	ada.do(chromedp.Navigate(a.url))
	for _, person := range []*tab{ada, bob} {
		person.columns([]string{"Choose a typeface", "Written offline"}, []string{"First sketch"}, []string{"Book a room", "Ask Ada"})
		person.showsStatus("Everything is saved")
	}

	// A change that the server refuses is undone, and the page shows why.
	ada.add("todo", strings.Repeat("too long ", 20))
	ada.until("why it was refused", `document.querySelector("aside")?.textContent.startsWith("Not saved: title is too long")`)
	ada.columns([]string{"Choose a typeface", "Written offline"}, []string{"First sketch"}, []string{"Book a room", "Ask Ada"})
	ada.screenshot("kanban-refused")
	ada.until("nothing of it", `[...document.querySelectorAll("aside button")].map(button => button.click()) && !document.querySelector("aside")`)

	// Touch scrolls the page, except after a long press.
	cleo := browser.tab("cleo", a.url)
	cleo.do(chromedp.EmulateViewport(420, 500, chromedp.EmulateTouch, chromedp.EmulateMobile), chromedp.Navigate(a.url))
	cleo.columns([]string{"Choose a typeface", "Written offline"}, []string{"First sketch"}, []string{"Book a room", "Ask Ada"})
	at := cleo.middle(`document.querySelectorAll("[data-id]")[1]`)
	cleo.touch("touchStart", at[0], at[1])
	cleo.until("the card lifted", `document.querySelector(".lifted")`)
	cleo.touch("touchMove", at[0], at[1]-20)
	cleo.touch("touchMove", at[0], at[1]-60)
	cleo.touch("touchEnd", 0, 0)
	bob.columns([]string{"Written offline", "Choose a typeface"}, []string{"First sketch"}, []string{"Book a room", "Ask Ada"})
	cleo.touch("touchStart", at[0], at[1])
	for step := range 5 {
		cleo.touch("touchMove", at[0], at[1]-30*float64(step))
	}
	cleo.touch("touchEnd", 0, 0)
	cleo.until("the page scrolled", `scrollY > 20`)
	cleo.columns([]string{"Written offline", "Choose a typeface"}, []string{"First sketch"}, []string{"Book a room", "Ask Ada"})
}

// touch sends a touch event.
func (p *tab) touch(kind input.DispatchTouchEventType, x, y float64) {
	p.t.Helper()
	points := []*input.TouchPoint{}
	if kind != "touchEnd" {
		points = append(points, &input.TouchPoint{X: x, Y: y})
	}
	p.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points})
		return err
	}))
}
