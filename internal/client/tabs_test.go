package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/client"
	"github.com/towerkit/tower/internal/wire"
)

// A tab shows a page of test/network/tab.ts.
type tab struct {
	t   *testing.T
	ctx context.Context
	end func()
}

func openTab(t *testing.T, browser context.Context, n *network, query string) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(browser)
	t.Cleanup(end)
	tab := &tab{t, ctx, end}
	if err := chromedp.Do(ctx); err != nil { // what opens a tab must not have a bound: it ends with that
		t.Fatal(err)
	}
	tab.do(chromedp.Navigate(n.server.URL + "/tab?" + query))
	return tab
}

func (tab *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		tab.t.Fatal(err)
	}
}

// crash ends the tab's process. It does not answer to that.
func (tab *tab) crash() {
	ctx, cancel := context.WithTimeout(tab.ctx, 200*time.Millisecond)
	defer cancel()
	_ = chromedp.Do(ctx, chromedp.Navigate("chrome://crash"))
}

// set freezes the tab, or wakes it up.
func (tab *tab) set(state page.SetWebLifecycleStateState) {
	tab.t.Helper()
	if _, err := chromedp.Call(tab.ctx, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state}); err != nil {
		tab.t.Fatal(err)
	}
}

// has waits for what a script's promise tells, and wants it.
func (tab *tab) has(script string, want any) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, 20*time.Second)
	defer cancel()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[any](script, chromedp.EvalAwaitPromise))
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		tab.t.Fatalf("%s is %v (%v), not %v", script, got, err, want)
	}
}

func (n *network) note(t *testing.T, text string) {
	t.Helper()
	if err := Notes.Create(t.Context(), n.app, &Note{Text: text}); err != nil {
		t.Fatal(err)
	}
}

// open returns the cursors that are open, as the console sees them.
func (n *network) open(t *testing.T, folder string) map[string]int {
	t.Helper()
	conn, err := net.Dial("unix", wire.SocketPath(folder, os.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, `{"id":1,"do":%q,"by":"console:test"}`+"\n"+`{"id":2,"do":%q}`+"\n", wire.DoHello, wire.DoCursors)
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadBytes('\n')
		var reply wire.ControlReply
		if err == nil {
			err = json.Unmarshal(line, &reply)
		}
		if err != nil || reply.Error != nil {
			t.Fatalf("%v %+v", err, reply.Error)
		}
		if reply.ID != 2 {
			continue
		}
		var cursors []wire.CursorInfo
		if err := json.Unmarshal(reply.OK, &cursors); err != nil {
			t.Fatal(err)
		}
		holders := map[string]int{}
		for _, c := range cursors {
			holders[c.Names[0]] += c.Holders
		}
		return holders
	}
}

func tabNetwork(t *testing.T) (*network, string) {
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TOWER_FOLDER", folder)
	n := newNetwork(t, map[string][]byte{"/tab": client.Bundle(t, "test/network/tab.ts")})
	if err := n.app.OpenControl(); err != nil {
		t.Fatal(err)
	}
	return n, folder
}

func TestTabsShareAConnection(t *testing.T) {
	n, folder := tabNetwork(t)
	n.set(faults{Upgrade: "502"})
	browser := client.StartBrowser(t)
	one := openTab(t, browser, n, "share&mine")
	one.has("tab.ready", "stream")
	two := openTab(t, browser, n, "share")
	two.has("tab.ready", "stream")
	if n.count("stream") != 1 {
		t.Errorf("two tabs have %d streams", n.count("stream"))
	}
	if open := n.open(t, folder); open["notes.all"] != 1 || open["notes.mine"] != 1 {
		t.Errorf("open are %v", open)
	}

	// It climbs for both of them at once.
	n.set(faults{})
	n.note(t, "for both")
	for _, tab := range []*tab{one, two} {
		tab.has(`tab.over("socket")`, true)
		tab.has(`tab.note("for both")`, true)
	}
	two.has(`tab.call("POST /notes", {text: "from the other"})`, 201)
	one.has(`tab.note("from the other")`, true)
	if n.count("socket") != 2 { // the first was refused
		t.Errorf("%d sockets were opened", n.count("socket"))
	}

	// A tab that goes takes along what it alone held.
	one.end()
	three := openTab(t, browser, n, "share")
	three.has("tab.ready", "socket")
	for n.open(t, folder)["notes.mine"] != 0 {
		three.has(`tab.call("GET /greeting", {})`, 200) // until the browser has told the worker
	}

	// Who signs in in one tab does so in all, also past the connection.
	user := tower.NewID()
	three.has(fmt.Sprintf(`tab.call("POST /session", {user: %q})`, user), 200)
	for _, tab := range []*tab{two, three} {
		tab.has(fmt.Sprintf(`tab.user(%q)`, user), true)
	}
	post := `fetch("/session", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({user: ""})}).then(answer => answer.status)`
	two.has(post, http.StatusOK)
	four := openTab(t, browser, n, "share")
	for _, tab := range []*tab{two, three, four} {
		tab.has(`tab.user("")`, true)
	}
	n.note(t, "for all")
	for _, tab := range []*tab{two, three, four} {
		tab.has(`tab.note("for all")`, true)
	}
}

// TestATabOutlivesTheOneThatItSharesAConnectionWith crashes the tab in whose
// process the browser may have put what both of them share.
func TestATabOutlivesTheOneThatItSharesAConnectionWith(t *testing.T) {
	n, _ := tabNetwork(t)
	browser := client.StartBrowser(t)
	one := openTab(t, browser, n, "share")
	one.has("tab.ready", "socket")
	two := openTab(t, browser, n, "share")
	two.has("tab.ready", "socket")
	one.crash()
	n.note(t, "for who is left")
	two.has(`tab.note("for who is left")`, true)
	two.has(`tab.call("POST /notes", {text: "from who is left"})`, 201)
}

func TestTabsThatDoNotShareHaveConnectionsOfTheirOwn(t *testing.T) {
	n, folder := tabNetwork(t)
	browser := client.StartBrowser(t)
	for _, tab := range []*tab{openTab(t, browser, n, ""), openTab(t, browser, n, "")} {
		tab.has("tab.ready", "socket")
	}
	if open := n.open(t, folder); n.count("socket") != 2 || open["notes.all"] != 2 {
		t.Errorf("two tabs have %d sockets; open are %v", n.count("socket"), open)
	}
}

// TestATabThatWasFrozenNoticesThatItsConnectionIsGone freezes tabs, as a browser
// does that spares the battery, and lets the network forget them meanwhile.
func TestATabThatWasFrozenNoticesThatItsConnectionIsGone(t *testing.T) {
	n, _ := tabNetwork(t)
	browser := client.StartBrowser(t)
	for _, transport := range []string{"socket", "stream", "poll"} {
		t.Run(transport, func(t *testing.T) {
			tab := openTab(t, browser, n, "transports="+transport)
			tab.has("tab.ready", transport)
			tab.set(page.SetWebLifecycleStateStateFrozen)
			n.stall()
			n.note(t, "meanwhile, over a "+transport)
			tab.set(page.SetWebLifecycleStateStateActive)
			tab.has(fmt.Sprintf(`tab.note("meanwhile, over a %s")`, transport), true)
			tab.end()
		})
	}
}
