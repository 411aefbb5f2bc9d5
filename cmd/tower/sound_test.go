//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A stop is a control that has the focus. Wrong says what is wrong with how it is shown, and Way how a
// control that is looked for is reached: on or back.
type stop struct {
	Name, Way string
	At        int // among all stops
	Wrong     []string
}

// stopsScript returns the controls that the key Tab stops at, in the order of the page.
const stopsScript = `[...document.querySelectorAll("a[href], button, input, select, textarea, [tabindex]")].filter(it => it.tabIndex >= 0 && !it.disabled && it.checkVisibility()
	&& !(it.type == "radio" && !it.checked && document.querySelector("[name=" + it.name + "]:checked")))`

// stopScript is a function that describes the stop of now.
const stopScript = `name => {
	const stops = ` + stopsScript + `, it = document.activeElement, style = getComputedStyle(it), box = it.getBoundingClientRect();
	const nameOf = it => (it.ariaLabel || it.labels?.[0]?.innerText || it.innerText || "").trim().split("\n")[0].split(" sees ")[0];
	const wanted = stops.find(it => nameOf(it) == name), wrong = [];
	const way = !wanted ? "" : it != document.body && wanted.compareDocumentPosition(it) & Node.DOCUMENT_POSITION_FOLLOWING ? "back" : "on";
	if (it == document.body) return {name: "", at: -1, way, wrong: ["it is nowhere"]};
	if (style.outlineStyle == "none" || parseFloat(style.outlineWidth) < 2 || /, 0\)$/.test(style.outlineColor)) wrong.push("it has no outline");
	if (box.bottom < 0 || box.top > innerHeight || !box.width) wrong.push("it is out of view");
	const reach = parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth);
	for (let up = it.parentElement; up != document.body && up; up = up.parentElement) {
		const edge = up.getBoundingClientRect();
		if (getComputedStyle(up).overflowX != "visible" && (box.left - reach < edge.left || box.right + reach > edge.right || box.top - reach < edge.top || box.bottom + reach > edge.bottom))
			wrong.push("its outline is cut off");
	}
	const before = stops[stops.indexOf(it) - 1]?.getBoundingClientRect();
	if (before && box.bottom <= before.top) wrong.push("it is above the one before");
	return {name: nameOf(it), at: stops.indexOf(it), way, wrong};
}`

// sidewaysScript returns what does not fit into the width of the page.
const sidewaysScript = `[document.documentElement, ...document.querySelectorAll("body *")].filter(it => {
	const box = it.getBoundingClientRect(), width = document.documentElement.clientWidth;
	const hides = !it.matches("input, textarea, select") && getComputedStyle(it).overflowX != "visible" && it.scrollWidth > it.clientWidth + 1;
	return it.checkVisibility() && box.width && (hides || box.right > width + 1 || box.left < -1 || it == document.documentElement && it.scrollWidth > width);
}).slice(-3).map(it => it.outerHTML.slice(0, 160))`

func (p *tab) evaluate(expression string, into any) {
	p.t.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`JSON.stringify(`+expression+`)`))
	if err == nil {
		err = json.Unmarshal([]byte(text), into)
	}
	if err != nil {
		p.t.Fatalf("%s: %v: %s", p.name, err, expression)
	}
}

// isWalked goes through all controls of a page by the key Tab, and back to where the focus was.
func (p *tab) isWalked() {
	p.t.Helper()
	var all int
	p.evaluate(`(stops => { window.before = document.activeElement; stops[0].focus(); return stops.length })(`+stopsScript+`)`, &all)
	p.types(kb.Tab) // browsers draw no outline for what a script has chosen
	p.back()
	for i := range all {
		var at stop
		p.evaluate(`(`+stopScript+`)("")`, &at)
		if at.At != i || len(at.Wrong) > 0 {
			p.t.Errorf("%s: stop %d of %d is %+v", p.where(), i, all, at)
		}
		p.types(kb.Tab)
	}
	var is bool
	p.evaluate(`(window.before.focus(), true)`, &is)
}

// back presses Shift and Tab.
func (p *tab) back() {
	p.t.Helper()
	p.do(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)))
}

// isSound checks that a page has landmarks and headings in their order, that all controls have names, which differ, and that
// everything fits into the width of a phone, and of a screen at 200%.
func (p *tab) isSound() {
	p.t.Helper()
	tree, err := chromedp.Run(p.ctx, func(ctx context.Context, target *chromedp.Target) (accessibility.GetFullAXTreeResult, error) {
		return cdp.Call(ctx, target, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	})
	if err != nil {
		p.t.Fatal(err)
	}
	var outline []string
	names := map[string]string{} // and where links lead
	for _, node := range tree.Nodes {
		role, name := textOf(node.Role), textOf(node.Name)
		switch role {
		case "banner", "navigation", "main":
			outline = append(outline, role)
		case "link", "button", "textbox", "combobox", "radio", "checkbox":
			key, to := role+" "+name, ""
			for _, property := range node.Properties {
				if property.Name == "url" {
					to = string(property.Value.Value)
				}
			}
			if other, is := names[key]; name == "" || is && (role != "link" || to != other) {
				p.t.Errorf("%s: there are several of %q, or it has no name", p.where(), key)
			}
			names[key] = to
		}
	}
	slices.Sort(outline)
	if strings.Join(outline, " ") != "banner main navigation" {
		p.t.Errorf("%s has %v", p.where(), outline)
	}
	var levels []int
	p.evaluate(`[...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter(it => it.checkVisibility()).map(it => Number(it.tagName[1]))`, &levels)
	for i, level := range levels {
		if (level == 1) != (i == 0) || i > 0 && level > levels[i-1]+1 {
			p.t.Errorf("%s has headings of the levels %v", p.where(), levels)
		}
	}
	for _, width := range []int64{320, 500} {
		var wide []string
		p.do(chromedp.EmulateViewport(width, 640))
		p.evaluate(sidewaysScript, &wide)
		if len(wide) > 0 {
			p.t.Errorf("%s is wider than %d: %s", p.where(), width, strings.Join(wide, "\n"))
		}
		p.pictures(fmt.Sprint(width))
	}
	p.do(chromedp.EmulateViewport(1000, 800))
	p.pictures("wide")
}

func textOf(value *accessibility.Value) (text string) {
	if value != nil {
		_ = json.Unmarshal(value.Value, &text) // it may be no text
	}
	return text
}

// where returns the page's path.
func (p *tab) where() (path string) {
	p.evaluate(`location.pathname + location.search`, &path)
	return path
}

// look visits pages, and looks at each.
func (p *tab) look(paths ...string) {
	p.t.Helper()
	for _, path := range paths {
		p.do(chromedp.Navigate(p.url + path))
		p.isSound()
	}
}

// pictures saves pictures of a page in light and in dark, if somebody wants to see them.
func (p *tab) pictures(name string) {
	if os.Getenv("TOWER_TEST_SCREENSHOTS") == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		p.do(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}))
		p.screenshot(strings.NewReplacer("/", "_", "?", "_").Replace(p.where()) + "-" + name + "-" + scheme)
	}
	p.do(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{}))
}
