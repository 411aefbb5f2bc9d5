package client_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/client"
)

const (
	heading = `document.querySelector("h1")`
	caching = `(async () => {
		const urls = {} // by the cache that has them
		for (const name of await caches.keys()) {
			urls[name] = (await (await caches.open(name)).keys()).map(({url}) => new URL(url).pathname)
		}
		return Object.values(urls)
	})()`
	items = `[...document.querySelectorAll("li")].map(item => item.textContent)`
)

// until waits until an expression, which may be a promise, is as wanted.
func (tab *tab) until(expression, wanted string) {
	tab.t.Helper()
	tab.has(fmt.Sprintf(`(async () => {
		while (!(found => %s)(await %s)) await new Promise(next => setTimeout(next, 20))
		return true
	})()`, wanted, expression), true)
}

// keeps waits until a page is kept, with what it is made of, and nobody else's.
func (tab *tab) keeps(path string) {
	tab.t.Helper()
	tab.until(caching, fmt.Sprintf(`found.length == 1 && found[0].includes(%q) && found[0].includes("/notes.css")`, path))
}

// headed waits until the page has a heading, with its style, and wants it to be this.
func (tab *tab) headed(text string) {
	tab.t.Helper()
	tab.until(heading, `found && getComputedStyle(found).color == "rgb(1, 2, 3)"`)
	tab.has(heading+".textContent", text)
}

// lists waits until the page's list is this, and was brought up to date.
func (tab *tab) lists(texts ...string) {
	tab.t.Helper()
	want, err := json.Marshal(texts)
	if err != nil {
		tab.t.Fatal(err)
	}
	tab.until(items, fmt.Sprintf("JSON.stringify(found) == JSON.stringify(%s)", want))
}

func (tab *tab) visit(url string) {
	tab.t.Helper()
	tab.do(chromedp.Navigate(url))
}

func TestPagesLoadWithoutAConnection(t *testing.T) {
	n, _ := tabNetwork(t)
	tab := openTab(t, client.StartBrowser(t), n, "")
	mine, also, report := n.server.URL+"/mine", n.server.URL+"/also", n.server.URL+"/report.txt"
	tab.visit(mine)
	tab.keeps("/mine") // although it was here before what keeps it
	for _, how := range []string{"gone", "502"} {
		n.leaves(how)
		tab.visit("about:blank")
		tab.visit(mine)
		tab.headed("Of visitors")
		n.note(t, "while it was "+how)
		n.set(faults{})
		tab.has(`new Promise(done => document.documentElement.dataset.tower == "online" ? done(true) : tower.subscribe(({online}) => online && done(true)))`, true)
	}
	tab.lists("while it was gone", "while it was 502") // from where the kept page stood

	// Another user finds nothing of it.
	user := tower.NewID()
	tab.has(fmt.Sprintf(`tower.call("POST /session", {user: %q}).then(({status}) => status)`, user), 200)
	tab.has(fmt.Sprintf(`new Promise(done => tower.subscribe(({online, user}) => online && user == %q && done(true)))`, user), true)
	tab.visit(also)
	tab.headed("Of " + string(user))
	tab.keeps("/also")
	tab.visit(report)
	tab.visit(also)
	tab.headed("Of " + string(user))
	n.leaves("gone")
	tab.visit("about:blank")
	tab.visit(also)
	tab.headed("Of " + string(user))
	for _, url := range []string{mine, report} { // what a visitor saw, and what is no page
		if err := chromedp.Do(tab.ctx, chromedp.Navigate(url)); err == nil {
			t.Errorf("%s is shown", url)
		}
	}
}
