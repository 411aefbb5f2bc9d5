package dev

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/towerkit/tower/internal/systemtest/browser"
)

// A tab is a page in a real browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// openTab starts a browser.
func openTab(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := context.WithTimeout(browser.Start(t), time.Minute)
	t.Cleanup(cancel)
	return &tab{t, ctx}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// eval returns the value of an expression.
func (b *tab) eval(expression string) string {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](expression))
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// until waits until an expression is true. While the page reloads, it has no value.
func (b *tab) until(expression string) {
	b.t.Helper()
	for b.ctx.Err() == nil {
		if value, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression)); err == nil && value {
			return
		}
		time.Sleep(50 * time.Millisecond) // between polls of another process
	}
	b.t.Fatalf("never true: %s\nthe page is:\n%s", expression, b.page())
}

func (b *tab) page() string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](
		`document.body.innerText.slice(0, 2000) + (document.querySelector("tower-dev")?.shadowRoot.textContent ?? " (no panel)")`))
	if err != nil {
		return err.Error()
	}
	return text
}

const (
	panel = `document.querySelector("tower-dev").shadowRoot`
	shown = `(!` + panel + `.querySelector(".veil").hidden)`
	title = `document.querySelector("h1").textContent`
)

func TestPageFollowsTheSource(t *testing.T) {
	s := serveReady(t, "version 1")
	b := openTab(t)
	b.do(chromedp.Navigate(s.URL() + "/"))
	b.until(title + ` === "build 1"`)

	// User input, focus and scroll position.
	b.eval(`document.querySelector("[name=body]").focus()`)
	b.do(chromedp.KeyEvent("a draft"))
	b.eval(`document.querySelector("[name=title]").value = "typed"`)
	b.eval(`for (const box of document.querySelectorAll("[name=tag]")) box.checked = !box.checked`)
	b.eval(`document.querySelector("[name=color]").value = "green"`)
	b.eval(`document.querySelector("[name=body]").setSelectionRange(2, 5); scrollTo(0, 700)`)
	kept := `document.querySelector("[name=title]").value === "typed" && document.querySelector("[name=body]").value === "a draft" &&
		[...document.querySelectorAll("[name=tag]")].map((box) => box.checked).join() === "true,false" &&
		document.querySelector("[name=color]").value === "green" && document.activeElement.name === "body" &&
		document.activeElement.selectionStart === 2 && document.activeElement.selectionEnd === 5 && Math.abs(scrollY - 700) < 2`
	if b.eval(kept) != "true" {
		t.Fatal("the test's own page is wrong")
	}

	// An error is shown over the page, under a strict content security policy, and takes no
	// focus.
	s.write("main.go", "<b> broken\n")
	b.until(shown)
	sheet := b.eval(panel + `.querySelector(".sheet").textContent`)
	if !strings.Contains(sheet, `The build failedHidemain.go:1:4undefined: broken1\u003cb\u003e broken   ^`) {
		t.Errorf("shown is %s", sheet)
	}
	if color := b.eval(`getComputedStyle(` + panel + `.querySelector(".sheet")).borderTopWidth`); color != `"3px"` {
		t.Errorf("the style does not apply: %s", color)
	}
	if b.eval(kept) != "true" {
		t.Error("the page beneath has changed")
	}
	if folder := os.Getenv("TOWER_TEST_SCREENSHOTS"); folder != "" {
		screenshot(t, b, folder+"/broken.png")
	}

	// The same build again: the page does not reload. Another build: it reloads.
	s.write("main.go", "version 3")
	b.until(title + ` === "build 3"`)
	b.until("!" + shown)
	b.until(kept)

	// A change of a file that the application reads while it runs.
	b.eval(`window.old = true`)
	s.write("views/home.html", "home 2")
	b.until(`!window.old`)
	b.until(kept)
	if left := b.eval(`Object.keys(sessionStorage).length`); left != "0" {
		t.Errorf("%s things are left in the storage", left)
	}

	// While the page has no form, the input is kept for it.
	s.write("main.go", "formless 4")
	b.until(title + ` === "build 4" && !document.querySelector("form")`)
	s.write("main.go", "version 5")
	b.until(title + ` === "build 5"`)
	b.until(kept)
}

