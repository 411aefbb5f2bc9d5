//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	chromium "github.com/towerkit/tower/internal/systemtest/browser"
)

// A browser is a headless Chromium. Each tab has its own cookies, like another user.
type browser struct {
	t   *testing.T
	ctx context.Context
}

func openBrowser(t *testing.T) *browser {
	t.Helper()
	return &browser{t, chromium.Start(t)}
}

// A tab is a page of one user.
type tab struct {
	t    *testing.T
	name string
	url  string
	ctx  context.Context
	seen map[string]bool // pages by their headings
}

func (b *browser) tab(name, url string) *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	b.t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1000, 800)); err != nil {
		b.t.Fatalf("open a tab for %s: %v", name, err)
	}
	return &tab{b.t, name, url, ctx, map[string]bool{}}
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, bound)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// visit opens a page, and waits until it is live.
func (p *tab) visit(path string) {
	p.t.Helper()
	p.do(chromedp.Navigate(p.url + path))
	p.until("a live page", `document.documentElement.dataset.tower == "online"`)
}

// signIn signs in on the front page, and opens the posts.
func (p *tab) signIn(author string) {
	p.t.Helper()
	p.visit("/")
	signIn := fmt.Sprintf(`fetch("/session", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({author: %q})}).then(r => r.status)`, author)
	status, err := chromedp.Run(p.ctx, chromedp.Evaluate[int](signIn, chromedp.EvalAwaitPromise))
	if err != nil || status != 200 {
		p.t.Fatalf("%s signs in: %d, %v", p.name, status, err)
	}
	p.visit("/posts")
}

// until waits until an expression is true in the page, also if another page is loaded
// meanwhile.
func (p *tab) until(what, expression string) {
	p.t.Helper()
	eventually(p.t, p.name+" sees "+what, func() bool {
		ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
		defer cancel()
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		return err == nil && ok // it fails while the page is replaced
	})
}

// shows waits until the page's list has these titles, in this order.
func (p *tab) shows(titles ...string) {
	p.t.Helper()
	want, err := json.Marshal(titles)
	if err != nil {
		p.t.Fatal(err)
	}
	expression := fmt.Sprintf(`JSON.stringify([...document.querySelectorAll("[data-live] > [data-id] a")].map(e => e.textContent.trim())) == JSON.stringify(%s)`, want)
	defer func() {
		if p.t.Failed() {
			body, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText")) // for the report only
			p.t.Logf("%s sees:\n%s", p.name, body)
		}
	}()
	p.until(strings.Join(titles, ", "), expression)
}

// submits fills in the page's form, checks published, and submits it.
func (p *tab) submits(fields map[string]string) {
	p.t.Helper()
	values, err := json.Marshal(fields)
	if err != nil {
		p.t.Fatal(err)
	}
	p.until("the form", fmt.Sprintf(`(values => {
		const form = document.querySelector("main form");
		if (form.hasAttribute("aria-busy")) return false;
		for (const [name, value] of Object.entries(values)) form.querySelector("[name=" + name + "]").value = value;
		form.querySelector("[name=published][type=checkbox]").checked = true;
		form.requestSubmit();
		return true;
	})(%s)`, values))
}
