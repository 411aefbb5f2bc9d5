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
		const urls = {} // by cache
		for (const name of await caches.keys()) {
			urls[name] = (await (await caches.open(name)).keys()).map(({url}) => new URL(url).pathname)
		}
		return Object.values(urls)
	})()`
	items = `[...document.querySelectorAll("li")].map(item => item.textContent)`
)

// until waits until the value of an expression, which may be a promise, meets a condition.
func (tab *tab) until(expression, wanted string) {
	tab.t.Helper()
	tab.expect(fmt.Sprintf(`(async () => {
		while (!(found => %s)(await %s)) await new Promise(next => setTimeout(next, 20))
		return true
	})()`, wanted, expression), true)
}

// awaitCached waits until the only cache has a page and its stylesheet.
func (tab *tab) awaitCached(path string) {
	tab.t.Helper()
	tab.until(caching, fmt.Sprintf(`found.length == 1 && found[0].includes(%q) && found[0].includes("/notes.css")`, path))
}

// expectHeading waits for a styled heading and compares its text.
func (tab *tab) expectHeading(text string) {
	tab.t.Helper()
	tab.until(heading, `found && getComputedStyle(found).color == "rgb(1, 2, 3)"`)
	tab.expect(heading+".textContent", text)
}

// awaitList waits until the list of the page has these texts.
func (tab *tab) awaitList(texts ...string) {
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
	tab.awaitCached("/mine") // although the page was loaded before the service worker
	for _, how := range []string{"gone", "502"} {
		n.disappear(how)
		tab.visit("about:blank")
		tab.visit(mine)
		tab.expectHeading("Of visitors")
		n.note(t, "while it was "+how)
		n.set(faults{})
		tab.expect(`new Promise(done => document.documentElement.dataset.tower == "online" ? done(true) : tower.subscribe(({online}) => online && done(true)))`, true)
	}
	tab.awaitList("while it was gone", "while it was 502") // resumed from the position of the cached page

	// The pages of a visitor are not cached for another user. This page stays although its
	// user changes.
	tab.expect(`document.addEventListener("tower:ended", event => event.preventDefault()), true`, true)
	user := tower.NewID()
	tab.expect(fmt.Sprintf(`tower.call("POST /session", {user: %q}).then(({status}) => status)`, user), 200)
	tab.expect(fmt.Sprintf(`new Promise(done => tower.subscribe(({online, user}) => online && user == %q && done(true)))`, user), true)
	tab.visit(also)
	tab.expectHeading("Of " + string(user))
	tab.awaitCached("/also")
	tab.visit(report)
	tab.visit(also)
	tab.expectHeading("Of " + string(user))
	n.disappear("gone")
	tab.visit("about:blank")
	tab.visit(also)
	tab.expectHeading("Of " + string(user))
	for _, url := range []string{mine, report} { // a page of the visitor, and a file
		if err := chromedp.Do(tab.ctx, chromedp.Navigate(url)); err == nil {
			t.Errorf("%s is shown", url)
		}
	}
}