func TestPageFollowsItsScripts(t *testing.T) {
	t.Parallel()
	s := serveFake(t, "version 1")
	s.write("app/board.css", "h1 { color: rgb(1, 2, 3) }")
	s.write("app/parts/say.ts", `export const say = (text: string) => { document.querySelector("h1")!.textContent = text; };`)
	s.write("app/board.ts", `import "./board.css"; import { say } from "./parts/say"; say("one");`)
	s.serves(1)
	s.prints("bundled app/")
	b := openTab(t)
	b.do(chromedp.Navigate(s.URL() + "/scripted"))
	color := `getComputedStyle(document.querySelector("h1")).color`
	b.until(title + ` === "one" && ` + color + ` === "rgb(1, 2, 3)"`)

	// The page applies changed styles without a reload.
	b.eval(`window.old = true`)
	s.write("app/board.css", "h1 { color: rgb(4, 5, 6) }")
	b.until(color + ` === "rgb(4, 5, 6)" && document.querySelectorAll("link").length === 1`)
	if b.eval(`window.old`) != "true" {
		t.Error("other styles have loaded the page again")
	}

	// A changed script reloads the page, also an imported one.
	s.write("app/parts/say.ts", `export const say = (text: string) => { document.querySelector("h1")!.textContent = text + "!"; };`)
	b.until(title + ` === "one!" && !window.old`)

	// Errors are shown over the page and in the terminal.
	s.write("app/board.ts", "import \"./board.css\";\nsay(;\n")
	b.until(shown)
	if sheet := b.eval(panel + `.querySelector(".sheet").textContent`); !strings.Contains(sheet, `The bundle failedHideapp/board.ts:2:5Unexpected \";\"`) {
		t.Errorf("shown is %s", sheet)
	}
	s.prints("✗ The bundle failed\n  app/board.ts:2:5  Unexpected \";\"\n    say(;\n        ^")
	if b.eval(title) != `"one!"` {
		t.Error("the page beneath has changed")
	}
	s.write("app/board.ts", `import "./board.css"; import { say } from "./parts/say"; say("two");`)
	b.until(title + ` === "two!" && !` + shown)

	// The same for Go. Scripts that changed meanwhile are served when the build is repaired.
	s.write("main.go", "broken")
	b.until(shown)
	s.write("app/board.ts", "import \"react\";\n")
	s.prints("→ npm install react")
	s.write("main.go", "version 3")
	b.until(shown + ` && ` + panel + `.querySelector(".sheet").textContent.includes("app/board.ts:1:8")`)
	s.write("app/board.ts", `import { say } from "./parts/say"; say("three");`)
	b.until(title + ` === "three!" && !` + shown)
}

func TestErrorPageGoesAway(t *testing.T) {
	t.Parallel()
	s := serveFake(t, "broken")
	s.event("broken")
	b := openTab(t)
	b.do(chromedp.Navigate(s.URL() + "/"))
	b.until(shown)
	b.eval(`dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }))`)
	b.until("!" + shown)
	s.write("main.go", "version 2")
	b.until(title + ` === "build 2"`)
}

func TestPageSaysThatModelsHaveChanged(t *testing.T) {
	s := serveReady(t, "version 1")
	b := openTab(t)
	b.do(chromedp.Navigate(s.URL() + "/"))
	b.until(title + ` === "build 1"`)
	noted := panel + `.querySelector(".noted")`
	if b.eval(noted+`.hidden`) != "true" {
		t.Error("there is a note from the start")
	}
	s.write("main.go", "changes-models")
	b.until(title + ` === "build 2" && !` + noted + `.hidden`)
	if text := b.eval(noted + `.textContent`); text != `"The models have changedShowHide"` {
		t.Errorf("shown is %s", text)
	}
	if b.eval(shown) != "false" {
		t.Error("the note covers the page")
	}
	b.eval(noted + `.querySelectorAll("button")[0].click()`)
	b.until(shown)
	if sheet := b.eval(panel + `.querySelector(".sheet").textContent`); sheet != `"The models have changedHideposts.title is gone; its values are kept2 of 3 posts do not fit Post→ tower generate migration"` {
		t.Errorf("shown is %s", sheet)
	}
	if folder := os.Getenv("TOWER_TEST_SCREENSHOTS"); folder != "" {
		screenshot(t, b, folder+"/noted.png")
	}
	b.eval(panel + `.querySelector(".sheet button").click()`)
	b.until("!" + shown)

	// Once hidden, it stays hidden for this build.
	b.eval(noted + `.querySelectorAll("button")[1].click()`)
	b.eval(`window.old = true`)
	s.write("views/home.html", "home 2")
	b.until(`!window.old && document.querySelector("tower-dev") && ` + noted + `.hidden`)
	s.write("main.go", "changes-models again")
	b.until(title + ` === "build 3" && !` + noted + `.hidden`)
}

func screenshot(t *testing.T, b *tab, path string) {
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(path, picture, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
